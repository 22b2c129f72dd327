"""Plain text, Markdown and SQL."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.advise.planfile import plan_of
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.render import units
from indexpilot_cli.render.document import Code, Document, Facts, Lines, SqlStatement, TableBlock, TableColumn
from indexpilot_cli.render.envelope import as_json, envelope
from indexpilot_cli.render.text import comment, label_text, markdown, plain, sql
from indexpilot_cli.render.views import recommend
from tests.unit.render.samples import DROPPING_PLAN, NOW, PLAN, outcomes


def test_plain_tables_keep_numbers_as_they_are():
    table = TableBlock((TableColumn("a", "number"), TableColumn("b")), (("1e5", "007"), ("0x10", "1_000")))
    assert plain(Document((table,))) == "   a  b\n 1e5  007\n0x10  1_000\n"


def test_markdown_escapes_bars_in_cells_and_stars_in_prose():
    table = TableBlock((TableColumn("name"), TableColumn("why", "text")), (('"select|group"', "a * b | c"),))
    text = markdown(Document((table, Lines(("x_y * z",)), Facts((("Bound", "2 < 3"),)))))
    assert '| `"select\\|group"` | a \\* b \\| c |' in text
    assert "x\\_y \\* z" in text
    assert "- **Bound**: 2 \\< 3" in text


def test_markdown_code_survives_backticks():
    assert markdown(Document((Code("SELECT '```'"),))) == "````sql\nSELECT '```'\n````\n"


@given(st.text(max_size=80))
def test_markdown_rows_have_as_many_bars_as_columns(value):
    table = TableBlock((TableColumn("a", "query"), TableColumn("b", "text")), ((value, value),))
    row = markdown(Document((table,))).splitlines()[2]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


def test_sql_is_statements_with_reasons_above():
    text = sql(recommend.view(PLAN).statements, ("indexpilot recommend",))
    code = [line for line in text.splitlines() if line and not line.startswith("--")]
    assert code == [f"{r.ddl};" for r in PLAN.recommendations]
    assert "-- because: equality on customer_id (workload)" in text
    assert "-- undo: DROP INDEX CONCURRENTLY" in text


def test_what_goes_is_told_as_such_in_every_form():
    shown = recommend.view(DROPPING_PLAN, verbose=True)
    text = plain(shown)
    assert "orders (customer_id, created_at DESC) instead of orders_old" in text
    assert "12.0 MB freed" in text
    code = [line for line in sql(shown.statements, ()).splitlines() if line and not line.startswith("--")]
    assert [line.split()[0] for line in code] == ["ANALYZE", "CREATE", "DROP", "DROP"]
    assert "-- F-0f1e2d3c: 3.0 MB freed, write cost -2.0 %" in sql(shown.statements, ())
    found = json.loads(recommend.sarif_text(DROPPING_PLAN))["runs"][0]["results"]
    assert [r["ruleId"] for r in found] == ["missing-index", "needless-index"]
    assert "DROP INDEX CONCURRENTLY public.orders_old;" in found[0]["message"]["text"]


def test_a_plan_of_a_file_is_the_plan():
    outcome = Outcome("recommend", DROPPING_PLAN)
    document = json.loads(as_json(envelope(outcome, recommend.view(DROPPING_PLAN).payload, 0, NOW)))
    for read, kept in zip(plan_of(document).recommendations, DROPPING_PLAN.recommendations, strict=True):
        assert (read.action, read.replaces, read.needs, read.ddl) == (kept.action, kept.replaces, kept.needs, kept.ddl)


@given(st.text(max_size=300))
def test_nothing_escapes_from_a_comment(text):
    assert all(line.startswith("--") for line in comment(text).split("\n"))
    assert "\r" not in comment(text)


def test_statements_get_exactly_one_semicolon():
    assert sql((SqlStatement("SELECT 1;"), SqlStatement("SELECT 2"))) == "SELECT 1;\n\nSELECT 2;\n"
    assert sql(()) == ""


def test_labels_line_up_and_long_ones_keep_a_gap():
    assert label_text("Together", "x") == "Together    x"
    assert label_text("Plan P-7c1e4411", "x") == "Plan P-7c1e4411   x"


def test_plain_output_has_no_escape_and_ends_with_a_line_feed():
    for _, _, document in outcomes():
        text = plain(document)
        assert "\x1b" not in text
        assert text.endswith("\n")
        assert not any(line != line.rstrip() for line in text.splitlines())


def test_bound_sentences():
    from dataclasses import replace

    sentence = recommend.bound_sentence
    counted = "counting writes and a price for each index"
    assert sentence(PLAN) == f"at most 3.3 % better is possible with these candidates, {counted}"
    near = replace(PLAN, bound=replace(PLAN.bound, gap=0.004))
    assert sentence(near) == f"no other choice of these candidates is better by more than 0.4 %, {counted} (proved)"
    assert sentence(replace(PLAN, bound=replace(PLAN.bound, gap=0.0))).startswith("no other choice")
    assert sentence(replace(PLAN, bound=replace(PLAN.bound, gap=None))) == "no bound was proved"


def test_units():
    assert [units.milliseconds(v) for v in (0.04, 3, 38, 6100, 401220, 122040000)] == [
        "0.04 ms",
        "3.0 ms",
        "38 ms",
        "6.1 s",
        "6 min 41 s",
        "33.9 h",
    ]
    assert [units.saving(v) for v in (0.462, -0.1, 0.0, None)] == ["-46.2 %", "+10.0 %", "0.0 %", "-"]
    assert [units.cost(v) for v in (8.441, 1204331.2, None, float("nan"))] == ["8.44", "1,204,331", "-", "-"]
    assert units.plural(1, "index", "indexes") == "1 index"
    assert units.plural(1870, "statement") == "1,870 statements"


@given(st.floats(0, 1e15))
def test_units_never_round_up_to_sixty(value):
    assert " 60 s" not in units.milliseconds(value)


def test_a_fall_is_never_rounded_to_everything():
    assert [units.fall(v) for v in (0.92, 0.9958, 0.99999, 1.0, -0.1)] == [
        "-92 %",
        "-99.6 %",
        "-99.9 %",
        "-100 %",
        "+10 %",
    ]


def test_many_risks_are_counted_and_verbose_shows_them_all():
    from dataclasses import replace

    from indexpilot_cli.core.plan import Risk

    risky = replace(PLAN.recommendations[0], risks=tuple(Risk("r", f"risk {n}", "ANALYZE t") for n in range(8)))
    plan = replace(PLAN, recommendations=(risky,))
    short, whole = plain(recommend.view(plan)), plain(recommend.view(plan, verbose=True))
    assert short.count("To settle it") == 5
    assert "3 more  (--verbose)" in short
    assert whole.count("To settle it") == 8
    low = replace(risky, risks=(Risk("r", "thin evidence"),), confidence="low", confidence_why="thin evidence")
    assert plain(recommend.view(replace(PLAN, recommendations=(low,)))).count("thin evidence") == 1


def test_no_line_of_somebody_elses_text_is_a_command_to_a_ci_runner():
    code = "SELECT 1\n  ::error file=a::x\n::add-mask::y\n  ::text::jsonb"
    shown = plain(Document((Code(code),)))
    assert not re.search(r"^\s*::(error|add-mask)", shown, re.MULTILINE)
    assert "\n  ::text::jsonb" in shown
    assert not re.search(r"^::", markdown(Document((Lines(("::warning::x",)),))), re.MULTILINE)
