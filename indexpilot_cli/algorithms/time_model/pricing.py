"""The time model in a run of the advisor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.time_model.estimator import TimedEstimator, timed, timed_plans
from indexpilot_cli.algorithms.time_model.fit import CONSTANTS, LEAST_TEMPLATES, TimeFit, few, fit
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import Candidate, IndexDefinition, Reason
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.workload import QueryTemplate

APART = 2.0  # gains in cost and in time that are this many times apart are told
NO_GAIN = 0.98  # of a statement's time, the planner's own fuzz: more than this left is none
TOLD = 3


class TimePricing(Algorithm):
    """Has plans priced by fitted times where the gate lets it; not one of the published, with a setting of its own."""

    name = "time_model"
    title = "Time model"
    source = "cost constants fitted to the workload's own measured times"

    def reprice(self, study: Study, candidates: Sequence[Candidate]) -> Found[CostEstimator]:
        """A planner whose costs are times; the study's own below the gate, which is told where times are known."""
        given, templates = study.estimator, timed(study.templates)
        if not templates:
            return Found(given)
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
        "time_model",
        "fit",
        "workload",
        Effect.REPORT_ONLY if found.model is None else Effect.REPRICED,
        decision,
        tuple(evidence),
        "" if found.gain is None else f"error {found.gain:.0%} less, 95 % interval {found.low:.0%} to {found.high:.0%}",
        "wrong row estimates, and work that no measured plan does",
        statements=calls,
    )


def _apart(
    templates: Sequence[QueryTemplate], candidates: Sequence[Candidate], given: CostEstimator, priced: CostEstimator
) -> Iterator[AlgorithmFinding]:
    """Indexes whose templates gain by time and by cost more than twice apart, with every candidate there."""
    cases = [(template, scenario.statement) for template in templates for scenario in template.scenarios]
    everything = frozenset(c.definition for c in candidates if given.refuses(c.definition) is None)
    asked = [WhatIf(s) for _, s in cases] + [WhatIf(s, everything) for _, s in cases]
    costs, times = given.plan(asked), priced.plan(asked)
    users: dict[IndexDefinition, list[_Left]] = {}
    for n, (template, _) in enumerate(cases):
        then = n + len(cases)
        if all(answers[m].ok and answers[m].total_cost > 0 for answers in (costs, times) for m in (n, then)):
            left = _Left(template.id, *(answers[then].total_cost / answers[n].total_cost for answers in (costs, times)))
            for definition in costs[then].hypothetical:
                users.setdefault(definition, []).append(left)
    for definition, lefts in sorted(users.items(), key=lambda item: item[0].id):
        far = [left for left in lefts if max(left.cost / left.time, left.time / left.cost) > APART]
        if far:
            yield _told_apart(definition, far, only_cost=all(left.only_cost for left in lefts))


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of a statement's cost and time with every candidate there."""

    template: str
    cost: float
    time: float

    @property
    def only_cost(self) -> bool:
        """It gets cheaper, but not quicker."""
        return self.time > NO_GAIN


def _told_apart(definition: IndexDefinition, far: Sequence[_Left], *, only_cost: bool) -> AlgorithmFinding:
    shown = far[:TOLD]
    texts = (f"{one.template} keeps {one.cost:.2g} of its cost and {one.time:.2g} of its time" for one in shown)
    decision = "it counts by time"
    if only_cost:
        decision = (
            "it gains in cost only, which is no reason to build it: EXPLAIN (ANALYZE) with it there would settle it"
        )
    return AlgorithmFinding(
        "time_model",
        "cost_and_time",
        summary(definition),
        Effect.HELD if only_cost else Effect.REPRICED,
        decision,
        tuple(Reason("apart", text, "model") for text in texts),
        definition=definition,
    )
