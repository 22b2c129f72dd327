"""What is said about a selection: benefits, effects, reasons, the bound, what could not be planned."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.costing import stand_ins
from indexpilot_cli.advise.select import Limits, advise
from indexpilot_cli.advise.select.explain import Ledger, SelectionOutcome, WhyNot
from indexpilot_cli.advise.select.problem import build
from indexpilot_cli.core.command import Silent
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from tests.unit.advise.select.model_planner import (
    ModelPlanner,
    candidate,
    index,
    random_instance,
    template,
    way,
    workload_cost,
)

A, B, C = index("a"), index("b", on=1), index("c")


def advice(ways, pool, limits=None, templates=None, writes=None, sizes=None, **planner):
    templates = templates or [template(name, tables=(0, 1)) for name in ways]
    return advise(templates, [candidate(d) for d in pool], ModelPlanner(ways, **planner), limits, writes, sizes)


def reasons(selection):
    return {r.definition: r.reason for r in selection.rejections}


def test_leave_one_out_benefit_counts_only_what_comes_back():
    ways = {"q-1": [way(1000), way(200, A), way(300, C)], "q-2": [way(1000), way(100, C)]}
    chosen = {c.candidate.definition: c for c in advice(ways, [A, C], Limits()).chosen}
    assert chosen[A].benefit == pytest.approx(0.05)  # 300 -> 200 of 2000: the other index would serve
    assert chosen[C].benefit == pytest.approx(0.45)
    assert [e.template for e in chosen[A].effects] == ["q-1"]
    assert chosen[A].reduction == pytest.approx(0.8)


def test_an_index_that_the_best_plan_known_uses_has_a_user_where_the_calls_have_ended():
    """Without one it was given up as worth nothing, and a looser limit of calls gave a dearer set."""
    ways, pool = {"q": [way(1000), way(100, A), way(10, B)]}, [candidate(d) for d in (A, B, C)]
    templates = [template("q", tables=(0, 1))]
    problem = build(templates, pool, ModelPlanner(ways), Limits(calls=3), WriteModel(), {}, Silent(), float)
    problem.pricer.ask([(0, 0b001)])
    ledger, selection = Ledger(problem), 0b101
    assert problem.pricer.left() == 0
    assert problem.pricer.known(0, selection) is None
    assert ledger.users(selection) == {0: [0], 2: []}
    assert ledger.cost(selection) == 100
    assert ledger.choice(0, selection, 0.9, [0]).holds == 1


def test_effects_of_every_template():
    ways = {"q-1": [way(1000), way(200, A)], "q-2": [way(500)]}
    templates = [template("q-1", calls=3, total_ms=90.0), template("q-2", calls=1, total_ms=10.0)]
    selection = advice(ways, [A], templates=templates)
    effects = {e.template: e for e in selection.effects}
    assert selection.unit == "ms"
    assert selection.cost_before == pytest.approx(100.0)
    assert selection.cost_after == pytest.approx(28.0)
    assert (effects["q-1"].before, effects["q-1"].after, effects["q-1"].share) == (1000, 200, pytest.approx(0.9))
    assert effects["q-1"].weight == pytest.approx(0.09)
    assert (effects["q-2"].before, effects["q-2"].after) == (500, 500)


def test_parameter_classes_are_counted():
    ways = {"q-1.rare": [way(1000), way(10, A)], "q-1.common": [way(1000), way(999, A)]}
    scenarios = ((".rare", 0.5), (".common", 0.5))
    selection = advice(ways, [A], templates=[template("q-1", scenarios=scenarios)])
    (choice,) = selection.chosen
    assert (choice.holds, choice.scenarios) == (1, 2)
    assert selection.cost_after == pytest.approx(504.5)
    assert set(selection.plans) == {("q-1", ".rare"), ("q-1", ".common")}


def test_an_index_below_the_least_benefit_is_given_up():
    ways = {"q-1": [way(1000), way(10, A)], "q-2": [way(20), way(1, B)]}
    selection = advice(ways, [A, B], Limits(min_benefit=0.1))
    assert selection.definitions == {A}
    (rejection,) = selection.rejections
    assert (rejection.reason, rejection.definition) == ("too_little_benefit", B)
    assert rejection.benefit == pytest.approx(19 / 1020)
    assert "1.9 %" in rejection.detail


def test_of_two_that_stand_in_for_each_other_only_one_is_given_up():
    ways = {"heavy": [way(100_000)]}
    for n in range(12):  # either saves a little of many statements; without both they cost ten times as much
        ways[f"a-{n}"] = [way(1000), way(100, A), way(109, B)]
        ways[f"b-{n}"] = [way(1000), way(100, B), way(109, A)]
    assert advice(ways, [A, B]).cost_after <= 100_000 + 12 * (100 + 109)


def test_reasons():
    wide, long_, other = index("a", "x"), index("a", "y"), index("d")
    ways = {
        "q-1": [way(1000), way(10, A), way(12, wide)],
        "q-2": [way(900), way(20, B)],
        "q-3": [way(800), way(700, C)],
    }
    sizes = {A: 10, B: 1000, C: 10, wide: 10, long_: 10, other: 10}
    writes = WriteModel({C: WriteCost(total_us=10_000.0)}, us_per_unit=10.0)
    selection = advice(ways, list(sizes), Limits(budget_bytes=500), writes=writes, sizes=sizes)
    assert selection.definitions == {A}
    assert reasons(selection) == {
        B: "over_budget",
        C: "write_cost",
        wide: "dominated",
        long_: "dominated",
        other: "not_used",
    }
    over = next(r for r in selection.rejections if r.definition == B)
    assert over.benefit == pytest.approx(880 / 2700)
    assert next(r for r in selection.rejections if r.definition == wide).by == A.id
    assert selection.conflicts == ("the storage budget keeps the workload from getting cheaper",)


def test_limits_on_numbers_and_fewer_indexes_are_reasons():
    ways = {"q-1": [way(1000), way(10, A)], "q-2": [way(900), way(20, B)]}
    assert reasons(advice(ways, [A, B], Limits(max_indexes=1))) == {B: "over_limit"}
    ways = {"q-1": [way(1000), way(500, A), way(496, A, C)]}
    assert reasons(advice(ways, [A, C])) == {C: "too_little_benefit"}


def test_what_no_plan_was_asked_with_is_not_called_unused():
    ways = {"q-1": [way(1000), way(10, A)]}
    assert reasons(advice(ways, [A], Limits(calls=1))) == {A: "not_asked"}


def test_what_would_pay_is_not_said_to_save_less_than_its_price():
    ways, pool = {"q": [way(1000), way(100, A)]}, [candidate(A)]
    templates = [template("q", tables=(0, 1))]
    problem = build(templates, pool, ModelPlanner(ways), Limits(), WriteModel(), {}, Silent(), float)
    problem.pricer.ask([(0, 0b1)])
    (left,) = WhyNot(Ledger(problem), SelectionOutcome(0, problem.program), stand_ins(problem.pool)).rejections()
    assert (left.reason, left.benefit) == ("not_asked", pytest.approx(0.9))
    assert left.detail.startswith("it would save 90 % of the workload's cost, more than the ")


def test_nothing_pays():
    selection = advice({"q-1": [way(100)]}, [A])
    assert selection.chosen == ()
    assert reasons(selection) == {A: "not_used"}
    assert selection.cost_after == selection.cost_before == 100
    assert selection.bound.gap == pytest.approx(0.0)


def test_no_candidates_and_no_templates():
    assert advice({"q-1": [way(100)]}, []).chosen == ()
    assert advise([], [candidate(A)], ModelPlanner({})).chosen == ()


def test_refused_candidates_and_unplanned_statements_are_listed():
    ways = {"q-1": [way(1000), way(10, A)], "bad": [way(1)]}
    selection = advice(ways, [A, B], broken=["bad"], refused=[B])
    assert selection.unplanned == (("bad", "cannot be planned"),)
    assert selection.cost_before == 1000
    assert reasons(selection) == {B: "not_modelled"}


def test_a_class_that_cannot_be_planned_leaves_its_share_to_the_others():
    ways = {"q-1.a": [way(1000), way(10, A)], "q-1.b": [way(1)]}
    planner = {"broken": ["q-1.b"]}
    selection = advice(ways, [A], templates=[template("q-1", scenarios=((".a", 0.2), (".b", 0.8)))], **planner)
    assert selection.cost_before == 1000
    assert selection.unplanned == ()


def test_the_bound_is_proved_and_said():
    ways = {"q-1": [way(1000), way(10, A)], "q-2": [way(900), way(20, B)]}
    bound = advice(ways, [A, B], Limits(min_benefit=0.0)).bound
    assert bound.objective == pytest.approx(30)
    assert bound.lower == pytest.approx(30)
    assert bound.note == "at most 0 % better is possible with these candidates, planner costs and prices of indexes"


def test_the_bound_of_a_robust_choice_is_comparable_with_costs():
    ways = {"q-1.a": [way(1000), way(10, A)], "q-1.b": [way(1000), way(30, A)]}
    halves = [template("q-1", scenarios=((".a", 0.5), (".b", 0.5)))]
    selection = advice(ways, [A], Limits(min_benefit=0.0), halves)
    assert selection.bound.objective == pytest.approx(20)
    assert selection.cost_after == pytest.approx(20)


def test_budget_curve_falls():
    ways = {"q-1": [way(1000), way(10, A)], "q-2": [way(900), way(20, B)]}
    found = advice(ways, [A, B], Limits(budget_bytes=100), sizes={A: 100, B: 100})
    curve = found.budget_curve
    sets = {space: bought for (space, _), bought in zip(curve, found.budget_sets, strict=True)}
    assert (sets[50], sets[100], set(sets[200])) == ((), (A.id,), {A.id, B.id})
    assert dict(curve)[100] == pytest.approx(910 / 1900)
    assert dict(curve)[200] == pytest.approx(30 / 1900)
    assert dict(curve)[50] == pytest.approx(1.0)
    assert [cost for _, cost in curve] == sorted((cost for _, cost in curve), reverse=True)


def test_prices_of_indexes_and_of_bytes_are_part_of_the_choice_and_its_bound():
    covering = index("a", "z")
    ways = {"q-1": [way(1000), way(11.5, A), way(10, covering)], "q-2": [way(1000), way(985, C)]}
    sizes = {A: 10, covering: 1000, C: 10}
    free = advice(ways, list(sizes), Limits(min_benefit=0.0), sizes=sizes)
    assert free.definitions == {covering, C}
    pool = [candidate(A, "q-1"), candidate(covering, "q-1"), candidate(C, "q-2")]
    templates = [template(name, tables=(0,)) for name in ways]
    selection = advise(templates, pool, ModelPlanner(ways), Limits(min_benefit=0.02), sizes=sizes)
    assert selection.definitions == {A}  # 990 bytes count more than 1.5, a tenth and more of 985 more than 15
    price = 0.2 * 10 * (1 + 10 / 1000) / 2  # ten times 2 % of the least cost, half by head and half by bytes
    fixed = 0.02 * (0.1 * 2000 * (1 + 10 / 505) / 2 + 500)  # of all the work, half by bytes; and per call
    assert selection.bound.objective == pytest.approx(1011.5 + price + fixed)
    assert selection.bound.gap == pytest.approx(0.0)
    assert selection.write_cost == 0.0


def one_bad_query_each(tables, slow=1000.0, fast=10.0):
    pool = [index("a", on=n) for n in range(tables)]
    ways = {f"q-{n}": [way(slow), way(fast, d)] for n, d in enumerate(pool)}
    return pool, ways, [template(name, tables=(n,)) for n, name in enumerate(ways)]


@pytest.mark.parametrize("tables", [1, 2, 19, 250, 1000])
def test_an_index_for_each_table_with_a_bad_query_however_many_there_are(tables):
    pool, ways, templates = one_bad_query_each(tables)
    selection = advice(ways, pool, templates=templates)
    assert selection.definitions == frozenset(pool)
    assert selection.bound.gap == pytest.approx(0.0, abs=1e-6)


def test_a_statement_that_gets_ten_times_faster_matters_at_a_thousandth_of_the_load():
    ways = {"heavy": [way(999_000)], "people": [way(1000), way(100, A)], "small": [way(500), way(470, B)]}
    selection = advice(ways, [A, B])
    assert selection.definitions == {A}
    assert reasons(selection) == {B: "too_little_benefit"}


def test_nothing_is_offered_for_statements_that_hardly_cost_anything():
    heavy = {f"h-{n}": [way(100_000)] for n in range(20)}
    trifles = [index(f"c{n}") for n in range(20)]
    ways = heavy | {f"t-{n}": [way(20), way(12, d)] for n, d in enumerate(trifles)}
    assert advice(ways, trifles).definitions == frozenset()


@pytest.mark.parametrize(("unit", "one"), [("ms", 1.0), ("cost", 100.0)])
def test_a_statement_of_many_that_takes_a_fortieth_of_a_millisecond_gets_no_index(unit, one):
    """Each saves four fifths of its statement and 0.3 % of the work, which a call does not show."""
    pool = [index(f"c{n}") for n in range(300)]
    ways = {f"q-{n}": [way(0.025 * one), way(0.005 * one, d)] for n, d in enumerate(pool)}
    assert timed(ways, pool, unit).definitions == frozenset()


@pytest.mark.parametrize(("unit", "one"), [("ms", 1.0), ("cost", 100.0)])
def test_cheap_statements_that_are_most_of_the_work_get_their_indexes(unit, one):
    pool = [index(f"c{n}") for n in range(3)]
    ways = {f"q-{n}": [way(0.025 * one), way(0.005 * one, d)] for n, d in enumerate(pool)}
    assert timed(ways, pool, unit).definitions == frozenset(pool)


@pytest.mark.parametrize(("unit", "one"), [("ms", 1.0), ("cost", 100.0)])
def test_dozens_of_small_wins_beside_what_matters_are_left(unit, one):
    """The demo's kind: twenty statements that matter, and forty of two milliseconds each of which saves half of it.

    All of these together are less than a twentieth of what the others cost at best.
    """
    pool = [index(f"c{n}") for n in range(60)]
    heavy = {f"h-{n}": [way(500 * one), way(40 * one, d)] for n, d in enumerate(pool[:20])}
    light = {f"l-{n}": [way(2 * one), way(1 * one, d)] for n, d in enumerate(pool[20:])}
    assert timed(heavy | light, pool, unit).definitions == frozenset(pool[:20])


def timed(ways, pool, unit):
    """Advice for statements whose costs are milliseconds measured, or nothing but costs."""
    total = {"ms": lambda name: ways[name][0].cost, "cost": lambda _: None}[unit]
    templates = [replace(template(name), total_ms=total(name)) for name in ways]
    return advise(templates, [candidate(d, n) for d, n in zip(pool, ways, strict=True)], ModelPlanner(ways))


def test_of_two_that_are_worth_as_much_to_a_queue_the_partial_one_of_few_pages_is_chosen():
    whole, few = index("state", "run_at"), index("run_at", predicate="state = 'ready'")
    heavy = [index(f"c{n}") for n in range(10)]
    ways = {f"h-{n}": [way(1000), way(100, d)] for n, d in enumerate(heavy)}
    ways["queue"] = [way(1000), way(1.0, whole), way(1.2, few)]
    sizes = dict.fromkeys(heavy, 4_000_000) | {whole: 3_900_000, few: 16_384}
    assert advice(ways, [*heavy, whole, few], sizes=sizes).definitions == {*heavy, few}


def test_a_second_index_that_saves_little_of_what_the_first_left_is_not_offered():
    ways = {"q-1": [way(1000), way(2, A), way(1.9, A, C)], "q-2": [way(100)]}
    assert advice(ways, [A, C]).definitions == {A}


def test_the_least_benefit_is_a_share_of_the_workload_or_ten_times_it_of_one_statement():
    ways = {"heavy": [way(10_000)], "one": [way(100), way(60, A)]}  # saves 0.4 % of all and 40 % of one statement
    for least, chosen in ((0.001, {A}), (0.005, {A}), (0.03, {A}), (0.042, set())):
        assert advice(ways, [A], Limits(min_benefit=least)).definitions == chosen


def test_what_the_default_leaves_out_costs_little():
    for seed in range(20):
        pool, ways, sizes, calls = random_instance(seed, indexes=10, statements=8)
        templates = [template(name, calls[name], tables=(0, 1)) for name in ways]
        found = [
            advice(ways, pool, Limits(min_benefit=least, protection=None), templates, sizes=sizes)
            for least in (0.0, 0.005)
        ]
        free, default = (workload_cost(ways, calls, s.definitions) for s in found)
        assert default <= free * 1.05
        assert found[1].size_bytes <= found[0].size_bytes * 1.01
