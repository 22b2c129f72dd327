"""A statement that a stage cannot handle is set aside, and the forms of SQL that no stage may stumble over."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from indexpilot_cli.advise.candidates import propose
from indexpilot_cli.core.workload import FoldedWorkload, ObservedStatement, SourceKind, Stage, Workload
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.workload import fold as fold_module
from indexpilot_cli.workload import plannable
from indexpilot_cli.workload.aside import Fault, attempted, each, fault_warnings, together
from indexpilot_cli.workload.collect import read_sql
from indexpilot_cli.workload.compress import compress, features_of
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.templates import skipped_reports, with_scenarios, with_shares
from tests.unit.workload.shop import CATALOG

ODD = Path(__file__).parent / "odd_statements.sql"


def folded(*texts, calls=1.0):
    return fold([Workload(SourceKind.SQL, tuple(ObservedStatement(t, calls) for t in texts))], CATALOG)


def columns_of(*names):
    return folded(*(f"SELECT * FROM orders WHERE {name} = 1" for name in names))


def failing(*columns):
    def work(templates):
        for template in templates:
            if any(f" {column} = $1" in template.text for column in columns):
                raise KeyError("select")
        return len(templates)

    return work


@pytest.mark.parametrize("bad", [("id",), ("id", "due"), ("id", "customer_id", "flag", "total", "due")])
def test_culprits_are_found_and_the_rest_goes_on(bad):
    names = ("id", "customer_id", "flag", "total", "due")
    work = columns_of(*names)
    done = together(Stage.PROPOSE, work.templates, failing(*bad))
    assert done.result == len(names) - len(bad)
    left = done.without_lost(work)
    assert len(left.templates) == done.result
    assert [(s.reason, s.stage, s.detail) for s in left.skipped] == [
        ("failed", Stage.PROPOSE, "KeyError: 'select'") for _ in bad
    ]
    shares = [s.share for s in with_shares(left.skipped, left)]
    assert shares == pytest.approx([0.2] * len(bad))
    assert {(r.reason, r.stage, r.count) for r in skipped_reports(left)} == {("failed", Stage.PROPOSE, len(bad))}


def test_what_no_single_template_causes_is_raised():
    def crowded(templates):
        if len(templates) > 2:
            raise ValueError("too many")

    with pytest.raises(ValueError, match="too many"):
        together(Stage.PRICE, columns_of("id", "due", "flag").templates, crowded)


def test_what_no_statement_is_to_blame_for_is_raised():
    def gone():
        raise UnreachableError("the server went away")

    with pytest.raises(UnreachableError):
        attempted(Stage.PRICE, gone)
    fault = attempted(Stage.PRICE, lambda: exec("raise IndexPilotError('odd')", {"IndexPilotError": IndexPilotError}))
    assert isinstance(fault, Fault) and str(fault) == "IndexPilotError: odd"


def test_the_traceback_is_for_debug_only(caplog):
    with caplog.at_level(logging.DEBUG, logger="indexpilot_cli"):
        each(Stage.EXPLAIN, columns_of("id").templates, lambda _: {}["select"])
    assert "set aside in stage explain" in caplog.text and "KeyError" in caplog.text


def test_one_warning_for_each_stage_and_fault():
    work = columns_of("id", "due", "flag", "total")
    left = together(Stage.PROPOSE, work.templates, failing("id", "due")).without_lost(work)
    (warning,) = fault_warnings(with_shares(left.skipped, left))
    assert (warning.code, warning.object) == ("set_aside", "propose")
    assert warning.message.startswith("2 statements (50.0% of the workload) set aside: a fault of indexpilot in stage")
    assert "please report it" in warning.message


@pytest.mark.parametrize(
    ("owner", "name", "stage"),
    [(fold_module, "relation_uses", Stage.PREDICATES), (fold_module.Reader, "read", Stage.FOLD)],
)
def test_folding_goes_on_behind_a_statement_it_cannot_read(monkeypatch, owner, name, stage):
    real, asked = getattr(owner, name), []

    def stumbling(*given):
        asked.append(given)
        if len(asked) == 1:
            raise IndexError("tuple index out of range")
        return real(*given)

    monkeypatch.setattr(owner, name, stumbling)
    work = folded("SELECT id FROM orders", "DELETE FROM users WHERE id = 1", calls=3.0)
    assert [(s.reason, s.stage, s.calls) for s in work.skipped] == [("failed", stage, 3.0)]
    assert [t.kind for t in work.templates] == ["delete"]


def test_scenarios_go_on_behind_a_template_they_cannot_have(monkeypatch):
    real = plannable.with_scenarios

    def stumbling(template, *given):
        if "orders" in template.text:
            raise RecursionError
        return real(template, *given)

    monkeypatch.setattr(plannable, "with_scenarios", stumbling)
    work = with_scenarios(folded("SELECT id FROM orders", "SELECT id FROM users"), CATALOG, None)
    assert [(s.stage, s.detail) for s in work.skipped] == [(Stage.PARAMETERS, "RecursionError")]
    assert len(work.templates) == 1 and work.templates[0].scenarios


# -- the forms of SQL


def handled(work: FoldedWorkload):
    """Every stage that needs no planner, done; what was set aside on the way."""
    full = with_scenarios(work, CATALOG, None)
    for template in full.templates:
        list(features_of(template))
    compress(full, CATALOG)
    propose(full.templates, CATALOG)
    return [s for s in full.skipped if s.reason == "failed"]


def test_no_form_of_sql_is_a_fault():
    work = fold([read_sql((ODD,))], CATALOG)
    assert handled(work) == []
    assert len(work.templates) >= 40
    assert {s.reason for s in work.skipped} <= {"unparsed", "utility", "no_table"}


def test_a_table_that_is_empty_or_has_one_row_says_it_is_too_small():
    for rows in (-1.0, 0.0, 1.0):
        tables = tuple(replace(t, pages=0, tuples=rows) for t in CATALOG.tables)
        small = replace(CATALOG, tables=tables)
        work = fold(
            [Workload(SourceKind.SQL, (ObservedStatement("SELECT * FROM orders WHERE id = 1 AND flag"),))], small
        )
        assert {r.reason for r in propose(work.templates, small).rejections} == {"too_small"}


def test_a_query_that_changes_rows_writes():
    (template,) = folded("WITH d AS (DELETE FROM orders WHERE id = 5 RETURNING *) SELECT * FROM d").templates
    assert template.is_write and template.kind == "select"
    assert [u.write for u in template.uses] == ["delete"]


def words(text):
    return st.sampled_from(text.split("|"))


NAMES = words("id|customer_id|status|placed|flag|data|tags|total|note|period")
VALUES = words("1|'x'|$1|NULL|now()|'{}'|(SELECT 1)|ARRAY[1, 2]|-5|'{1,2}'::int[]")
OPERATORS = words("=|<>|<|>=|~~|~*|@>|<@|&&|->|->>|+|%|IS NOT DISTINCT FROM")
TABLES = words('orders|users u|ONLY items|archive.orders a|open_orders|events, users|"Mixed Case" m')


def calls(inner):
    name = st.sampled_from(["lower", "coalesce", "count", "extract(year FROM placed) + abs", "date_trunc", "row"])
    return st.builds("{}({})".format, name, inner)


EXPRESSIONS = st.recursive(
    NAMES | VALUES,
    lambda inner: (
        st.builds("({} {} {})".format, inner, OPERATORS, inner)
        | calls(inner)
        | st.builds("({})::text".format, inner)
        | st.builds("CASE WHEN {} IS NULL THEN {} ELSE {} END".format, inner, inner, inner)
        | st.builds("({} IN ({}, {}))".format, inner, inner, inner)
        | st.builds("(NOT {} OR {} AND {})".format, inner, inner, inner)
        | st.builds("({} BETWEEN {} AND {})".format, inner, inner, inner)
        | st.builds("EXISTS (SELECT {} FROM items WHERE order_id = {})".format, inner, inner)
    ),
    max_leaves=6,
)
GROUPS = st.sampled_from(
    ["{}", "ROLLUP ({}, 1)", "CUBE (({}), ())", "GROUPING SETS (({}), ())", "DISTINCT ROLLUP ({})"]
)
SELECTS = st.builds(
    "SELECT {} FROM {} WHERE {} GROUP BY {} HAVING {} ORDER BY {} DESC NULLS LAST LIMIT {}".format,
    EXPRESSIONS,
    TABLES,
    EXPRESSIONS,
    st.builds(str.format, GROUPS, EXPRESSIONS),
    EXPRESSIONS,
    EXPRESSIONS,
    VALUES,
)
CHANGES = words(
    "UPDATE orders SET note = {} FROM users WHERE {}"
    "|WITH d AS (DELETE FROM orders WHERE {} RETURNING *) SELECT {} FROM d, users"
    "|INSERT INTO orders (id, note) SELECT {}, {} FROM items ON CONFLICT DO NOTHING"
    "|SELECT DISTINCT ON ({}) * FROM orders WHERE {}"
    "|SELECT rank() OVER (PARTITION BY {} ORDER BY {}) FROM orders"
)
STATEMENTS = (
    SELECTS
    | st.builds("({}) UNION ALL ({})".format, SELECTS, SELECTS)
    | st.builds(str.format, CHANGES, EXPRESSIONS, EXPRESSIONS)
    | st.text(max_size=30)
)


@given(st.lists(STATEMENTS, min_size=1, max_size=4))
@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])  # shrinking them would take minutes
def test_no_generated_statement_is_a_fault(texts):
    work = folded(*texts)
    assert handled(work) == []
