"""Tables that have more indexes than ``apply`` allows, and which of them could go."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan, PlanAction, Recommendation, Warn
from indexpilot_cli.methods.existing import covers

_KEY = "production_safeguards.write_performance.max_indexes_per_table"


def crowded_tables(plan: Plan, catalog: Catalog, most: int) -> Iterator[Warn]:
    """A warning for each table of the plan that would have more than ``most`` indexes, with what could go."""
    by_table: dict[QualifiedName, list[Recommendation]] = {}
    for recommendation in plan.advised:
        by_table.setdefault(recommendation.definition.table, []).append(recommendation)
    for name, own in by_table.items():
        table = catalog.table(name)
        added = sum(r.action is PlanAction.CREATE for r in own) - sum(r.action is PlanAction.DROP for r in own)
        if table is not None and len(table.indexes) + added > most:
            has = f"{name.short} has {len(table.indexes)} indexes and the plan adds {added}"
            text = f"{has}; apply stops at {most} ({_KEY}); {_instead(plan, table, catalog)}"
            yield Warn("too_many_indexes", str(name), text)


def _instead(plan: Plan, table: Table, catalog: Catalog) -> str:
    found = dict(_replaceable(plan, table, catalog))
    if not found:
        return "every index there is is used, unique or of a constraint, so none can be given up for it"
    return "it could replace " + ", ".join(f"{name} ({why})" for name, why in found.items())


def _replaceable(plan: Plan, table: Table, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Names of indexes that nothing needs once the plan is built, and why."""
    needless = {r.name: r.by.name for r in plan.redundant}
    for index in table.indexes:
        if _is_needed(index):
            continue
        mine = (r for r in plan.recommendations if covers(r.definition, index.definition, partial_by_full=False))
        new = next(mine, None)
        if not index.valid:
            yield index.name.name, "invalid"
        elif index.name in needless:
            yield index.name.name, f"{needless[index.name]} does its work"
        elif new is not None:
            yield index.name.name, f"{new.id} does its work"
        elif index.scans == 0 and catalog.statistics_since is not None:
            yield index.name.name, f"not used since {catalog.statistics_since:%Y-%m-%d}"
        elif index.scans == 0:
            yield index.name.name, "no scan counted"


def _is_needed(index: Index) -> bool:
    unique = index.definition.unique or index.primary or index.constraint is not None
    return unique or index.replica_identity  # by which logical replication tells rows apart
