"""The search against brute force, and each limit changing its answer."""

import itertools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.advise.select import Limits, advise, proof, search
from indexpilot_cli.advise.select.proof import is_stuck
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from tests.unit.advise.select.model_planner import (
    ModelPlanner,
    Way,
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

FREE = {"protection": None, "min_benefit": 0.0}


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
@settings(max_examples=12, deadline=None)
def test_bound_never_exceeds_the_optimum_even_without_proof_rounds(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=7)
    budget = sum(sizes.values()) // 3
    found, _ = choose(pool, ways, calls, sizes, budget_bytes=budget, proof_rounds=seed % 3)
    best = brute_force_within(pool, ways, calls, sizes, budget)
    assert found.bound.lower <= best * (1 + 1e-6)


@given(st.integers(0, 1_000_000))
@settings(max_examples=20, deadline=None)
def test_the_bound_holds_and_comes_near_where_many_begin_with_the_same_key(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=9, leads=1 + seed % 2)
    budget = sum(sizes.values()) // 3
    found, _ = choose(pool, ways, calls, sizes, budget_bytes=budget, proof_rounds=60)
    best = brute_force_within(pool, ways, calls, sizes, budget)
    assert found.bound.lower <= best * (1 + 1e-6)
    assert workload_cost(ways, calls, found.definitions) == pytest.approx(best, rel=1.1e-3)
    assert found.bound.gap <= search.CLOSE * 10


def test_that_no_smaller_index_does_the_work_is_not_asked_of_each_alone():
    pool = [index("a", f"b{n}") for n in range(32)]
    ways = {"q-1": [way(1000), way(10, pool[-1])]}
    sizes = {d: 10 + n for n, d in enumerate(pool)}
    found, _ = choose(pool, ways, {}, sizes, budget_bytes=40)
    assert found.definitions == frozenset()
    assert found.bound.gap == 0.0
    assert found.calls <= 12


@pytest.mark.parametrize("seed", range(5))
def test_the_proof_ends_with_its_calls_and_its_bound_is_true(seed, monkeypatch):
    pool, ways, sizes, calls = random_instance(seed, indexes=10, statements=8)
    budget = sum(sizes.values()) // 3
    whole, _ = choose(pool, ways, calls, sizes, budget_bytes=budget)
    monkeypatch.setattr(proof, "CALLS", 0)
    monkeypatch.setattr(proof, "CALLS_LEAST", 0)
    cut, _ = choose(pool, ways, calls, sizes, budget_bytes=budget)
    assert cut.calls < whole.calls
    assert cut.bound.lower <= whole.cost_after * (1 + 1e-6)
    assert cut.cost_after >= whole.cost_after * (1 - 1e-6)


@pytest.mark.parametrize(
    ("first", "gain", "rounds", "stuck"),
    [
        *((80.0, 0.01, 7, False), (80.0, 0.004, 7, True), (80.0, 0.01, 40, False)),
        *((97.0, 0.04, 7, False), (97.0, 0.01, 7, True), (95.0, 0.04, 40, True)),
    ],
)
def test_the_proof_goes_on_for_longer_and_for_less_while_the_gap_is_wide(first, gain, rounds, stuck):
    assert is_stuck([first + gain * n for n in range(rounds)], 100.0, 30) is stuck


def two_good_indexes():
    a, b = index("a"), index("b", on=1)
    ways = {"q-1": [way(1000), way(10, a)], "q-2": [way(800), way(10, b)]}
    return a, b, ways


def test_budget():
    a, b, ways = two_good_indexes()
    sizes = {a: 100, b: 100}
    assert choose([a, b], ways, {}, sizes)[0].definitions == {a, b}
    assert choose([a, b], ways, {}, sizes, budget_bytes=150)[0].definitions == {a}


@pytest.mark.parametrize("greedy", [False, True])
def test_a_plan_that_another_index_only_tells_rows_for_does_not_hide_what_that_index_alone_is_worth(greedy):
    near, told = index("near"), index("told")
    with_both = Way(frozenset((near, told)), 58, shown=frozenset((near,)))
    ways = {"q-1": [way(100), with_both, way(66, told)]}
    selection, _ = choose([near, told], ways, {}, greedy=greedy)
    assert selection.definitions == {told}
    assert [r.reason for r in selection.rejections] == ["not_used"]


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


def test_of_equal_selections_the_one_of_fewest_indexes_is_chosen():
    a, b, both = index("a"), index("b"), index("a", "b")
    ways = {"q-1": [way(1000), way(10, a), way(10, both)], "q-2": [way(1000), way(10, both)]}
    for pool in itertools.permutations([a, b, both]):
        assert choose(pool, ways, {}, sizes={a: 1, b: 1, both: 900})[0].definitions == {both}


def test_bytes_for_nothing_are_not_lost_in_the_tolerance_of_the_whole():
    """What the wider index of a cheap statement costs more is below the solver's exactness for a dear workload."""
    heavy, narrow, wide = index("c"), index("a"), index("a", "b")
    ways = {"q-1": [way(1e8), way(1e7, heavy)], "q-2": [way(1000), way(10, narrow), way(9.99, wide)]}
    templates = [template("q-1"), template("q-2")]
    sizes = {heavy: 8_000_000, narrow: 8_000_000, wide: 14_000_000}
    limits = Limits(min_benefit=1e-9)  # q-2 is far too small for the default
    for pool in itertools.permutations([heavy, narrow, wide]):
        found = advise(templates, [candidate(d) for d in pool], ModelPlanner(ways), limits, sizes=sizes)
        assert found.definitions == {heavy, narrow}


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


@given(st.integers(0, 1_000_000))
@settings(max_examples=5, deadline=None)
def test_a_looser_limit_of_calls_never_gives_a_worse_answer(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=9, statements=6)
    budget = sum(sizes.values()) // 2
    templates = [template(name, calls[name], tables=(0, 1)) for name in ways]
    costs = []
    for limit in (6, 12, 15, 18, 24, 30, 40, 60, 100, None):
        limits = Limits(budget_bytes=budget, calls=limit, **FREE)
        found = advise(templates, [candidate(d) for d in pool], ModelPlanner(ways), limits, sizes=sizes)
        assert limit is None or found.calls <= limit
        assert sum(sizes[d] for d in found.definitions) <= budget
        costs.append(workload_cost(ways, calls, found.definitions))
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in itertools.pairwise(costs))


@given(st.integers(0, 1_000_000))
@settings(max_examples=5, deadline=None)
def test_a_larger_budget_never_gives_a_worse_answer(seed):
    pool, ways, sizes, calls = random_instance(seed, indexes=8, statements=5)
    budgets = [sum(sizes.values()) * n // 8 for n in range(9)]
    found = [choose(pool, ways, calls, sizes, budget_bytes=b, proof_rounds=60)[0] for b in budgets]
    costs = [workload_cost(ways, calls, f.definitions) for f in found]
    assert all(later <= earlier * 1.0011 for earlier, later in itertools.pairwise(costs))  # the search's own gap


def test_the_best_set_known_is_returned_when_time_ends():
    pool = [index("a", on=n) for n in range(40)]
    ways = {f"q-{n}": [way(1000), way(10, d)] for n, d in enumerate(pool)}
    templates = [template(name, tables=(n,)) for n, name in enumerate(ways)]

    class Slow(ModelPlanner):
        def plan(self, questions):
            spent[0] += len(questions)
            return super().plan(questions)

    spent = [0.0]
    for seconds in (95, 100, 119, 140, 200):  # 40 to plan as it is, 40 with every candidate, then the choice
        spent[0] = 0.0
        limits = Limits(seconds=seconds, protection=None)
        found = advise(templates, [candidate(d) for d in pool], Slow(ways), limits, clock=lambda: spent[0])
        assert found.definitions == frozenset(pool)
        assert found.cost_after == 400
        assert spent[0] <= seconds * 1.1 + len(pool)  # the final plans as trees


def test_the_same_question_twice_gives_the_same_plan_whatever_the_clock_says():
    pool, ways, sizes, calls = random_instance(11, indexes=12, statements=10)
    templates = [template(name, calls[name], tables=(0, 1)) for name in ways]

    def chosen(tick):
        clock = itertools.count(0, tick)
        limits = Limits(budget_bytes=sum(sizes.values()) // 2)
        found = advise(
            templates, [candidate(d) for d in pool], ModelPlanner(ways), limits, sizes=sizes, clock=lambda: next(clock)
        )
        return found.definitions, found.bound, found.calls

    assert chosen(0) == chosen(1000)


def test_a_limit_that_no_better_selection_breaks_is_not_named():
    a, b, ways = two_good_indexes()
    assert choose([a, b], ways, {}, indexes_per_table=1)[0].conflicts == ()
    limited = choose([a, b], ways, {}, indexes_per_table=1, max_indexes=1)[0]
    assert limited.conflicts == ("the limit on the number of indexes keeps the workload from getting cheaper",)


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


def test_the_same_program_is_not_solved_again_when_nothing_was_learned(monkeypatch):
    _, _, ways = two_good_indexes()
    solved = []

    def promises(self, effort):
        if effort is search.EXACT:
            solved.append(self.pricer.calls)
        return self.value / 2  # more than the planner keeps, however often it is asked

    monkeypatch.setattr(search.Search, "confirm", promises)
    choose([], ways, {})
    assert solved
    assert max(map(solved.count, solved)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_greedy_is_close_to_brute_force(seed, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    pool, ways, sizes, calls = random_instance(seed, indexes=8)
    budget = sum(sizes.values()) // 2
    found, _ = choose(pool, ways, calls, sizes, budget_bytes=budget)
    best = brute_force_within(pool, ways, calls, sizes, budget)
    assert sum(sizes[d] for d in found.definitions) <= budget
    assert workload_cost(ways, calls, found.definitions) <= best * 1.25
