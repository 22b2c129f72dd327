"""From templates, candidates and limits to a program and a pricer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from indexpilot_cli.advise.allowance import Allowance
from indexpilot_cli.advise.costing import COST, MS, Case, Pool, Pricer, cases_of, unit_of, weight_of
from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.limits import Limits, limit_rows
from indexpilot_cli.advise.select.program import Charge, Program
from indexpilot_cli.advise.select.spare import DroppedIndex, replaceable, stays, unexplained
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, Rejection, SpareIndex
from indexpilot_cli.core.plan import Bound, TemplateEffect
from indexpilot_cli.core.workload import QueryTemplate
from indexpilot_cli.methods.writes import WriteCost, WriteModel


@dataclass(frozen=True, slots=True)
class SelectionProblem:
    """What the search works on and what it takes to talk about the result.

    ``templates`` are those that could be planned, in order; ``weights`` one per template; cases of the pricer
    refer to ``templates`` by position in ``all_templates``. ``prices`` are what each candidate must save besides its
    writes, in the unit of the objective.
    """

    limits: Limits
    pricer: Pricer
    program: Program
    prices: Sequence[float]
    all_templates: tuple[QueryTemplate, ...]
    weights: Mapping[int, float]
    unit: str
    sizes: tuple[int, ...]
    writes: WriteModel
    unplanned: tuple[tuple[str, str], ...]
    refused: tuple[Rejection, ...]

    @property
    def pool(self) -> Pool:
        """The candidates by number."""
        return self.pricer.pool


def build(
    templates: Sequence[QueryTemplate],
    candidates: Sequence[Candidate],
    estimator: CostEstimator,
    limits: Limits,
    writes: WriteModel,
    sizes: Mapping[IndexDefinition, int],
    progress: Progress,
    clock: Callable[[], float],
    spare: Sequence[SpareIndex] = (),
) -> SelectionProblem:
    """The problem, with every case priced as it is now. Candidates the planner refuses are set aside."""
    accepted, refused = _accepted(candidates, estimator)
    pool = Pool(accepted, replaceable(spare, accepted))
    unit = unit_of(templates)
    cases = cases_of(templates, pool)
    progress.stage("Pricing the workload as it is", len(cases))
    seconds = None if limits.seconds is None else limits.seconds * FOR_THE_SEARCH
    first = Pricer(cases, pool, estimator, Allowance(limits.calls, seconds, clock), progress)
    pricer = _priced_now(first)
    costs = _mean_costs(pricer)
    weights = {t: weight_of(templates[t], cost, unit) for t, cost in costs.items()}
    bytes_ = (
        *(sizes.get(c.definition) or estimator.size(c.definition) for c in accepted),
        *(s.size_bytes for s in pool.spare),
    )
    progress.stage("Pricing the workload with every candidate", len(pricer.cases))
    _price_with_everything(pricer, weights)
    charges, regret = _charges(pricer, weights, limits)
    scale = sum(weights[t] * costs[t] for t in costs) or 1.0
    prices = _prices(pricer, templates, weights, bytes_, limits.min_benefit)
    prices += _keeping(pricer, weights, limits.min_benefit)
    fixed = tuple(writes.units(c.definition) + price for c, price in zip(pool.candidates, prices, strict=True))
    rows = (*limit_rows(pool, limits, writes, bytes_), *stays(pool, unexplained(pricer, [t.calls for t in templates])))
    program = Program(charges, fixed, rows, regret, scale, _ties(pool, bytes_), pool.now)
    return SelectionProblem(
        limits,
        pricer,
        program,
        prices,
        tuple(templates),
        weights,
        unit,
        bytes_,
        writes,
        _unplanned(templates, first, costs),
        refused,
    )


def _priced_now(first: Pricer) -> Pricer:
    """The pricer of the cases that the planner takes, each priced as it is now."""
    cases, now = range(len(first.cases)), first.pool.now
    first.ask((case, now) for case in cases)
    return first.narrowed([n for n in cases if n not in first.errors and first.known(n, now) is not None])


def _price_with_everything(pricer: Pricer, weights: Mapping[int, float]) -> None:
    """Ask for the plans with all candidates, those that weigh most first; and with nothing that may go."""
    now, cases = pricer.pool.now, pricer.cases
    # Calls or time may end on the way: then what weighs most has been asked.
    order = sorted(range(len(cases)), key=lambda n: -weights[cases[n].template] * pricer.upper(n, now))
    pricer.ask((case, -1) for case in order)
    pricer.ask((case, 0) for case in order if pricer.pool.spare)  # one plan of each statement needs nothing of that


def _accepted(
    candidates: Sequence[Candidate], estimator: CostEstimator
) -> tuple[tuple[Candidate, ...], tuple[Rejection, ...]]:
    accepted, refused = [], []
    for candidate in candidates:
        why = estimator.refuses(candidate.definition)
        if why is None:
            accepted.append(candidate)
        else:
            definition = candidate.definition
            refused.append(
                Rejection(summary(definition), "not_modelled", why, definition, templates=candidate.templates)
            )
    return tuple(accepted), tuple(refused)


def shares(cases: Sequence[Case]) -> list[float]:
    """Shares of the surviving cases of each template, scaled to sum to 1."""
    totals: dict[int, float] = {}
    for case in cases:
        totals[case.template] = totals.get(case.template, 0.0) + case.share
    return [case.share / totals[case.template] for case in cases]


def _mean_costs(pricer: Pricer) -> dict[int, float]:
    costs: dict[int, float] = {}
    for n, share in enumerate(shares(pricer.cases)):
        template = pricer.cases[n].template
        costs[template] = costs.get(template, 0.0) + share * pricer.upper(n, pricer.pool.now)
    return costs


def _keeping(pricer: Pricer, weights: Mapping[int, float], min_benefit: float) -> list[float]:
    """What each index that is there must save besides its writes: as much as would be asked of it if it were new.

    A statement's twentieth, shared with the others of its plan; without a statement that uses it, the fixed price.
    """
    pool, costs = pricer.pool, _mean_costs(pricer)
    now = sum(weights[t] * cost for t, cost in costs.items())
    fixed = min(OF_THE_AVERAGE * now / (len(costs) or 1), OF_THE_WORK * now) * min_benefit
    shares_of: dict[int, list[float]] = {}
    for n, part in enumerate(shares(pricer.cases)):
        answer = pricer.known(n, pool.now)
        if answer is None:
            continue
        cost = weights[pricer.cases[n].template] * part * answer.cost
        for number in members(answer.used & pool.now):
            shares_of.setdefault(number, []).append(OF_A_STATEMENT * min_benefit * cost)
    spared = range(pool.first_spare, len(pool))
    return [fixed + min(shares_of.get(n, ()), default=0.0) for n in spared]


def _charges(
    pricer: Pricer, weights: Mapping[int, float], limits: Limits
) -> tuple[tuple[Charge, ...], tuple[tuple[int, float], ...]]:
    """Cases with one parameter class pay their whole weight; several share it between mean and worst regret."""
    counts: dict[int, int] = {}
    for case in pricer.cases:
        counts[case.template] = counts.get(case.template, 0) + 1
    charges = []
    for n, share in enumerate(shares(pricer.cases)):
        template = pricer.cases[n].template
        mean = 1 - limits.regret if counts[template] > 1 else 1.0
        most = float("inf") if limits.protection is None else pricer.upper(n, pricer.pool.now) * (1 + limits.protection)
        charges.append(Charge(weights[template] * share * mean, template, least(pricer, n), most))
    robust = [(t, limits.regret * weights[t]) for t, count in counts.items() if count > 1 and limits.regret > 0]
    return tuple(charges), tuple(robust)


FOR_THE_SEARCH = 0.85  # of the time: the rest is for the last batch, the final plans and the reasons
OF_A_STATEMENT = 10  # times the least benefit is what an index must save of one statement: a twentieth
OF_THE_AVERAGE = 20  # times the least benefit is what it must save of the average statement's least cost: a tenth
OF_THE_WORK = 0.1  # times the least benefit of all the work now is enough, though: a two-thousandth
TRIFLE = {MS: 5.0, COST: 500.0}  # times the least benefit is nothing per call: 25 µs, or two and a half pages in turn


def _ties(pool: Pool, sizes: Sequence[int]) -> tuple[float, ...]:
    """Less for the smaller, of two as small for the one with fewer columns, then by name: the same on every run."""

    def order_of(number: int) -> tuple[int, int, str]:
        definition = pool.definition(number)
        return sizes[number], len(definition.keys) + len(definition.include), summary(definition)

    order = sorted(range(len(pool)), key=order_of)
    place = {number: position for position, number in enumerate(order)}
    return tuple(place[n] * 0.5 / len(pool) ** 2 for n in range(len(pool)))


def _prices(
    pricer: Pricer,
    templates: Sequence[QueryTemplate],
    weights: Mapping[int, float],
    sizes: Sequence[int],
    min_benefit: float,
) -> list[float]:
    """What each index must save besides its writes, in units of the objective: a fixed price and one for its bytes.

    A statement costs at least what its plan with every candidate costs. The indexes of that plan together must save a
    twentieth of it, half of that by head and half by size; an index is priced by the least of the statements it is
    made for. So what is chosen costs at most a twentieth more than the best there is, whether the workload has one
    statement or 50,000, whether it is cheap or dear and whatever else is in it, and what goes first saves least for
    its size.

    Added is what keeps out many small wins. A tenth of what the average statement costs at least: what so little is
    lost by adds up to little of the best there is; but no more than a two-thousandth of the work now. That, too, is
    half by head and half by size, against the mean of what the plans with every candidate use: where a statement costs
    next to nothing with either of two indexes, a share of it would not tell the smaller one. And 25 µs per call, which
    nobody waits for, but no more than the least benefit.
    """
    least_of, wanted = _least_and_wanted(pricer, weights)
    now = sum(weights[t] * cost for t, cost in _mean_costs(pricer).items())
    fixed = min(OF_THE_AVERAGE * sum(least_of.values()) / (len(least_of) or 1), OF_THE_WORK * now)
    trifle = TRIFLE[unit_of(templates)]
    share = OF_A_STATEMENT * min_benefit / 2
    prices = []
    numbers = {templates[t].id: t for t in least_of if wanted[t]}
    used = {n for mask in wanted.values() for n in members(mask)}
    mean = sum(sizes[n] for n in used) / (len(used) or 1) or 1.0
    new = pricer.pool.candidates[: pricer.pool.first_spare]
    for candidate, size in zip(new, sizes, strict=False):
        own = [numbers[name] for name in candidate.templates if name in numbers]
        shares = (1 / wanted[t].bit_count() + size / (sum(sizes[n] for n in members(wanted[t])) or 1) for t in own)
        costs = (share * least_of[t] * part for t, part in zip(own, shares, strict=True))
        trifles = (min(trifle * templates[t].calls, now) for t in own)
        added = min_benefit * (fixed * (1 + size / mean) / 2 + min(trifles, default=0.0))
        prices.append(added + min(costs, default=0.0))
    return prices


def _least_and_wanted(pricer: Pricer, weights: Mapping[int, float]) -> tuple[dict[int, float], dict[int, Mask]]:
    """Per template what it costs with every candidate, weighted, and the candidates that its plans then use."""
    costs: dict[int, float] = {}
    wanted: dict[int, Mask] = {}
    for n, part in enumerate(shares(pricer.cases)):
        template, answer = pricer.cases[n].template, pricer.known(n, -1)
        costs[template] = costs.get(template, 0.0) + weights[template] * part * least(pricer, n)
        wanted[template] = wanted.get(template, 0) | (answer.used & pricer.pool.new if answer is not None else 0)
    return costs, wanted


def least(pricer: Pricer, case: int) -> float:
    """The least cost any plan of the case is known to have: with every candidate, mostly."""
    return min(answer.cost for answer in pricer.answers(case))


def _unplanned(
    templates: Sequence[QueryTemplate], pricer: Pricer, costs: Mapping[int, float]
) -> tuple[tuple[str, str], ...]:
    messages = {pricer.cases[n].template: message for n, message in pricer.errors.items()}
    missing = [t for t in range(len(templates)) if t not in costs]
    return tuple((templates[t].id, messages.get(t, "the search ended before it was planned")) for t in missing)


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen index. ``benefit`` is the share of the workload's cost lost again if only it is left out;
    ``reduction`` the relative fall of the cost of the templates that use it; ``holds`` in ``scenarios``
    parameter classes of those templates it is used and the cost falls.
    """

    candidate: Candidate
    size_bytes: int
    benefit: float
    reduction: float
    effects: tuple[TemplateEffect, ...]
    write: WriteCost
    holds: int
    scenarios: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer of ``advise``. Costs are workload costs in ``unit`` (ms or cost); ``write_cost`` is the part of
    the objective that the new indexes add to writes, in the same unit.

    ``effects`` are all templates, ``plans`` the final plans with trees of those that use a chosen index, by
    template and scenario label. ``predicted`` is the cost the last program predicted, ``cost_after`` what the
    planner said. ``unplanned`` are (template, message). ``budget_curve`` are (bytes, workload cost relative to
    now), ``budget_sets`` the ids of the new indexes at each; ``conflicts`` says in sentences which limits bind.
    """

    chosen: tuple[Choice, ...]
    rejections: tuple[Rejection, ...]
    bound: Bound
    cost_before: float
    cost_after: float
    predicted: float
    unit: str
    write_cost: float
    size_bytes: int
    effects: tuple[TemplateEffect, ...]
    plans: Mapping[tuple[str, str], PlannedStatement]
    budget_bytes: int | None = None
    budget_curve: tuple[tuple[int, float], ...] = ()
    budget_sets: tuple[tuple[str, ...], ...] = ()
    unplanned: tuple[tuple[str, str], ...] = ()
    conflicts: tuple[str, ...] = ()
    calls: int = 0
    cache_hits: int = 0
    notes: tuple[str, ...] = ()
    dropped: tuple[DroppedIndex, ...] = ()

    @property
    def definitions(self) -> frozenset[IndexDefinition]:
        """The chosen definitions."""
        return frozenset(c.candidate.definition for c in self.chosen)
