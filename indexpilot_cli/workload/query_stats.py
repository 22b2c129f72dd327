"""Statistics that a host application recorded, as statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.snapshot.source import Source

# Statements by kind of query; {t} and {f} are identifiers that core.names has quoted.
_KINDS = {"write": "update", "order_by": "order", "sort": "order"}
_WITH_FIELD = {
    "range": "SELECT * FROM {t} WHERE {f} >= $1",
    "between": "SELECT * FROM {t} WHERE {f} BETWEEN $1 AND $2",
    "like": "SELECT * FROM {t} WHERE {f} LIKE $1",
    "in": "SELECT * FROM {t} WHERE {f} IN ($1, $2)",
    "null": "SELECT * FROM {t} WHERE {f} IS NULL",
    "order": "SELECT * FROM {t} ORDER BY {f} LIMIT 100",
    "insert": "INSERT INTO {t} ({f}) VALUES ($1)",
    # One row, found without a scan, so that the write costs what a write costs.
    "update": "UPDATE {t} SET {f} = $1 WHERE ctid = '(0,1)'",
    "delete": "DELETE FROM {t} WHERE {f} = $1",
}
_EQUAL = "SELECT * FROM {t} WHERE {f} = $1"
_WITHOUT_FIELD = {
    "insert": "INSERT INTO {t} DEFAULT VALUES",
    "update": "INSERT INTO {t} DEFAULT VALUES",
    "delete": "DELETE FROM {t} WHERE ctid = '(0,1)'",
}
_ALL = "SELECT * FROM {t}"


@dataclass(frozen=True, slots=True)
class RecordedQueries:
    """One group of recorded queries: ``table`` may be qualified (``schema.table``); ``total_ms`` is their sum."""

    table: str
    field: str | None
    query_type: str
    count: int
    total_ms: float


def from_query_stats(rows: Iterable[RecordedQueries]) -> Workload:
    """Statements that look a field up (or write it) as often and as long as was recorded.

    Only table, field and kind of query are recorded, so reads become ``SELECT * … WHERE field = $1`` unless the
    kind says range, between, like, in, null or order; a write becomes a change of one row. Rows with nothing
    counted are skipped.
    """
    statements: list[ObservedStatement] = []
    skipped: list[Skipped] = []
    for row in rows:
        text = _statement(row) if row.count > 0 and row.table else None
        if text is None:
            skipped.append(Skipped("empty", row.table, "nothing counted"))
        else:
            statements.append(ObservedStatement(text, float(row.count), row.total_ms, origin="query_stats"))
    note = "synthesised from recorded fields: conditions on several columns at once are not known"
    return Workload(SourceKind.QUERY_STATS, tuple(statements), tuple(skipped), notes=(note,) if statements else ())


def _statement(row: RecordedQueries) -> str:
    table = ".".join(quote_identifier(part) for part in row.table.split(".", 1))
    kind = row.query_type.strip().lower()
    kind = _KINDS.get(kind, kind)
    if row.field:
        return _WITH_FIELD.get(kind, _EQUAL).format(t=table, f=quote_identifier(row.field))
    return _WITHOUT_FIELD.get(kind, _ALL).format(t=table)


def recorded_workload(source: Source, *, since: datetime | None = None) -> Workload:
    """The recorded reads and writes since ``since`` (None: all).

    Raises PrerequisiteError before ``init``.
    """

    assert source.session is not None
    if source.capabilities is None or source.capabilities.metadata_version is None:
        raise PrerequisiteError(
            "nothing is recorded: IndexPilot's tables are not there", hint="indexpilot init", code="not_initialised"
        )
    hours = None if since is None else (datetime.now(UTC) - since).total_seconds() / 3600
    groups = figures(source.session, hours, schema=source.connection.metadata_schema)
    return from_query_stats(
        RecordedQueries(g.table_name, g.field_name, g.query_type, g.count, g.count * g.avg_ms) for g in groups
    )


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
    return tuple(QueryStatGroup(*row) for row in session.rows(question(session, "workload/query", schema), parameters))


def usage(session: Session, hours: float | None = 24, *, schema: str = SCHEMA) -> tuple[FieldUsage, ...]:
    """How much each field was used in the last hours, most used first."""
    return tuple(
        FieldUsage(*row) for row in session.rows(question(session, "workload/usage", schema), {"hours": hours})
    )


def prune(session: Session, keep_days: float, *, schema: str = SCHEMA) -> int:
    """Delete rows older than that; gives how many. A negative number of days is a ValueError."""
    if not keep_days >= 0:
        raise ValueError("keep_days must not be negative")
    return session.execute(question(session, "workload/prune", schema), {"days": keep_days})


def table_size(session: Session, table_name: str, schema_name: str | None = None) -> TableSize | None:
    """Size of a table from the catalog and the file system, without reading a row; None when there is no such table."""
    row = session.one("log/table_size", {"table_name": table_name, "schema_name": schema_name})
    if row is None:
        return None
    return TableSize(QualifiedName(row.schema_name, row.table_name), row.row_count, row.table_bytes, row.index_bytes)
