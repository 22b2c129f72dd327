"""Building and taking back through a real process: what is printed, what is there afterwards, and the code."""

import json
import shlex
from datetime import UTC, datetime

import psycopg
import pytest

from tests.cli.changes import SAFEGUARDS


def closed_window():
    """Settings of a window that opens in two hours."""
    hour = datetime.now(UTC).hour
    return {
        f"{SAFEGUARDS}MAINTENANCE_WINDOW_ENABLED": "true",
        f"{SAFEGUARDS}MAINTENANCE_WINDOW_START_HOUR": str((hour + 2) % 24),
        f"{SAFEGUARDS}MAINTENANCE_WINDOW_END_HOUR": str((hour + 3) % 24),
    }


def test_a_plan_is_built_found_built_and_taken_back(changes):
    names = {r["name"] for r in changes.advice}
    dry = changes.cli("apply", changes.plan, "--dry-run", "--exit-code")
    assert dry.code == 3
    assert all(f"{r['ddl']};" in dry.out.splitlines() for r in changes.advice)
    assert dry.out.splitlines()[-1] == "dry run: nothing changed"
    assert changes.ours() == {}

    built = changes.cli("apply", changes.plan, "--yes", "--json")
    assert built.code == 0, built.err
    assert built.err == ""
    value = built.json("apply")
    assert value["status"] == "ok"
    assert {m["outcome"] for m in value["result"]["mutations"]} == {"done"}
    assert all(g["allowed"] for g in value["result"]["guards"])
    assert {"window", "bypass", "disk", "lock"} <= {g["name"] for g in value["result"]["guards"]}
    assert set(changes.ours().values()) == {True}
    assert len(changes.ours()) == len(names)

    again = changes.cli("apply", changes.plan, "--yes")
    assert again.code == 0
    assert f"{len(names)} there already" in again.out
    cron = changes.cli("apply", "--window", "--yes", "--quiet")
    assert (cron.code, cron.out, cron.err) == (0, "", "")

    first = value["result"]["mutations"][0]
    log = changes.cli("history", "--type", "create_index")
    assert any(line.startswith(first["id"]) and " VALID " in line for line in log.out.splitlines())
    told = changes.cli("explain", first["id"], "--json").json("explain")
    assert told["result"]["verdict"] == "VALID"
    assert told["result"]["mutation"]["undo"] == first["undo"]
    (following,) = told["next"]
    assert following.startswith("indexpilot rollback -d ") and following.endswith(f" {first['id']} --dry-run")

    undo = changes.cli("rollback", changes.plan, "--dry-run", "--format", "sql")
    assert undo.code == 0, undo.err
    drops = [line for line in undo.out.splitlines() if line.startswith("DROP INDEX CONCURRENTLY ")]
    assert len(drops) == len(names)
    taken = changes.cli("rollback", changes.plan, "--yes", "--json")
    assert taken.code == 0, taken.err
    assert {m["outcome"] for m in taken.json("rollback")["result"]["undone"]} == {"done"}
    assert changes.ours() == {}
    nothing = changes.cli("rollback", changes.plan, "--yes", "--json")
    assert nothing.code == 0
    assert nothing.json("rollback")["status"] == "skipped"


def test_one_index_by_id_by_file_and_at_most_so_many(changes):
    one = changes.advice[1]
    built = changes.cli("apply", one["id"], "--yes")
    assert built.code == 0, built.err
    line = next(line for line in built.out.splitlines() if one["id"] in line)
    assert line.startswith("M-")
    assert " built " in line
    assert built.out.splitlines()[-1] == "1 built"
    assert changes.cli("rollback", "--last", "--yes", "--quiet").code == 0
    from_file = changes.cli("apply", changes.file("mine.json", *changes.advice), "--max", "1", "--yes", "--json")
    assert from_file.code == 0, from_file.err
    outcomes = [m["outcome"] for m in from_file.json("apply")["result"]["mutations"]]
    assert outcomes.count("done") == 1
    assert len(changes.ours()) == 1
    script = changes.cli("apply", "--dry-run", "--format", "sql")
    with psycopg.connect(changes.dsn) as connection:
        for statement in script.out.split(";\n"):
            if "CREATE" in statement:
                connection.execute(statement.replace("CONCURRENTLY", "").encode())
        connection.rollback()


@pytest.mark.parametrize("mode", ["planner", "replay"])
def test_the_statements_to_verify_with_come_from_a_file(changes, mode):
    (changes.home / "reads.sql").write_text("SELECT id, status FROM orders WHERE customer_id = 4711;\n")
    wanted = next(r for r in changes.advice if "customer_id" in r["keys"])
    asked = ("apply", wanted["id"], "--yes", "--verify", mode, "--json")
    missing = changes.cli(*asked, "--workload", "absent.sql")
    assert missing.code == 2
    assert "absent.sql" in missing.json("error")["error"]["message"]
    assert changes.ours() == {}  # found out before anything was built
    ran = changes.cli(*asked, "--workload", "reads.sql")
    assert ran.code == 0, ran.err
    (built,) = ran.json("apply")["result"]["mutations"]
    assert built["verification"]["verdict"] == "verified"
    assert "q-" in built["verification"]["text"]
    undo = changes.cli("rollback", "--last", "--dry-run")
    assert "1 template gets slower (as measured when it was built)" in undo.out


def test_idle_runs_of_a_timer_are_counted_and_shown(changes):
    changes.rows("DELETE FROM indexpilot.idle_runs RETURNING 1")
    rows = "SELECT count(*) FROM indexpilot.mutation_log"
    assert changes.cli("apply", changes.plan, "--yes").code == 0
    ((before,),) = changes.rows(rows)
    for _ in range(2):
        for line in (("apply", "--window", "--yes", "--quiet"), ("doctor", "--ready", "--quiet")):
            ran = changes.cli(*line)
            assert (ran.code, ran.out, ran.err) == (0, "", "")
    closed = changes.cli("apply", "--window", "--yes", "--quiet", **closed_window())
    assert (closed.code, closed.out, closed.err) == (0, "", "")
    assert changes.rows(rows) == [(before + 2,)]  # one of each within an hour
    counted = changes.rows("SELECT command, outcome, runs, first_at < last_at FROM indexpilot.idle_runs ORDER BY 1, 2")
    assert [row[:3] for row in counted] == [("apply", "already_done", 3), ("doctor", "ready", 2)]
    assert all(later for *_, later in counted)
    shown = changes.cli("history", "--json").json("history")["result"]["idle"]
    assert [(i["command"], i["outcome"], i["runs"]) for i in shown] == [row[:3] for row in counted]
    assert "apply: 3 idle runs (already_done), the last 20" in changes.cli("history").out


def test_outside_the_window_cron_is_silent_and_a_person_is_told(changes):
    cron = changes.cli("apply", "--window", "--yes", "--max", "1", "--quiet", **closed_window())
    assert (cron.code, cron.out, cron.err) == (0, "", "")
    told = changes.cli("apply", "--window", "--yes", "--json", **closed_window())
    assert told.code == 0
    value = told.json("apply")
    assert value["status"] == "skipped"
    assert value["result"]["skipped"] == "window"
    assert value["result"]["next_opening"] > value["generated_at"]
    person = changes.cli("apply", "--yes", **closed_window())
    assert (person.code, person.out) == (6, "")
    assert "error: refused: the window " in person.err
    assert person.err.splitlines()[-1].startswith("hint: ")
    document = changes.cli("apply", "--yes", "--json", **closed_window())
    assert document.code == 6
    refused = document.json("apply")
    assert refused["status"] == "refused"
    assert [g["name"] for g in refused["result"]["guards"] if not g["allowed"]] == ["window"]
    open_now = changes.cli("apply", "--window", "00:00-24:00 UTC", "--dry-run", "--exit-code", **closed_window())
    assert open_now.code == 3
    assert "Guards" not in open_now.err
    assert changes.ours() == {}


def test_what_cannot_be_answered_is_refused_before_any_server_is_asked(cli, no_server):
    for arguments in (("apply",), ("rollback", "--last")):
        ran = cli(*arguments, *no_server, stdin="y\n")
        assert ran.code == 2
        assert ran.err.splitlines()[-1] == "hint: add --yes, or --dry-run"
        assert cli(*arguments, "--json", *no_server).json("error")["error"]["code"] == "no_input"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apply", "--yes", "--auto-revert"), "--auto-revert needs --verify"),
        (("apply", "--yes", "--verify", "--replay-on", "x"), "--replay-on needs --verify replay"),
        (("apply", "--yes", "--workload", "w.sql"), "--workload needs --verify planner or --verify replay"),
        (("apply", "--yes", "--verify", "statistics", "--workload", "w.sql"), "--workload needs"),
        (("apply", "--yes", "--lock-timeout", "soon"), "--lock-timeout"),
        (("apply", "--yes", "--max", "0"), "--max"),
        (("rollback", "--yes"), "say what to take back"),
        (("rollback", "--yes", "--to-version", "1"), "--to-version goes with one index"),
        (("rollback", "--yes", "--to-version", "1", "--last"), "--to-version goes with one index"),
        (("rollback", "M-1", "--last", "--yes"), "not two of them"),
        (("doctor", "--live", "--ready"), "stand alone"),
        (("doctor", "--ready", "--snapshot", "x"), "need the server"),
    ],
)
def test_wrong_arguments_are_2(cli, arguments, words):
    ran = cli(*arguments)
    assert ran.code == 2
    assert words in ran.err


def test_unknown_ids_are_2_with_a_hint(changes):
    for arguments in (
        ("apply", "P-nothere", "--dry-run"),
        ("apply", "R-00000000", "--yes"),
        ("apply", "absent.json", "--yes"),
        ("apply", "--yes", "--window", "22:00-05:00 Europe/Berln"),
        ("rollback", "M-999999", "--yes"),
        ("explain", "M-999999"),
        ("explain", "M-x"),
        ("plan", "show", "P-nothere"),
        ("plan", "approve", "P-nothere"),
        ("bypass", "disable"),
    ):
        ran = changes.cli(*arguments, "--json")
        assert ran.code == 2, (arguments, ran.err)
        ran.json("error")
        assert "hint: " in ran.err or "absent.json" in ran.err, arguments


@pytest.mark.parametrize(
    "arguments",
    [("apply", "--yes"), ("rollback", "--last", "--yes"), ("bypass", "status"), ("plan", "show"), ("doctor", "--live")],
)
def test_unreachable_is_4(cli, no_server, arguments):
    ran = cli(*arguments, "--json", *no_server)
    assert ran.code == 4
    assert ran.json("error")["status"] == "failed"


def test_before_init_is_5(cli, shop):
    for arguments in (
        ("apply", "--dry-run"),
        ("rollback", "--last", "--yes"),
        ("bypass", "disable", "--reason", "x"),
        ("plan", "approve", "P-1"),
        ("explain", "M-1"),
        ("doctor", "--reconcile"),
    ):
        ran = cli(*arguments, "-d", shop, "--json")
        assert ran.code == 5, (arguments, ran.err)
        assert "indexpilot init" in ran.json("error")["error"]["hint"]
    quiet = cli("doctor", "--ready", "--quiet", "-d", shop)
    assert (quiet.code, quiet.out, quiet.err) == (5, "", "")
    ready = cli("doctor", "--ready", "-d", shop, "--json")
    assert ready.code == 5
    assert ready.json("doctor")["status"] == "failed"
    assert cli("doctor", "--live", "-d", shop).code == 0


def test_switched_off_is_6_until_switched_on(changes):
    off = changes.cli("bypass", "disable", "--reason", "release | tonight", "--for", "4h", "--json")
    assert off.code == 0, off.err
    value = off.json("bypass")["result"]
    assert (value["running"], value["changed"]) == (False, True)
    system = next(level for level in value["levels"] if level["level"] == "system")
    assert system["source"] == "runtime switch"
    assert system["until"] > system["since"]
    try:
        refused = changes.cli("apply", "--yes", "--json")
        assert refused.code == 6
        assert "bypass" in [g["name"] for g in refused.json("apply")["result"]["guards"] if not g["allowed"]]
        status = changes.cli("bypass", "status")
        assert "IndexPilot is switched off" in status.out
        assert "release | tonight" in status.out
        assert "indexpilot bypass enable -d " in status.err.splitlines()[-1]
    finally:
        on = changes.cli("bypass", "enable", "--reason", "done")
    assert on.code == 0
    assert on.out.splitlines()[-1] == "IndexPilot may change indexes"
    types = {r[0] for r in changes.rows("SELECT mutation_type FROM indexpilot.mutation_log")}
    assert {"SYSTEM_ENABLE", "SYSTEM_DISABLE"} <= types


def test_a_plan_that_nobody_approved_is_6_where_that_is_asked(changes):
    asked = ("apply", changes.plan, "--require-approval", "--yes", "--max", "1")
    refused = changes.cli(*asked)
    assert refused.code == 6
    assert f"indexpilot plan approve {changes.plan}" in refused.err
    approved = changes.cli("plan", "approve", changes.plan, "--reason", "reviewed", "--json")
    assert approved.code == 0, approved.err
    assert approved.json("plan_approve")["result"]["already"] is False
    assert changes.cli(*asked).code == 0
    again = changes.cli("plan", "approve", changes.plan)
    assert "already before" in again.out


def test_plan_show_is_the_document_of_recommend_and_apply_reads_it(changes):
    shown = changes.cli("plan", "show", changes.plan, "--output", "plan.json")
    assert (shown.code, shown.out) == (0, "")
    document = json.loads((changes.home / "plan.json").read_text())
    assert document["schema"] == "indexpilot.recommend/1"
    assert document["result"]["recommendations"] == changes.document["result"]["recommendations"]
    ran = changes.cli("apply", "plan.json", "--dry-run", "--json")
    assert ran.code == 0, ran.err
    assert [m["ddl"] for m in ran.json("apply")["result"]["mutations"]] == [r["ddl"] for r in changes.advice]
    latest = changes.cli("plan", "show")
    assert latest.out.startswith(f"Plan {changes.plan}")


def test_every_next_command_parses(changes):
    lines = set()
    for arguments in (
        ("apply", "--dry-run"),
        ("plan", "show"),
        ("doctor", "--ready"),
        ("history",),
        ("bypass", "status"),
    ):
        lines |= set(json.loads(changes.cli(*arguments, "--json").out)["next"])
    assert lines
    for line in lines:
        assert changes.cli(*shlex.split(line)[1:], "--help").code == 0, line
