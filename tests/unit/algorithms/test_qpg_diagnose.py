"""What is wrong with a plan, by its EXPLAIN document."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.algorithms.qpg.diagnose import BottleneckKind, diagnose
from indexpilot_cli.errors import UsageError


def node(kind, *plans, cost=100.0, rows=10, **more):
    return {"Node Type": kind, "Total Cost": cost, "Plan Rows": rows, "Plan Width": 8, "Plans": list(plans), **more}


def ran(kind, *plans, actual=10, loops=1, took=1.0, **more):
    facts = {"Actual Rows": actual, "Actual Loops": loops, "Actual Total Time": took}
    return node(kind, *plans, **facts, **more)


CASES = [
    (ran("Seq Scan", **{"Relation Name": "t", "Filter": "x", "Rows Removed by Filter": 50_000}), "FILTER", True),
    (node("Seq Scan", cost=9000.0, rows=2, **{"Relation Name": "t", "Filter": "x"}), "FILTER", False),
    (ran("Sort", ran("Seq Scan"), **{"Sort Space Type": "Disk", "Sort Space Used": 5000}), "SORT_SPILL", True),
    (node("Sort", node("Seq Scan"), rows=1_000_000), "SORT_SPILL", False),
    (ran("Hash", ran("Seq Scan"), **{"Hash Batches": 8}), "HASH_SPILL", True),
    (
        node("Nested Loop", node("Index Scan", rows=50), node("Seq Scan", **{"Relation Name": "inner"})),
        "NESTED_SEQ_SCAN",
        False,
    ),
    (ran("Bitmap Heap Scan", **{"Lossy Heap Blocks": 70}), "LOSSY_BITMAP", True),
    (ran("Index Scan", actual=5000, rows=1), "MISESTIMATE", True),
    (node("Nested Loop", node("Index Scan", rows=40), node("Values Scan", rows=30), rows=1200), "CARTESIAN", False),
]


@pytest.mark.parametrize(("plan", "kind", "actual"), CASES)
@pytest.mark.parametrize("form", [lambda p: p, lambda p: [{"Plan": p}], lambda p: json.dumps([{"Plan": p}])])
def test_f2_what_is_wrong_is_named_and_whether_it_was_seen_or_expected(plan, kind, actual, form):
    found = diagnose(form(plan))
    assert (BottleneckKind[kind], actual) in [(b.kind, b.actual) for b in found.bottlenecks]
    assert all(0 <= b.share <= 1 for b in found.bottlenecks)


def test_compiling_that_takes_most_of_the_time_is_named():
    jit = {"Functions": 30, "Timing": {"Total": 400.0}}
    whole = {"Plan": ran("Result"), "JIT": jit, "Execution Time": 900.0}
    assert [b.kind for b in diagnose(whole).bottlenecks] == [BottleneckKind.JIT]
    assert not diagnose({**whole, "Execution Time": 9000.0}).bottlenecks


@pytest.mark.parametrize(
    "plan",
    [
        node("Nested Loop", node("Seq Scan", rows=50), node("Index Scan", rows=30, **{"Index Cond": "x"}), rows=1500),
        node("Nested Loop", node("Seq Scan", rows=1), node("Seq Scan", rows=30), rows=30),
        ran("Seq Scan", actual=50, rows=40, **{"Filter": "x", "Rows Removed by Filter": 10}),
        ran("Index Scan", actual=90, rows=1),  # hardly any rows
    ],
)
def test_what_is_well_is_not_named(plan):
    assert not diagnose(plan).bottlenecks


def test_levels_below_the_limit_are_not_looked_at():
    plan = ran("Sort", **{"Sort Space Type": "Disk"})
    for _ in range(50):
        plan = ran("Limit", plan)
    assert diagnose(plan).bottlenecks and not diagnose(plan).cut
    shallow = diagnose(plan, most_levels=10)
    assert (shallow.nodes, shallow.bottlenecks, shallow.cut) == (10, (), True)


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", "[", "{}", '"x"', [3], {"Plan": 3}, {"Plan": {}}, "[" * 100_000])
def test_what_is_no_plan_is_refused(odd):
    with pytest.raises(UsageError):
        diagnose(odd)


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers()))
names = st.sampled_from(
    ["Plan Rows", "Total Cost", "Actual Rows", "Actual Loops", "Plans", "Filter", "Sort Space Type", "Hash Batches"]
)


@given(st.dictionaries(names, values), st.sampled_from(["Sort", "Seq Scan", "Nested Loop", "Hash"]))
def test_any_document_of_nodes_is_read(facts, kind):
    diagnose({**facts, "Node Type": kind})
