"""The selection from end to end: price, search, prune, prove, explain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from indexpilot_cli.advise.costing import stand_ins
from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.explain import Ledger, SelectionOutcome, WhyNot, dropped
from indexpilot_cli.advise.select.greed_first import search_of
from indexpilot_cli.advise.select.highs import Effort
from indexpilot_cli.advise.select.limits import Limits, budget_row, errors_of
from indexpilot_cli.advise.select.problem import OF_A_STATEMENT, Selection, SelectionProblem, build
from indexpilot_cli.advise.select.program import Solution
from indexpilot_cli.advise.select.proof import LITTLE
from indexpilot_cli.advise.select.search import Found, Search
from indexpilot_cli.core import units
from indexpilot_cli.core.command import Progress, Silent
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, SpareIndex
from indexpilot_cli.core.plan import Bound
from indexpilot_cli.core.workload import QueryTemplate
from indexpilot_cli.methods.writes import WriteModel

NOTICED = 0.01  # of the cost: a limit that costs less is not worth a word
CURVE = (4.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.25)
GLANCE = Effort(5, 1e-2, sure=2e-3)  # a curve is read to the per cent: a fifth of the time, points within 0.3 %


def advise(
    templates: Sequence[QueryTemplate],
    candidates: Sequence[Candidate],
    estimator: CostEstimator,
    limits: Limits | None = None,
    writes: WriteModel | None = None,
    sizes: Mapping[IndexDefinition, int] | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    spare: Sequence[SpareIndex] = (),
) -> Selection:
    """The few candidates that pay, what they are worth, why not the others, and how far from the best this may be.

    ``sizes`` are bytes; where one is missing the estimator's own is taken. ``clock`` gives seconds, for
    ``limits.seconds``. Statements that cannot be planned are listed in ``unplanned``, not raised; what the
    planner's loss raises (UnreachableError) passes through. ``spare`` are indexes that are there and may go.
    """
    limits, progress = limits or Limits(), progress or Silent()
    model, spare = writes or WriteModel(), spare if spare and estimator.hides else ()
    problem = build(templates, candidates, estimator, limits, model, sizes or {}, progress, clock, spare)
    progress.stage("Choosing indexes", limits.calls)
    search = search_of(problem)
    found = search.run()
    progress.stage("Explaining the choice")
    ledger = Ledger(problem)
    selection, benefits, pruned = _prune(ledger, found.mask)
    selection = _harmless(ledger, selection)
    outcome = SelectionOutcome(selection, search.program, search.before_fewest & ~found.mask, pruned)
    why = WhyNot(ledger, outcome, stand_ins(problem.pool))
    return _selection(problem, search, found, ledger, selection, benefits, why, estimator)


def _prune(ledger: Ledger, selection: Mask) -> tuple[Mask, dict[int, float], dict[int, float]]:
    """Give up, least first, every index that nobody would notice; benefits of the rest and of those."""
    given_up: dict[int, float] = {}
    least = ledger.problem.limits.min_benefit
    while True:
        users = ledger.users(selection)
        benefits = ledger.leave_one_out(selection, users)
        small = [n for n in benefits if benefits[n] < least]
        small = [n for n in small if ledger.noticed(n, selection, users[n]) < OF_A_STATEMENT * least]
        small.sort(key=lambda n: (benefits[n], -n))
        if not small:
            return selection, benefits, given_up
        for number in _apart(small, users, {n: ledger.stand_by(n, selection, users[n]) for n in small}):
            given_up[number] = max(0.0, benefits[number])
            selection = ledger.without(number, selection)
        # What went may have been the second best of others: all are priced before the next look.
        ledger.pricer.ask((case, selection) for case in range(len(ledger.pricer.cases)))


def _harmless(ledger: Ledger, selection: Mask) -> Mask:
    """The selection with everything that is there of which a statement is in want: dearer than it may get.

    The search keeps to that itself, as far as its calls and its time went.
    """
    pricer, charges = ledger.pricer, ledger.problem.program.charges
    while True:
        dear = (c for c, charge in enumerate(charges) if ledger.case_cost(c, selection) > charge.most)
        case = next((c for c in dear if pricer.cases[c].relevant & ledger.now & ~selection), None)
        if case is None:
            return selection
        selection |= pricer.cases[case].relevant & ledger.now
        pricer.ask((c, selection) for c in range(len(pricer.cases)))


def _apart(numbers: Sequence[int], users: Mapping[int, Sequence[int]], stand_by: Mapping[int, Mask]) -> list[int]:
    """Those, first come first, of which giving up one changes nothing for the next: they share no case, and no plan
    that comes in the place of one uses another.
    """
    taken: set[int] = set()
    needed = gone = 0
    chosen = []
    for number in numbers:
        bit = 1 << number
        if taken.isdisjoint(users[number]) and not (needed & bit or stand_by[number] & gone):
            taken.update(users[number])
            needed, gone = needed | stand_by[number], gone | bit
            chosen.append(number)
    return chosen


def _selection(
    problem: SelectionProblem,
    search: Search,
    found: Found,
    ledger: Ledger,
    selection: Mask,
    benefits: Mapping[int, float],
    why: WhyNot,
    estimator: CostEstimator,
) -> Selection:
    users = ledger.users(selection)
    new = selection & problem.pool.new
    chosen = [ledger.choice(n, selection, benefits[n], users[n]) for n in members(new)]
    rejections = (*why.rejections(), *problem.refused)
    plans = _trees(problem, selection, estimator)
    curve, sets = _curve(problem, search, ledger, selection)
    return Selection(
        chosen=tuple(sorted(chosen, key=lambda c: -c.benefit)),
        rejections=rejections,
        bound=_bound(problem, search, found, selection),
        cost_before=ledger.before,
        cost_after=ledger.cost(selection),
        predicted=found.predicted,
        unit=problem.unit,
        write_cost=sum(problem.writes.units(problem.pool.definition(n)) for n in members(new)),
        size_bytes=sum(problem.sizes[n] for n in members(new)),
        effects=ledger.effects(selection),
        plans=plans,
        budget_bytes=problem.limits.budget_bytes,
        budget_curve=curve,
        budget_sets=sets,
        unplanned=problem.unplanned,
        conflicts=_conflicts(search),
        calls=problem.pricer.calls,
        cache_hits=problem.pricer.hits,
        notes=problem.writes.notes,
        dropped=dropped(ledger, selection),
    )


def _trees(
    problem: SelectionProblem, selection: Mask, estimator: CostEstimator
) -> dict[tuple[str, str], PlannedStatement]:
    """The final plans, as trees, of the cases whose plan uses a chosen index."""
    pricer = problem.pricer
    new = problem.pool.new
    used = [c for c in range(len(pricer.cases)) if (a := pricer.possible(c, selection)) is not None and a.used & new]
    # Once more, now with the tree: the search keeps costs and names alone, for trees of all its plans would fill
    # memory.
    asked = [pricer.question(c, selection, keep_tree=True) for c in used]
    names = [(problem.all_templates[pricer.cases[c].template].id, pricer.cases[c].label) for c in used]
    return dict(zip(names, estimator.plan(asked), strict=True)) if asked else {}


def _bound(problem: SelectionProblem, search: Search, found: Found, selection: Mask) -> Bound:
    """The objective of the final selection against the proven bound of all; both with the constant of regret."""
    constant = sum(weight * _best(problem, group) for group, weight in search.program.regret)
    value = search.true(selection)
    objective = (found.objective if value is None else value) + constant
    if found.lower is None:
        greedy = "the choice is greedy" if problem.limits.greedy else "scipy is missing, so the choice is greedy"
        why = greedy if found.solver == "greedy" else "the limit came first"
        return Bound(objective, None, None, found.solver, f"no bound: {why}")
    lower = min(objective, found.lower + constant)
    gap = (objective - lower) / objective if objective - lower > 1e-9 * objective else 0.0  # sums are only so exact
    note = f"at most {gap * 100:.2g} % better is possible with these candidates, planner costs and prices of indexes"
    return Bound(objective, lower, gap, found.solver, note)


def _best(problem: SelectionProblem, group: int) -> float:
    """The mean of the best costs of a template's parameter classes."""
    total = sum(c.share for c in problem.pricer.cases if c.template == group)
    cases = zip(problem.pricer.cases, problem.program.charges, strict=True)
    return sum(case.share / total * charge.best for case, charge in cases if case.template == group)


def _curve(
    problem: SelectionProblem, search: Search, ledger: Ledger, selection: Mask
) -> tuple[tuple[tuple[int, float], ...], tuple[tuple[str, ...], ...]]:
    """Workload cost relative to now for other storage budgets, from the plans known by now; and the new indexes of each
    by their ids.
    """
    budget, errors = problem.limits.budget_bytes, errors_of(problem.pool, problem.limits)
    sizes = dict(enumerate(problem.sizes[: problem.pool.first_spare]))
    base = budget
    if base is None:  # the set itself takes what it takes
        base, errors = sum(sizes[n] for n in members(selection & problem.pool.new)), [0.0] * len(sizes)
    if base <= 0 or search.solver != "HiGHS":
        return (), ()
    others = tuple(row for row in search.program.rows if row.family != "budget")
    program, plans = search.program, search.plans()
    points: dict[int, tuple[float, tuple[str, ...]]] = {}
    # Without a budget the choice itself is all that pays: more room would buy nothing.
    solution = Solution(selection, search.value, None) if budget is None else None
    for factor in CURVE if budget is not None else (f for f in CURVE if f <= 1):
        row = budget_row(sizes, errors, base * factor)
        # The best within more space is the best within less where it fits there.
        if solution is None or not row.allows(solution.mask):
            search.program = replace(program, rows=(*others, row))
            # Anew: TPC-DS took three times the search's own time.
            found = search.quick(plans, LITTLE, GLANCE)
            if found is None:
                continue
            solution = found
        points[int(base * factor)] = _point(ledger, solution.mask)
    search.program = program
    ordered = sorted(points.items())
    return tuple((space, cost) for space, (cost, _) in ordered), tuple(ids for _, (_, ids) in ordered)


def _point(ledger: Ledger, mask: Mask) -> tuple[float, tuple[str, ...]]:
    """What the workload costs with the set relative to now, and the ids of its new indexes."""
    pool = ledger.problem.pool
    ids = tuple(pool.definition(n).id for n in members(mask & pool.new))
    return ledger.cost(mask) / (ledger.before or 1.0), ids


_KEEPS = "keeps the workload from getting cheaper"
_NAMES = {
    "budget": "the storage budget",
    "tenant_budget": "the storage budget of a tenant",
    "max_indexes": "the limit on the number of indexes",
    "tenant_indexes": "the limit on the indexes of a tenant",
    "max_changes": "the limit on the number of changes",
    "per_table": "the limit on indexes per table",
    "write_overhead": "the limit on write overhead",
    "protection": "the limit on what a statement may get dearer",
}
_ALONE = {"protection": "some statement would get dearer than allowed with a set that is cheaper altogether"}
_BYTES = frozenset({"budget", "tenant_budget"})
_COUNTED = frozenset({"max_indexes", "tenant_indexes", "per_table"})


def _conflicts(search: Search) -> tuple[str, ...]:
    """Of the limit without which the same program, with the plans known by now, gets cheapest; where none does it
    alone, of the least set of them: taken away all, and given back one by one as long as it still gets cheaper
    (Chinneck's deletion filter, https://doi.org/10.1007/978-0-387-74932-7).
    """
    families = [f for f in dict.fromkeys(row.family for row in search.program.rows) if f in _NAMES]
    alone = [(found.objective, f) for f in families if (found := _relaxed(search, (f,))) is not None]
    if alone:
        family = min(alone)[1]
        return (_ALONE.get(family, f"{_NAMES[family]} {_KEEPS}"),)
    lifted, found = families, _relaxed(search, families) if len(families) > 1 else None
    if found is None:
        return ()
    for family in families:
        fewer = [f for f in lifted if f != family]
        still = _relaxed(search, fewer)
        lifted, found = (fewer, still) if still is not None else (lifted, found)
    names = " and ".join(_needed(search, family, found.mask) for family in lifted)
    return (f"{names} together keep the workload from getting cheaper",)


def _relaxed(search: Search, families: Sequence[str]) -> Solution | None:
    """What the program gives without these limits, where that is cheaper by enough and breaks each of them.

    Two solutions may differ for want of exactness as well.
    """
    program, plans = search.program, search.plans()
    search.program = replace(program, rows=tuple(r for r in program.rows if r.family not in families))
    solution = search.quick(plans)
    search.program = program
    if solution is None or solution.objective >= search.value * (1 - NOTICED):
        return None
    broken = {row.family for row in program.rows if not row.allows(solution.mask)}
    return solution if broken & set(families) else None


def _needed(search: Search, family: str, mask: Mask) -> str:
    """The limit with how much of it the cheaper set would take."""
    rows = (row for row in search.program.rows if row.family == family)
    most = max((sum(v for n, v in row.coefficients if mask >> n & 1) for row in rows), default=0.0)
    takes = units.size(math.ceil(most)) if family in _BYTES else f"{most:.0f}" if family in _COUNTED else ""
    return f"{_NAMES[family]}{f' (it takes {takes})' if takes else ''}"
