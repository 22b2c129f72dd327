"""Plans taken apart by cost constant, and a planner that prices them by fitted ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from indexpilot_cli.algorithms.time_model.fit import CONSTANTS, TimedPlan, TimeModel
from indexpilot_cli.core.estimator import CostEstimator, CostFactors, DelegatingEstimator, PlannedStatement, WhatIf
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
