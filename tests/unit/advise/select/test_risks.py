"""Doubts are raised where they could turn a decision, and nowhere else."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from indexpilot_cli.advise.explain.risks import ClassEffect, assess, holds_in
from indexpilot_cli.advise.explain.shapes import early_ends, index_reads, risky_loops
from indexpilot_cli.advise.select.problem import Choice, Selection
from indexpilot_cli.core.catalog import Activity, Catalog, Column, ColumnStatistics, Index, Table
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Bound, TemplateEffect
from indexpilot_cli.core.workload import Atom, AtomKind, RelationUse
from indexpilot_cli.methods.writes import WriteCost
from tests.unit.advise.select.model_planner import candidate, index, table, template


def node(kind, cost, rows=1.0, *plans, **traits):
    return {"Node Type": kind, "Total Cost": cost, "Plan Rows": rows, "Plans": list(plans)} | traits


def probe(cost=4.0, relation="t0"):
    return node("Index Scan", cost, 1.0, **{"Relation Name": relation, "Index Name": "i"})


def columns(*distinct):
    return tuple(
        Column(f"c{n}", n, "int4", "int4", "N", statistics=ColumnStatistics(0.0, 4, float(d)))
        for n, d in enumerate(distinct)
    )


TABLE = Table(table(), "r", columns(50, 40, 200_000), tuples=200_000.0)


def situation(before, after, definition=None, tree=None, atoms=(), on=TABLE, holds=1, scenarios=1):
    definition = definition or index("c0")
    effect = TemplateEffect("q", before, after, 0.5, 1.0, holds, scenarios)
    choice = Choice(candidate(definition), 1, 0.1, 1 - after / before, (effect,), WriteCost(), holds, scenarios)
    plan = PlannedStatement(after, hypothetical=frozenset({definition}), tree=tree or node("Index Scan", after))
    selection = Selection(
        (choice,), (), Bound(1, None, None), 1, 1, 1, "cost", 0, 1, (effect,), {("q", "as_written"): plan}
    )
    asked = template("q", uses=(RelationUse(table(), "t", atoms=atoms),))
    return choice, selection, [asked], Catalog(170000, "db", (on,))


def codes(*arguments, **kinds):
    return {r.code for r in assess(*situation(*arguments, **kinds)).risks}


# -- plans


def test_a_loop_is_a_risk_when_a_small_error_eats_the_gain():
    outer = node("Seq Scan", 100, 1000, Filter="(a = 1)")
    tree = node("Nested Loop", 4100, 1000, outer, probe())
    (loop,) = risky_loops(tree, 10_000)
    assert loop.probes == 1000
    assert loop.factor == pytest.approx((10_000 - 100) / 4000)
    assert risky_loops(tree, 1_000_000) == ()
    kept = node("Materialize", 4, 1, probe())
    assert risky_loops(node("Nested Loop", 4100, 1, node("Seq Scan", 100, 1000), kept), 10_000) == ()  # read once


def test_a_loop_over_a_join_needs_a_wider_margin():
    join = node("Hash Join", 100, 1000, node("Seq Scan", 10, 10), node("Hash", 10, 10))
    both = node("Seq Scan", 100, 1000, Filter="((a = 1) AND (b = 2))")
    for outer, doubtful in ((join, True), (both, True), (node("Seq Scan", 100, 1000, Filter="(a = 1)"), False)):
        assert bool(risky_loops(node("Nested Loop", 4100, 1, outer, probe()), 200_000)) is doubtful


def test_few_probes_are_no_risk():
    assert risky_loops(node("Nested Loop", 30, 1, node("Seq Scan", 10, 5), probe()), 40) == ()


def test_a_limit_over_an_ordered_filtering_scan():
    scan = node("Index Scan", 9000, 500, Filter="(status = 1)", **{"Relation Name": "t0"})
    (end,) = early_ends(node("Limit", 20, 10, scan), 1000)
    assert (end.relation, end.limit) == ("t0", 10)
    assert early_ends(node("Limit", 20, 10, node("Sort", 900, 10, scan)), 1000) == ()
    bare = node("Index Scan", 9000, 500)
    assert early_ends(node("Limit", 20, 10, bare), 1000) == ()
    probe = node("Index Only Scan", 1, 1)
    assert early_ends(node("Limit", 20, 10, node("Nested Loop", 9000, 500, bare, probe)), 1000) == ()
    for joined in (
        node("Nested Loop", 9000, 500, bare, probe) | {"Filter": "x"},
        node("Nested Loop", 9000, 20, bare, probe),
    ):
        assert len(early_ends(node("Limit", 20, 10, joined), 1000)) == 1


def test_risks_from_plans_name_the_statement_that_settles_them():
    tree = node("Nested Loop", 4100, 1, node("Seq Scan", 100, 1000), probe())
    assessed = assess(*situation(10_000, 4_100, tree=tree))
    (risk,) = assessed.risks
    assert risk.code == "nested_loop"
    assert "2.5 times as many" in risk.text
    assert risk.settle.startswith("EXPLAIN (ANALYZE, BUFFERS) of q")
    assert assessed.confidence == "medium"


def test_few_estimated_rows_of_many_joins_are_no_comfort():
    join = node("Seq Scan", 10, 10)
    for _ in range(3):
        join = node("Hash Join", 50, 1, join, node("Hash", 10, 10))
    (loop,) = risky_loops(node("Nested Loop", 60, 1, join, probe()), 10_000)
    assert loop.factor == pytest.approx((10_000 - 56) / 4)


def test_rows_read_by_index_are_priced_least_surely():
    # TPC-H Q3 with (o_orderdate) INCLUDE …: 0.93 of the cost, 1.7 times the time; the reads are those of the old key.
    once = node("Index Only Scan", 3021, 72_279, **{"Relation Name": "t0", "Index Name": "new"})
    join = node("Hash Join", 3797, 14_991, once, node("Hash", 547, 3111))
    tree = node("Limit", 26_982, 10, node("Nested Loop", 22_827, 32_816, join, probe(1.24, "t1") | {"Plan Rows": 3.0}))
    reads = index_reads(tree)
    assert (reads.rows, reads.cost) == (pytest.approx(44_973), pytest.approx(18_589, rel=0.01))
    assessed = assess(*situation(27_500, 26_982, tree=tree))
    assert [r.templates for r in assessed.risks] == [frozenset({"q"})]
    scan = node("Bitmap Heap Scan", 9_000, 20_000, **{"Relation Name": "t0"})
    (risk,) = assess(*situation(20_000, 9_500, tree=node("Aggregate", 9_500, 1, scan))).risks
    assert (risk.code, risk.templates) == ("index_reads", frozenset({"q"}))
    assert assess(*situation(40_000, 9_500, tree=node("Aggregate", 9_500, 1, scan))).risks == ()


# -- statistics


def equal(*names):
    return tuple(Atom(AtomKind.EQUAL, "=", name) for name in names)


def test_correlated_equalities_when_dependence_could_turn_the_decision():
    assert codes(1000, 100, atoms=equal("c0", "c1")) == {"correlated"}  # up to 40 times the rows, a margin of 10
    assert codes(1000, 1, atoms=equal("c0", "c1")) == set()
    assert codes(1000, 100, atoms=equal("c0", "c2")) == set()  # c2 is unique
    assert codes(1000, 100, atoms=equal("c0")) == set()


def test_extended_statistics_settle_it():
    arguments = situation(1000, 100, atoms=equal("c0", "c1"))
    (risk,) = assess(*arguments).risks
    assert "(dependencies, mcv) ON c0, c1 FROM public.t0" in risk.settle
    assert assess(*arguments, extended={table(): (frozenset({"c0", "c1"}),)}).risks == ()


def test_expressions_without_statistics():
    atoms = (Atom(AtomKind.EQUAL, "=", expression="lower(c1)"),)
    assert codes(1000, 100, atoms=atoms) == {"expression_statistics"}
    assert codes(100_000, 100, atoms=atoms) == set()
    (risk,) = assess(*situation(1000, 100, atoms=atoms)).risks
    assert risk.settle == "CREATE STATISTICS t0_lower_c1_stat ON (lower(c1)) FROM public.t0; ANALYZE public.t0"
    held = Index(QualifiedName("public", "e"), replace(index("c0"), keys=(expression("lower(c1)"),)), "")
    assert codes(1000, 100, atoms=atoms, on=replace(TABLE, indexes=(held,))) == set()


def expression(text):
    from indexpilot_cli.core.index import IndexKey

    return IndexKey(expression=text)


def test_never_analyzed_and_stale():
    assessed = assess(*situation(1000, 1, on=replace(TABLE, tuples=-1.0)))
    assert (assessed.confidence, assessed.risks[0].settle) == ("low", "ANALYZE public.t0")
    stale = replace(TABLE, activity=Activity(modified_since_analyze=90_000))
    assert codes(1000, 1, on=stale) == {"stale_statistics"}


def test_statistics_that_the_role_may_not_see_were_not_left_out_by_anybody():
    """pg_stats shows none of a table with policies; when it was analyzed everybody sees."""
    blind = replace(TABLE, columns=tuple(replace(c, statistics=None) for c in TABLE.columns))
    assert codes(1000, 1, on=blind) == {"never_analyzed"}
    seen = replace(blind, activity=Activity(last_analyze=datetime(2026, 1, 1, tzinfo=UTC)))
    assessed = assess(*situation(1000, 1, on=seen))
    assert (assessed.confidence, {r.code for r in assessed.risks}) == ("low", {"statistics_hidden"})


# -- confidence


def test_confidence():
    assert assess(*situation(1000, 1)).confidence == "high"
    assert assess(*situation(1000, 800)).confidence == "medium"
    assert assess(*situation(1000, 1, holds=4, scenarios=4)).confidence == "high"
    partly = assess(*situation(1000, 1, holds=3, scenarios=4))
    assert partly.confidence == "medium"
    assert partly.risks[0].text == "it helps in 3 of 4 parameter classes"
    assert assess(*situation(1000, 1, holds=1, scenarios=4)).confidence == "low"
    assert codes(1000, 1, definition=index("c0", method="brin")) == {"physical_order"}


def test_robustness_counts_the_classes_that_use_it():
    effects = [ClassEffect("rare", 0.5, 100, 1, True), ClassEffect("common", 0.5, 100, 110, False)]
    assert holds_in(effects) == (1, 2)
