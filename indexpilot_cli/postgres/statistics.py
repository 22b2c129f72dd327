"""Rows of ``pg_stats`` as values, for table columns and for index expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from indexpilot_cli.model.catalog import ColumnStatistics
from indexpilot_cli.postgres.session import Row, Session

StatisticsByColumn: TypeAlias = Mapping[tuple[int, str], ColumnStatistics]
"""From relation oid and column name to its statistics."""


def read_statistics(session: Session, oids: Sequence[int]) -> StatisticsByColumn:
    """Statistics of all columns of the relations (tables or indexes) that the role may read.

    For a table with children the statistics of the whole tree are preferred: those are what a query meets.
    """
    return _by_column(session.rows("catalog_statistics", {"oids": list(oids)}))


def _by_column(rows: Iterable[Row]) -> dict[tuple[int, str], ColumnStatistics]:
    found: dict[tuple[int, str], ColumnStatistics] = {}
    for row in rows:  # inherited ones come last
        found[row.relation, row.name] = _statistics(row)
    return found


def _statistics(row: Row) -> ColumnStatistics:
    return ColumnStatistics(
        null_frac=row.null_frac,
        avg_width=row.avg_width,
        n_distinct=row.n_distinct,
        most_common_vals=tuple(row.most_common_vals or ()),
        most_common_freqs=tuple(row.most_common_freqs or ()),
        histogram_bounds=tuple(row.histogram_bounds or ()),
        correlation=row.correlation,
        most_common_elems=tuple(row.most_common_elems or ()),
        most_common_elem_freqs=tuple(row.most_common_elem_freqs or ()),
        elem_count_histogram=tuple(row.elem_count_histogram or ()),
        range_length_histogram=tuple(row.range_length_histogram or ()),
        range_empty_frac=row.range_empty_frac,
        range_bounds_histogram=tuple(row.range_bounds_histogram or ()),
    )
