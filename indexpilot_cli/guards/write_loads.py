"""What planned indexes add to the writes of their tables: as the plan found it, else from the server's counters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.facts import TableFacts
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.operation import Operation
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.guards.write_performance import TableLoad
from indexpilot_cli.methods.write_rates import TableWrites, hot_share
from indexpilot_cli.methods.writes import table_write_us, write_cost

_COUNTED = "pg_stat_user_tables"


def loads(
    tables: Sequence[TableFacts],
    operations: Sequence[Operation],
    catalog: Catalog | None = None,
    plan: Plan | None = None,
) -> tuple[TableLoad, ...]:
    """One value per table. Where neither the plan nor the catalog tells, the overhead is None."""
    planned = {r.definition: r.write_cost for r in plan.recommendations} if plan is not None else {}
    return tuple(_load(table, [o for o in operations if o.relid == table.relid], catalog, planned) for table in tables)


def _load(
    facts: TableFacts,
    operations: Sequence[Operation],
    catalog: Catalog | None,
    planned: Mapping[IndexDefinition, float],
) -> TableLoad:
    told = [planned.get(o.definition, math.nan) for o in operations]
    if told and all(math.isfinite(cost) for cost in told):
        source = "the plan's write model over its workload"
        return TableLoad(facts.table, facts.indexes, len(operations), sum(told), source)
    table = catalog.table(facts.table) if catalog is not None else None
    if table is None or catalog is None:
        return TableLoad(facts.table, facts.indexes, len(operations))
    seen = _counted(table)
    base = table_write_us(table, seen)
    costs = [write_cost(o.definition, table, seen, base, catalog.major) for o in operations]
    overhead = sum(c.relative for c in costs) if base > 0 else None
    source = f"a model over {seen.rows:,.0f} rows written, {_COUNTED}"
    return TableLoad(facts.table, facts.indexes, len(operations), overhead, source)


def _counted(table: Table) -> TableWrites:
    """Rows that are still there may have been loaded before the traffic and are not counted as inserts."""
    activity = table.activity
    there = table.rows if table.tuples >= 0 else activity.inserts - activity.deletes
    inserts = max(0.0, activity.inserts - there)
    return TableWrites(inserts, activity.updates, activity.deletes, hot_share(table))
