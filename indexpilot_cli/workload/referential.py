"""Foreign-key checks as part of the workload, with their share of the time of the statements that cause them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, ForeignKey
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.workload import (
    FoldedWorkload,
    ObservedStatement,
    QueryTemplate,
    SourceKind,
    StatementKind,
    Workload,
)
from indexpilot_cli.workload.fold import fold


def with_referential(folded: FoldedWorkload, catalog: Catalog, estimator: CostEstimator) -> FoldedWorkload:
    """The workload with the checks its deletes and key changes cause, and those that deletes which cascade cause.

    A parent's measured time is divided between it and its checks in proportion to what the planner says of each.
    """
    before = len(folded.templates)
    while (deeper := _with_checks(folded, catalog, estimator)) is not folded:
        folded = deeper
    added = len(folded.templates) - before
    note = f"{added} foreign-key checks count as templates: the server runs them for deletes and key changes"
    return replace(folded, notes=(*folded.notes, note)) if added else folded


def _with_checks(folded: FoldedWorkload, catalog: Catalog, estimator: CostEstimator) -> FoldedWorkload:
    """With what the statements themselves cause; the same value where that is nothing new."""
    from indexpilot_cli.workload.plannable import with_scenarios

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
    if not by_parent:
        return folded
    changed = {p: _divided(parents[p], costs[p].total_cost, found) for p, found in by_parent.items()}
    kept = tuple(changed[t.id][0] if t.id in changed else t for t in folded.templates)
    added = _merged(list(chain.from_iterable(own for _, own in changed.values())))
    return replace(folded, templates=(*kept, *added))


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


_ACTIONS = {"c": "DELETE FROM ONLY {table} WHERE {keys}"}
_CHECK = "SELECT 1 FROM ONLY {table} x WHERE {keys} FOR KEY SHARE OF x"


@dataclass(frozen=True, slots=True)
class ReferentialCheck:
    """What one parent statement makes the server run: ``template`` has calls of one parent row each."""

    parent: str
    key: str
    template: QueryTemplate


def referential_checks(templates: Sequence[QueryTemplate], catalog: Catalog) -> tuple[ReferentialCheck, ...]:
    """One check for each foreign key that a DELETE or a change of referenced columns touches.

    Checks that the workload has recorded itself (``pg_stat_statements.track = all``) are left out.
    """
    known = {t.id for t in templates}
    found = []
    for parent in templates:
        for key, write in _touched(parent, catalog):
            template = _template(key, write, parent, catalog)
            if template is not None and template.id not in known:
                found.append(ReferentialCheck(parent.id, key.name, template))
    return tuple(found)


def _touched(parent: QueryTemplate, catalog: Catalog) -> Iterator[tuple[ForeignKey, StatementKind]]:
    for use in parent.uses:
        if use.write not in (StatementKind.DELETE, StatementKind.UPDATE):
            continue
        for key in catalog.foreign_keys:
            if key.referenced != use.table:
                continue
            if use.write is StatementKind.DELETE or use.updated & set(key.referenced_columns):
                yield key, use.write


def _template(key: ForeignKey, write: StatementKind, parent: QueryTemplate, catalog: Catalog) -> QueryTemplate | None:
    keys = " AND ".join(f"{quote_identifier(column)} = ${n}" for n, column in enumerate(key.columns, 1))
    shape = _ACTIONS.get(key.on_delete, _CHECK) if write is StatementKind.DELETE else _CHECK
    text = shape.format(table=key.table, keys=keys)
    observed = ObservedStatement(text, parent.calls, origin=f"foreign key {key.name}")
    folded = fold([Workload(SourceKind.STATEMENTS, (observed,))], catalog)
    return folded.templates[0] if folded.templates else None
