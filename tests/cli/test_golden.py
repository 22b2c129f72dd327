"""What every reading command prints for the little shop, word by word; numbers, sizes and moments are masked."""

import re
from pathlib import Path

import pytest

MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?Z?)?"), "DATE"),
    (re.compile(r"\b(\d+ (s|min|h|d) ago|now)\b"), "AGO"),
    (re.compile(r"\bP-[0-9a-f]+"), "P-ID"),
    (re.compile(r"\bM-\d+"), "M-N"),
    (re.compile(r"\bq-[0-9a-f]+"), "q-ID"),
    (re.compile(r"[\d,.]+ (B|kB|MB|GB)\b"), "SIZE"),
    (re.compile(r"(?<![\w-])[-+]?\d[\d,.]*(?=[\s,;%:)]|$)"), "N"),
    (re.compile(r"N\.N|N/N"), "N"),
    (re.compile(r"/\S*indexpilot-pg-\S*|\S*:\d+/\S+"), "PLACE"),
    (re.compile(r"^(Rejected|Skipped)  .*", re.MULTILINE), r"\1  REASONS"),
    (re.compile(r"  +"), "  "),
)


def masked(text):
    """The text with what differs from machine to machine and from version to version masked."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


FOLDER = Path(__file__).parent / "golden"
COMMANDS = {
    "discover": "discover",
    "discover_verbose": "discover --sort name --verbose",
    "analyze": "analyze --source sql workload.sql",
    "plan": "plan show",
    "plan_verbose": "plan show --verbose",
    "explain": "explain R-c3ee635a",
    "init_dry_run": "init --dry-run --config-only --config new.yaml",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_text_of_a_command(prepared, name):
    ran = prepared.cli(*COMMANDS[name].split())
    assert ran.code == 0, ran.err
    assert masked(ran.out) == (FOLDER / f"{name}.txt").read_text()


def test_doctor_checks_in_the_order_to_fix_them_in(changes):
    ran = changes.cli("doctor")
    assert ran.code == 0
    lines = [line.split("  ")[0] + "  " + re.split("  +", line)[1] for line in ran.out.splitlines() if "  " in line]
    names = [line.partition("  ")[2] for line in lines if not line.endswith("pooler")]
    expected = ["connection", "server", "planner twin", "generic plans", "hypopg", "pg_stat_statements", "privileges"]
    assert names == [*expected, "metadata", "operations", "statistics", "indexes"]
    assert {f"ok  {n}" for n in ("connection", "server", "privileges", "metadata", "operations", "indexes")} <= set(
        lines
    )


def test_history_reads_newest_first(changes):
    assert changes.cli("discover").code == 0
    assert changes.cli("plan", "approve", "P-0000000").code == 2
    shown = masked(changes.cli("history").out).splitlines()
    assert shown[0] == "id  when  what  state  table  who  details"
    assert shown[1].startswith("M-N  DATE  SYSTEM_CONFIG_CHANGE  FAILED  -  ")
    assert "error: no plan 'P-ID'" in shown[1]
    assert shown[2].startswith("M-N  DATE  DISCOVER  DONE  -  ")
    assert shown[-1] == "N mutations"


def test_a_snapshot_says_what_it_holds(prepared):
    ran = prepared.cli("snapshot", "save", "s.ipsnap", "--source", "sql", "--file", "workload.sql")
    assert ran.code == 0, ran.err
    text = masked(ran.out)
    assert "s.ipsnap" in text
    assert "N tables, N indexes" in text


def test_every_run_leaves_its_row_also_when_it_changed_nothing(changes):
    def rows():
        return changes.rows("SELECT count(*), max(state) FROM indexpilot.mutation_log")[0]

    before = rows()[0]
    for arguments, code in {
        ("apply", "--dry-run"): 0,
        ("apply", "P-nothere", "--yes"): 2,
        ("rollback", "M-999999", "--dry-run"): 2,
        ("bypass", "status"): 0,
        ("doctor", "--reconcile"): 0,
        ("plan", "show"): 0,
        ("explain", "M-999999"): 2,
    }.items():
        assert changes.cli(*arguments).code == code, arguments
        assert rows()[0] > before, arguments
        before = rows()[0]
