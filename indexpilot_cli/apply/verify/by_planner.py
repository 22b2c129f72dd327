"""What the planner says of an index before it is built: costs of the affected templates without and with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.apply.verify.verdict import (
    COSTLIER,
    Effect,
    TemplateVerdict,
    Verification,
    Word,
    numbers,
    worst_first,
)

_CHEAPER = 0.999  # costs of one planner do not scatter


@dataclass(frozen=True, slots=True)
class Cost:
    """Planner costs of one call of a template; NaN where there is no plan. ``calls`` weighs them against others."""

    template: str
    before: float
    after: float
    calls: float = 1.0


def judge_costs(costs: Sequence[Cost], *, costlier: float = COSTLIER) -> Verification:
    """Revert when a template's cost rises by more than five per cent, no gain when none falls."""
    found = worst_first(tuple(_effect(cost, costlier) for cost in costs))
    planned = [t for t in found if t.effect is not Effect.UNKNOWN]
    slower = [t for t in planned if t.effect is Effect.SLOWER]
    faster = [t for t in planned if t.effect is Effect.FASTER]
    if slower:
        return Verification(Word.REVERT, f"the planner finds it dearer: {numbers(slower[0])}", found)
    if not planned:
        return Verification(Word.NOT_ENOUGH, "not enough evidence yet: no affected template could be planned", found)
    if not faster:
        return Verification(Word.NO_GAIN, "the planner finds no template cheaper with the index", found)
    return Verification(Word.KEPT, f"the planner finds {_all(costs):.0%} less cost: {numbers(faster[-1])}", found)


def _effect(cost: Cost, costlier: float) -> TemplateVerdict:
    if math.isnan(cost.before) or math.isnan(cost.after):
        return TemplateVerdict(cost.template, Effect.UNKNOWN, cost.before, cost.after, "cost", why="no plan")
    effect = Effect.SAME
    if cost.after > costlier * cost.before:
        effect = Effect.SLOWER
    elif cost.after < _CHEAPER * cost.before:
        effect = Effect.FASTER
    return TemplateVerdict(cost.template, effect, cost.before, cost.after, "cost")


def _all(costs: Sequence[Cost]) -> float:
    known = [c for c in costs if not math.isnan(c.before + c.after)]
    before = sum(c.calls * c.before for c in known)
    return 1 - sum(c.calls * c.after for c in known) / before if before > 0 else 0.0
