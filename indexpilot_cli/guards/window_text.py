"""Windows as people write them: ``22:00-02:30 Europe/Berlin mon-fri``, or the hours of the settings."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Iterable

from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards.calendar import MINUTES_A_DAY, Window
from indexpilot_cli.settings.sections import MaintenanceWindowSettings

_EXAMPLE = '--window "22:00-02:30 Europe/Berlin mon-fri"'
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?=\s|\Z)")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_DAY_WORD = re.compile(r"[a-z]{3,9}(?:\s*[-,]\s*[a-z]{3,9})*\Z", re.IGNORECASE)


def parse_window(text: str, zone: str | None = None) -> Window:
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


def from_settings(settings: MaintenanceWindowSettings) -> Window:
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
    known = (*_DAYS, *_LONG_DAYS, *_GROUPS)
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
    for names in (_DAYS, _LONG_DAYS):
        if word in names:
            return names.index(word)
    close = difflib.get_close_matches(word, [*_DAYS, *_LONG_DAYS, *_GROUPS], n=1, cutoff=0.3)
    hint = f"did you mean {close[0]}?" if close else "days are mon, tue, wed, thu, fri, sat, sun"
    raise _bad(f"unknown day {word[:40]!r} in the window", hint)


def _minute(hour: str, minute: str, *, last: bool) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > MINUTES_A_DAY or (value == MINUTES_A_DAY and not last):
        limit = "24:00" if last else "23:59"
        raise _bad(f"{hour}:{minute} is no time of day", f"use 00:00 to {limit}")
    return value


def _checked(start: int, end: int, zone: str, days: tuple[int, ...]) -> Window:
    if start == end:
        raise _bad("the window starts and ends at the same time: it is never open", "write 00:00-24:00 for all day")
    if not days:
        raise _bad("the window has no day on which it opens", "name at least one day")
    return Window(start, end, zone, days)


def _bad(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="bad_window")
