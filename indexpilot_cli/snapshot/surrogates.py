"""Surrogates for sampled values: of the same type, different where the values differ, in the same order.

Values are ranked within a family (numbers, times, UUIDs, texts), so equal values of different columns stay equal
and comparisons between columns keep their outcome.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.snapshot.values import ExtendedStatistics, RelationStatistics
from indexpilot_cli.sql.normal import type_name


class Family(StrEnum):
    """Values that are compared with one another."""

    NUMBER = "number"
    TIME = "time"
    UUID = "uuid"
    TEXT = "text"


_BY_TYPE = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8", "oid"), Family.NUMBER),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), Family.TIME),
    "uuid": Family.UUID,
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext"), Family.TEXT),
}
TEXTS = frozenset(name for name, family in _BY_TYPE.items() if family is Family.TEXT)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_TIME = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)(?P<clock>[ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")
_INTEGERS = (0, 1 << 15, 1 << 31, 1 << 63)  # a surrogate fits into the integer type its value fits into
_UNBOUNDED = frozenset(("infinity", "-infinity", "nan"))
# Years behind 9999, and what a column of that type cannot hold at all.
_BEYOND = {Family.NUMBER: "0", Family.TIME: "infinity", Family.UUID: f"{UUID(int=0)}", Family.TEXT: "v"}
_DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1)


def family_of(base_type: str) -> Family | None:
    """The family of a type's values; None for types whose values cannot be replaced in order."""
    return _BY_TYPE.get(base_type)


def family_by_look(text: str) -> Family:
    """The family of a value whose type is unknown."""
    for pattern, family in ((_NUMBER, Family.NUMBER), (_TIME, Family.TIME), (_UUID, Family.UUID)):
        if pattern.match(text):
            return family
    return Family.TEXT


@dataclass(frozen=True, slots=True)
class Surrogates:
    """The replacement of every known value, by family and text; unknown values become empty or zero."""

    replaced: Mapping[Family, Mapping[str, str]]

    def __call__(self, family: Family, text: str) -> str:
        """The surrogate of a value; one that does not look like its family's is beyond the others or unknown."""
        made = self.replaced.get(family, {}).get(text)
        if made is not None:
            return made
        if text.lower() in _UNBOUNDED or not text.strip():
            return text
        return "-infinity" if family is Family.TIME and text.endswith(" BC") else _BEYOND[family]


def surrogates(values: Mapping[Family, Collection[str]]) -> Surrogates:
    """Surrogates for all the values, family by family."""
    return Surrogates({family: _MAKERS[family](set(texts)) for family, texts in values.items()})


def _texts(values: Iterable[str]) -> dict[str, str]:
    """Equally long strings of digits after one letter: they sort the same under every collation."""
    ordered = sorted((v for v in values if v.strip()), key=_collation_key)
    width = len(str(len(ordered)))
    return {text: f"v{place:0{width}d}" for place, text in enumerate(ordered, start=1)}


def _collation_key(text: str) -> tuple[str, str, str]:
    """Near to how linguistic collations sort: letters and digits first, then accents and case."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c for c in plain.casefold() if c.isalnum()), plain.swapcase(), text


def _uuids(values: Iterable[str]) -> dict[str, str]:
    ordered = sorted({int(v.replace("-", ""), 16) for v in values if _UUID.match(v)})
    step = (1 << 128) // (len(ordered) + 1)
    made = {number: str(UUID(int=place * step)) for place, number in enumerate(ordered, start=1)}
    return {v: made[int(v.replace("-", ""), 16)] for v in values if _UUID.match(v)}


def _numbers(values: Iterable[str]) -> dict[str, str]:
    """Sign and zero stay, whole numbers stay whole; those between two whole numbers stay between theirs."""
    known = {text: Decimal(text) for text in values if _NUMBER.match(text)}
    sizes = {abs(number) for number in known.values()}
    wholes = _spread_wholes({int(size) for size in sizes})
    made = _spread_fractions(sizes, wholes)
    return {text: f"{'-' if number < 0 else ''}{made[abs(number)]}" for text, number in known.items()}


def _spread_wholes(wholes: set[int]) -> dict[int, int]:
    made = {0: 0}
    for low, high in zip((1, *_INTEGERS[1:]), (*_INTEGERS[1:], 1 << 200), strict=True):
        ordered = sorted(w for w in wholes if low <= w < high)
        step = (high - low) // (len(ordered) + 1)
        if step < 1:  # the range is full: each number keeps its place
            made.update({whole: whole for whole in ordered})
        else:
            made.update({whole: low + step * place for place, whole in enumerate(ordered, start=1)})
    return made


def _spread_fractions(sizes: set[Decimal], wholes: Mapping[int, int]) -> dict[Decimal, str]:
    made: dict[Decimal, str] = {}
    by_whole: dict[int, list[Decimal]] = {}
    for size in sizes:
        if size == int(size):
            made[size] = str(wholes[int(size)])
        else:
            by_whole.setdefault(int(size), []).append(size)
    for whole, parts in by_whole.items():
        for place, size in enumerate(sorted(parts), start=1):
            made[size] = f"{wholes[whole] + Decimal(place) / (len(parts) + 1):.9f}".rstrip("0")
    return made


def _times(values: Iterable[str]) -> dict[str, str]:
    """Days are spread evenly over the months from the first to the last; midnight stays midnight."""
    moments = {text: moment for text in values if (moment := _moment(text)) is not None}
    days = sorted({moment // _DAY for moment in moments.values()})
    first, last = _months(days)
    gaps = max(1, len(days) - 1)
    new_day = {day: first + place * (last - first) // gaps for place, day in enumerate(days)}
    clocks: dict[int, list[int]] = {}
    for moment in sorted(set(moments.values())):
        if moment % _DAY:
            clocks.setdefault(moment // _DAY, []).append(moment)
    new_clock: dict[int, int] = {}
    for in_day in clocks.values():
        new_clock |= {moment: place * _DAY // (len(in_day) + 1) for place, moment in enumerate(in_day, start=1)}
    return {t: _written(new_day[m // _DAY], new_clock.get(m, 0), t) for t, m in moments.items()}


def _months(days: Sequence[int]) -> tuple[int, int]:
    """The first day of the first month and the last of the last one, so that no day of theirs is told."""
    if not days:
        return 0, 0
    first, last = (_EPOCH + timedelta(days=day) for day in (days[0], days[-1]))
    ended = date(last.year, last.month, monthrange(last.year, last.month)[1])
    return (first.replace(day=1) - _EPOCH).days, (ended - _EPOCH).days


def _moment(text: str) -> int | None:
    """Microseconds since 1970 in UTC; None for what is no ordinary time."""
    match = _TIME.match(text)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["day"])
        clock = time.fromisoformat((match["clock"] or " 00:00")[1:].ljust(5, "0"))
        zone = datetime.fromisoformat(f"2000-01-01T00:00{match['zone']}").utcoffset() if match["zone"] else None
    except ValueError:
        return None
    moment = datetime.combine(day, clock, UTC) - (zone or timedelta(0))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _written(day: int, clock: int, like: str) -> str:
    """The moment in the form the value had: with a clock and zone only where that had one."""
    text = (_EPOCH + timedelta(days=day)).isoformat()
    match = _TIME.match(like)
    if match is None or not (match["clock"] or clock):
        return text
    text += f" {(datetime(1970, 1, 1) + timedelta(microseconds=clock)).time().isoformat()}"
    return text + ("+00" if match["zone"] else "")


_MAKERS: dict[Family, Callable[[set[str]], dict[str, str]]] = {
    Family.NUMBER: _numbers,
    Family.TIME: _times,
    Family.UUID: _uuids,
    Family.TEXT: _texts,
}


Replace = Callable[[Family, str], str]
"""From a value and its family to what stands for it."""

_BY_CATEGORY = {"A": "[]", "R": "range", "C": "record", "B": "bool", "E": "enum"}
_OPEN = frozenset("BE")  # type categories whose values are schema, not data: booleans and enums
_OPEN_KINDS = frozenset(_BY_CATEGORY[category] for category in _OPEN)


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """What the values of each column are, by relation and by bare column name (types as ``stand_ins`` calls them)."""

    by_relation: dict[tuple[QualifiedName, str], Column]
    by_name: dict[str, frozenset[str]]

    def column(self, relation: QualifiedName, name: str | None) -> Column | None:
        """The column, where the catalog has it."""
        return self.by_relation.get((relation, name)) if name is not None else None

    def is_open(self, name: str | None) -> bool:
        """Whether every column of that name holds only booleans or enum labels."""
        return bool(self._kinds(name)) and self._kinds(name) <= _OPEN_KINDS

    def kind(self, name: str | None) -> str:
        """The type of every column of that name; empty where they differ or are unknown."""
        found = self._kinds(name)
        return next(iter(found)) if len(found) == 1 else ""

    def family(self, name: str | None, text: str) -> Family:
        """The family of a literal compared with a column of that name, else by its looks."""
        kinds = {family_of(kind) for kind in self._kinds(name) - _OPEN_KINDS}
        # A column of that name may be another table's: a text that no number can be is no number.
        looks = family_by_look(text)
        return Family.TEXT if kinds == {Family.TEXT} else looks

    def _kinds(self, name: str | None) -> frozenset[str]:
        return self.by_name.get(name or "", frozenset())


def column_types(catalog: Catalog) -> ColumnTypes:
    """Types of all columns."""
    by_relation: dict[tuple[QualifiedName, str], Column] = {}
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for table in catalog.tables:
        for column in table.columns:
            by_relation[table.name, column.name] = column
            by_name[column.name].add(_BY_CATEGORY.get(column.category, column.base_type))
    return ColumnTypes(by_relation, {name: frozenset(kinds) for name, kinds in by_name.items()})


def column_statistics(statistics: ColumnStatistics, column: Column | None, change: Replace) -> ColumnStatistics:
    """The statistics with surrogates; of types without an order we can keep, only the numbers stay."""
    if column is not None and column.category in _OPEN:
        return statistics
    family = _family(statistics, column)
    plain = replace(statistics, range_length_histogram=(), range_empty_frac=None, range_bounds_histogram=())
    plain = _elements(plain, column, change)
    if family is None:
        return replace(plain, most_common_vals=(), most_common_freqs=(), histogram_bounds=())
    bounds = tuple(change(family, value) for value in statistics.histogram_bounds)
    return replace(
        plain,
        most_common_vals=tuple(change(family, value) for value in statistics.most_common_vals),
        histogram_bounds=_ascending(family, bounds),
    )


def relation_statistics(entry: RelationStatistics, types: ColumnTypes, change: Replace) -> RelationStatistics:
    """One row of pg_stats with surrogates; numbers of kinds we do not know may be values, and go."""
    column = types.column(entry.relation, entry.column)
    return replace(entry, statistics=column_statistics(entry.statistics, column, change), own=())


def extended_statistics(entry: ExtendedStatistics, types: ColumnTypes, change: Replace) -> ExtendedStatistics:
    """One row of pg_stats_ext with surrogates; without combinations when a column's values cannot be replaced."""
    columns = [types.column(entry.table, name) for name in entry.columns]
    families = [_open_or_family(column) for column in columns]
    expressions = tuple(column_statistics(found, None, change) for found in entry.expressions)
    if None in families or (entry.values and len(entry.values[0]) != len(families)):
        return replace(entry, values=(), frequencies=(), base_frequencies=(), expressions=expressions)
    values = tuple(
        tuple(_changed(family, value, change) for family, value in zip(families, item, strict=True))
        for item in entry.values
    )
    return replace(entry, values=values, expressions=expressions)


def _changed(family: Family | str | None, value: str | None, change: Replace) -> str | None:
    return change(family, value) if isinstance(family, Family) and value is not None else value


def _open_or_family(column: Column | None) -> Family | str | None:
    if column is None:
        return None
    return column.category if column.category in _OPEN else family_of(column.base_type)


def _family(statistics: ColumnStatistics, column: Column | None) -> Family | None:
    if column is not None:
        return family_of(column.base_type)
    looks = {family_by_look(v) for v in (*statistics.most_common_vals, *statistics.histogram_bounds)}
    return looks.pop() if len(looks) == 1 else Family.TEXT


def _elements(statistics: ColumnStatistics, column: Column | None, change: Replace) -> ColumnStatistics:
    """Elements are searched in the order of their type, so they are sorted again with their frequencies."""
    # The frequencies are followed by the lowest, the highest and, with NULLs, one more.
    elements, frequencies = statistics.most_common_elems, statistics.most_common_elem_freqs
    if not elements:
        return statistics
    known = column.element_type if column is not None and column.element_type else "text"
    family = family_of(type_name(known))
    if family is None:
        return replace(statistics, most_common_elems=(), most_common_elem_freqs=(), elem_count_histogram=())
    made = [change(family, value) for value in elements]
    pairs = sorted(zip(made, frequencies, strict=False)) if family is Family.TEXT else list(zip(made, frequencies))  # noqa: B905
    return replace(
        statistics,
        most_common_elems=tuple(value for value, _ in pairs),
        most_common_elem_freqs=(*(f for _, f in pairs), *frequencies[len(elements) :]),
    )


def _ascending(family: Family, bounds: Sequence[str]) -> tuple[str, ...]:
    """A histogram must ascend also where the database's collation sorts texts otherwise than we did."""
    return tuple(sorted(bounds)) if family is Family.TEXT else tuple(bounds)
