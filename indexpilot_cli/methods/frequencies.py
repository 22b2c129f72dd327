"""How often values come, of what ANALYZE says: the listed ones, and of the others how many are how frequent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import TypeAlias

_HALVED, _NEAR = 8, 1e-10
_MANY = 500  # times a value is seen, from which its frequency is as it was seen
_USUAL, _RARELY = 0.7, 0.01  # of the values that chance makes as frequent as a listed one; of the most frequent one
STEEPEST = 0.95  # from 1 on the most common values hold everything
_LIST = 10  # common values that show a law
_BANDS = 16
_NEARLY = 0.999
_FINE = 1e6  # values there may be for each row, so that none comes twice
_REMEMBERED = 32768

Groups: TypeAlias = tuple[tuple[float, float], ...]


@lru_cache(maxsize=_REMEMBERED)
def value_groups(
    common: tuple[float, ...], nulls: float, distinct: float, rows: float, read: int, longest: int
) -> tuple[tuple[float, ...], Groups]:
    """Frequencies of the common values, and the others in groups of like frequency.

    ``read`` rows were read of ``rows``; the list could have been as long as ``longest``. Where chance alone makes
    such a list of values that are all alike, none is common.
    """
    present = 1.0 - nulls
    if common and read < rows and _in_reach(common[0] * read, read * present / max(1.0, distinct)):
        said = _Analyzed(0, rows * present, read * present, rows)
        alike = _alike(said, present, distinct)
        if _by_chance([f * read for f in common], read * present / alike, alike):
            return (), ((present, alike),)
    return common, _rare_groups(common, nulls, distinct, rows, read, longest)


def _by_chance(counts: Sequence[float], mean: float, values: float) -> bool:
    """Whether so many values may be seen so often, most often first, of that many that come ``mean`` times each."""
    if not _in_reach(counts[0], mean):
        return False
    places = sorted({0, len(counts) // 2, len(counts) - 1})
    return all(values * _at_least(round(counts[p]), mean) >= (_USUAL * (p + 1) if p else _RARELY) for p in places)


def _in_reach(count: float, mean: float) -> bool:
    """Whether a value that comes so often on the average may ever be seen that often."""
    return mean <= _MANY and count <= mean + 10 * math.sqrt(mean) + 10


def _at_least(count: int, mean: float) -> float:
    """The chance that a Poisson variable of that mean is at least so large."""
    below = chance = math.exp(-mean)
    for number in range(1, count):
        chance *= mean / number
        below += chance
    return max(0.0, 1.0 - below)


def _rare_groups(
    common: tuple[float, ...], nulls: float, distinct: float, rows: float, read: int, longest: int
) -> Groups:
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
    said = _Analyzed(len(common), rows * (1.0 - nulls), min(read, rows) * (1.0 - nulls), rows)
    others = max(1.0, distinct - len(common))
    if len(common) >= _LIST:
        start = sum(common[-_LIST:]) / _LIST
        if len(common) < 0.9 * longest:  # a list with room left holds all that are common enough for it
            start = min(start, said.least_common(rest, others))
        law_of = partial(power_law, len(common) + 0.5, start)
        law = partial(law_of, rest)
        if said.of(law(STEEPEST)) < distinct:
            return _with_single(said, law_of, rest, distinct)
        if said.of(law(0.0)) < distinct:
            return law(_solved(lambda a: said.of(law(a)), distinct, 0.0, STEEPEST))
    return ((rest, _alike(said, rest, distinct)),)


def _with_single(said: _Analyzed, law: Callable[[float, float], Groups], rest: float, distinct: float) -> Groups:
    """The steepest law, and beside it values that come once: one column may hold facts of several kinds."""

    def groups(once: float, times: float) -> Groups:
        return (*law(rest - once, STEEPEST), (once, times))

    once = _solved(lambda part: said.of(groups(part, said.rows * _FINE)), distinct, 0.0, rest * _NEARLY)
    return groups(once, math.inf)


def _alike(said: _Analyzed, rest: float, distinct: float) -> float:
    """How many values have that share of the rows, when all of them are as frequent."""
    fewest = math.log(max(1.0, distinct - said.common))
    return math.exp(_solved(lambda v: said.of(((rest, math.exp(v)),)), distinct, fewest, fewest + 20.0))


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
