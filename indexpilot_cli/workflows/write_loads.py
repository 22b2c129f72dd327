"""What planned indexes add to the writes of their tables, from rows the server counted as written."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.advisor.maintenance import table_write_us, write_cost
from indexpilot_cli.advisor.maintenance_rates import TableWrites, hot_share
from indexpilot_cli.model.catalog import Catalog, Table
from indexpilot_cli.model.operation import Operation
from indexpilot_cli.model.safety import TableFacts
from indexpilot_cli.safety.writes import TableLoad


def loads(
    tables: Sequence[TableFacts], operations: Sequence[Operation], catalog: Catalog | None
) -> tuple[TableLoad, ...]:
    """One value per table. Without a catalog, or where no writes were counted, the overhead is None."""
    return tuple(_load(table, [o for o in operations if o.relid == table.relid], catalog) for table in tables)


def _load(facts: TableFacts, operations: Sequence[Operation], catalog: Catalog | None) -> TableLoad:
    table = catalog.table(facts.table) if catalog is not None else None
    if table is None or catalog is None:
        return TableLoad(facts.table, facts.indexes, len(operations))
    seen = _counted(table)
    base = table_write_us(table, seen)
    costs = [write_cost(o.definition, table, seen, base, catalog.major) for o in operations]
    overhead = sum(c.relative for c in costs) if base > 0 else None
    return TableLoad(facts.table, facts.indexes, len(operations), overhead, seen.rows)


def _counted(table: Table) -> TableWrites:
    activity = table.activity
    return TableWrites(activity.inserts, activity.updates, activity.deletes, hot_share(table))
