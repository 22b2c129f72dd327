"""What ANALYZE and CREATE STATISTICS would find, worked out from sampled rows.

The server's own rules in short (src/backend/commands/analyze.c): distinct values by the estimator of Haas and Stokes
(1998), the commonest values where they are clearly commoner than the average, a histogram of the rest. Rows have
weights, so that the shares of conditions can be set to the ends of their intervals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

from indexpilot_cli.core.catalog import Column, ColumnStatistics
from indexpilot_cli.core.estimator import AssumedTogether
from indexpilot_cli.sql.selectivity import comparable

TARGET = 100  # values listed and steps of the histogram, at the usual statistics target
_COMMONER = 1.25  # than the average value, to be listed
_OF_ROWS = 0.1  # distinct values from which their number is taken to grow with the table
_WIDEST = 1024  # bytes of a value that ANALYZE still keeps

Value = str | None


def as_analyzed(
    values: Sequence[Value], weights: Sequence[float], rows: float, known: Column | None, target: int = TARGET
) -> ColumnStatistics:
    """Statistics of a column (or of an expression, then ``known`` is None) of a table with so many rows.

    Where the order of its type is not known the histogram stays what it was.
    """
    total = sum(weights) or 1.0
    shares: defaultdict[str, float] = defaultdict(float)
    counts: defaultdict[str, int] = defaultdict(int)
    for value, weight in zip(values, weights, strict=True):
        if value is not None:
            shares[value] += weight / total
            counts[value] += 1
    present = sum(counts.values())
    distinct = _distinct(counts, present, rows * sum(shares.values()))
    common = _common(shares, counts, distinct, target)
    earlier = known.statistics if known is not None else None
    bounds = _histogram({v: s for v, s in shares.items() if v not in common}, known, target)
    if bounds is None and earlier is not None:
        bounds = tuple(b for b in earlier.histogram_bounds if b not in common)
    return ColumnStatistics(
        null_frac=max(0.0, 1.0 - sum(shares.values())),
        avg_width=round(sum(len(v) * n for v, n in counts.items()) / present) if present else 4,
        n_distinct=-distinct / rows if distinct > _OF_ROWS * rows else distinct,
        most_common_vals=tuple(common),
        most_common_freqs=tuple(shares[v] for v in common),
        histogram_bounds=bounds or (),
        correlation=earlier.correlation if earlier is not None else None,
    )


def _distinct(counts: Mapping[str, int], read: int, rows: float) -> float:
    """Haas and Stokes's Duj1, as the server: n d / (n - f1 + f1 n / N)."""
    once = sum(n == 1 for n in counts.values())
    if not read or rows <= read:
        return float(max(1, len(counts)))
    return max(1.0, min(rows, read * len(counts) / (read - once + once * read / rows)))


def _common(shares: Mapping[str, float], counts: Mapping[str, int], distinct: float, target: int) -> tuple[str, ...]:
    ranked = sorted(shares, key=lambda v: (-shares[v], v))
    if len(ranked) <= target and distinct <= len(ranked) * 1.01 and min(counts.values(), default=0) > 1:
        return tuple(ranked)  # every value there is
    least = _COMMONER * sum(shares.values()) / distinct
    # What came once may have come by chance; a value this wide is not kept.
    return tuple(v for v in ranked[:target] if shares[v] > least and counts[v] > 1 and len(v) < _WIDEST)


def _histogram(shares: Mapping[str, float], known: Column | None, target: int) -> tuple[str, ...] | None:
    """Bounds of equal weight; None where the type has no order that we know."""
    places = {v: comparable(v, known.base_type) if known is not None else None for v in shares}
    ordered = sorted((place, v) for v, place in places.items() if isinstance(place, float))
    if len(ordered) < len(shares):
        return None
    if len(ordered) < 2:
        return ()
    steps, total = min(target, len(ordered) - 1), sum(shares.values())
    bounds, passed = [ordered[0][1]], 0.0
    for _, value in ordered:
        passed += shares[value]
        while len(bounds) <= steps and passed >= total * len(bounds) / steps - 1e-12:
            bounds.append(value)
    return tuple(dict.fromkeys((*bounds, ordered[-1][1])))


def dependent(rows: Sequence[tuple[Value, ...]], columns: tuple[str, ...]) -> AssumedTogether:
    """How far each column decides each other one."""
    found = []
    for first, second in permutations(range(len(columns)), 2):
        degree = decides(rows, first, second)
        if degree > 0:
            found.append((columns[first], columns[second], degree))
    return AssumedTogether(columns, tuple(found))


def decides(rows: Iterable[tuple[Value, ...]], leading: int, other: int) -> float:
    """Share of the rows whose value of one column always comes with the same of the other, as the server counts it.

    https://www.postgresql.org/docs/current/planner-stats.html#PLANNER-STATS-EXTENDED-FUNCTIONAL-DEPS
    """
    seen: dict[Value, set[Value]] = {}
    counts: defaultdict[Value, int] = defaultdict(int)
    for row in rows:
        seen.setdefault(row[leading], set()).add(row[other])
        counts[row[leading]] += 1
    supporting = sum(n for value, n in counts.items() if len(seen[value]) == 1)
    return supporting / (sum(counts.values()) or 1)


def combined(
    rows: Sequence[tuple[Value, ...]], weights: Sequence[float], columns: tuple[str, ...], target: int = TARGET
) -> AssumedTogether:
    """The commonest combinations, with their frequencies and those of independent columns."""
    total = sum(weights) or 1.0
    together: defaultdict[tuple[Value, ...], float] = defaultdict(float)
    alone: tuple[defaultdict[Value, float], ...] = tuple(defaultdict(float) for _ in columns)
    for row, weight in zip(rows, weights, strict=True):
        together[row] += weight / total
        for place, value in enumerate(row):
            alone[place][value] += weight / total
    items = sorted(together, key=lambda item: (-together[item], str(item)))[:target]
    bases = []
    for item in items:
        base = 1.0
        for place, value in enumerate(item):
            base *= alone[place][value]
        bases.append(base)
    return AssumedTogether(
        columns, values=tuple(items), frequencies=tuple(together[i] for i in items), base_frequencies=tuple(bases)
    )
