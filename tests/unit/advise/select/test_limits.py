"""Each limit decides: without it the answer is another. And which limits keep it from a better one."""

import math
import random
from dataclasses import replace

import pytest

from indexpilot_cli.advise.masks import members
from indexpilot_cli.advise.select.limits import Limits, budget_row
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from tests.unit.advise.select.model_planner import brute_force_within, index, random_instance, table, way, workload_cost
from tests.unit.advise.select.test_search import choose, two_good_indexes
from tests.unit.advise.select.test_spare import EXACT, OLD, OTHER, chosen, gone, spare

A, B, WAYS = two_good_indexes()
MODEL = WriteModel(
    {A: WriteCost(total_us=60.0), B: WriteCost(total_us=10.0)}, {table(0): 100.0, table(1): 100.0}, us_per_unit=1e9
)
OWN = {"seven": [(A, 100.0)], "eight": [(B, 80.0)], "nine": [(A, 10.0), (B, 10.0)]}


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        ({"budget_bytes": 150}, {A}),
        ({"max_indexes": 1}, {A}),
        ({"indexes_per_table": 3, "existing": {table(0): 3, table(1): 2}}, {B}),
        ({"write_overhead": 0.5, "writes": MODEL}, {B}),
        ({"tenant_bytes": 90, "tenant_sizes": OWN}, {B}),
        ({"tenant_indexes": 1, "tenant_sizes": OWN}, {A}),
        ({"max_changes": 1}, {A}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("greedy", [False, True])
def test_f12_each_limit_decides(limit, kept, greedy):
    asked = {"writes": None, "sizes": {A: 100, B: 100}, "greedy": greedy} | limit
    found = choose([A, B], WAYS, {}, **asked)[0]
    assert found.definitions == kept
    free = choose([A, B], WAYS, {}, writes=asked["writes"], sizes=asked["sizes"], greedy=greedy)[0]
    assert free.definitions == {A, B} and free.conflicts == ()
    (left,) = found.rejections
    assert left.definition in {A, B} - kept and left.reason in ("over_budget", "over_limit", "write_cost")
    assert found.conflicts and (found.bound.gap is None) == greedy


def test_errors_of_sizes_count_against_a_budget_as_independent_ones_add_up():
    draw = random.Random(3)
    for _ in range(100):
        sizes = {n: draw.paretovariate(1.0) for n in range(7)}
        errors = [draw.choice((0.0, 0.1, 0.25, 0.45)) for _ in sizes]
        budget = sum(sizes.values()) * draw.random()
        row, larger = budget_row(sizes, errors, budget), budget_row(sizes, errors, 1.1 * budget)
        for mask in filter(row.allows, range(1 << len(sizes))):
            chosen = list(members(mask))
            error = math.hypot(*(sizes[n] * errors[n] for n in chosen))
            assert sum(sizes[n] for n in chosen) + error <= budget * (1 + 1e-9)
            assert larger.allows(mask)
    alike, every = dict.fromkeys(range(6), 100.0), 0b111111
    assert budget_row(alike, [0.25] * 6, 665.0).allows(every)  # 661 together, 750 if all of them were at their most
    assert budget_row(alike, [0.0] * 6, 600.0).allows(every)
    assert not budget_row(alike, [0.25] * 6, 640.0).allows(every)


def test_f12_a_statement_is_protected_and_an_index_has_to_improve_enough():
    ways = {"q-1": [way(1000), way(10, A), way(400, B)], "q-2": [way(100), way(300, A, trap=True)]}
    assert choose([A, B], ways, {})[0].definitions == {A}
    assert choose([A, B], ways, {}, protection=0.05)[0].definitions == {B}
    small = {"q-1": [way(1000), way(10, A)], "q-2": [way(1000), way(990, B)]}
    assert choose([A, B], small, {})[0].definitions == {A, B}
    assert choose([A, B], small, {}, min_benefit=0.02)[0].definitions == {A}


def test_f12_drops_are_changes_too():
    new = index("n")
    ways = {"q-1": [way(1000), way(10, new)]}
    unused = [spare(OLD, free=True), spare(OTHER, free=True)]

    def changed(most):
        found = chosen(ways, [new], unused, replace(EXACT, max_changes=most), writes={OLD: 50, OTHER: 20})
        return {c.candidate.definition for c in found.chosen}, set(gone(found))

    assert changed(None) == changed(3) == ({new}, {OLD, OTHER})
    assert changed(2) == ({new}, {OLD})
    assert changed(1) == ({new}, set())
    assert changed(0) == (set(), set())


def test_f12_limits_that_only_together_keep_it_from_a_better_choice_are_named_together():
    sizes = {A: 3 << 20, B: 2 << 20}
    found = choose([A, B], WAYS, {}, sizes, budget_bytes=0, max_indexes=0)[0]
    assert found.definitions == set()
    assert found.conflicts == (
        "the storage budget (it takes 5.0 MB) and the limit on the number of indexes (it takes 2) together keep the "
        "workload from getting cheaper",
    )
    # A limit that has nothing to do with it is not among them.
    more = choose([A, B], WAYS, {}, sizes, budget_bytes=0, max_indexes=0, max_changes=9, indexes_per_table=5)[0]
    assert more.conflicts == found.conflicts
    assert choose([A, B], WAYS, {}, sizes, budget_bytes=0, max_indexes=9)[0].conflicts == (
        "the storage budget keeps the workload from getting cheaper",
    )
    assert choose([A, B], WAYS, {}, sizes, budget_bytes=9 << 20, max_indexes=9)[0].conflicts == ()


@pytest.mark.parametrize("seed", range(15))
def test_f12_the_program_is_the_best_subset_and_greed_keeps_to_the_limits(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=10, statements=8)
    budget = sum(sizes.values()) // 4
    best = brute_force_within(pool, ways, calls, sizes, budget)
    exact = choose(pool, ways, calls, sizes, budget_bytes=budget, proof_rounds=60)[0]
    greedy = choose(pool, ways, calls, sizes, budget_bytes=budget, greedy=True)[0]
    assert workload_cost(ways, calls, exact.definitions) == pytest.approx(best, rel=1.1e-3)
    assert workload_cost(ways, calls, greedy.definitions) >= best * (1 - 1e-9)
    assert sum(sizes[d] for d in greedy.definitions) <= budget
    assert greedy.bound.note == "no bound: the choice is greedy" and exact.bound.lower is not None


@pytest.mark.parametrize(("seed", "worth"), [(5, False), (24, False), (10, True), (20, True), (33, True)])
def test_f12_the_greedy_choice_stands_where_the_program_saves_too_little(seed, worth):
    pool, ways, sizes, calls = random_instance(seed, indexes=8, statements=5)
    limits = {"budget_bytes": sum(sizes.values()) // 4}
    found = [choose(pool, ways, calls, sizes, **limits, **m)[0] for m in ({"greedy": True}, {"least_gain": 0.01}, {})]
    greedy, chosen, alone = (workload_cost(ways, calls, each.definitions) for each in found)
    assert alone < greedy
    assert chosen == pytest.approx(alone if worth else greedy)
    assert worth == (found[0].definitions != found[1].definitions) == (chosen <= 0.99 * greedy)
    assert found[1].bound.lower <= alone * (1 + 1e-6)


@pytest.mark.parametrize(
    "limit", ["budget_bytes", "max_indexes", "indexes_per_table", "max_changes", "tenant_bytes", "tenant_indexes"]
)
def test_f12_a_limit_is_one_whatever_it_is_of(limit):
    assert Limits(**{limit: 0}).is_limited and Limits(write_overhead=0.0).is_limited
    assert not Limits(calls=9, seconds=9.0).is_limited
