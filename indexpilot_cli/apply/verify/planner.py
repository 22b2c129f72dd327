"""The planner's opinion of an index that really exists: a twin of now, with it and with it hidden."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.apply.verify.run_trial import family, reads_on
from indexpilot_cli.apply.verify.verdict import (
    COSTLIER,
    IndexVerdict,
    MeasuredEffect,
    TemplateVerdict,
    Verification,
    numbers,
    worst_first,
)
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.operation import Operation
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import open_source

_CHEAPER = 0.999  # costs of one planner do not scatter


def check(operation: Operation, request: ApplyRequest, folded: FoldedWorkload, progress: Progress) -> Verification:
    """Plan costs of every read of the table in ``folded`` with the built index, at its real size, and without it.

    Both sides have the statistics of now, so a difference is the index's. Raises PrerequisiteError without a planner.
    """
    with (
        open_source(request.connection, None, progress) as source,
        open_estimator(source, request.planner, progress) as estimator,
    ):
        ready = prepared(folded, source.catalog, types_from(estimator))
        affected = reads_on(ready.templates, family(source.catalog, operation.table))
        # PostgreSQL has no invisible index: BEGIN, DROP INDEX, EXPLAIN, ROLLBACK would take ACCESS EXCLUSIVE on the
        # table, so it is hidden from the estimator only.
        hidden = frozenset({QualifiedName(operation.table.schema, operation.name)})
        scenarios = list(chain.from_iterable(((t, s) for s in t.scenarios) for t in affected))
        progress.stage(f"planning {len(affected)} templates with and without {operation.name}")
        with_it = estimator.plan([WhatIf(s.statement) for _, s in scenarios])
        without = estimator.plan([WhatIf(s.statement, hidden=hidden) for _, s in scenarios])
    before: dict[str, float] = defaultdict(float)
    after: dict[str, float] = defaultdict(float)
    for (template, scenario), old, new in zip(scenarios, without, with_it, strict=True):
        before[template.id] += scenario.share * old.total_cost
        after[template.id] += scenario.share * new.total_cost
    return judge_costs(_costs(affected, before, after))


def _costs(affected: tuple[QueryTemplate, ...], before: dict[str, float], after: dict[str, float]) -> tuple[Cost, ...]:
    return tuple(Cost(t.id, before[t.id], after[t.id], t.calls) for t in affected)


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
    planned = [t for t in found if t.effect is not MeasuredEffect.UNKNOWN]
    slower = [t for t in planned if t.effect is MeasuredEffect.SLOWER]
    faster = [t for t in planned if t.effect is MeasuredEffect.FASTER]
    if slower:
        return Verification(IndexVerdict.REVERT, f"the planner finds it dearer: {numbers(slower[0])}", found)
    if not planned:
        return Verification(
            IndexVerdict.NOT_ENOUGH, "not enough evidence yet: no affected template could be planned", found
        )
    if not faster:
        return Verification(IndexVerdict.NO_GAIN, "the planner finds no template cheaper with the index", found)
    return Verification(
        IndexVerdict.KEPT, f"the planner finds {_all(costs):.0%} less cost: {numbers(faster[-1])}", found
    )


def _effect(cost: Cost, costlier: float) -> TemplateVerdict:
    if math.isnan(cost.before) or math.isnan(cost.after):
        return TemplateVerdict(cost.template, MeasuredEffect.UNKNOWN, cost.before, cost.after, "cost", why="no plan")
    effect = MeasuredEffect.SAME
    if cost.after > costlier * cost.before:
        effect = MeasuredEffect.SLOWER
    elif cost.after < _CHEAPER * cost.before:
        effect = MeasuredEffect.FASTER
    return TemplateVerdict(cost.template, effect, cost.before, cost.after, "cost")


def _all(costs: Sequence[Cost]) -> float:
    known = [c for c in costs if not math.isnan(c.before + c.after)]
    before = sum(c.calls * c.before for c in known)
    return 1 - sum(c.calls * c.after for c in known) / before if before > 0 else 0.0
