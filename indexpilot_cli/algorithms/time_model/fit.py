"""Constants of the planner fitted to measured times, and the gate before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

CONSTANTS = ("seq_page_cost", "random_page_cost", "cpu_tuple_cost", "cpu_index_tuple_cost", "cpu_operator_cost")
LEAST_TEMPLATES = 20
LEAST_GAIN = 0.1  # of the error of planner cost scaled by one factor
PRIOR = 4.0  # templates that the given constants are worth
ROBUST = 0.5  # relative error from which one counts only as much as its size
MOST_FLOOR = 0.5  # ms: to begin and to end a statement takes no more, but slow ones alone would fit anything
EXACT = 1e-3  # error of log time below which nothing is left to gain
FOLDS, RESAMPLES = 10, 1000


@dataclass(frozen=True, slots=True)
class TimedPlan:
    """Measured time per call of a template, in ms, and its planner cost by constant; ``other`` is the rest of it."""

    template: str
    ms: float
    parts: tuple[float, ...]
    other: float = 0.0

    @property
    def cost(self) -> float:
        """The planner's cost."""
        return sum(self.parts) + self.other


@dataclass(frozen=True, slots=True)
class TimeModel:
    """``rates`` are ms per unit of cost by constant, ``factor`` that of cost as a whole, ``floor`` ms of any call."""

    rates: tuple[float, ...]
    factor: float
    floor: float = 0.0

    def ms(self, plan: TimedPlan) -> float:
        """What the plan takes by the model."""
        parts = zip(self.rates, plan.parts, strict=True)
        return self.floor + self.factor * plan.other + sum(rate * part for rate, part in parts)


@dataclass(frozen=True, slots=True)
class TimeFit:
    """What came of fitting. ``model`` is None where the gate stays shut, and ``why`` says why.

    ``cost_error`` and ``error`` are mean absolute errors of the logarithm of time on templates that were left out, of
    planner cost and of the model; ``gain`` is what the model's is less by, ``low`` and ``high`` its 95 % interval.
    """

    templates: int
    model: TimeModel | None = None
    cost_error: float | None = None
    error: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


def fit(plans: Sequence[TimedPlan]) -> TimeFit:
    """The model of the measured plans, behind its gate. Several of one template count as one group."""
    import numpy as np

    groups = sorted({plan.template for plan in plans})
    if len(groups) < LEAST_TEMPLATES:
        return TimeFit(len(groups), why=few(groups))
    number = {template: n for n, template in enumerate(groups)}
    group = np.array([number[plan.template] for plan in plans])
    errors, cost_errors = _left_out(plans, group, len(groups))
    gain = 1 - errors.mean() / cost_errors.mean()
    low, high = _interval(errors, cost_errors)
    found = TimeFit(len(groups), None, float(cost_errors.mean()), float(errors.mean()), float(gain), low, high)
    if gain >= LEAST_GAIN and low > 0:
        return replace(found, model=fitted(plans))
    return replace(found, why=_shut(gain))


def _shut(gain: float) -> str:
    if gain < LEAST_GAIN:
        than = f"{gain:.0%} less" if gain > 0 else f"{-gain:.0%} more"
        return f"on templates left out a fitted model errs {than} than it, {LEAST_GAIN:.0%} less is needed"
    return f"on templates left out a fitted model errs {gain:.0%} less than it, which may be chance"


def few(templates: Sequence[object]) -> str:
    """Why nothing is fitted to so few of them."""
    return f"{len(templates)} templates with times and a plan that stays the same, {LEAST_TEMPLATES} are needed"


def _left_out(plans: Sequence[TimedPlan], group: Any, groups: int) -> tuple[Any, ...]:
    """Mean error of log time of each group, by the model and by cost, fitted without it (and its fold)."""
    import numpy as np

    # Neighbours in order of time go to different folds: each holds cheap and dear ones, and a run repeats itself.
    logs = np.log([plan.ms for plan in plans])
    mean = np.array([logs[group == g].mean() for g in range(groups)])
    fold = np.empty(groups, dtype=int)
    fold[np.argsort(mean, kind="stable")] = np.arange(groups) % FOLDS
    errors, cost_errors = np.zeros(len(plans)), np.zeros(len(plans))
    for number in range(FOLDS):
        out = fold[group] == number
        model = fitted([plan for plan, is_out in zip(plans, out, strict=True) if not is_out])
        for n in map(int, np.flatnonzero(out)):
            errors[n] = abs(np.log(model.ms(plans[n]) / plans[n].ms))
            cost_errors[n] = abs(np.log(model.factor * plans[n].cost / plans[n].ms))
    counts = np.bincount(group)
    return tuple(np.maximum(np.bincount(group, each) / counts, EXACT) for each in (errors, cost_errors))


def _interval(errors: Any, cost_errors: Any) -> tuple[float, float]:
    """95 % bootstrap interval of the gain, templates drawn with replacement."""
    import numpy as np

    drawn = np.random.default_rng(0).integers(0, len(errors), (RESAMPLES, len(errors)))
    gains = 1 - errors[drawn].mean(axis=1) / cost_errors[drawn].mean(axis=1)
    low, high = np.percentile(gains, (2.5, 97.5))
    return float(low), float(high)


def fitted(plans: Sequence[TimedPlan]) -> TimeModel:
    """The constants that fit these plans best, without a gate: robust, and drawn towards the given ones."""
    import numpy as np
    from scipy.optimize import lsq_linear

    times = np.array([plan.ms for plan in plans])
    costs = np.array([plan.cost for plan in plans])
    factor = float(np.exp(np.median(np.log(times / costs))))
    parts = np.array([plan.parts for plan in plans]) * factor
    other = np.array([plan.other for plan in plans]) * factor
    share = len({plan.template for plan in plans}) / len(plans)  # more plans of a template are not more evidence
    design = np.column_stack([parts, np.ones(len(plans))]) / times[:, None]
    target = 1 - other / times
    # A constant twice as large as given weighs as much as so many templates at a large error.
    prior = np.sqrt(PRIOR / share) * ROBUST
    pull, towards = prior * np.eye(len(CONSTANTS), len(CONSTANTS) + 1), np.full(len(CONSTANTS), prior)
    bounds = (0.0, [*[np.inf] * len(CONSTANTS), MOST_FLOOR])
    weights = np.ones(len(plans))
    for _ in range(20):
        rows = np.concatenate([design * weights[:, None], pull])
        found = lsq_linear(rows, np.concatenate([target * weights, towards]), bounds, method="bvls").x
        errors = np.abs(design @ found - target)
        weights = np.sqrt(np.minimum(1, ROBUST / np.maximum(errors, 1e-12)))
    return TimeModel(tuple(float(x) * factor for x in found[:-1]), factor, float(found[-1]))
