"""Extended statistics (CREATE STATISTICS) put into a database that has no rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.planner.twin.mcv import (
    MOST_ITEMS,
    Dimension,
    dependencies_bytes,
    distinct_bytes,
    mcv_bytes,
    numeric_bytes,
)
from indexpilot_cli.planner.twin.statistics import put_statistics
from indexpilot_cli.snapshot.values import ExtendedStatistics, RelationStatistics

_KINDS = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
_TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})
_REVERSED = frozenset(
    {"bool", "int2", "int4", "int8", "oid", "float4", "float8", "date", "time", "timestamp", "timestamptz", "money"}
)
_AS_SENT = frozenset({"uuid", "bytea", "macaddr", "macaddr8"})
_SCRATCH = QualifiedName("public", "indexpilot_scratch")


class _NoForm(Exception):
    """A value whose stored form we do not know."""


def put_extended(admin: Session, statistics: Sequence[ExtendedStatistics]) -> list[NotModelled]:
    """Write every statistics object that exists here; what could not be written is given back."""
    if not statistics:
        return []
    for kind in _KINDS:
        # The types have no input function; their stored form is that of bytea.
        admin.execute(f"CREATE CAST (bytea AS {kind}) WITHOUT FUNCTION")
    failures: list[NotModelled] = []
    for entry in statistics:
        failures += _put_object(admin, entry)
    for kind in _KINDS:
        admin.execute(f"DROP CAST (bytea AS {kind})")
    return failures


def _put_object(admin: Session, entry: ExtendedStatistics) -> list[NotModelled]:
    target = admin.one("twin/extended_target", {"schema": entry.name.schema, "name": entry.name.name})
    if target is None:
        return []
    failures: list[NotModelled] = []
    try:
        combinations = _combinations(admin, entry, target.types or [])
    except _NoForm as missing:
        combinations = None
        failures.append(_missing(entry, f"most common combinations left out: {missing}"))
    try:
        with admin.transaction():
            scratch = _expressions(admin, entry, target)
            admin.execute("twin/put_extended", _values(entry, target, combinations, scratch))
            if scratch is not None:
                admin.execute(f"DROP TABLE {_SCRATCH}")
    except UnreachableError:
        raise
    except (IndexPilotError, ValueError, KeyError) as error:
        detail = error.detail or error.message if isinstance(error, IndexPilotError) else repr(error)
        failures.append(_missing(entry, detail))
    return failures


def _missing(entry: ExtendedStatistics, reason: str) -> NotModelled:
    return NotModelled(str(entry.name), "STATISTICS", reason)


def _values(entry: ExtendedStatistics, target: Any, combinations: bytes | None, scratch: int | None) -> dict[str, Any]:
    # pg_dump drops the gaps that dropped columns leave, but keeps the order.
    numbers = dict(zip(sorted(entry.numbers), sorted(target.numbers), strict=True))
    return {
        "oid": target.oid,
        "inherited": entry.inherited,
        "distinct": distinct_bytes(entry.distinct, numbers) if entry.distinct else None,
        "dependencies": dependencies_bytes(entry.dependencies, numbers) if entry.dependencies else None,
        "mcv": combinations,
        "scratch": scratch,
    }


def _combinations(admin: Session, entry: ExtendedStatistics, types: Sequence[int]) -> bytes | None:
    items = entry.values[:MOST_ITEMS]
    if not items:
        return None
    if len(items[0]) != len(types):
        raise _NoForm("they cover expressions")
    if admin.value("SELECT current_setting('server_encoding')") != "UTF8":
        raise _NoForm("the database is not in UTF8")
    columns = [tuple(dict.fromkeys(v for v in column if v is not None)) for column in zip(*items, strict=True)]
    dimensions = [_dimension(admin, oid, column) for oid, column in zip(types, columns, strict=True)]
    places = [{value: place for place, value in enumerate(column)} for column in columns]
    return mcv_bytes(
        dimensions,
        [
            ([None if v is None else places[n][v] for n, v in enumerate(item)], frequency, base)
            for item, frequency, base in zip(items, entry.frequencies, entry.base_frequencies, strict=False)
        ],
    )


def _dimension(admin: Session, oid: int, values: Sequence[str]) -> Dimension:
    kind = admin.one("twin/type", {"oid": oid})
    assert kind is not None
    return Dimension(oid, kind.length, kind.by_value, tuple(_stored_forms(admin, kind, values)))


def _stored_forms(admin: Session, kind: Any, values: Sequence[str]) -> list[bytes]:
    if kind.short in _TEXTS:
        return [value.encode() for value in values]
    if kind.kind == "e":
        labels = {row.enumlabel: row.oid for row in admin.rows("twin/enum", {"oid": kind.oid})}
        return [int(labels[value]).to_bytes(4, "little") for value in values]
    sent = _sent(admin, kind, values) if kind.short in _REVERSED | _AS_SENT | {"numeric"} else None
    if sent is None:
        raise _NoForm(f"the stored form of {kind.name} is not known")
    if kind.short == "numeric":
        return [numeric_bytes(value) for value in sent]
    return [value[::-1] for value in sent] if kind.short in _REVERSED else sent


def _sent(admin: Session, kind: Any, values: Sequence[str]) -> list[bytes]:
    """The values in the form in which the server sends them: network byte order."""
    query = (
        f"SELECT array_agg({kind.send}(x.v::{kind.name}) ORDER BY x.n) "  # both names come from this server's catalog
        "FROM unnest(%s::text[]) WITH ORDINALITY AS x (v, n)"
    )
    return [bytes(value) for value in admin.value(query, [list(values)]) or ()]


def _expressions(admin: Session, entry: ExtendedStatistics, target: Any) -> int | None:
    """A table whose columns have the types and statistics of the object's expressions; gives its oid.

    Their statistics are stored as an array of rows of pg_statistic, so they are written as such rows first.
    """
    if not entry.expressions:
        return None
    texts = admin.value("SELECT pg_get_statisticsobjdef_expressions(%s)", [target.oid])
    columns = ", ".join(f"{text} AS e{number}" for number, text in enumerate(texts, start=1))
    admin.execute(f"CREATE TABLE {_SCRATCH} AS SELECT {columns} FROM {entry.table} WITH NO DATA")
    rows = [
        RelationStatistics(_SCRATCH, f"e{number}", None, False, found)
        for number, found in enumerate(entry.expressions, start=1)
    ]
    put_statistics(admin, rows)
    return int(admin.value("SELECT %s::regclass::oid::bigint", [str(_SCRATCH)]))
