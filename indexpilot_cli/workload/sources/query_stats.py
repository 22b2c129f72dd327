"""Statistics that a host application recorded, as statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload

_WRITES = {"insert": "insert", "write": "update", "update": "update", "delete": "delete"}
_READS = {
    "range": "{f} >= $1",
    "between": "{f} BETWEEN $1 AND $2",
    "like": "{f} LIKE $1",
    "in": "{f} IN ($1, $2)",
    "null": "{f} IS NULL",
}
_ORDERED = frozenset(("order", "order_by", "sort"))


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
    field = quote_identifier(row.field) if row.field else None
    if kind in _WRITES:
        return _write(_WRITES[kind], table, field)
    if field is None:
        return f"SELECT * FROM {table}"
    if kind in _ORDERED:
        return f"SELECT * FROM {table} ORDER BY {field} LIMIT 100"
    return f"SELECT * FROM {table} WHERE " + _READS.get(kind, "{f} = $1").format(f=field)


def _write(kind: str, table: str, field: str | None) -> str:
    """A write of one row, found without a scan so that it costs what a write costs."""
    row = "ctid = '(0,1)'"
    if kind == "delete":
        return f"DELETE FROM {table} WHERE " + (f"{field} = $1" if field else row)
    if kind == "insert" or field is None:
        return f"INSERT INTO {table} ({field}) VALUES ($1)" if field else f"INSERT INTO {table} DEFAULT VALUES"
    return f"UPDATE {table} SET {field} = $1 WHERE {row}"
