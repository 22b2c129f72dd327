"""The trend of measurements over time that a few wild ones do not bend: Theil's line with Sen's interval.

P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): the slope is the median of
the slopes of all pairs, and its interval lies between two of them, by the variance of Kendall's S.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

_Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Trend:
    """``slope`` per unit of x, between ``low`` and ``high`` with 95 % confidence; the line meets x = 0 at ``start``."""

    slope: float
    low: float
    high: float
    start: float

    def at(self, x: float) -> float:
        """The line's value there."""
        return self.start + self.slope * x


def trend(points: Sequence[tuple[float, float]]) -> Trend | None:
    """The line through the points, None of fewer than three different x. Of n points n² / 2 pairs are looked at."""
    if len({x for x, _ in points}) < 3:
        return None
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0])
    slope = median(slopes)
    spread = _Z * math.sqrt(_variance(points))
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Trend(slope, slopes[low], slopes[high], median(y - slope * x for x, y in points))


def _variance(points: Sequence[tuple[float, float]]) -> float:
    """Of Kendall's S, less for values that come more than once."""

    def term(number: int) -> int:
        return number * (number - 1) * (2 * number + 5)

    ties = sum(term(n) for n in Counter(y for _, y in points).values() if n > 1)
    return max(0.0, (term(len(points)) - ties) / 18)
