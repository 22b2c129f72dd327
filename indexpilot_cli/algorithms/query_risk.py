"""How likely a statement of a given planner cost is to turn out slow: isotonic regression over recorded outcomes.

The curve never falls: of two plans the dearer one is never called the safer. It is used only where it predicts later
outcomes better than their plain share does, measured by the Brier score
(https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; isotonic regression: Ayer et al. 1955, Zadrozny and
Elkan 2002, https://doi.org/10.1145/775047.775151).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

LEAST_OUTCOMES = 200
LEAST_OF_EACH = 20
LEAST_TEMPLATES = 10
HELD_OUT = 0.3
LEAST_SKILL = 0.1


@dataclass(frozen=True, slots=True)
class RiskOutcome:
    """Calls of one template at one planner cost, in the order of time; ``bad`` of them were slow or cancelled."""

    template_id: str
    cost: float
    calls: int
    bad: int


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """Shares of bad outcomes (0-1, never falling) at planner costs (ascending); straight lines between them."""

    costs: tuple[float, ...]
    shares: tuple[float, ...]

    def share(self, cost: float) -> float:
        """The share expected at a cost; beyond the ends that of the end."""
        right = bisect_right(self.costs, cost)
        if right in (0, len(self.costs)):
            return self.shares[0 if right == 0 else -1]
        low, high = self.costs[right - 1], self.costs[right]
        part = (_scale(cost) - _scale(low)) / (_scale(high) - _scale(low))
        return self.shares[right - 1] + part * (self.shares[right] - self.shares[right - 1])


@dataclass(frozen=True, slots=True)
class RiskTraining:
    """What came of training. ``curve`` is None where there is not enough evidence, and ``why`` says what is missing.

    ``skill`` is 1 minus the Brier score on held-out outcomes by that of their share in training: 1 is perfect, 0 no
    better than the share; None where it was not measured.
    """

    outcomes: int
    bad: int
    templates: int
    curve: RiskCurve | None = None
    skill: float | None = None
    why: str = ""


def train(outcomes: Sequence[RiskOutcome]) -> RiskTraining:
    """Fit a curve on the earlier outcomes, measure it on the later ones, and keep it when it is worth it."""
    calls, bad = sum(o.calls for o in outcomes), sum(o.bad for o in outcomes)
    found = RiskTraining(calls, bad, len({o.template_id for o in outcomes}))
    missing = _missing(found)
    cut = int(len(outcomes) * (1 - HELD_OUT))
    earlier, later = outcomes[:cut], outcomes[cut:]
    if not missing and not all(0 < sum(o.bad for o in part) < sum(o.calls for o in part) for part in (earlier, later)):
        missing = "the earlier or the later outcomes are all of one kind"
    if missing:
        return _without(found, missing)
    skill = _skill(_fit(earlier), earlier, later)
    if skill < LEAST_SKILL:
        return _without(found, f"skill {skill:.2f} on held-out outcomes, {LEAST_SKILL} is needed", skill)
    return RiskTraining(found.outcomes, found.bad, found.templates, _fit(outcomes), skill)


def _without(found: RiskTraining, why: str, skill: float | None = None) -> RiskTraining:
    return RiskTraining(found.outcomes, found.bad, found.templates, None, skill, f"not enough evidence: {why}")


def _missing(found: RiskTraining) -> str:
    """What is missing of the least amounts; empty when nothing is."""
    good = found.outcomes - found.bad
    if found.outcomes < LEAST_OUTCOMES:
        return f"{found.outcomes} outcomes, {LEAST_OUTCOMES} are needed"
    if min(found.bad, good) < LEAST_OF_EACH:
        return f"{found.bad} bad and {good} good outcomes, {LEAST_OF_EACH} of each are needed"
    if found.templates < LEAST_TEMPLATES:
        return f"{found.templates} templates, {LEAST_TEMPLATES} are needed"
    return ""


def _fit(outcomes: Sequence[RiskOutcome]) -> RiskCurve:
    from sklearn.isotonic import IsotonicRegression

    kept = [o for o in outcomes if o.calls]
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    model.fit([_scale(o.cost) for o in kept], [o.bad / o.calls for o in kept], sample_weight=[o.calls for o in kept])
    costs = tuple(float(10**x - 1) for x in model.X_thresholds_)
    return RiskCurve(costs, tuple(float(y) for y in model.y_thresholds_))


def _skill(curve: RiskCurve, earlier: Sequence[RiskOutcome], later: Sequence[RiskOutcome]) -> float:
    base = sum(o.bad for o in earlier) / sum(o.calls for o in earlier)
    plain = sum(_squares(o, base) for o in later)
    return 1 - sum(_squares(o, curve.share(o.cost)) for o in later) / plain


def _squares(outcome: RiskOutcome, share: float) -> float:
    """Squared errors of a prediction, summed over the calls."""
    good = outcome.calls - outcome.bad
    return outcome.bad * (1 - share) ** 2 + good * share**2


def _scale(cost: float) -> float:
    return log10(1 + max(0.0, cost))
