"""The binary program against brute force over all selections."""

import random

import pytest

from indexpilot_cli.advise.masks import members
from indexpilot_cli.advise.select.greedy import solve_greedily
from indexpilot_cli.advise.select.highs import Effort, bounded, nearly_solved, relaxed, solve
from indexpilot_cli.advise.select.program import Charge, Option, Program, Row, option_cost

EXACT = Effort(gap=1e-9)


def instance(seed):
    """Up to 12 indexes, a handful of cases with options, sizes, per-table and count limits, write costs, regret."""
    rng = random.Random(seed)
    indexes = rng.randrange(3, 13)
    options, charges = [], []
    for case in range(rng.randrange(2, 8)):
        now = rng.uniform(10, 1000)
        choices = [Option(0, 0, now)]
        for _ in range(rng.randrange(5)):
            present = sum(1 << n for n in rng.sample(range(indexes), rng.randrange(1, 4)))
            choices.append(Option(present, 0, now * rng.random()))
        options.append(choices)
        charges.append(Charge(rng.choice([0.5, 1, 20]), case // 2, min(o.cost for o in choices)))
    sizes = tuple((n, float(rng.randrange(1, 30))) for n in range(indexes))
    rows = [Row("budget", sizes, rng.uniform(0.1, 0.9) * sum(v for _, v in sizes))]
    if seed % 2:
        rows.append(Row("max_indexes", tuple((n, 1.0) for n in range(indexes)), float(rng.randrange(1, 5))))
    if seed % 3 == 0:
        rows.append(Row("per_table", tuple((n, 1.0) for n in range(0, indexes, 2)), 1.0))
    fixed = tuple(rng.uniform(0, 40) if seed % 4 else 0.0 for _ in range(indexes))
    regret = ((0, 0.3), (1, 2.0)) if seed % 5 == 0 and len(options) > 3 else ()
    scale = sum(c.weight * o[0].cost for c, o in zip(charges, options, strict=True))
    return Program(tuple(charges), fixed, tuple(rows), regret, scale), options, indexes


def value(program, options, mask):
    return program.objective(mask, [option_cost(o, case, mask) for case, o in enumerate(options)])


def optimum(program, options, indexes):
    return min(value(program, options, m) for m in range(1 << indexes) if program.allows(m))


@pytest.mark.parametrize("seed", range(60))
def test_the_relaxed_program_bounds_the_best_and_says_what_it_takes(seed):
    program, options, indexes = instance(seed)
    found = relaxed(program, options)
    assert 0 < found.bound <= optimum(program, options, indexes) * (1 + 1e-6)
    for taken, own in zip(found.taken, options, strict=True):
        assert sum(share for _, share in taken) == pytest.approx(1.0, abs=1e-4)
        assert all(option in own and not option.present & ~found.had(1e-7) for option, _ in taken)
    had = found.had(1 - 1e-6)
    if had == found.had(1e-6):  # nothing in parts: it is the answer
        assert value(program, options, had) == pytest.approx(found.bound, rel=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_where_the_relaxed_program_wavers_not_it_is_followed(seed):
    program, options, indexes = instance(seed)
    found = nearly_solved(program, options, EXACT)
    assert program.allows(found.mask)
    assert found.bound <= optimum(program, options, indexes) * (1 + 1e-6)
    assert found.objective == pytest.approx(value(program, options, found.mask), rel=1e-6)
    assert not relaxed(program, options).had(1 - 1e-7) & ~found.mask


@pytest.mark.parametrize("seed", range(30))
def test_what_cases_change_is_told_without_the_others(seed):
    program, options, indexes = instance(seed)
    rng = random.Random(seed)
    before, after = ([option_cost(o, c, rng.randrange(1 << indexes)) for c, o in enumerate(options)] for _ in range(2))
    cases = [c for c in range(len(options)) if before[c] != after[c]]
    grown = program.objective(0, after) - program.objective(0, before)
    assert program.moved(before, after, cases) == pytest.approx(grown, abs=1e-9 * program.scale)


def test_the_relaxed_program_of_nothing():
    assert relaxed(Program((), ()), []).bound == 0.0


@pytest.mark.parametrize("seed", range(200))
def test_milp_equals_brute_force(seed):
    program, options, indexes = instance(seed)
    solution = solve(program, options, effort=EXACT)
    best = optimum(program, options, indexes)
    assert solution.objective == pytest.approx(best, rel=1e-6)
    assert value(program, options, solution.mask) == pytest.approx(best, rel=1e-6)
    assert program.allows(solution.mask)
    assert solution.bound == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", range(200))
def test_what_cannot_be_in_a_cheaper_selection_is_left_out_of_the_bound_alone(seed):
    program, options, indexes = instance(seed)
    best = optimum(program, options, indexes)
    for most in (best * 0.9, best, best * 1.001, best * 1.3, program.scale * 2):
        mask, bound = bounded(program, options, EXACT, most)
        assert bound == pytest.approx(min(best, most), rel=1e-6)
        if most > best * (1 + 1e-6):
            assert value(program, options, mask) == pytest.approx(best, rel=1e-6)
        assert bounded(program, options, Effort(nodes=0), most)[1] <= best * (1 + 1e-6) or most < best


def test_fewer_come_first_then_smaller_ties():
    program = Program((), (0.0,) * 3, tie=(0.03, 0.01, 0.02))
    assert sorted(range(8), key=program.order) == [0, 0b010, 0b100, 0b001, 0b110, 0b011, 0b101, 0b111]


@pytest.mark.parametrize("seed", range(30))
def test_greedy_keeps_to_the_limits_and_to_a_local_optimum(seed):
    program, options, indexes = instance(seed)
    mask = solve_greedily(program, options).mask
    here = value(program, options, mask)
    assert program.allows(mask)
    neighbours = [mask ^ 1 << n for n in range(indexes)]
    neighbours += [(mask & ~(1 << n)) | 1 << m for n in members(mask) for m in range(indexes)]
    assert all(value(program, options, m) >= here * (1 - 1e-9) for m in neighbours if program.allows(m))


@pytest.mark.parametrize("seed", range(30))
def test_greedy_stops_when_it_is_late_with_what_it_has(seed):
    program, options, indexes = instance(seed)
    settled = value(program, options, solve_greedily(program, options).mask)
    worth = []
    for looks in (0, 1, 2, 4, 100 * indexes):
        left = iter([False] * looks)
        mask = solve_greedily(program, options, is_late=lambda left=left: next(left, True)).mask
        assert program.allows(mask)
        worth.append(value(program, options, mask))
    assert worth[0] <= value(program, options, program.start)
    assert worth[-1] == settled


def test_an_option_with_absent_indexes_is_only_for_selections_without_them():
    program = Program((Charge(1.0, 0),), (0.0, 0.0), (), (), 1.0)
    options = [[Option(0b01, 0, 5.0), Option(0, 0b01, 7.0), Option(0, 0, 9.0)]]
    forced = [[Option(0b01, 0b10, 3.0), *options[0]], [Option(0b10, 0, 1.0), Option(0, 0, 50.0)]]
    assert solve(program, options, effort=EXACT).objective == pytest.approx(5.0)
    both = Program((Charge(1.0, 0), Charge(1.0, 1)), (0.0, 0.0), (), (), 1.0)
    assert solve(both, forced, effort=EXACT).objective == pytest.approx(6.0)  # not 3 + 1


def test_stand_ins_serve():
    program = Program((Charge(1.0, 0),), (100.0, 0.0), (), (), 1.0)
    options = [[Option(0b01, 0, 1.0), Option(0, 0, 50.0)]]
    assert solve(program, options, effort=EXACT).mask == 0
    solution = solve(program, options, lambda _case, number: 0b11 if number == 0 else 0b10, EXACT)
    assert (solution.mask, solution.objective) == (0b10, pytest.approx(1.0))
