"""Statistics that a host application recorded: written in batches, read as figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.log.metadata import SCHEMA, question

# Enough to group five million rows by hashes, in half the time of a sort; what does not fit is written to disk.
_GROUPING_KB = 64 * 1024


@dataclass(frozen=True, slots=True)
class QueryStat:
    """One query of one tenant on one field. ``at`` is seconds since the epoch."""

    tenant_id: int | None
    table_name: str
    field_name: str | None
    query_type: str
    duration_ms: float
    at: float


@dataclass(frozen=True, slots=True)
class QueryStatGroup:
    """Figures of one tenant, table, field and query type, in milliseconds."""

    tenant_id: int | None
    table_name: str
    field_name: str | None
    query_type: str
    count: int
    avg_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class QueryStatBucket:
    """Figures of all queries of one span of time that begins ``at``, in milliseconds."""

    at: datetime
    queries: int
    avg_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class FieldUsage:
    """How much a field is used, over all tenants."""

    table_name: str
    field_name: str
    total_queries: int
    tenant_count: int
    avg_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class TableSize:
    """Size of a table with its partitions. ``row_count`` is the planner's estimate, None when never analyzed.

    ``table_bytes`` includes TOAST and free space maps, as pg_table_size() does.
    """

    name: QualifiedName
    row_count: int | None
    table_bytes: int
    index_bytes: int

    @property
    def overhead(self) -> float:
        """Index bytes per table byte."""
        return self.index_bytes / self.table_bytes if self.table_bytes else 0.0


def insert(session: Session, stats: Sequence[QueryStat], *, schema: str = SCHEMA) -> int:
    """Write all rows in one statement; gives how many."""
    columns = {
        "tenant_id": [s.tenant_id for s in stats],
        "table_name": [s.table_name for s in stats],
        "field_name": [s.field_name for s in stats],
        "query_type": [s.query_type for s in stats],
        "duration_ms": [s.duration_ms for s in stats],
        "at": [s.at for s in stats],
    }
    return session.execute(question(session, "workload/insert", schema), columns) if stats else 0


def figures(
    session: Session,
    hours: float | None = 24,
    table_name: str | None = None,
    field_name: str | None = None,
    *,
    schema: str = SCHEMA,
) -> tuple[QueryStatGroup, ...]:
    """Count, average and percentiles per tenant, table, field and type over the last hours, most frequent first."""
    parameters = {"hours": hours, "table_name": table_name, "field_name": field_name}
    return tuple(QueryStatGroup(*row) for row in _grouped(session, "workload/query", parameters, schema))


def usage(session: Session, hours: float | None = 24, *, schema: str = SCHEMA) -> tuple[FieldUsage, ...]:
    """How much each field was used in the last hours, most used first."""
    return tuple(FieldUsage(*row) for row in _grouped(session, "workload/usage", {"hours": hours}, schema))


def totals(
    session: Session, since: datetime | None = None, tenants: Sequence[int] | None = None, *, schema: str = SCHEMA
) -> Sequence[Row]:
    """table_name, field_name, query_type, count, total_ms, oldest and newest, over these tenants (None: all)."""
    wanted = None if tenants is None else list(tenants)
    return _grouped(session, "workload/totals", {"since": since, "tenants": wanted}, schema)


def series(session: Session, hours: float, bucket: str, *, schema: str = SCHEMA) -> tuple[QueryStatBucket, ...]:
    """The queries of the last hours by minute, hour or day (``bucket``), oldest first; left out: times without any."""
    parameters = {"hours": hours, "bucket": bucket}
    return tuple(QueryStatBucket(*row) for row in _grouped(session, "workload/series", parameters, schema))


def daily(
    session: Session, tables: Sequence[str], field_name: str, days: int, *, schema: str = SCHEMA
) -> Sequence[Row]:
    """day and queries of a field, under any of these names of its table, on the last whole days (UTC) that have any."""
    values = {"tables": list(tables), "field": field_name, "days": days}
    return session.rows(question(session, "workload/daily", schema), values)


def _grouped(session: Session, name: str, parameters: dict[str, Any], schema: str) -> Sequence[Row]:
    with session.transaction():  # to which the setting is confined
        session.rows("workload/memory", {"kilobytes": _GROUPING_KB})
        return session.rows(question(session, name, schema), parameters)


def table_size(session: Session, table_name: str, schema_name: str | None = None) -> TableSize | None:
    """Size of a table from the catalog and the file system, without reading a row; None when there is no such table."""
    row = session.one("log/table_size", {"table_name": table_name, "schema_name": schema_name})
    if row is None:
        return None
    return TableSize(QualifiedName(row.schema_name, row.table_name), row.row_count, row.table_bytes, row.index_bytes)
