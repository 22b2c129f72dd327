"""A schema review in every form: word by word, and with hostile names in it."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.cells import cell_len

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import Lock, LockMode, Relation
from indexpilot_cli.core.units import seconds
from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.evolve.review.values import Blocked, CheckResult, Duration, Impact, StatementVerdict, UnparsedFile
from indexpilot_cli.render import code_scanning
from indexpilot_cli.render.document import Code, EntryBlock
from indexpilot_cli.render.schema import text as schema_text
from indexpilot_cli.render.terminal import rich
from indexpilot_cli.render.text import plain
from indexpilot_cli.render.views import recommend
from indexpilot_cli.render.views.review.entries import better, caret, difference
from indexpilot_cli.render.views.review.view import view
from indexpilot_cli.render.views.review.words import span, statement_text
from tests.unit.render import schema_evolve_samples as samples
from tests.unit.render.samples import PLAN
from tests.unit.render.sarif_schema import problems

GOLDEN = Path(__file__).parent / "golden"
COMMAND = re.compile(r"^\s*(::(error|warning|notice|add-mask|stop-commands)|##\[)", re.MULTILINE)


def document(name, **options):
    return view(samples.ALL[name], hazards=samples.HAZARDS, **options)


def rendered(name, form):
    shown = document(name)
    if form == "pipe":
        return plain(shown)
    if form == "fix":
        return plain(document(name, fix=True))
    if form == "verbose":
        return rich(document(name, verbose=True), 100, color=False)
    return shown.forms[form]() if form in shown.forms else rich(shown, int(form), color=False)


FORMS = ("80", "100", "160", "pipe", "markdown", "github", "sarif")
GOLDENS = [("full", form) for form in (*FORMS, "fix", "verbose")]
GOLDENS += [("several", form) for form in ("80", "pipe", "markdown", "github")]
GOLDENS += [("clean", "pipe"), ("nothing", "pipe"), ("unparsed", "80")]


@pytest.mark.parametrize(("name", "form"), GOLDENS)
def test_the_text_of_a_review(name, form):
    assert rendered(name, form) == (GOLDEN / f"schema_evolve_{name}_{form}.txt").read_text()


@pytest.mark.parametrize("name", samples.ALL)
@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_terminal_shows_the_verdict_first_and_cuts_no_name(name, width):
    text = rich(document(name), width, color=False)
    result = samples.ALL[name]
    first = text.splitlines()[0]
    if len(result.files) == 1:
        assert any(word in first for word in ("blocks", "fails", "not SQL"))
    for file in result.files if name != "evil" else ():
        for finding in file.findings:
            if finding.ignored is None:
                assert all(lost in text for lost in finding.loses)
                assert finding.instead in text
    if name != "evil":
        code = [
            line
            for b in document(name).blocks
            if isinstance(b, EntryBlock)
            for _, c in b.rows
            if isinstance(c, Code)
            for line in c.text.split("\n")
        ]
        free = [line for line in text.splitlines() if not any(line.endswith(c) for c in code if c.strip())]
        assert all(cell_len(line) <= width for line in free)


def test_every_verdict_has_words_of_its_own():
    quiet = samples.QUIET
    heads = set()
    for impact in Impact:
        verdict = StatementVerdict(impact, duration=Duration(2, 9), why="because of that")
        file = replace(samples.CLEAN_FILE, verdict=impact, statements=(replace(quiet, verdict=verdict),))
        heads.add(plain(view(CheckResult((file,)))).splitlines()[0])
    assert len({head.partition("  ")[2].split("  ")[0] for head in heads}) == len(Impact)
    unsure = StatementVerdict(Impact.FAILS, why="the data could not be asked", certain=False)
    file = replace(samples.CLEAN_FILE, verdict=Impact.FAILS, statements=(replace(quiet, verdict=unsure),))
    lines = plain(view(CheckResult((file,)))).splitlines()
    assert lines[0] == "0041_comment.sql  may fail  line 1: the data could not be asked"
    assert lines[2].startswith("0041_comment.sql:1  may fail  COMMENT ON TABLE")


def test_what_is_ignored_is_counted_and_shown_only_when_asked_for():
    assert "the table is empty" not in plain(document("full"))
    assert "1 ignored" in plain(document("full"))
    assert "ignored  the table is empty" in plain(document("full", verbose=True))
    assert "the table is empty" not in document("full").forms["github"]()


def test_many_open_questions_are_counted():
    result = replace(samples.CLEAN, not_checked=tuple(f"question {n}" for n in range(20)))
    assert "14 more: --verbose" in plain(view(result))
    assert "question 19" in plain(view(result, verbose=True))


def test_the_json_of_every_review_is_valid():
    validator = Draft202012Validator(
        json.loads(schema_text("schema-evolve"))["properties"]["result"] | {"$defs": defs()}
    )
    for result in samples.ALL.values():
        validator.validate(json.loads(json.dumps(view(result).payload)))
    payload = view(samples.RESULT).payload
    assert payload["counts"] == {"error": 2, "warning": 1, "info": 0, "ignored": 1}
    statements = payload["files"][0]["statements"]
    assert [s["verdict"] for s in statements][:3] == ["long_blocks_writes", "brief_lock", "long_blocks_reads"]
    assert statements[3]["error"]["sqlstate"] == "23514"
    assert payload["templates"][0]["status"] == "breaks"
    assert payload["files"][0]["fixed"] == samples.FIXED


def defs():
    return json.loads(schema_text("schema-evolve"))["$defs"]


@pytest.mark.parametrize("name", samples.ALL)
def test_sarif_is_what_the_standard_demands(name):
    log = json.loads(document(name).forms["sarif"]())
    assert problems(log) == []
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in run["results"])
    prints = [json.dumps(r["partialFingerprints"]) for r in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_of_an_index_proposal_and_of_a_failure():
    log = json.loads(recommend.view(PLAN, sources=("-", "dir/work load.sql")).forms["sarif"]())
    assert problems(log) == []
    results = log["runs"][0]["results"]
    assert [r["properties"]["id"] for r in results] == [r.id for r in PLAN.recommendations]
    place = results[0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "dir/work%20load.sql"
    assert place["logicalLocations"] == [{"kind": "table", "fullyQualifiedName": "public.orders"}]
    failed = json.loads(code_scanning.failure(UnreachableError("no server", detail="d", hint="indexpilot doctor")))
    assert problems(failed) == []
    assert failed["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_sarif_fingerprints_survive_moved_lines_and_tell_twins_apart():
    def prints(result):
        log = json.loads(view(result).forms["sarif"]())
        return [r["partialFingerprints"][code_scanning.FINGERPRINT] for r in log["runs"][0]["results"]]

    moved = replace(samples.FINDINGS[0], line=99, message="other words")
    file = replace(samples.SIMPLE_FILE, findings=(moved, samples.FINDINGS[1]))
    assert prints(CheckResult((file,))) == prints(samples.SIMPLE)
    twins = replace(samples.SIMPLE_FILE, findings=(samples.FINDINGS[0], moved))
    assert len(set(prints(CheckResult((twins,))))) == 2


def test_sarif_says_who_suppressed_a_finding():
    flag = replace(samples.FINDINGS[0], ignored="--ignore L01")
    log = json.loads(view(CheckResult((replace(samples.FILE, findings=(flag, samples.FINDINGS[3])),))).forms["sarif"]())
    kinds = [r["suppressions"][0]["kind"] for r in log["runs"][0]["results"]]
    assert kinds == ["external", "inSource"]


def test_a_region_covers_the_whole_statement():
    region = json.loads(document("full").forms["sarif"]())["runs"][0]["results"][3]["locations"][0]["physicalLocation"][
        "region"
    ]
    assert (region["startLine"], region["endLine"]) == (9, 11)
    assert region["endColumn"] == len(samples.TYPE_SQL.split("\n")[-1]) + 1


@given(st.text(), st.text(), st.text())
def test_nothing_breaks_out_of_an_annotation(message, title, path):
    line = code_scanning.annotation("error", message, title=title, path=path or "x", line=3, column=1)
    assert "\n" not in line
    assert "\r" not in line
    head, _, data = line.removeprefix("::error ").partition("::")
    fields = [field.partition("=") for field in head.split(",")]
    assert [key for key, _, _ in fields] == ["file", "line", "col", "title"]

    def back(text):
        return (
            text.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        )

    assert back(fields[3][2]) == title
    assert data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") == message


def test_standard_input_is_no_file_for_github():
    file = replace(samples.SIMPLE_FILE, path="-", findings=(replace(samples.SIMPLE_FILE.findings[0], path="-"),))
    assert view(CheckResult((file,))).forms["github"]().startswith("::error line=3,endLine=3,col=1,title=L01")


def test_every_line_for_github_is_one_command():
    lines = document("evil").forms["github"]().splitlines()
    assert lines
    assert all(re.match(r"::(error|warning|notice) ", line) for line in lines)
    assert sum(line.startswith("::error") for line in lines) == 2


@pytest.mark.parametrize("form", ["80", "pipe", "fix", "verbose", "markdown", "github", "sarif"])
def test_hostile_names_steer_neither_terminal_nor_log_nor_markup(form):
    text = rendered("evil", form)
    assert "\x1b" not in text
    assert "\r" not in text
    if form in ("pipe", "fix", "markdown"):
        assert not COMMAND.search(text)
    assert not any(character in text for character in "\x00\x07\x9b")


def test_hostile_names_stay_text_in_markdown():
    text = rendered("evil", "markdown")
    bare = re.sub(r"(?s)^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE)
    bare = re.sub(r"(?s)(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)|<code>.*?</code>", "", bare)
    assert not re.search(r"(?<!\\)@all", bare)
    assert "<b>" not in bare
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows[:3]} == {5}


def test_long_reviews_fit_into_one_comment():
    files = tuple(replace(samples.FILE, path=f"{n}.sql") for n in range(200))
    text = view(CheckResult(files)).forms["markdown"]()
    assert len(text) < 65_536
    assert "are too long for a comment" in text


@pytest.mark.parametrize(
    ("text", "line", "column", "shown"),
    [
        ("a\nSELECT 1 +", 2, 8, "SELECT 1 +\n       ^"),
        ("\tx", 1, 2, " x\n ^"),
        ("x" * 200, 1, 150, "…" + "x" * 72 + "…\n" + " " * 37 + "^"),
        ("x", 2, 1, ""),
        ("x", 0, 0, ""),
        ("", 1, 1, "\n^"),
    ],
)
def test_the_caret_stands_under_its_letter(text, line, column, shown):
    assert caret(text, line, column) == shown


@given(st.text(st.characters(codec="ascii"), max_size=200), st.integers(1, 5), st.integers(1, 300))
def test_the_caret_points_at_the_same_letter_in_any_line(text, line, column):
    shown = caret(text, line, column)
    if shown:
        above, below = shown.split("\n")
        at = below.index("^")
        original = text.split("\n")[line - 1].rstrip().replace("\t", " ")
        assert (above[at : at + 1] or " ") == (original[column - 1 : column] or " ")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.1, 0.5, "under 1 s"),
        (0.1, 12, "up to 12 s"),
        (130, 360, "2 min to 6 min"),
        (240, 250, "about 4 min"),
        (40, 90, "40 s to 90 s"),
        (3600, 12_000, "60 min to 3.3 h"),
        (90_000, 400_000, "25 h to 5 d"),
    ],
)
def test_times_as_exact_as_an_estimate_deserves(low, high, text):
    assert span(Duration(low, high)) == text


@given(st.floats(0, 1e9))
def test_seconds_always_have_a_unit(value):
    assert re.fullmatch(r"[\d.]+ (ms|s|min|h|d)", seconds(value))


def test_statements_are_quoted_on_one_line():
    assert statement_text("ALTER TABLE t\n  ADD x int") == "ALTER TABLE t ADD x int;"
    long = statement_text("SELECT " + ", ".join(f"column_{n}" for n in range(100)))
    assert len(long) <= 162
    assert long.endswith("column_13, …") or long.endswith(" …")


def test_a_difference_applies(tmp_path):
    (tmp_path / samples.FILE.path).write_text(samples.FILE.text)
    patch = difference(samples.FILE) + "\n"
    done = subprocess.run(["patch", "-p1"], input=patch, text=True, cwd=tmp_path, capture_output=True, check=False)
    if done.returncode == 127:
        pytest.skip("no patch program")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / samples.FILE.path).read_text() == samples.FIXED


def test_only_a_form_that_is_no_worse_takes_the_files_place():
    changed = replace(samples.SIMPLE_FILE, fixed=samples.FIXED)
    assert better(replace(changed, fixed_verdict=Impact.LONG_ONLINE))
    assert better(replace(changed, fixed_verdict=Impact.LONG_BLOCKS_WRITES))
    assert not better(replace(changed, fixed_verdict=Impact.LONG_BLOCKS_READS))
    assert not better(changed)
    assert not better(replace(changed, fixed=changed.text, fixed_verdict=Impact.NO_BLOCK))
    assert not better(samples.FILE)
    assert "no safer form was found" in plain(document("clean", fix=True))
    rules = CheckResult((replace(samples.CLEAN_FILE, method="rules"),))
    assert "only where the file can be run" in plain(view(rules, fix=True))


def test_a_statement_that_blocks_is_shown_even_without_a_finding():
    blocked = Blocked(samples.ORDERS, LockMode.ACCESS_EXCLUSIVE, True, True)
    verdict = StatementVerdict(Impact.LONG_BLOCKS_READS, (blocked,), ("rewrites public.orders",), Duration(60, 70))
    file = replace(samples.CLEAN_FILE, verdict=verdict.impact, statements=(replace(samples.QUIET, verdict=verdict),))
    lines = plain(view(CheckResult((file,)))).splitlines()
    assert "    lock     ACCESS EXCLUSIVE on public.orders: reads and writes wait" in lines
    assert "    time     about 70 s" in lines


def test_the_place_of_a_syntax_error_without_a_column():
    file = replace(samples.UNPARSED_FILE, unparsed=UnparsedFile("nothing but noise", 0, 0))
    assert plain(view(CheckResult((file,)))).splitlines()[2] == "0044_bad.sql  error[syntax]  nothing but noise"
    assert problems(json.loads(view(CheckResult((file,))).forms["sarif"]())) == []


def test_severities_keep_their_order_for_github():
    info = replace(samples.FINDINGS[1], severity=Severity.INFO)
    file = replace(samples.FILE, findings=(info, samples.FINDINGS[1], samples.FINDINGS[0]))
    kinds = [line.split()[0] for line in view(CheckResult((file,))).forms["github"]().splitlines()]
    assert kinds == ["::error", "::warning", "::notice", "::notice"]


def told(*findings, statement=samples.BUILD, **options):
    file = replace(samples.SIMPLE_FILE, statements=(statement,), findings=findings)
    return plain(view(CheckResult((file,), samples.TEMPLATES), **options)).splitlines()


def test_notes_take_one_line_and_the_gravest_finding_quotes_the_statement():
    note = replace(samples.FINDINGS[0], id="T01", name="no-lock-timeout", severity=Severity.INFO, message="waits long")
    lines = told(note, samples.FINDINGS[0], replace(samples.FINDINGS[0], id="L99", message="a second thing"))
    assert lines[2] == "0042_orders.sql:3  info[T01 no-lock-timeout]  waits long"
    assert lines[4].endswith("error[L01 index-not-concurrent]  CREATE INDEX orders_ref_idx ON orders (ref);")
    assert "0042_orders.sql:3  error[L99 index-not-concurrent]  a second thing" in lines
    assert sum("CREATE INDEX orders_ref_idx" in line for line in lines) == 1
    assert "    why      waits long" in told(note, verbose=True)


def test_nothing_is_said_twice():
    work = "builds orders_ref_idx from public.orders"
    said = replace(samples.FINDINGS[0], message=f"{work}: writes wait for 2 min to 6 min")
    lines = told(said)
    assert not any(line.startswith(("    work", "    time")) for line in lines)
    assert any(line.startswith("    time") for line in told(said, verbose=True))
    broken = replace(samples.FINDINGS[1], message='q-2b91c0 fails: column "customer_id" does not exist', loses=())
    lines = told(replace(broken, templates=("q-2b91c0",)))
    assert sum('column "customer_id" does not exist' in line for line in lines) == 1
    named = replace(samples.FINDINGS[1], message="drops a_idx", loses=("a_idx",), templates=())
    assert not any("loses" in line for line in told(named))


def test_an_ignore_comment_stands_at_its_own_line():
    comment = replace(
        samples.FINDINGS[1], id="I02", sql="", line=2, statement=1, message="ignores nothing", loses=(), templates=()
    )
    lines = told(comment, samples.FINDINGS[0])
    assert lines[2] == "0042_orders.sql:2  warning[I02 index-lost]  ignores nothing"
    stray = replace(comment, statement=0, line=40)
    assert "0042_orders.sql:40  warning[I02 index-lost]  ignores nothing" in told(stray)


def test_of_what_fails_only_the_error_is_told():
    statement = replace(
        samples.BUILD, verdict=replace(samples.BUILD.verdict, impact=Impact.FAILS, error=samples.VIOLATED.verdict.error)
    )
    lines = told(samples.FINDINGS[0], statement=statement)
    assert any(line.startswith("    error    check constraint") for line in lines)
    assert not any(line.startswith(("    work", "    queue")) for line in lines)


def test_verbose_shows_the_locks_that_matter():
    index = Relation(QualifiedName("public", "orders_pkey"), "i", table=samples.ORDERS)
    made = Relation(QualifiedName("public", "new_table"), existed=False)

    def locks(*taken):
        seen = replace(samples.BUILD.observation, locks=taken)
        file = replace(samples.SIMPLE_FILE, statements=(replace(samples.BUILD, observation=seen),), findings=())
        return plain(view(CheckResult((file,)), verbose=True)).splitlines()[2]

    share, exclusive = Lock(samples.RELATION, LockMode.SHARE), Lock(samples.RELATION, LockMode.ACCESS_EXCLUSIVE)
    line = locks(share, exclusive, Lock(index, LockMode.ACCESS_EXCLUSIVE), Lock(made, LockMode.ACCESS_EXCLUSIVE))
    assert "  ACCESS EXCLUSIVE on public.orders  CREATE" in line
    assert "SHARE on public.orders, ACCESS EXCLUSIVE on public.orders_pkey" in locks(share, Lock(index, exclusive.mode))


def test_giant_statements_do_not_make_giant_uploads():
    giant = "INSERT INTO t VALUES " + ", ".join(f"({n})" for n in range(100_000))
    file = replace(samples.SIMPLE_FILE, findings=(replace(samples.FINDINGS[0], sql=giant, instead=giant),))
    shown = view(CheckResult((file,)))
    assert len(shown.forms["sarif"]()) < 20_000
    assert len(shown.forms["github"]()) < 20_000
    assert len(shown.forms["markdown"]()) < 65_536
    assert problems(json.loads(shown.forms["sarif"]())) == []


def test_who_stands_in_front_is_told_once():
    waits = replace(samples.FINDINGS[1], id="L39", name="wait-queue", statement=1, line=3, message="pid 4711 is first")
    waits = replace(waits, lock=LockMode.SHARE, loses=(), templates=(), details=())
    lines = told(samples.FINDINGS[0], waits)
    assert not any(line.startswith("    queue") for line in lines)
    assert sum(line.startswith("    lock") for line in lines) == 1
    assert "0042_orders.sql:3  warning[L39 wait-queue]  pid 4711 is first" in lines
    assert sum(line.startswith("    lock") for line in told(waits)) == 1
