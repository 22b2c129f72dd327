"""How often values come, of what ANALYZE says: the listed ones, and of the others how many are how frequent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import TypeAlias

_SAMPLED_ROWS = 300  # that ANALYZE reads per unit of the statistics target
_BANDS = 16
_HALVED, _NEAR = 8, 1e-10
STEEPEST = 0.95  # from 1 on the most common values hold everything
_LIST = 10  # common values that show a law
_REMEMBERED = 32768  # columns whose fields are worked out once: more than a large schema compares
Groups: TypeAlias = tuple[tuple[float, float], ...]


@lru_cache(maxsize=_REMEMBERED)
def rare_groups(common: tuple[float, ...], nulls: float, distinct: float, rows: float, target: float) -> Groups:
    """The values outside the list of common ones, in groups of like frequency.

    n_distinct is an estimate from a sample, and on skewed columns much too low (Haas and Stokes, "Estimating the
    Number of Classes in a Finite Population", JASA 1998; analyze.c). So we look for the values of which ANALYZE
    would have said what it says: a power law that goes on from the list of common values, or all alike.
    """
    rest = 1.0 - nulls - sum(common)
    if rest < 1e-6 or rows < 1:
        return ()
    if not common and distinct >= 0.999 * rows * (1.0 - nulls):
        return ((rest, math.inf),)
    said = _Analyzed(len(common), rows * (1.0 - nulls), min(_SAMPLED_ROWS * target, rows) * (1.0 - nulls), rows)
    others = max(1.0, distinct - len(common))
    if len(common) >= _LIST:
        start = sum(common[-_LIST:]) / _LIST
        if len(common) < 0.9 * target:  # a list with room left holds all that are common enough for it
            start = min(start, said.least_common(rest, others))
        law = partial(power_law, len(common) + 0.5, start, rest)
        if said.of(law(0.0)) < distinct:
            return law(_solved(lambda a: said.of(law(a)), distinct, 0.0, STEEPEST))
    fewest = math.log(others)
    return ((rest, math.exp(_solved(lambda v: said.of(((rest, math.exp(v)),)), distinct, fewest, fewest + 20.0))),)


@dataclass(frozen=True, slots=True)
class _Analyzed:
    """What ANALYZE says when it reads ``sampled`` of ``present`` values and keeps ``common`` in its list."""

    common: int
    present: float
    sampled: float
    rows: float

    def of(self, groups: Groups) -> float:
        """Its expected estimate for these groups of values; how often each comes is left to chance (Poisson)."""
        share = self.sampled / self.present
        seen, once = float(self.common), 0.0
        for part, values in groups:
            sampled = part * self.rows / values * share
            seen -= values * math.expm1(-sampled)
            once += values * sampled * math.exp(-sampled)
        return self.sampled * seen / (self.sampled - once + once * share)

    def least_common(self, rest: float, others: float) -> float:
        """From what frequency a value is listed: two standard deviations above the others (analyze_mcv_list)."""
        average, spread = rest / others * self.sampled, math.sqrt(1.0 - self.sampled / self.present)
        return (spread + math.sqrt(spread**2 + average + 0.5)) ** 2 / self.sampled


def _solved(function: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a growing function takes a value: by bisection, and by Ridders' method once that has come close.

    Ridders, "A new algorithm for computing a single root of a real continuous function", IEEE Transactions on
    Circuits and Systems 26(11), 1979: half of the values that forty bisections ask for, as close.
    """
    for _ in range(_HALVED):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    below, above = function(low) - wanted, function(high) - wanted
    found = low if below >= 0.0 else high
    width = high - low
    while below < 0.0 < above and high - low > _NEAR * width:
        middle = (low + high) / 2
        value = function(middle) - wanted
        before, found = found, middle - (middle - low) * value / math.sqrt(value * value - below * above)
        if abs(found - before) <= _NEAR * width:
            break
        for place, its in ((middle, value), (found, function(found) - wanted)):
            if low < place < high:
                low, below, high, above = (place, its, high, above) if its < 0.0 else (low, below, place, its)
    return found


def power_law(first: float, start: float, rest: float, steepness: float) -> Groups:
    """Values from rank ``first`` on, there of frequency ``start`` and falling as rank ** -steepness, in bands.

    The steepness is below 1, as STEEPEST is.
    """
    power = 1.0 - steepness
    last = min(max(first * math.exp(math.log1p(rest * power / (start * first)) / power), first * 1.0001), 1e10)
    width = math.log(last / first) / _BANDS
    edges = [first * math.exp(width * n) for n in range(_BANDS + 1)]
    masses = [math.expm1(power * width * n) for n in range(_BANDS + 1)]  # up to the edge, but for a factor
    scale = rest / masses[-1]
    bands = zip(pairwise(masses), pairwise(edges), strict=True)
    return tuple(((more - less) * scale, high - low) for (less, more), (low, high) in bands)
