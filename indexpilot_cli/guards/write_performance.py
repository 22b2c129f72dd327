"""How many indexes a table carries, and what the new ones add to its writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.guards.context import Guard, GuardContext, TableFacts, Verdict
from indexpilot_cli.methods.writes import table_write_us, write_cost
from indexpilot_cli.methods.written import counted_writes
from indexpilot_cli.settings.sections import WritePerformanceSettings

_KEY = "production_safeguards.write_performance"
_NAME = "write_performance"


@dataclass(frozen=True, slots=True)
class TableLoad:
    """``existing`` indexes (invalid ones too), by how many more they become, and the write cost of the new ones.

    ``overhead`` is relative to the table's write cost now, None when nothing tells; ``source`` says who does.
    """

    table: QualifiedName
    existing: int
    planned: int
    overhead: float | None = None
    source: str = ""


def judge(settings: WritePerformanceSettings, loads: tuple[TableLoad, ...]) -> tuple[Verdict, ...]:
    """A verdict per table with something to say, or one that all is well.

    Too many indexes refuse. Too much overhead warns: the plan was chosen with its write cost in the balance.
    """
    if not settings.enabled:
        return (Verdict(_NAME, True, "the limit on indexes per table is off", f"{_KEY}.enabled"),)
    found = [(_count(settings, load), _overhead(settings, load)) for load in loads]
    told = tuple(verdict for verdict in chain.from_iterable(found) if verdict is not None)
    if told:
        return told
    most = max((load.existing + load.planned for load in loads), default=0)
    text = f"at most {most} of {settings.max_indexes_per_table} indexes on a table"
    return (Verdict(_NAME, True, text, f"{_KEY}.max_indexes_per_table"),)


def _count(settings: WritePerformanceSettings, load: TableLoad) -> Verdict | None:
    # Invalid indexes count too: those that are ready are maintained by every write.
    most, room = settings.max_indexes_per_table, settings.max_indexes_per_table - load.existing
    if load.planned < 1:
        return None
    if room < 1:
        text = f"{load.table.short} has {load.existing} indexes, {most} are allowed"
        return Verdict(_NAME, False, text, f"{_KEY}.max_indexes_per_table", table=load.table, forceable=True)
    if room < load.planned:
        text = f"{load.table.short} has {load.existing} indexes: room for {room} of {load.planned} more"
        return Verdict(_NAME, True, text, f"{_KEY}.max_indexes_per_table", warning=True, table=load.table)
    if load.existing + load.planned >= settings.warn_indexes_per_table:
        text = f"{load.table.short} will have {load.existing + load.planned} indexes of {most} allowed"
        return Verdict(_NAME, True, text, f"{_KEY}.warn_indexes_per_table", warning=True, table=load.table)
    return None


def _overhead(settings: WritePerformanceSettings, load: TableLoad) -> Verdict | None:
    if load.overhead is None or load.overhead <= settings.write_overhead_threshold:
        return None
    text = f"writes to {load.table.short} will cost {load.overhead:+.0%} ({load.source})"
    return Verdict(_NAME, True, text, f"{_KEY}.write_overhead_threshold", warning=True, table=load.table)


_COUNTED = "pg_stat_user_tables"


def table_loads(
    tables: Sequence[TableFacts],
    operations: Sequence[Operation],
    catalog: Catalog | None = None,
    plan: Plan | None = None,
) -> tuple[TableLoad, ...]:
    """One value per table. Where neither the plan nor the catalog tells, the overhead is None."""
    planned = {r.definition: r for r in plan.recommendations} if plan is not None else {}
    own: dict[int, list[Operation]] = {}
    for operation in operations:
        own.setdefault(operation.relid, []).append(operation)
    return tuple(_load(table, own.get(table.relid, []), catalog, planned) for table in tables)


def _load(
    facts: TableFacts,
    operations: Sequence[Operation],
    catalog: Catalog | None,
    planned: Mapping[IndexDefinition, Recommendation],
) -> TableLoad:
    told = [planned[o.definition].write_cost if o.definition in planned else math.nan for o in operations]
    # One that takes the place of others makes their number no larger.
    more = sum(o.definition not in planned or not planned[o.definition].replaces for o in operations)
    if told and all(math.isfinite(cost) for cost in told):
        source = "the plan's write model over its workload"
        return TableLoad(facts.table, facts.indexes, more, sum(told), source)
    table = catalog.table(facts.table) if catalog is not None else None
    if table is None or catalog is None:
        return TableLoad(facts.table, facts.indexes, more)
    seen = counted_writes(table)
    base = table_write_us(table, seen, catalog)
    costs = [write_cost(o.definition, table, seen, base, catalog.major) for o in operations]
    overhead = sum(c.relative for c in costs) if base > 0 else None
    source = f"a model over {seen.rows:,.0f} rows written, {_COUNTED}"
    return TableLoad(facts.table, facts.indexes, more, overhead, source)


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    request = context.request
    # One that is rebuilt takes its own place.
    new = [o for o in request.creating if o.kind is not OperationKind.REINDEX]
    found = table_loads(context.tables, new, request.catalog, request.plan)
    return judge(request.safeguards.write_performance, found)


GUARD = Guard(_NAME, 12, _ask)
