"""How indexes grow and bloat by our snapshots, and when they are bloated at that pace."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from statistics import median

from indexpilot_cli.core.catalog import BLOCK, Index
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.units import size
from indexpilot_cli.lifecycle.usage import PRIMARY, IndexCount, UsageSnapshot
from indexpilot_cli.lifecycle.values import GrowthHistory, IndexGrowth, LifecycleFinding, LifecycleState

FEWEST, SHORTEST = 8, timedelta(days=7)  # looks, and the time between the first and the last
_MOST = 40  # looks of one index; of more, evenly spread ones
_FAR = 2.0  # times the history's length: beyond it a line tells nothing
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class _Look:
    at: datetime
    pages: int
    rebuilt: int


def growth_of(
    indexes: Iterable[Index], snapshots: Sequence[UsageSnapshot], now: datetime, threshold: float
) -> GrowthHistory:
    """What the primary's snapshots (of any order) tell of these indexes; those that do not grow are left out."""
    own = sorted((s for s in snapshots if s.place == PRIMARY), key=lambda s: s.taken_at)
    if not own:
        return GrowthHistory()
    enough = _is_enough([s.taken_at for s in own])
    growing = list(_growing(indexes, own, now, threshold)) if enough else []
    return GrowthHistory(len(own), _days(own[-1].taken_at, own[0].taken_at), enough, tuple(growing))


def _is_enough(moments: Sequence[datetime]) -> bool:
    """Whether so many looks, oldest first, tell anything of a trend."""
    return len(moments) >= FEWEST and moments[-1] - moments[0] >= SHORTEST


def _growing(
    indexes: Iterable[Index], snapshots: Sequence[UsageSnapshot], now: datetime, threshold: float
) -> Iterator[IndexGrowth]:
    for index in indexes:
        looks = since_built([(s.taken_at, s.counts[index.oid]) for s in snapshots if index.oid in s.counts])
        if _is_enough([look.at for look in looks]) and looks[-1].pages > looks[0].pages:
            found = _growth(index, thinned(looks), now, threshold)
            if found is not None:
                yield found


def since_built(counts: Sequence[tuple[datetime, IndexCount]]) -> list[_Look]:
    """The looks since the index was last made anew: the file of an index never shrinks otherwise.

    REINDEX CONCURRENTLY gives it another oid, under which there is no older look; VACUUM gives back no page of one.
    https://www.postgresql.org/docs/current/routine-reindex.html
    """
    looks = [_Look(at, count.pages, count.rebuilt) for at, count in counts if count.pages > 0]
    begin = 0
    for number in range(1, len(looks)):
        if looks[number].pages < looks[number - 1].pages:
            begin = number
    return looks[begin:]


def thinned(looks: list[_Look]) -> list[_Look]:
    """At most forty of them, the first and the last among them."""
    if len(looks) <= _MOST:
        return looks
    return [looks[round(number * (len(looks) - 1) / (_MOST - 1))] for number in range(_MOST)]


def _growth(index: Index, looks: list[_Look], now: datetime, threshold: float) -> IndexGrowth | None:
    first = looks[0].at
    sizes = trend([(_days(look.at, first), float(look.pages)) for look in looks])
    if sizes is None or sizes.low <= 0:
        return None
    rated = [look for look in looks if look.rebuilt > 0]
    known = _is_enough([look.at for look in rated])
    ratios = trend([(_days(look.at, first), look.pages / look.rebuilt) for look in rated]) if known else None
    here = _days(now, first)
    crossing = _crossing(ratios, here, threshold) if ratios is not None else (None, None, None)
    when, early, late = (now + timedelta(days=days) if days is not None else None for days in crossing)
    day, least, most = (pages * BLOCK for pages in (sizes.slope, sizes.low, sizes.high))
    text = f"grows by {size(day)} a day ({size(least)} to {size(most)}, {len(looks)} looks)"
    return IndexGrowth(
        index.name,
        index.definition.table,
        first,
        len(looks),
        day,
        least,
        most,
        ratios.at(here) if ratios is not None else None,
        ratios.slope if ratios is not None else None,
        when,
        early,
        late,
        f"{text}; {_foretold(ratios, here, threshold, (when, early, late))}",
        tuple((look.at, look.pages * BLOCK) for look in looks),
    )


def _days(moment: datetime, first: datetime) -> float:
    return (moment - first).total_seconds() / _DAY


def _crossing(ratios: Trend, here: float, threshold: float) -> tuple[float | None, float | None, float | None]:
    """Days from now until the line reaches the threshold: by its slope, by the steepest and by the flattest."""
    rest = threshold - ratios.at(here)
    if rest <= 0 or ratios.low <= 0 or rest / ratios.slope > _FAR * here:
        return None, None, None
    late = rest / ratios.low
    return rest / ratios.slope, rest / ratios.high, late if late <= 5 * _FAR * here else None


def _foretold(
    ratios: Trend | None,
    here: float,
    threshold: float,
    moments: tuple[datetime | None, datetime | None, datetime | None],
) -> str:
    if ratios is None:
        return "not enough history of how much of it is bloat"
    now = f"{ratios.at(here):.1f} times its size after REINDEX"
    when, early, late = moments
    if ratios.at(here) >= threshold:
        return f"it is {now} by its trend"
    if when is not None and early is not None:
        until = f"{late:%Y-%m-%d}" if late is not None else "any later day"
        return f"it is {now}, and {threshold:g} times about {when:%Y-%m-%d} ({early:%Y-%m-%d} to {until})"
    if ratios.low <= 0:
        return f"it is {now}, and its share of bloat does not grow for certain"
    return f"it is {now}, and {threshold:g} times not before {_FAR:g} times the length of the history"


def with_history(findings: Iterable[LifecycleFinding], growth: GrowthHistory) -> tuple[LifecycleFinding, ...]:
    """The findings, those of bloat with what the history of their index says."""
    told = {g.index: Reason("history", g.text, "counter_snapshots") for g in growth.growing}
    return tuple(
        replace(f, evidence=(*f.evidence, told[f.index]))
        if f.state is LifecycleState.BLOATED and f.index is not None and f.index in told
        else f
        for f in findings
    )


# The trend of measurements over time that a few wild ones do not bend: Theil's line with Sen's interval.
# P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): the slope is the median
# of the slopes of all pairs, and its interval lies between two of them, by the variance of Kendall's S.
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
