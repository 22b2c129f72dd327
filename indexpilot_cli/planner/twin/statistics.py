"""Column statistics put into a database that has no rows.

From 18 on through ``pg_restore_attribute_stats``, before that as rows of ``pg_statistic``: the twin is ours.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import SQL
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, IndexPilotError
from indexpilot_cli.snapshot.values import ExtendedStatistics, RelationSize, RelationStatistics

_BATCH = 200
_OWN = "its type keeps statistics of its own kind, which can be read from pg_statistic only"


def put_sizes(admin: Session, sizes: Sequence[RelationSize], source_version: int) -> None:
    """Pages and tuples of every relation as the source's catalog has them; materialized views count as filled."""
    rows = [
        {
            "relation": str(size.name),
            "pages": size.pages_at_analyze,
            "tuples": _tuples(size, source_version),
            "all_visible": size.all_visible,
        }
        for size in sizes
    ]
    admin.execute("twin/put_sizes", {"rows": json.dumps(rows)})


def put_statistics(
    admin: Session, statistics: Sequence[RelationStatistics], progress: Progress | None = None
) -> list[NotModelled]:
    """Statistics of columns and index expressions; what the server refuses is given back.

    Relations the database does not have are passed over.
    """
    types = _expression_types(admin, sorted({str(e.relation) for e in statistics if e.number is not None}))
    failures: list[NotModelled] = []
    for start in range(0, len(statistics), _BATCH):
        batch = statistics[start : start + _BATCH]
        failures += _put(admin, [_row(e) | types.get((str(e.relation), e.number), {}) for e in batch])
        if progress is not None:
            progress.advance(len(batch))
    return failures


def _tuples(size: RelationSize, source_version: int) -> float:
    """Before 14 a table never analyzed has zero tuples on zero pages; from 14 on that is -1."""
    never = source_version < 140000 and size.tuples == 0 and size.pages_at_analyze == 0
    return -1.0 if never else size.tuples


def _put(admin: Session, rows: Sequence[dict[str, Any]]) -> list[NotModelled]:
    """All rows in one statement; halves of them when one is refused, until that one is found."""
    admin.drain_notices()
    try:
        with admin.transaction():
            answers = admin.rows("twin/put_statistics", {"rows": json.dumps(rows)})
            if own := [row for row in rows if row["own"]]:
                admin.execute("twin/put_own_statistics", {"rows": json.dumps(own)})
    except AnsweredError as error:
        if len(rows) == 1:
            return [_refused(rows[0]["relation"], rows[0]["column"], error.detail or error.message)]
        half = len(rows) // 2
        return _put(admin, rows[:half]) + _put(admin, rows[half:])
    partly = [answer for answer in answers if not answer.taken]
    words = "; ".join(dict.fromkeys(notice.message for notice in admin.drain_notices()))
    reasons = {True: _OWN, False: words or "not all of it was taken"}
    return [_refused(answer.relation, answer.column, reasons[answer.left_out]) for answer in partly]


def _refused(relation: str, column: str | None, reason: str) -> NotModelled:
    return NotModelled(f"{relation}.{column}" if column else relation, "STATISTICS", reason)


def _row(entry: RelationStatistics) -> dict[str, Any]:
    return {
        **to_json(entry.statistics),
        "relation": str(entry.relation),
        "column": entry.column,
        "number": entry.number,
        "inherited": entry.inherited,
        "own": [{"kind": slot.kind, "numbers": slot.numbers} for slot in entry.own],
    }


def _expression_types(admin: Session, indexes: Sequence[str]) -> dict[tuple[str, int | None], dict[str, int]]:
    """Type and collation of each expression whose index stores something else: hashes, signatures, boxes.

    ANALYZE keeps the statistics of an index expression in the expression's own type.
    """
    found: dict[tuple[str, int | None], dict[str, int]] = {}
    rows = admin.rows("twin/stored_otherwise", {"relations": list(indexes)}) if indexes else []
    for index, group in groupby(rows, key=lambda row: row.relation):
        keys = list(group)
        with admin.transaction(rollback=True):
            # A view tells the types of its expressions and evaluates none of them.
            columns = SQL(", ".join(f"{key.expression} AS e{key.number}" for key in keys))
            create = SQL("CREATE VIEW {scratch} AS SELECT {columns} FROM ONLY {table}")
            admin.execute(create.format(scratch=SQL(str(_SCRATCH)), columns=columns, table=SQL(keys[0].table)))
            types = admin.rows(
                "SELECT atttypid::bigint AS type, attcollation::bigint AS collation FROM pg_attribute"
                " WHERE attrelid = to_regclass(%s) ORDER BY attnum",
                [str(_SCRATCH)],
            )
        for key, column in zip(keys, types, strict=True):
            found[index, key.number] = {"type": column.type, "collation": key.collation or column.collation}
    return found


_KINDS = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
_TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})
# Sent in network byte order and stored in the machine's own, which is little-endian here.
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
    except (AnsweredError, ValueError, KeyError) as error:
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
    # A text is stored in the encoding of its database; these are written in UTF-8.
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
    # Both names come from this server's catalog, already quoted where they have to be.
    query = SQL(
        "SELECT array_agg({send}(x.v::{type}) ORDER BY x.n) FROM unnest(%s::text[]) WITH ORDINALITY AS x (v, n)"
    ).format(send=SQL(kind.send), type=SQL(kind.name))
    return [bytes(value) for value in admin.value(query, [list(values)]) or ()]


def _expressions(admin: Session, entry: ExtendedStatistics, target: Any) -> int | None:
    """A table whose columns have the types and statistics of the object's expressions; gives its oid.

    Their statistics are stored as an array of rows of pg_statistic, so they are written as such rows first.
    """
    if not entry.expressions:
        return None
    texts = admin.value("SELECT pg_get_statisticsobjdef_expressions(%s)", [target.oid])
    columns = SQL(", ".join(f"{text} AS e{number}" for number, text in enumerate(texts, start=1)))
    # WITH NO DATA takes the types of the expressions and evaluates none of them.
    create = SQL("CREATE TABLE {scratch} AS SELECT {columns} FROM {table} WITH NO DATA")
    admin.execute(create.format(scratch=SQL(str(_SCRATCH)), columns=columns, table=SQL(str(entry.table))))
    rows = [
        RelationStatistics(_SCRATCH, f"e{number}", None, False, found)
        for number, found in enumerate(entry.expressions, start=1)
    ]
    put_statistics(admin, rows)
    return int(admin.value("SELECT %s::regclass::oid::bigint", [str(_SCRATCH)]))


# STATS_NDISTINCT_MAGIC, STATS_DEPS_MAGIC and STATS_MCV_MAGIC of the server's src/include/statistics/statistics.h.
_DISTINCT_MAGIC, _DEPENDENCIES_MAGIC, _MCV_MAGIC = 0xA352BFA4, 0xB4549A2C, 0xE1A651C2
_BASIC = 1  # the only type of each
MOST_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """One column of a list of most common combinations: its type, and each distinct value as stored bytes.

    ``length`` is pg_type.typlen; bytes of variable-length values carry no header.
    """

    type_oid: int
    length: int
    by_value: bool
    values: tuple[bytes, ...]


def distinct_bytes(text: str, numbers: Mapping[int, int]) -> bytes:
    """``pg_ndistinct`` from its text form, attribute numbers translated."""
    items = json.loads(text)
    body = b"".join(_distinct_item(_numbers(key, numbers), float(count)) for key, count in items.items())
    return struct.pack("<III", _DISTINCT_MAGIC, _BASIC, len(items)) + body


def dependencies_bytes(text: str, numbers: Mapping[int, int]) -> bytes:
    """``pg_dependencies`` from its text form (``{"1 => 2": 0.5}``), attribute numbers translated."""
    items = json.loads(text)
    body = b"".join(
        _dependency_item(_numbers(key.replace("=>", ","), numbers), float(degree)) for key, degree in items.items()
    )
    return struct.pack("<III", _DEPENDENCIES_MAGIC, _BASIC, len(items)) + body


def mcv_bytes(
    dimensions: Sequence[Dimension],
    items: Sequence[tuple[Sequence[int | None], float, float]],
) -> bytes:
    """``pg_mcv_list``: each item is the places of its values in their dimensions (None: NULL) and two frequencies."""
    head = struct.pack("<IIIh", _MCV_MAGIC, _BASIC, len(items), len(dimensions))
    types = b"".join(struct.pack("<I", d.type_oid) for d in dimensions)
    infos = b"".join(_dimension_info(d) for d in dimensions)
    values = b"".join(chain.from_iterable(map(partial(_stored, d), d.values) for d in dimensions))
    return head + types + infos + values + b"".join(_mcv_item(*item) for item in items)


def numeric_bytes(sent: bytes) -> bytes:
    """A numeric's stored form (without header) from what ``numeric_send`` gives."""
    count, weight, sign, scale = struct.unpack(">hhHH", sent[:8])
    digits = struct.pack(f"<{count}h", *struct.unpack(f">{count}h", sent[8 : 8 + 2 * count]))
    if sign >= 0xC000:  # NaN and infinities: the sign alone
        return struct.pack("<H", sign)
    # A numeric's short header has sign, scale and weight in two bytes.
    if scale <= 0x3F and -64 <= weight <= 63:
        header = 0x8000 | (0x2000 if sign else 0) | scale << 7 | (0x40 if weight < 0 else 0) | (weight & 0x3F)
        return struct.pack("<H", header) + digits
    return struct.pack("<Hh", sign | scale, weight) + digits


def _distinct_item(numbers: Sequence[int], count: float) -> bytes:
    return struct.pack(f"<di{len(numbers)}h", count, len(numbers), *numbers)


def _dependency_item(numbers: Sequence[int], degree: float) -> bytes:
    return struct.pack(f"<dh{len(numbers)}h", degree, len(numbers), *numbers)


def _numbers(key: str, numbers: Mapping[int, int]) -> list[int]:
    """Negative numbers stand for expressions and stay."""
    found = [int(part) for part in key.split(",")]
    return [number if number < 0 else numbers[number] for number in found]


def _dimension_info(dimension: Dimension) -> bytes:
    count = len(dimension.values)
    if dimension.by_value:
        stored, aligned = count * dimension.length, 0
    elif dimension.length > 0:
        stored, aligned = count * dimension.length, count * _align(dimension.length)
    else:
        stored = sum(4 + len(value) for value in dimension.values)
        aligned = sum(_align(4 + len(value)) for value in dimension.values)
    return struct.pack("<iiii?3x", count, stored, aligned, dimension.length, dimension.by_value)


def _stored(dimension: Dimension, value: bytes) -> bytes:
    return value if dimension.length > 0 else struct.pack("<I", len(value)) + value


def _mcv_item(places: Sequence[int | None], frequency: float, base: float) -> bytes:
    nulls = bytes(place is None for place in places)
    return nulls + struct.pack(f"<dd{len(places)}H", frequency, base, *(place or 0 for place in places))


def _align(size: int) -> int:
    # MAXALIGN of a 64-bit server.
    return -(-size // 8) * 8
