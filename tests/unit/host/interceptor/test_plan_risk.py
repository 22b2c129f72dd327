"""From facts of a plan to a score: monotone, and each limit where it belongs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.interceptor.plan_risk import PlanFacts, TableRows, facts_of, judge, rules_of
from indexpilot_cli.host.interceptor.verdict import SafetyLevel
from indexpilot_cli.settings.features import InterceptorSettings

ORDERS, ITEMS = QualifiedName("public", "orders"), QualifiedName("sales", "items")
NUMBER = st.floats(0, 1e15)
ORDER = [SafetyLevel.SAFE, SafetyLevel.WARNING, SafetyLevel.UNSAFE]


@st.composite
def facts(draw):
    scans = draw(st.dictionaries(st.sampled_from([ORDERS, ITEMS]), NUMBER))
    return PlanFacts(draw(NUMBER), draw(NUMBER), scans, draw(NUMBER), frozenset({ORDERS, ITEMS}))


@st.composite
def rules(draw):
    limit = st.none() | NUMBER
    entries = draw(
        st.lists(st.sampled_from(["orders: max_cost=5", "sales.items: max_seq_scan_rows=1e6, max_rows=none"]))
    )
    chosen = InterceptorSettings(
        max_cost=draw(limit), max_rows=draw(limit), max_seq_scan_rows=draw(limit), max_nested_loop_rows=draw(limit)
    )
    return rules_of(replace(chosen, tables=tuple(entries), warn_share=draw(st.floats(0, 1))))


@given(facts(), facts(), rules())
def test_what_is_worse_in_some_number_and_better_in_none_never_scores_better(one, other, rules):
    scans = {t: max(one.scans.get(t, 0), other.scans.get(t, 0)) for t in {*one.scans, *other.scans}}
    worse = PlanFacts(
        max(one.cost, other.cost), max(one.rows, other.rows), scans, max(one.pairs, other.pairs), one.tables
    )
    (score, level, _), (worse_score, worse_level, reasons) = judge(one, rules), judge(worse, rules)
    assert 0 <= worse_score <= score <= 1
    assert ORDER.index(worse_level) >= ORDER.index(level)
    assert (worse_level is SafetyLevel.UNSAFE) == (worse_score < 0.5) or worse_score == pytest.approx(0.5)
    assert all(reason.ratio >= rules.warn_share for reason in reasons)


def test_the_limit_itself_is_a_warning_and_scores_a_half():
    found = judge(PlanFacts(cost=100.0), rules_of(InterceptorSettings(max_cost=100.0)))
    assert found[:2] == (0.5, SafetyLevel.WARNING)
    assert found[2][0].text == "max_cost: 100, the limit is 100"


def test_of_the_limits_of_several_tables_the_smallest_counts():
    rules = rules_of(InterceptorSettings(max_cost=100.0, tables=("orders: max_cost=500", "sales.items: max_cost=10")))
    for tables, limit in (({ORDERS}, 500), ({ITEMS}, 10), ({ORDERS, ITEMS}, 10), ({QualifiedName("x", "items")}, 100)):
        assert rules.limit("max_cost", sorted(tables))[0] == limit


@pytest.mark.parametrize(
    "entry", ["orders", "orders: cost=5", "orders: max_cost=-1", "orders: max_cost=nan", "o: max_cost"]
)
def test_limits_that_cannot_be_read_are_refused(entry):
    with pytest.raises(UsageError, match="limits of a table"):
        rules_of(InterceptorSettings(tables=(entry,)))


def node(kind, cost=100.0, rows=10.0, plans=(), **more):
    found = {"Node Type": kind, "Total Cost": cost, "Plan Rows": rows, **more}
    return {**found, "Plans": list(plans)} if plans else found


def scan(kind="Seq Scan", table="orders", **more):
    return node(kind, **{"Relation Name": table, "Schema": "public", **more})


LOOKUP = {"kind": "Index Scan", "Index Cond": "(id = $1)"}


@pytest.mark.parametrize(
    ("below", "believed"),
    [
        (scan(), True),
        (scan(Filter="(a = 1)"), False),
        (scan("Index Scan"), True),
        (node("Sort", plans=[scan()]), False),
        (node("Nested Loop", plans=[scan(), scan(**LOOKUP)]), True),
        (node("Nested Loop", plans=[scan(), scan(**LOOKUP, Filter="(b = 2)")]), False),
        (node("Nested Loop", plans=[scan(), scan()]), False),
        (node("Append", plans=[scan(), scan(Filter="(a = 1)")]), False),
        (node("Hash Join", plans=[scan(), scan()]), False),
    ],
)
def test_a_limit_is_believed_where_each_row_read_is_a_row_given(below, believed):
    plan = node("Limit", cost=1.0, rows=5.0, plans=[below])
    assert facts_of(plan, {}).cost == (1.0 if believed else 100.0)
    assert bool(facts_of(plan, {}).scans) == (not believed and "Seq Scan" in str(below))
    assert facts_of(plan, {}, trust_limit=False).cost == 100.0


def test_parts_of_a_table_and_rows_that_a_filter_drops_count():
    root = QualifiedName("public", "whole")
    sizes = {QualifiedName("public", name): TableRows(1000.0, root) for name in ("p1", "p2")}
    plan = node("Append", plans=[scan(table="p1"), scan(table="p2")])
    assert facts_of(plan, sizes).scans == {root: 2000.0}
    loop = node("Nested Loop", plans=[scan(table="p1", rows=50.0), scan(table="p2", rows=1.0)])
    assert facts_of(loop, sizes).pairs == 50_000.0


def test_rows_that_a_statement_changes_count_as_those_it_gives():
    plan = node("ModifyTable", rows=0.0, plans=[scan(rows=77.0)])
    assert facts_of(plan, {}).rows == 77.0
