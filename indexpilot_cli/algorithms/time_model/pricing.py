"""The time model in a run of the advisor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import exp
from typing import Any

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.time_model.fit import CONSTANTS, LEAST_TEMPLATES, TimedPlan, TimeFit, TimeModel, few, fit
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator, CostFactors, DelegatingEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import Candidate, IndexDefinition, Reason
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.workload import QueryTemplate, Scenario

MOST_TEMPLATES = 100  # those that take most time: each class of each takes six EXPLAINs
SCALE = 1000.0  # costs come with two decimals: of constants a thousand times as large they tell five
STEPS = (0.01, 0.001)  # by which constants change; a plan that does not stay the same is asked with the smaller one


def timed(templates: Sequence[QueryTemplate]) -> tuple[QueryTemplate, ...]:
    """Those that read, with times that were measured to the end: of many the ones that take most of it."""
    known = (t for t in templates if t.mean_ms and t.scenarios and not (t.is_write or t.assumed or t.cancelled))
    return tuple(sorted(known, key=lambda t: -(t.total_ms or 0.0))[:MOST_TEMPLATES])


def timed_plans(estimator: CostEstimator, templates: Sequence[QueryTemplate]) -> Iterator[TimedPlan]:
    """The plans of these templates as they are now: the mean over their parameter classes.

    Left out are those of which a class cannot be planned, or whose plan does not stay the same with either step.
    """
    cases: list[tuple[int, Scenario]] = []
    for number, template in enumerate(templates):
        cases += [(number, scenario) for scenario in template.scenarios]
    questions = [WhatIf(scenario.statement) for _, scenario in cases]
    bases = estimator.plan([_with(ask, CostFactors()) for ask in questions])
    moves = [_Moves(estimator, questions, bases, {name: 1.0}) for name in CONSTANTS]
    for number, template in enumerate(templates):
        own = [n for n, (mine, _) in enumerate(cases) if mine == number]
        parts = [[each.part(n) for n in own] for each in moves]
        if own and template.mean_ms and not any(None in part for part in parts):
            shares = [cases[n][1].share for n in own]
            means = tuple(_mean([p or 0.0 for p in part], shares) for part in parts)
            cost = _mean([bases[n].total_cost / SCALE for n in own], shares)
            if cost > 0:
                yield TimedPlan(template.id, template.mean_ms, means, max(0.0, cost - sum(means)))


def _mean(values: Sequence[float], shares: Sequence[float]) -> float:
    return sum(v * s for v, s in zip(values, shares, strict=True)) / sum(shares)


class _Moves:
    """What the cost of each plan changes by, per change of the constants by ``directions`` (the largest: 1)."""

    def __init__(
        self,
        estimator: CostEstimator,
        questions: Sequence[WhatIf],
        bases: Sequence[PlannedStatement],
        directions: Mapping[str, float],
    ):
        self._parts: dict[int, float] = {}
        for step in STEPS:
            left = [n for n, base in enumerate(bases) if base.ok and n not in self._parts]
            factors = CostFactors(**{name: 1 + step * much for name, much in directions.items()})
            answers = estimator.plan([_with(questions[n], factors) for n in left])
            for n, answer in zip(left, answers, strict=True):
                if answer.ok and answer.shape == bases[n].shape:
                    self._parts[n] = max(0.0, (answer.total_cost - bases[n].total_cost) / (step * SCALE))

    def part(self, number: int) -> float | None:
        """Of the question of that number; None without a plan, or where it changed with each step."""
        return self._parts.get(number)


def _with(question: WhatIf, factors: CostFactors) -> WhatIf:
    return replace(question, factors=replace(factors, scale=SCALE), keep_tree=False)


class TimedEstimator(DelegatingEstimator):
    """A planner whose costs are fitted times, in units of its cost: times ``model.factor`` they are milliseconds.

    Each question takes two EXPLAINs: the constants as given choose the plan, moved a little towards the fitted ones
    they tell its time.
    """

    def __init__(self, estimator: CostEstimator, model: TimeModel):
        super().__init__(estimator)
        self._model = model
        dearest = max(*model.rates, model.factor)
        self._dearest = dearest / model.factor
        rates = dict(zip(CONSTANTS, model.rates, strict=True))
        everything = {f.name: rates.get(f.name, model.factor) for f in fields(CostFactors) if f.name != "scale"}
        self._directions = {name: rate / dearest for name, rate in everything.items()}

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """Answers with times for costs; where a plan does not stay the same, with the planner's cost."""
        plain = self._planner.plan([replace(ask, factors=CostFactors(scale=SCALE)) for ask in questions])
        moved = _Moves(self._planner, questions, plain, self._directions)
        return tuple(self._timed(answer, moved.part(n)) for n, answer in enumerate(plain))

    def _timed(self, answer: PlannedStatement, part: float | None) -> PlannedStatement:
        if not answer.ok:
            return answer
        time = answer.total_cost / SCALE if part is None else part * self._dearest
        time += self._model.floor / self._model.factor
        tree = _scaled(answer.tree, time / answer.total_cost) if answer.tree is not None else None
        return replace(answer, total_cost=time, tree=tree)

    @property
    def each(self) -> int:
        """Two: as given, and moved."""
        return 2 * self._planner.each


def _scaled(tree: Mapping[str, Any], ratio: float) -> Mapping[str, Any]:
    """The tree with costs in the unit of its root's time, so that what reads it compares like with like."""
    costs = {name: tree[name] * ratio for name in ("Startup Cost", "Total Cost") if name in tree}
    plans = {"Plans": [_scaled(child, ratio) for child in tree["Plans"]]} if "Plans" in tree else {}
    return {**tree, **costs, **plans}


APART = 2.0  # savings of cost and of time that are this many times apart are told
WORTH = 0.1  # of a statement's cost or time: smaller savings are not worth a word
NO_GAIN = 0.02  # of a statement's time, twice the planner's own fuzz: less than this is none
TOLD = 3


class TimePricing(Algorithm):
    """Has plans priced by fitted times where the gate lets it; not one of the published, with a setting of its own."""

    name = "time_model"
    title = "Time model"
    source = "cost constants fitted to the workload's own measured times"

    def reprice(self, study: Study, candidates: Sequence[Candidate]) -> Found[CostEstimator]:
        """A planner whose costs are times; the study's own below the gate, and why."""
        given, templates = study.estimator, timed(study.templates)
        calls = given.calls
        enough = len(templates) >= LEAST_TEMPLATES
        found = fit(tuple(timed_plans(given, templates))) if enough else TimeFit(len(templates), why=few(templates))
        if found.model is None:
            return Found(given, (_told(found, given.calls - calls),))
        priced = TimedEstimator(given, found.model)
        apart = tuple(_apart(study.templates, candidates, given, priced))
        return Found(priced, (_told(found, given.calls - calls), *apart))


def _told(found: TimeFit, calls: int) -> AlgorithmFinding:
    """What came of fitting."""
    evidence = [Reason("templates", f"{found.templates} templates with times", "workload")]
    if found.gain is not None and found.error is not None and found.cost_error is not None:
        errors = (100 * (exp(error) - 1) for error in (found.error, found.cost_error))
        text = "templates left out are predicted to within {:.0f} % of their time, by planner cost {:.0f} %"
        evidence.append(Reason("error", text.format(*errors), "model"))
    decision = f"planner cost prices the plans: {found.why}"
    if found.model is not None:
        rates = ", ".join(
            f"{n} {r / found.model.factor:.2g}" for n, r in zip(CONSTANTS, found.model.rates, strict=True)
        )
        evidence.append(Reason("constants", f"of what is set each is worth in time: {rates}", "model"))
        decision = f"plans are priced by time, a unit of cost {found.model.factor:.2g} ms"
    return AlgorithmFinding(
        TimePricing.name,
        "fit",
        "workload",
        Effect.REPORT_ONLY if found.model is None else Effect.REPRICED,
        decision,
        tuple(evidence),
        "" if found.gain is None else f"error {found.gain:.0%} less, 95 % interval {found.low:.0%} to {found.high:.0%}",
        "wrong row estimates, and work that no measured plan does",
        statements=calls,
    )


def shut_gate(findings: Sequence[AlgorithmFinding]) -> Iterator[str]:
    """A sentence for who asked for times and does not get them."""
    for found in findings:
        if (found.algorithm, found.kind, found.effect) == (TimePricing.name, "fit", Effect.REPORT_ONLY):
            yield f"time model: {found.decision}"


def _apart(
    templates: Sequence[QueryTemplate], candidates: Sequence[Candidate], given: CostEstimator, priced: CostEstimator
) -> Iterator[AlgorithmFinding]:
    """Indexes whose statements save more than twice as much by cost as by time, or by time as by cost."""
    everything = frozenset(c.definition for c in candidates if given.refuses(c.definition) is None)
    users: dict[IndexDefinition, list[_Saved]] = {}
    for saved in _savings(templates, everything, given, priced):
        for definition in saved.by:
            users.setdefault(definition, []).append(saved)
    for definition, savings in sorted(users.items(), key=lambda item: item[0].id):
        far = [saved for saved in savings if saved.far]
        if far:
            yield _told_apart(definition, far, only_cost=all(saved.time < NO_GAIN for saved in savings))


@dataclass(frozen=True, slots=True)
class _Saved:
    """The shares of a statement's cost and time that all candidates together save, ``by`` those that its plans use."""

    template: str
    cost: float
    time: float
    by: frozenset[IndexDefinition]

    @property
    def far(self) -> bool:
        """Whether the two are so far apart that it matters which of them decides."""
        return max(self.cost, self.time) >= WORTH and not 1 / APART <= self.cost / max(self.time, 1e-9) <= APART


def _savings(
    templates: Sequence[QueryTemplate],
    everything: frozenset[IndexDefinition],
    given: CostEstimator,
    priced: CostEstimator,
) -> Iterator[_Saved]:
    for template in templates:
        asked = [WhatIf(scenario.statement) for scenario in template.scenarios]
        asked += [replace(question, indexes=everything) for question in asked]
        costs, times = given.plan(asked), priced.plan(asked)
        shares = [scenario.share for scenario in template.scenarios]
        by = frozenset[IndexDefinition]().union(*(answer.hypothetical for answer in costs[len(shares) :]))
        yield _Saved(template.id, _saving(costs, shares), _saving(times, shares), by)


def _saving(answers: Sequence[PlannedStatement], shares: Sequence[float]) -> float:
    """By the answers of the parameter classes as it is, then with the candidates; none where one has no plan."""
    if not all(answer.ok and answer.total_cost > 0 for answer in answers):
        return 0.0
    was, now = answers[: len(shares)], answers[len(shares) :]
    before, after = (sum(a.total_cost * s for a, s in zip(each, shares, strict=True)) for each in (was, now))
    return 1 - after / before if before > 0 else 0.0


def _told_apart(definition: IndexDefinition, far: Sequence[_Saved], *, only_cost: bool) -> AlgorithmFinding:
    shown = sorted(far, key=lambda saved: -abs(saved.cost - saved.time))[:TOLD]
    decision = "it counts by time"
    if only_cost:
        decision = "it saves cost only, which is no reason to build it: EXPLAIN (ANALYZE) with it there would settle it"
    return AlgorithmFinding(
        TimePricing.name,
        "cost_and_time",
        summary(definition),
        Effect.HELD if only_cost else Effect.REPRICED,
        decision,
        tuple(
            Reason(
                "apart", f"{one.template} would save {one.cost:.0%} of its cost and {one.time:.0%} of its time", "model"
            )
            for one in shown
        ),
        definition=definition,
    )
