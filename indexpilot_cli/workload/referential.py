"""Foreign-key checks as part of the workload, with their share of the time of the statements that cause them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate


def with_referential(folded: FoldedWorkload, catalog: Catalog, estimator: CostEstimator) -> FoldedWorkload:
    """The workload with the checks its deletes and key changes cause.

    A parent's measured time is divided between it and its checks in proportion to what the planner says of each.
    """
    from indexpilot_cli.workload.fold.plannable import with_scenarios
    from indexpilot_cli.workload.referential_text import referential_checks

    checks = [(c.parent, with_scenarios(c.template, catalog)) for c in referential_checks(folded.templates, catalog)]
    parents = {t.id: t for t in folded.templates if t.id in {parent for parent, _ in checks}}
    if not checks:
        return folded
    costs = dict(zip(parents, _plans(list(parents.values()), estimator), strict=True))
    prices = _plans([template for _, template in checks], estimator)
    by_parent: dict[str, list[tuple[QueryTemplate, float]]] = defaultdict(list)
    for (parent, template), price in zip(checks, prices, strict=True):
        if price.ok and costs[parent].ok:
            rows = max(1.0, _rows(costs[parent]))
            by_parent[parent].append((replace(template, calls=template.calls * rows), price.total_cost))
    changed = {p: _divided(parents[p], costs[p].total_cost, found) for p, found in by_parent.items()}
    kept = tuple(changed[t.id][0] if t.id in changed else t for t in folded.templates)
    added = _merged([check for _, own in changed.values() for check in own])
    note = f"{len(added)} foreign-key checks count as templates: the server runs them for deletes and key changes"
    return replace(folded, templates=(*kept, *added), notes=(*folded.notes, note) if added else folded.notes)


def _plans(templates: list[QueryTemplate], estimator: CostEstimator) -> tuple[PlannedStatement, ...]:
    return estimator.plan([WhatIf(t.scenarios[0].statement, keep_tree=True) for t in templates])


def _rows(plan: PlannedStatement) -> float:
    """Rows the DELETE or UPDATE finds: those of the node below ModifyTable."""
    below = (plan.tree or {}).get("Plans", ())
    return float(below[0]["Plan Rows"]) if below else 1.0


def _divided(
    parent: QueryTemplate, cost: float, checks: list[tuple[QueryTemplate, float]]
) -> tuple[QueryTemplate, list[QueryTemplate]]:
    if parent.total_ms is None:
        return parent, [template for template, _ in checks]
    parts = [template.calls * price for template, price in checks]
    whole = parent.calls * cost + sum(parts)
    per_unit = parent.total_ms / whole if whole > 0 else 0.0
    own = replace(parent, total_ms=parent.calls * cost * per_unit)
    return own, [replace(t, total_ms=part * per_unit) for (t, _), part in zip(checks, parts, strict=True)]


def _merged(checks: list[QueryTemplate]) -> tuple[QueryTemplate, ...]:
    """Two statements on one parent cause the same check: one template with the sum."""
    merged: dict[str, QueryTemplate] = {}
    for check in checks:
        known = merged.get(check.id)
        if known is not None:
            total = None if known.total_ms is None or check.total_ms is None else known.total_ms + check.total_ms
            check = replace(known, calls=known.calls + check.calls, total_ms=total)  # noqa: PLW2901
        merged[check.id] = check
    return tuple(merged.values())
