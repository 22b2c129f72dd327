"""Sampled values inside statistics, replaced one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.snapshot.surrogates import Family, family_by_look, family_of
from indexpilot_cli.snapshot.values import ExtendedStatistics, RelationStatistics

Replace = Callable[[Family, str], str]
"""From a value and its family to what stands for it."""

_OPEN = frozenset("BE")  # type categories whose values are schema, not data: booleans and enums


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """What the values of each column are, by relation and by bare column name."""

    by_relation: dict[tuple[QualifiedName, str], Column]
    by_name: dict[str, frozenset[str]]

    def column(self, relation: QualifiedName, name: str | None) -> Column | None:
        """The column, where the catalog has it."""
        return self.by_relation.get((relation, name)) if name is not None else None

    def is_open(self, name: str | None) -> bool:
        """Whether every column of that name holds only booleans or enum labels."""
        return bool(name) and self.by_name.get(name or "", frozenset("?")) <= _OPEN

    def family(self, name: str | None, text: str) -> Family:
        """The family of a literal compared with a column of that name, else by its looks."""
        kinds = {family_of(kind) for kind in self.by_name.get(name or "", frozenset()) if len(kind) > 1}
        found = next(iter(kinds)) if len(kinds) == 1 else None
        return found if found is not None else family_by_look(text)


def column_types(catalog: Catalog) -> ColumnTypes:
    """Types of all columns. By name: categories of open types, type names of the others."""
    by_relation = {(t.name, c.name): c for t in catalog.tables for c in t.columns}
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for column in by_relation.values():
        by_name[column.name].add(column.category if column.category in _OPEN else column.base_type)
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
    """One row of pg_stats with surrogates."""
    column = types.column(entry.relation, entry.column)
    return replace(entry, statistics=column_statistics(entry.statistics, column, change))


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
    elements, frequencies = statistics.most_common_elems, statistics.most_common_elem_freqs
    if not elements:
        return statistics
    known = column.element_type if column is not None and column.element_type else "text"
    family = family_of(_short(known))
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


_SHORT = {
    "integer": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "double precision": "float8",
    "real": "float4",
    "character varying": "varchar",
    "character": "bpchar",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
}


def _short(type_name: str) -> str:
    return _SHORT.get(type_name, type_name)
