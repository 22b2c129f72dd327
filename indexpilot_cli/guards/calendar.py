"""Maintenance windows as arithmetic in UTC: when is it open, until when, and when again.

An opening belongs to the day it starts on. Its ends are wall-clock times of a zone, turned into instants one by
one: a time that the clocks skip becomes the moment they go forward, a time that comes twice is the first of the
two. An opening whose both ends are skipped has no minute.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.sections import MaintenanceWindowSettings

MINUTES_A_DAY = 1440
_LOOK_AHEAD = 400  # days
_ALL_DAYS = (0, 1, 2, 3, 4, 5, 6)
LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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
class MaintenanceWindow:
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
        return f"{_DAYS[first]}-{_DAYS[last]}"
    return ",".join(_DAYS[day] for day in days)


_EXAMPLE = '--window "22:00-02:30 Europe/Berlin mon-fri"'
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?=\s|\Z)")
_GROUPS = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_DAY_WORD = re.compile(r"[a-z]{3,9}(?:\s*[-,]\s*[a-z]{3,9})*\Z", re.IGNORECASE)


def parse_window(text: str, zone: str | None = None) -> MaintenanceWindow:
    """The window of a text: two clock times, a zone, days; zone and days in any order, days may be left out.

    ``zone`` serves where the text names none. Raises UsageError (code bad_window) with what was probably meant.
    """
    match = _CLOCK.match(text.strip())
    if match is None:
        raise _bad(f"cannot read the window {text[:80]!r}", f"write {_EXAMPLE}")
    start, end = _minute(*match.group(1, 2), last=False), _minute(*match.group(3, 4), last=True)
    named, days = _words(text.strip()[match.end() :].split())
    name = named or zone
    if name is None:
        raise _bad(f"the window {text[:80]!r} names no time zone", f"write {_EXAMPLE}, or UTC")
    return _checked(start, end, checked_zone(name), days)


def from_settings(settings: MaintenanceWindowSettings) -> MaintenanceWindow:
    """The configured window. Raises UsageError for an unknown zone and for hours that are never open."""
    end = settings.end_hour * 60
    days = tuple(sorted(set(settings.days_of_week)))
    return _checked(settings.start_hour * 60, end, checked_zone(settings.timezone), days)


def checked_zone(name: str) -> str:
    """The zone's name when it exists; UsageError with the nearest one when not."""
    if name.upper() in ("UTC", "Z"):
        return "UTC"
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if name in known:
            return name
        raise _bad(f"unknown time zone {name[:80]!r}", _near_zone(name, known)) from None
    return name


def _near_zone(name: str, known: Iterable[str]) -> str:
    spelt = {zone.lower(): zone for zone in sorted(known)}
    spelt |= {zone.lower().rpartition("/")[2]: zone for zone in sorted(known) if "/" in zone} | spelt
    close = difflib.get_close_matches(name.lower(), spelt, n=1, cutoff=0.6)
    return f"did you mean {spelt[close[0]]}?" if close else "use an IANA name such as Europe/Berlin, or UTC"


def _words(words: list[str]) -> tuple[str | None, tuple[int, ...]]:
    zone: str | None = None
    days: tuple[int, ...] | None = None
    for word in words:
        if days is None and _is_days(word):
            days = _days(word)
        elif zone is None:
            zone = word
        else:
            raise _bad(f"{word[:80]!r} is one word too many in the window", f"write {_EXAMPLE}")
    return zone, days if days is not None else tuple(range(7))


def _is_days(word: str) -> bool:
    parts = re.split(r"[-,]", word.lower())
    known = (*_DAYS, *LONG_DAYS, *_GROUPS)
    if "/" in word or not _DAY_WORD.match(word):
        return False
    return any(part in known for part in parts) or ("," in word and bool(parts))


def _days(word: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in word.lower().split(","):
        if part in _GROUPS:
            found |= set(_GROUPS[part])
            continue
        first, dash, last = part.partition("-")
        start, end = _day(first), _day(last if dash else first)
        found |= set(range(start, end + 1)) if start <= end else {*range(start, 7), *range(end + 1)}
    return tuple(sorted(found))


def _day(word: str) -> int:
    for names in (_DAYS, LONG_DAYS):
        if word in names:
            return names.index(word)
    close = difflib.get_close_matches(word, [*_DAYS, *LONG_DAYS, *_GROUPS], n=1, cutoff=0.3)
    hint = f"did you mean {close[0]}?" if close else "days are mon, tue, wed, thu, fri, sat, sun"
    raise _bad(f"unknown day {word[:40]!r} in the window", hint)


def _minute(hour: str, minute: str, *, last: bool) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > MINUTES_A_DAY or (value == MINUTES_A_DAY and not last):
        limit = "24:00" if last else "23:59"
        raise _bad(f"{hour}:{minute} is no time of day", f"use 00:00 to {limit}")
    return value


def _checked(start: int, end: int, zone: str, days: tuple[int, ...]) -> MaintenanceWindow:
    if start == end:
        raise _bad("the window starts and ends at the same time: it is never open", "write 00:00-24:00 for all day")
    if not days:
        raise _bad("the window has no day on which it opens", "name at least one day")
    return MaintenanceWindow(start, end, zone, days)


def _bad(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="bad_window")
