"""Statistics of an expression that nobody has analyzed, computed from the values known of its one column.

The most common values and the histogram of a column are a sample of it. What an expression makes of each is a sample
of the expression: its NULLs, common results and order are known then. Statistics without them would do harm: of a
range with two ends the planner keeps half of the rows for each end, together none (clauselist_selectivity).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from indexpilot_cli.core.catalog import Column, ColumnStatistics, Table
from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.db.queries import SQL
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.sql.expressions import CALL, CAST, OPERATOR, Expression
from indexpilot_cli.sql.normal import columns, tree_of, type_name
from indexpilot_cli.sql.selectivity import row_count
from indexpilot_cli.sql.volatility import calls_nobody

_EVALUATE = """
SELECT indexpilot_place, indexpilot_result::text FROM (
    SELECT indexpilot_place, ({expression}) AS indexpilot_result FROM (
        SELECT indexpilot_place, indexpilot_value::{type} AS {column}
        FROM unnest(ARRAY[{values}]::text[]) WITH ORDINALITY AS known (indexpilot_value, indexpilot_place)
    ) AS cast_values
) AS results ORDER BY indexpilot_result
"""
# Neighbours fall together, which values that lie far apart do not show.
_COARSE_TEXT = """
    date_trunc date_bin left right substr substring split_part round trunc floor ceil ceiling
    date int2 int4 int8 bool length to_tsvector
"""
_COARSE = frozenset(_COARSE_TEXT.split())
# What goes round: of values at even distances, such as a histogram's, it may make one and the same.
_CYCLIC = frozenset(("%", "&", "|", "#", "mod", "extract", "date_part"))


def computed(session: Session, expression: str, table: Table, kept: ColumnStatistics | None) -> ColumnStatistics | None:
    """What ANALYZE would roughly find for the expression; ``kept`` is what is known of how many values it has.

    None where the column's values are not known, or nothing can be said of how many come of them.
    """
    names, tree = columns(expression), tree_of(expression)
    column = table.column(next(iter(names))) if len(names) == 1 else None
    if column is None or column.statistics is None or tree is None or not calls_nobody(expression):
        return None
    if any(node.value in _CYCLIC for node in tree.walk() if node.kind in (CALL, OPERATOR)):
        return None
    values = (*column.statistics.most_common_vals, *column.statistics.histogram_bounds)
    results = _results(session, expression, column, values) if values else ()
    return _summary(column.statistics, results, tree, (row_count(table), kept)) if results else None


def _results(
    session: Session, expression: str, column: Column, values: Sequence[str]
) -> tuple[tuple[int, str | None], ...]:
    """Place of each value and what comes of it, in the order of the results; nothing where one has none."""
    query = SQL(_EVALUATE).format(
        expression=SQL(expression),
        type=SQL(column.type),
        column=SQL(quote_identifier(column.name)),
        values=SQL(", ".join(map(quote_literal, values))),
    )
    try:
        return tuple((int(place) - 1, result) for place, result in session.rows(query))
    except AnsweredError:
        return ()


@dataclass(slots=True)
class _Result:
    share: float = 0.0
    places: list[int] = field(default_factory=list)


def _summary(
    of_column: ColumnStatistics,
    results: Sequence[tuple[int, str | None]],
    tree: Expression,
    known: tuple[float, ColumnStatistics | None],
) -> ColumnStatistics | None:
    common = of_column.most_common_freqs
    rest = max(0.0, 1.0 - of_column.null_frac - sum(common)) / max(1, len(of_column.histogram_bounds))
    found: dict[str | None, _Result] = defaultdict(_Result)
    for place, text in results:
        found[text].share += common[place] if place < len(common) else rest
        found[text].places.append(place)
    nulls = found.pop(None, _Result())
    often = {t: r for t, r in found.items() if len(r.places) > 1 or r.places[0] < len(common)}
    distinct = _distinct(of_column, found, tree, known)
    if not found or distinct is None:
        return None
    most = sorted(often, key=lambda text: -often[text].share)
    bounds = tuple(text for text in found if text is not None and text not in often)
    return ColumnStatistics(
        min(1.0, of_column.null_frac + nulls.share),
        of_column.avg_width,
        distinct,
        tuple(text for text in most if text is not None),
        tuple(often[text].share for text in most),
        bounds if len(bounds) > 1 else (),
    )


def _distinct(
    of_column: ColumnStatistics,
    found: dict[str | None, _Result],
    tree: Expression,
    known: tuple[float, ColumnStatistics | None],
) -> float | None:
    """As many as are known, else by what the sample repeats (Haas and Stokes, as ANALYZE does), else as the column."""
    rows, kept = known
    if kept is not None:
        return kept.n_distinct
    sample = sum(len(result.places) for result in found.values())
    if sample == len(found):
        return None if _coarse(tree) else of_column.n_distinct
    once = sum(len(result.places) == 1 for result in found.values())
    return min(rows, max(len(found), sample * len(found) / (sample - once + once * sample / max(rows, sample))))


def _coarse(tree: Expression) -> bool:
    names = {node.value.rpartition(".")[2] for node in tree.walk() if node.kind == CALL}
    names |= {type_name(node.value) for node in tree.walk() if node.kind == CAST}
    return bool(names & _COARSE) or any(n.kind == OPERATOR and n.value == "/" for n in tree.walk())
