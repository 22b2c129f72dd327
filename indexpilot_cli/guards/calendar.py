"""Maintenance windows as arithmetic in UTC: when is it open, until when, and when again.

An opening belongs to the day it starts on. Its ends are wall-clock times of a zone, turned into instants one by
one: a time that the clocks skip becomes the moment they go forward, a time that comes twice is the first of the
two. An opening whose both ends are skipped has no minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 1440
_LOOK_AHEAD = 400  # days
_ALL_DAYS = (0, 1, 2, 3, 4, 5, 6)
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening, from ``start`` (inclusive) to ``end`` (exclusive), both UTC."""

    start: datetime
    end: datetime

    def holds(self, now: datetime) -> bool:
        """Whether the moment is inside."""
        return self.start <= now < self.end

    @property
    def empty(self) -> bool:
        """Whether it has no minute, because the clocks skip it."""
        return self.start >= self.end


@dataclass(frozen=True, slots=True)
class Window:
    """``start`` and ``end`` are minutes after midnight (end up to 1440); an end not after the start is next day's.

    ``days`` are the days an opening starts on, 0 is Monday; ``zone`` is an IANA name that exists.
    """

    start: int
    end: int
    zone: str
    days: tuple[int, ...] = _ALL_DAYS

    def __str__(self) -> str:
        days = "" if self.days == _ALL_DAYS else " " + day_text(self.days)
        return f"{clock_text(self.start)}-{clock_text(self.end)} {self.zone}{days}"

    def opening(self, day: date) -> Opening | None:
        """The opening that starts on that day, None on other days. It may be empty."""
        if day.weekday() not in self.days:
            return None
        zone = zone_of(self.zone)
        last = day if self.end > self.start else day + timedelta(days=1)
        return Opening(instant(day, self.start, zone), instant(last, self.end, zone))

    def is_open(self, now: datetime) -> bool:
        """Whether the moment is inside an opening."""
        return any(opening.holds(now) for opening in self._around(now))

    def closes(self, now: datetime) -> datetime | None:
        """When the window closes that is open at the moment (UTC); openings that touch are one. None: closed."""
        end: datetime | None = None
        for opening in self._around(now, ahead=9):
            if opening.holds(now if end is None else end):
                end = opening.end
        return end

    def time_left(self, now: datetime) -> timedelta:
        """How long it stays open; zero when it is closed."""
        end = self.closes(now)
        return timedelta(0) if end is None else end - now

    def next_opening(self, now: datetime) -> datetime | None:
        """The moment itself when open, else when it opens next (UTC). None: not within a year."""
        for opening in self._around(now, ahead=_LOOK_AHEAD):
            if not opening.empty and opening.end > now:
                return max(now.astimezone(UTC), opening.start)
        return None

    def skipped(self, now: datetime) -> date | None:
        """Today, in the window's zone, when its opening has no minute because the clocks go forward."""
        today = now.astimezone(zone_of(self.zone)).date()
        opening = self.opening(today)
        return today if opening is not None and opening.empty else None

    def _around(self, now: datetime, ahead: int = 1) -> Iterator[Opening]:
        today = now.astimezone(zone_of(self.zone)).date()
        for offset in range(-2, ahead + 1):
            opening = self.opening(today + timedelta(days=offset))
            if opening is not None:
                yield opening


def instant(day: date, minute: int, zone: tzinfo) -> datetime:
    """The UTC moment at which the zone's clocks first show that minute of the day, or first have passed it."""
    local = datetime.combine(day, time(), zone) + timedelta(minutes=minute)  # arithmetic of the wall clock
    early = local.replace(fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return early
    return _forward(local.replace(fold=1).astimezone(UTC), early, zone)


def _forward(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The second at which the offset changes between two moments."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        same = (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old
        low, high = (middle, high) if same else (low, middle)
    return before + timedelta(seconds=high)


def zone_of(name: str) -> tzinfo:
    """The zone; UTC without any zone data."""
    return UTC if name == "UTC" else ZoneInfo(name)


def clock_text(minute: int) -> str:
    """``02:30``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def day_text(days: tuple[int, ...]) -> str:
    """``mon-fri`` for a run of three or more days, else ``sat,sun``."""
    first, last = days[0], days[-1]
    if len(days) > 2 and days == tuple(range(first, last + 1)):
        return f"{_NAMES[first]}-{_NAMES[last]}"
    return ",".join(_NAMES[day] for day in days)
