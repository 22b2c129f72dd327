"""What ANALYZE and CREATE STATISTICS would find, worked out from sampled rows.

The server's own rules in short (src/backend/commands/analyze.c): distinct values by the estimator of Haas and Stokes
(1998), the commonest values where they are clearly commoner than the average, a histogram of the rest. Rows have
weights, so that the shares of conditions can be set to the ends of their intervals.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from operator import mul
from typing import Any

from indexpilot_cli.core.catalog import Column, ColumnStatistics
from indexpilot_cli.core.estimator import AssumedTogether
from indexpilot_cli.core.samples import coded
from indexpilot_cli.sql.selectivity import comparable

TARGET = 100  # values listed and steps of the histogram, at the usual statistics target
_COMMONER = 1.25  # than the average value, to be listed
_OF_ROWS = 0.1  # distinct values from which their number is taken to grow with the table
_WIDEST = 1024  # bytes of a value that ANALYZE still keeps

Value = str | None


@dataclass(frozen=True, slots=True)
class CountedValues:
    """The values of a column or an expression in sampled rows: each that came (NULL is none), in the order in which
    they came first, how often, and which of them each row has (-1: NULL). Counted once, weighted often.
    """

    names: tuple[str, ...]
    counts: Any
    codes: Any
    width: int  # bytes of all of them together

    @classmethod
    def of(cls, values: Sequence[Value]) -> CountedValues:
        """Values of rows, counted."""
        import numpy as np

        names, codes = coded(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        return cls(names, counts, codes, sum(map(mul, map(len, names), counts.tolist())))

    def shares(self, weights: Sequence[float]) -> Any:
        """The share of all rows that each value has, by the rows' weights."""
        import numpy as np

        there, parts = self.codes >= 0, np.asarray(weights, dtype=float) / (sum(weights) or 1.0)
        return np.bincount(self.codes[there], weights=parts[there], minlength=len(self.names))


def as_analyzed(
    values: CountedValues, weights: Sequence[float], rows: float, known: Column | None, target: int = TARGET
) -> ColumnStatistics:
    """Statistics of a column (or of an expression, then ``known`` is None) of a table with so many rows.

    Where the order of its type is not known the histogram stays what it was.
    """
    shares = values.shares(weights)
    filled, read = float(shares.sum()), int(values.counts.sum())
    distinct = _distinct(values, read, rows * filled)
    listed = _common(values, shares, distinct, target)
    common = tuple(values.names[n] for n in listed)
    earlier = known.statistics if known is not None else None
    bounds = _histogram(values, shares, listed, known, target)
    if bounds is None and earlier is not None:
        bounds = tuple(b for b in earlier.histogram_bounds if b not in common)
    return ColumnStatistics(
        null_frac=max(0.0, 1.0 - filled),
        avg_width=round(values.width / read) if read else 4,
        n_distinct=-distinct / rows if distinct > _OF_ROWS * rows else distinct,
        most_common_vals=common,
        most_common_freqs=tuple(shares[list(listed)].tolist()),
        histogram_bounds=bounds or (),
        correlation=earlier.correlation if earlier is not None else None,
    )


def _distinct(values: CountedValues, read: int, rows: float) -> float:
    """Haas and Stokes's Duj1, as the server: n d / (n - f1 + f1 n / N)."""
    once, known = int((values.counts == 1).sum()), len(values.names)
    if not read or rows <= read:
        return float(max(1, known))
    return max(1.0, min(rows, read * known / (read - once + once * read / rows)))


def _common(values: CountedValues, shares: Any, distinct: float, target: int) -> tuple[int, ...]:
    """Which of the values are listed, the commonest first."""
    import numpy as np

    names, counts = values.names, values.counts
    complete = len(names) <= target and distinct <= len(names) * 1.01 and bool((counts > 1).all())
    least = -1.0 if complete else _COMMONER * float(shares.sum()) / distinct
    if len(names) > target:  # of thousands of single values none need be ranked
        least = max(least, np.nextafter(np.partition(shares, -target)[-target], -1.0))
    able = shares > least
    if not (complete or (able & (counts > 1)).any()):
        return ()
    ranked = sorted(able.nonzero()[0].tolist(), key=lambda n: (-shares[n], names[n]))
    # What came once may have come by chance; a value this wide is not kept.
    return tuple(n for n in ranked[:target] if complete or (counts[n] > 1 and len(names[n]) < _WIDEST))


def _histogram(
    values: CountedValues, shares: Any, listed: Sequence[int], known: Column | None, target: int
) -> tuple[str, ...] | None:
    """Bounds of equal weight; None where the type has no order that we know."""
    import numpy as np

    left = np.delete(np.arange(len(values.names)), listed)
    places = _places(values.names, known.base_type if known is not None else "")[left]
    if np.isnan(places).any():
        return None
    if len(left) < 2:
        return ()
    ordered = left[np.argsort(places, kind="stable")]
    steps = min(target, len(ordered) - 1)
    passed = np.cumsum(shares[ordered])
    ends = np.searchsorted(passed, passed[-1] * np.arange(1, steps + 1) / steps - 1e-12)
    return tuple(dict.fromkeys(values.names[ordered[end]] for end in (0, *ends.tolist(), -1)))


@lru_cache(maxsize=64)
def _places(names: tuple[str, ...], base_type: str) -> Any:
    """Each value as a number in the order of the type; not a number where that is not known."""
    import numpy as np

    places = (comparable(name, base_type) for name in names)
    return np.array([place if isinstance(place, float) else math.nan for place in places], dtype=float)


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
