"""The search against brute force, and each limit changing its answer."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.advise.select import Limits, advise
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from tests.unit.advise.select.model_planner import (
    ModelPlanner,
    brute_force,
    brute_force_within,
    candidate,
    index,
    random_instance,
    table,
    template,
    way,
    workload_cost,
)

FREE = {"protection": None, "fewest_within": 0.0, "min_benefit": 0.0}


def choose(pool, ways, calls, sizes=None, writes=None, **limits):
    templates = [template(name, calls.get(name, 1.0), tables=(0, 1)) for name in ways]
    planner = ModelPlanner(ways)
    found = advise(templates, [candidate(d) for d in pool], planner, Limits(**FREE | limits), writes, sizes)
    return found, planner


@pytest.mark.parametrize("seed", range(60))
def test_equals_brute_force(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=4 + seed % 9, statements=5)
    budget = sum(sizes.values()) * (0.2 + seed % 5 / 8)
    found, _ = choose(pool, ways, calls, sizes, budget_bytes=int(budget), proof_rounds=60)
    best = brute_force_within(pool, ways, calls, sizes, int(budget))
    assert workload_cost(ways, calls, found.definitions) == pytest.approx(best, rel=1.1e-3)  # the search's own gap
    assert found.predicted == pytest.approx(found.cost_after, rel=1e-9)
    assert found.bound.lower is not None
    assert found.bound.lower <= best * (1 + 1e-6)
    assert sum(sizes[d] for d in found.definitions) <= budget


@pytest.mark.parametrize("seed", range(12))
def test_write_costs_enter_the_objective(seed):
    pool, ways, sizes, calls = random_instance(seed)
    costs = {d: WriteCost(total_us=sizes[d] * 50.0) for d in pool}
    found, _ = choose(pool, ways, calls, writes=WriteModel(costs, us_per_unit=10.0), proof_rounds=60)
    best = brute_force(pool, ways, calls, lambda s: True, lambda s: sum(sizes[d] * 5.0 for d in s))
    ours = workload_cost(ways, calls, found.definitions) + sum(sizes[d] * 5.0 for d in found.definitions)
    assert ours == pytest.approx(best, rel=1.1e-3)


@given(st.integers(1000, 1_000_000))
@settings(max_examples=20, deadline=None)
def test_bound_never_exceeds_the_optimum_even_without_proof_rounds(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=7)
    budget = sum(sizes.values()) // 3
    found, _ = choose(pool, ways, calls, sizes, budget_bytes=budget, proof_rounds=seed % 3)
    best = brute_force_within(pool, ways, calls, sizes, budget)
    assert found.bound.lower <= best * (1 + 1e-6)


def two_good_indexes():
    a, b = index("a"), index("b", on=1)
    ways = {"q-1": [way(1000), way(10, a)], "q-2": [way(800), way(10, b)]}
    return a, b, ways


def test_budget():
    a, b, ways = two_good_indexes()
    sizes = {a: 100, b: 100}
    assert choose([a, b], ways, {}, sizes)[0].definitions == {a, b}
    assert choose([a, b], ways, {}, sizes, budget_bytes=150)[0].definitions == {a}


def test_max_indexes():
    a, b, ways = two_good_indexes()
    assert choose([a, b], ways, {}, max_indexes=1)[0].definitions == {a}


def test_indexes_per_table_counts_existing_ones():
    a, b, ways = two_good_indexes()
    limits = {"indexes_per_table": 3, "existing": {table(0): 3, table(1): 2}}
    assert choose([a, b], ways, {}, **limits)[0].definitions == {b}


def test_write_overhead():
    a, b, ways = two_good_indexes()
    model = WriteModel(
        {a: WriteCost(total_us=60.0), b: WriteCost(total_us=10.0)}, {table(0): 100.0, table(1): 100.0}, us_per_unit=1e9
    )
    assert choose([a, b], ways, {}, writes=model)[0].definitions == {a, b}
    assert choose([a, b], ways, {}, writes=model, write_overhead=0.5)[0].definitions == {b}


def test_protection_forbids_what_makes_a_statement_dearer():
    a, b = index("a"), index("b")
    ways = {"q-1": [way(1000), way(10, a), way(400, b)], "q-2": [way(100), way(300, a, trap=True)]}
    assert choose([a, b], ways, {})[0].definitions == {a}
    assert choose([a, b], ways, {}, protection=0.05)[0].definitions == {b}


def test_fewest_within_gives_up_what_buys_little():
    a, b = index("a"), index("b", on=1)
    ways = {"q-1": [way(1000), way(500, a), way(498, a, b)]}
    assert choose([a, b], ways, {})[0].definitions == {a, b}
    assert choose([a, b], ways, {}, fewest_within=0.01)[0].definitions == {a}


def test_regret_prefers_the_index_that_helps_every_class():
    common, rare = index("a"), index("b")
    ways = {
        "q-1.common": [way(1000), way(100, common), way(420, rare)],
        "q-1.rare": [way(1000), way(990, common), way(20, rare)],
    }
    templates = [template("q-1", scenarios=((".common", 0.7), (".rare", 0.3)))]
    pool = [candidate(common), candidate(rare)]

    def chosen(regret):
        limits = Limits(max_indexes=1, regret=regret, **FREE)
        return advise(templates, pool, ModelPlanner(ways), limits).definitions

    assert chosen(0.0) == {rare}  # 300 on the mean against 367
    ways["q-1.common"][2] = way(600, rare)
    assert chosen(0.0) == {common}
    assert chosen(0.6) == {rare}  # loses 500 at worst, the other 970


def test_calls_are_limited_and_the_answer_still_stands():
    pool, ways, sizes, calls = random_instance(5, indexes=12, statements=10)
    templates = [template(name, calls[name], tables=(0, 1)) for name in ways]
    planner = ModelPlanner(ways)
    found = advise(templates, [candidate(d) for d in pool], planner, Limits(calls=30, **FREE), sizes=sizes)
    assert found.calls <= 30
    assert found.cost_after < found.cost_before
    assert workload_cost(ways, calls, found.definitions) < workload_cost(ways, calls, frozenset())


def test_time_is_limited():
    pool, ways, _, _ = random_instance(5, indexes=12, statements=10)
    ticks = iter(range(10_000))
    templates = [template(name, tables=(0, 1)) for name in ways]
    planner = ModelPlanner(ways)
    limits = Limits(seconds=4, **FREE)
    advise(templates, [candidate(d) for d in pool], planner, limits, clock=lambda: float(next(ticks)))
    unlimited = ModelPlanner(ways)
    advise(templates, [candidate(d) for d in pool], unlimited, Limits(**FREE))
    assert planner.calls < unlimited.calls


def test_without_scipy_a_greedy_answer_says_it_has_no_bound(monkeypatch):
    a, b, ways = two_good_indexes()
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    templates = [template(name, tables=(0, 1)) for name in ways]
    selection = advise(templates, [candidate(a), candidate(b)], ModelPlanner(ways), Limits())
    assert selection.definitions == {a, b}
    assert selection.bound.gap is None
    assert selection.bound.solver == "greedy"
    assert "no bound" in selection.bound.note


@pytest.mark.parametrize("seed", range(20))
def test_greedy_is_close_to_brute_force(seed, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    pool, ways, sizes, calls = random_instance(seed, indexes=8)
    budget = sum(sizes.values()) // 2
    found, _ = choose(pool, ways, calls, sizes, budget_bytes=budget)
    best = brute_force_within(pool, ways, calls, sizes, budget)
    assert sum(sizes[d] for d in found.definitions) <= budget
    assert workload_cost(ways, calls, found.definitions) <= best * 1.25
