"""What share of a table a BRIN index would read: the summaries it would keep of ranges that were read as a whole.

The planner takes it from the correlation of the column with the order of the rows, which one far value in each range
leaves at 0.99, and which is near 0 where several loaders each write in order.
https://www.postgresql.org/docs/current/brin.html
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.samples import UNIT_PAGES, KeyRange
from indexpilot_cli.sql.selectivity import comparable

MULTI_INTERVALS = 16  # values_per_range is 32: the two ends of each
SIZES = (8, 16, 32, 64, 128)  # pages of a range
WINDOWS = 200  # positions at which a width is asked for
_Z = 2.576  # 99 per cent of a normal distribution

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ReadShare:
    """Share of the heap that a BRIN scan reads (0-1), and its interval of 99 per cent, over ``ranges`` ranges."""

    share: float
    low: float
    high: float
    ranges: int

    def at_least(self, share: float) -> ReadShare:
        """The same, where it is known to be no less than that."""
        return replace(self, share=max(self.share, share), high=max(self.high, share))


def cut(ranges: Sequence[KeyRange], pages_per_range: int) -> Iterator[tuple[float, ...]]:
    """The keys of ranges of this size, each within one that was read; what is left over at an end is no range."""
    step = pages_per_range // UNIT_PAGES
    for whole in ranges:
        for start in range(0, len(whole.units) - step + 1, step):
            yield tuple(chain.from_iterable(whole.units[start : start + step]))


def minmax(keys: Sequence[float]) -> tuple[Interval, ...]:
    """The smallest and the largest key, as minmax_ops keeps them; nothing of a range without keys."""
    return ((min(keys), max(keys)),) if keys else ()


def minmax_multi(keys: Sequence[float], intervals: int = MULTI_INTERVALS) -> tuple[Interval, ...]:
    """The intervals that minmax_multi_ops keeps: all keys while they are few, else what the widest gaps divide."""
    distinct = sorted(set(keys))
    if len(distinct) <= 2 * intervals:
        return tuple((key, key) for key in distinct)
    gaps = sorted(range(1, len(distinct)), key=lambda n: distinct[n] - distinct[n - 1])
    cuts = [0, *sorted(gaps[len(gaps) - intervals + 1 :]), len(distinct)]
    return tuple((distinct[a], distinct[b - 1]) for a, b in pairwise(cuts))


def read_share(summaries: Sequence[Sequence[Interval]], windows: Sequence[Interval]) -> ReadShare:
    """The mean share of ranges that some window has to read. Ranges are the sample, so the interval is over them."""
    starts = sorted(low for low, _ in windows)
    ends = sorted(high for _, high in windows)
    alone = [_met_by_one(s[0], starts, ends) if len(s) == 1 else _met_by_any(s, windows) for s in summaries]
    count = len(alone)
    met = [n / len(windows) for n in alone]
    mean = sum(met) / count
    spread = math.sqrt(sum((m - mean) ** 2 for m in met) / max(count - 1, 1) / count)
    # Where all ranges say the same, one more of them could still say something else.
    least = _Z * spread + 1 / (count * len(windows))
    return ReadShare(mean, max(0.0, mean - least), min(1.0, mean + least), count)


def _met_by_one(interval: Interval, starts: Sequence[float], ends: Sequence[float]) -> int:
    """Windows that neither begin after the interval nor end before it."""
    return bisect_right(starts, interval[1]) - bisect_left(ends, interval[0])


def _met_by_any(summary: Sequence[Interval], windows: Sequence[Interval]) -> int:
    lows, highs = [low for low, _ in summary], [high for _, high in summary]
    # Intervals of a summary do not overlap: the first that does not end before the window is the one to look at.
    first = (bisect_left(highs, low) for low, _ in windows)
    return sum(n < len(lows) and lows[n] <= high for n, (_, high) in zip(first, windows, strict=True))


@dataclass(frozen=True, slots=True)
class KeyQuantiles:
    """Keys (ascending) and the share of the rows with one that lie below each; straight lines between them."""

    keys: tuple[float, ...]
    shares: tuple[float, ...]

    def key(self, share: float) -> float:
        """The key below which that share of the rows lies."""
        place = min(max(bisect_right(self.shares, share), 1), len(self.shares) - 1)
        low, high = self.shares[place - 1], self.shares[place]
        part = (share - low) / (high - low) if high > low else 0.0
        first, last = self.keys[place - 1], self.keys[place]
        return first + (last - first) * min(max(part, 0.0), 1.0)

    def share(self, key: float) -> float:
        """The share of the rows below the key."""
        place = bisect_right(self.keys, key)
        if place in (0, len(self.keys)):
            return 0.0 if place == 0 else 1.0
        low, high = self.keys[place - 1], self.keys[place]
        part = (key - low) / (high - low) if high > low else 0.0
        return self.shares[place - 1] + part * (self.shares[place] - self.shares[place - 1])

    def windows(self, width: float, ends: str = "both") -> tuple[Interval, ...]:
        """Conditions that keep that share of the rows: anywhere, or the ``newest`` or ``oldest`` alone."""
        if ends == "newest":
            return ((self.key(1.0 - width), math.inf),)
        if ends == "oldest":
            return ((-math.inf, self.key(width)),)
        starts = ((n + 0.5) / WINDOWS * (1.0 - width) for n in range(WINDOWS))
        return tuple((self.key(start), self.key(start + width)) for start in starts)


def quantiles(statistics: ColumnStatistics, base_type: str) -> KeyQuantiles | None:
    """From what ANALYZE keeps of a column: rows of other pages than those of the ranges. None without numbers."""
    bounds = [comparable(v, base_type) for v in statistics.histogram_bounds]
    common = [comparable(v, base_type) for v in statistics.most_common_vals]
    numbers = [v for v in (*bounds, *common) if isinstance(v, float) and math.isfinite(v)]
    if len(numbers) < len(bounds) + len(common) or len(numbers) < 2:
        return None
    frequent = dict(zip(common, statistics.most_common_freqs, strict=False))
    rest = max(0.0, 1.0 - statistics.null_frac - sum(frequent.values()))
    step = rest / max(len(bounds) - 1, 1)
    points: list[Interval] = []
    below = 0.0
    for key in sorted(numbers):
        if key in frequent:
            # A step: all rows with the value lie between two points of the same key.
            points += [(key, below), (key, below + frequent[key])]
            below += frequent[key]
        else:
            below += step if points else 0.0
            points.append((key, below))
    return KeyQuantiles(tuple(key for key, _ in points), tuple(share / (below or 1.0) for _, share in points))
