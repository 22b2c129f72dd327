"""Rows of ``query_stats`` as statements: only table, field, kind of query and time of them are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from types import MappingProxyType

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload import query_stats

# What hosts call the kinds; every other word of a query with a field is taken for a lookup of one value.
_SAME = {
    **dict.fromkeys((">", "<", ">=", "<=", "gt", "lt", "gte", "lte"), "range"),
    **dict.fromkeys(("is_null", "isnull", "is null"), "null"),
    **dict.fromkeys(("is_not_null", "notnull", "is not null"), "not_null"),
    **dict.fromkeys(("order_by", "order by", "sort"), "order"),
    **dict.fromkeys(("!=", "<>", "ne", "not equal"), "not_equal"),
    **dict.fromkeys(("startswith", "starts_with", "prefix"), "like"),
    **dict.fromkeys(("~", "regexp"), "regex"),
    **dict.fromkeys(("write", "upsert", "merge"), "update"),
    **dict.fromkeys(("remove",), "delete"),
    **dict.fromkeys(("create",), "insert"),
}
# {t} and {f} are identifiers that core.names has quoted, {row} is a condition that finds one row.
_WITH_FIELD = {
    "range": "SELECT * FROM {t} WHERE {f} >= $1",
    "between": "SELECT * FROM {t} WHERE {f} BETWEEN $1 AND $2",
    "like": "SELECT * FROM {t} WHERE {f} LIKE $1",
    "ilike": "SELECT * FROM {t} WHERE {f} ILIKE $1",
    "regex": "SELECT * FROM {t} WHERE {f} ~ $1",
    "not_equal": "SELECT * FROM {t} WHERE {f} <> $1",
    "in": "SELECT * FROM {t} WHERE {f} IN ($1, $2)",
    "null": "SELECT * FROM {t} WHERE {f} IS NULL",
    "not_null": "SELECT * FROM {t} WHERE {f} IS NOT NULL",
    "contains": "SELECT * FROM {t} WHERE {f} @> $1",
    "order": "SELECT * FROM {t} ORDER BY {f} LIMIT 100",
    "insert": "INSERT INTO {t} ({f}) VALUES ($1)",
    # One row, found without a scan, so that the write costs what a write costs.
    "update": "UPDATE {t} SET {f} = $1 WHERE {row}",
    "delete": "DELETE FROM {t} WHERE {f} = $1",
}
_EQUAL = "SELECT * FROM {t} WHERE {f} = $1"
_WITHOUT_FIELD = {"insert": "INSERT INTO {t} DEFAULT VALUES", "delete": "DELETE FROM {t} WHERE {row}"}
_ALL = "SELECT * FROM {t}"


@dataclass(frozen=True, slots=True)
class RecordedQueries:
    """One group of recorded queries: ``table`` as the host named it; ``total_ms`` is their sum."""

    table: str
    field: str | None
    query_type: str
    count: int
    total_ms: float
    oldest: datetime | None = None
    newest: datetime | None = None


def from_query_stats(
    rows: Iterable[RecordedQueries], catalog: Catalog, instead: Mapping[str, str] = MappingProxyType({})
) -> Workload:
    """Statements that look a field up (or write it) as often and as long as was recorded.

    A read becomes ``SELECT * … WHERE field = $1`` unless the kind says range, between, like, in, null, order and so
    on; a write becomes a change of one row. Tables and fields that the database does not have are skipped, with why.
    ``instead`` names schemas by those that stand for them in the catalog.
    """
    listed, titles = tuple(rows), _titles(catalog, instead)
    statements: list[ObservedStatement] = []
    skipped: list[Skipped] = []
    for row in listed:
        made = _statement(row, titles, catalog)
        if isinstance(made, Skipped):
            skipped.append(made)
        else:
            statements.append(
                ObservedStatement(made, float(row.count), row.total_ms, origin="query_stats", assumed=True)
            )
    return Workload(
        SourceKind.QUERY_STATS,
        tuple(statements),
        tuple(skipped),
        min((row.oldest for row in listed if row.oldest is not None), default=None),
        max((row.newest for row in listed if row.newest is not None), default=None),
    )


def _titles(catalog: Catalog, instead: Mapping[str, str]) -> Mapping[str, list[QualifiedName]]:
    """Relations by what a host may call them, those on the search path first."""
    also: dict[str, list[str]] = {}
    for schema, representative in instead.items():
        also.setdefault(representative, []).append(schema)
    place = {schema: number for number, schema in enumerate(catalog.search_path)}
    names = sorted({*(t.name for t in catalog.tables), *catalog.views}, key=lambda n: place.get(n.schema, len(place)))
    found: dict[str, list[QualifiedName]] = {}
    for name in names:
        # A dot may be part of a name: every name is looked up as it is written, none is split.
        listed = [name, *(QualifiedName(schema, name.name) for schema in also.get(name.schema, ()))]
        whole = chain.from_iterable((f"{n.schema}.{n.name}", str(n)) for n in listed)
        for title in dict.fromkeys((name.name, *whole)):
            found.setdefault(title, []).append(name)
    return found


def _statement(row: RecordedQueries, titles: Mapping[str, list[QualifiedName]], catalog: Catalog) -> str | Skipped:
    """The statement, or why there is none."""
    named = titles.get(row.table, ())
    table = catalog.table(named[0]) if named else None
    kind = row.query_type.strip().lower()
    kind = _SAME.get(kind, kind)
    if row.count <= 0:
        return _left(row, "empty", "nothing counted")
    if not named:
        return _left(row, "no_table", f"not in the database: {row.table}")
    if len(named) > 1 and named[0].schema not in catalog.search_path:
        return _left(row, "no_table", f"several schemas have a table {row.table}, and none is on the search path")
    if row.field and table is not None and table.column(row.field) is None:
        return _left(row, "no_field", f"{named[0]} has no field {row.field}")
    if kind == "update" and not row.field:
        return _left(row, "not_modelled", f"which field of {named[0]} was written is not known")
    form = _WITH_FIELD.get(kind, _EQUAL) if row.field else _WITHOUT_FIELD.get(kind, _ALL)
    field = quote_identifier(row.field) if row.field else ""
    return form.format(t=named[0], f=field, row=_one_row(table, form.count("$")))


def _one_row(table: Table | None, taken: int) -> str:
    """A condition on the primary key, whose parameters come behind those taken; on the row's place where none is."""
    keys = (i.definition.columns for i in table.indexes if i.primary) if table is not None else iter(())
    columns = next(keys, ("ctid",))
    return " AND ".join(f"{quote_identifier(name)} = ${taken + n}" for n, name in enumerate(columns, 1))


def _left(row: RecordedQueries, reason: str, detail: str) -> Skipped:
    text = f"{row.query_type} {row.table}" + (f".{row.field}" if row.field else "")
    return Skipped(reason, text, detail, float(row.count), row.total_ms)


def recorded_workload(
    source: Source, *, since: datetime | None = None, tenants: Sequence[int] | None = None
) -> Workload:
    """The recorded reads and writes since ``since`` (None: all), of these tenants (None: of all).

    Raises PrerequisiteError before ``init``.
    """
    assert source.session is not None
    if not source.is_initialised:
        hidden = next((warning.message for warning in source.warnings), None)
        raise PrerequisiteError(
            "what is recorded may not be read" if hidden else "nothing is recorded: IndexPilot's tables are not there",
            detail=hidden,
            hint="indexpilot doctor" if hidden else "indexpilot init",
            code="metadata_hidden" if hidden else "not_initialised",
        )
    totals = query_stats.totals(source.session, since, tenants, schema=source.connection.metadata_schema)
    instead = source.siblings.representatives if source.siblings is not None else {}
    return from_query_stats((RecordedQueries(*row) for row in totals), source.catalog, instead)
