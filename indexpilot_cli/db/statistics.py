"""Rows of ``pg_stats`` as values, for table columns and for index expressions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TypeAlias

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.db.session import Row, Session

_AT_ONCE = 400  # relations per question, so that none of them runs into a statement timeout

StatisticsByColumn: TypeAlias = Mapping[tuple[int, str], ColumnStatistics]
"""From relation oid and column name to its statistics."""


def read_statistics(session: Session, relations: Mapping[int, str]) -> StatisticsByColumn:
    """Statistics of all columns of the relations (tables or indexes, name by oid) that the role may read.

    For a table with children the statistics of the whole tree are preferred: those are what a query meets.
    """
    found: dict[tuple[int, str], ColumnStatistics] = {}
    todo = iter(relations.items())
    while part := dict(islice(todo, _AT_ONCE)):
        names = sorted(set(part.values()))  # the view knows names only, and looks up few of them quickly
        rows = session.rows("catalog/statistics", {"oids": list(part), "names": names})
        found.update(((row.relation, row.name), _statistics(row)) for row in rows)  # inherited ones come last
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
