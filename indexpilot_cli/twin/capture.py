"""Reading a snapshot from a live database: an ordinary role, a read-only session, nothing created."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError
from indexpilot_cli.model.capabilities import Server
from indexpilot_cli.model.catalog import BLOCK, Catalog, ColumnStatistics
from indexpilot_cli.model.names import QualifiedName
from indexpilot_cli.model.workload import Workload
from indexpilot_cli.postgres.session import Session
from indexpilot_cli.twin.dump import read_schema
from indexpilot_cli.twin.values import (
    ExtendedStatistics,
    NotModelled,
    RelationSize,
    RelationStatistics,
    Snapshot,
)

_KINDS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE", "S": "SEQUENCE"}
_LISTS = ("most_common_vals", "most_common_freqs", "histogram_bounds", "most_common_elems", "most_common_elem_freqs")
_MORE_LISTS = ("elem_count_histogram", "range_length_histogram", "range_bounds_histogram")


def capture(
    session: Session,
    catalog: Catalog,
    *,
    conninfo: str,
    password: str | None = None,
    workload: Workload | None = None,
    now: datetime | None = None,
) -> Snapshot:
    """A snapshot of the session's database. ``conninfo`` and ``password`` are for pg_dump.

    Needs CONNECT, and USAGE and SELECT on what shall be modelled; anything else is listed in ``missing``.
    Raises PrerequisiteError (no pg_dump, other block size), UnreachableError when the server cannot be read.
    """
    facts = session.one("twin_server")
    assert facts is not None
    if facts.block_size != BLOCK:
        raise PrerequisiteError(
            f"the server uses pages of {facts.block_size} bytes, the twin only {BLOCK}", code="block_size"
        )
    unreadable = session.rows("twin_unreadable")
    settings = {row.name: row.value for row in session.rows("twin_settings")}
    sizes = _sizes(session, catalog)
    with session.transaction(rollback=True):
        session.rows("catalog_output_forms")  # values in forms that do not depend on the role's settings
        statistics = tuple(_statistics(row) for row in session.rows("twin_statistics"))
    extended, notes = _extended(session)
    return Snapshot(
        server=_server(session, facts),
        captured_at=now or datetime.now(UTC),
        catalog=catalog,
        objects=read_schema(conninfo, password, exclude=_excluded(unreadable)),
        sizes=sizes,
        statistics=statistics,
        extended=extended,
        settings=MappingProxyType(settings),
        overrides=tuple((r.database, r.role, r.name, r.value) for r in session.rows("twin_overrides")),
        collate=facts.collate or "C",
        ctype=facts.ctype or "C",
        provider=facts.provider,
        provider_locale=facts.provider_locale,
        missing=tuple(_missing(row) for row in unreadable),
        workload=workload,
        notes=notes,
    )


def column_statistics(row: Any) -> ColumnStatistics:
    """A row of pg_stats (or of a view shaped like it) as a value."""
    lists = {name: tuple(getattr(row, name, None) or ()) for name in (*_LISTS, *_MORE_LISTS)}
    return ColumnStatistics(
        null_frac=row.null_frac,
        avg_width=row.avg_width,
        n_distinct=row.n_distinct,
        correlation=row.correlation,
        range_empty_frac=getattr(row, "range_empty_frac", None),
        **lists,
    )


def _server(session: Session, facts: Any) -> Server:
    return Server(
        version=facts.version.split(" ")[0],
        version_num=facts.version_num,
        database=facts.database,
        host=session.host,
        port=session.port,
        user=facts.user,
        in_recovery=facts.in_recovery,
        read_only=facts.read_only,
        tls=session.tls,
    )


def _excluded(unreadable: Sequence[Any]) -> list[str]:
    # pg_dump reads patterns: double quotes make each part literal.
    quoted = (f'"{_double(r.schema)}"."{_double(r.name)}"' for r in unreadable if r.kind not in "vm")
    return list(quoted)


def _double(name: str) -> str:
    return str(name).replace('"', '""')


def _missing(row: Any) -> NotModelled:
    reason = "no SELECT privilege" if row.schema_usable else "no USAGE privilege on its schema"
    return NotModelled(str(QualifiedName(row.schema, row.name)), _KINDS[row.kind], reason)


def _sizes(session: Session, catalog: Catalog) -> tuple[RelationSize, ...]:
    heights = {i.name: i.tree_height for t in catalog.tables for i in t.indexes}
    try:
        rows = session.rows("twin_relations", {"lengths": True})
    except RefusedError:  # somebody holds a table exclusively: its last known length has to do
        rows = session.rows("twin_relations", {"lengths": False})
    return tuple(
        RelationSize(
            name=(name := QualifiedName(row.schema, row.name)),
            kind=row.kind,
            pages=int(row.pages),
            pages_at_analyze=row.relpages,
            tuples=row.tuples,
            all_visible=row.all_visible,
            method=row.method,
            height=heights.get(name),
        )
        for row in rows
    )


def _statistics(row: Any) -> RelationStatistics:
    index = row.kind == "i"
    return RelationStatistics(
        relation=QualifiedName(row.schema, row.relation),
        column=None if index else row.column,
        number=row.number if index else None,
        inherited=row.inherited,
        statistics=column_statistics(row),
    )


def _extended(session: Session) -> tuple[tuple[ExtendedStatistics, ...], tuple[str, ...]]:
    try:
        rows = session.rows("twin_extended")
        expressions = session.rows("twin_extended_expressions")
    except IndexPilotError as error:
        return (), (f"extended statistics could not be read: {error.detail or error.message}",)
    by_name: dict[tuple[str, str, bool], list[ColumnStatistics]] = {}
    for row in expressions:
        by_name.setdefault((row.schema, row.name, row.inherited), []).append(column_statistics(row))
    return tuple(_extended_row(row, by_name.get((row.schema, row.name, row.inherited), [])) for row in rows), ()


def _extended_row(row: Any, expressions: Sequence[ColumnStatistics]) -> ExtendedStatistics:
    values = tuple(tuple(combination) for combination in row.values or ())
    return ExtendedStatistics(
        name=QualifiedName(row.schema, row.name),
        table=QualifiedName(row.table_schema, row.table_name),
        columns=tuple(row.columns or ()),
        numbers=tuple(row.numbers or ()),
        inherited=row.inherited,
        distinct=row.distinct,
        dependencies=row.dependencies,
        values=values,
        frequencies=tuple(row.frequencies or ()),
        base_frequencies=tuple(row.base_frequencies or ()),
        expressions=tuple(expressions),
    )
