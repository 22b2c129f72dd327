"""Times of a log in UTC, whatever zone they are written in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TIME = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:(?:[A-Z]{1,5}|ChST)\b(?!@)|[+-]\d\d(?::?\d\d)?))?"
)
SYSLOG_TIME = re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d")
_PARTS = re.compile(r"(?P<head>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d+))? ?(?P<zone>[A-Za-z+-].*)?")
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?")
MILLISECONDS = re.compile(r"[.,]\d\d\d(?!\d)")
_ZERO = frozenset(("UTC", "GMT", "Z", "UCT", "WET"))
# What abbreviations mean in the time zone database (hours); a zone is written with its own in log_line_prefix's %m.
# https://www.iana.org/time-zones
_HOURS = {
    "WEST": 1, "BST": 1, "CET": 1, "MET": 1, "WAT": 1, "CEST": 2, "MEST": 2, "EET": 2, "SAST": 2, "CAT": 2, "EEST": 3,
    "IDT": 3, "MSK": 3, "EAT": 3, "PKT": 5, "IST": 5.5, "WIB": 7, "WITA": 8, "HKT": 8, "AWST": 8, "JST": 9, "KST": 9,
    "WIT": 9, "ACST": 9.5, "AEST": 10, "ChST": 10, "ACDT": 10.5, "AEDT": 11, "NZST": 12, "NZDT": 13, "NDT": -2.5,
    "NST": -3.5, "ADT": -3, "AST": -4, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7,
    "PST": -8, "AKDT": -8, "AKST": -9, "HST": -10, "SST": -11,
}  # fmt: skip
_AMBIGUOUS = {
    "IST": "India, not Israel or Ireland",
    "CST": "North America, not China or Cuba",
    "PST": "North America, not the Philippines",
}
_NOWHERE = ""  # times without any zone


class LogClock:
    """Reads times. ``zone`` is the server's ``log_timezone``, which tells what an abbreviation means; without it the
    common meaning is taken, and ``notes`` say so where another is possible.
    """

    def __init__(self, zone: str | None = None) -> None:
        self._name = zone or ""
        self._zone = _loaded(zone)
        self._assumed: dict[str, str] = {}
        self._second = self._text = ""
        self._last: datetime | None = None
        self._dated: tuple[str, datetime | None] = ("", None)

    def time(self, text: str) -> datetime | None:
        """The time in UTC, None for what is none."""
        if MILLISECONDS.match(text, 19):
            return self.at(text[:19], text[19:23], text[23:])
        parts = _PARTS.fullmatch(text.strip())
        if parts is None:
            if text != self._dated[0]:
                self._dated = text, self._of_syslog(text) if SYSLOG_TIME.fullmatch(text) else None
            return self._dated[1]
        found = self.at(parts["head"], "", parts["zone"] or "")
        fraction = (parts["fraction"] or "0")[:6].ljust(6, "0")
        return None if found is None else found.replace(microsecond=int(fraction))

    def at(self, second: str, fraction: str, zone: str) -> datetime | None:
        """The same of its parts; ``fraction`` is empty or like ``.123``."""
        # A busy server writes many entries in one second.
        if second != self._second or zone != self._text:
            self._second, self._text, self._last = second, zone, self._parsed(second, zone.strip())
        if not fraction or self._last is None:
            return self._last
        return self._last.replace(microsecond=int(fraction[1:]) * 1000)

    def epoch(self, number: float) -> datetime | None:
        """Seconds since 1970, or milli-, micro- or nanoseconds, as clouds write them."""
        for unit in (1, 1e3, 1e6, 1e9):
            if 1e8 <= number / unit < 1e10:
                return datetime.fromtimestamp(number / unit, UTC)
        return None

    def notes(self) -> tuple[str, ...]:
        """What was taken for granted, one sentence for each abbreviation."""
        known = f"; the server's log_timezone is {self._name}" if self._name else ""
        ask = "" if self._name else "; with a connection the server's log_timezone is asked"
        found = []
        for zone, meaning in self._assumed.items():
            written = f"times in {zone}" if zone else "times without a zone"
            found.append(f"{written} are taken for {meaning}{known}{ask}")
        return tuple(found)

    def _parsed(self, second: str, zone: str) -> datetime | None:
        try:
            local = datetime.fromisoformat(second)
        except ValueError:  # the 31st of February
            return None
        return local.replace(tzinfo=self._offset(local, zone)).astimezone(UTC)

    def _offset(self, local: datetime, zone: str) -> tzinfo:
        if zone in _ZERO:
            return UTC
        offset = _OFFSET.fullmatch(zone)
        if offset is not None:
            minutes = 60 * int(offset["hours"]) + int(offset["minutes"] or 0)
            return timezone(timedelta(minutes=-minutes if offset["sign"] == "-" else minutes))
        if self._zone is not None:
            # The hour that a change from summer time repeats has both abbreviations.
            for fold in (0, 1):
                moment = local.replace(tzinfo=self._zone, fold=fold)
                if zone in (_NOWHERE, moment.tzname()):
                    return timezone(moment.utcoffset() or timedelta())
        return self._common(zone)

    def _common(self, zone: str) -> tzinfo:
        hours = _HOURS.get(zone)
        if hours is None:
            self._assumed[zone] = "UTC"
            return UTC
        if zone in _AMBIGUOUS or self._zone is not None:
            meaning = f"{hours:+.0f}:{abs(hours) % 1 * 60:02.0f}" if hours % 1 == 0 else f"{int(hours):+d}:30"
            where = f" ({_AMBIGUOUS[zone]})" if zone in _AMBIGUOUS else ""
            self._assumed[zone] = meaning + where
        return timezone(timedelta(hours=hours))

    def _of_syslog(self, text: str) -> datetime | None:
        """Syslog leaves out the year: the last one in which the time is not ahead of us."""
        now = datetime.now(UTC)
        for year in range(now.year + 1, now.year - 8, -1):
            try:
                clock = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")
            except ValueError:  # the 29th of February
                continue
            found = clock.replace(tzinfo=self._offset(clock, _NOWHERE)).astimezone(UTC)
            if found <= now + timedelta(days=1):
                return found
        return None


def _loaded(zone: str | None) -> ZoneInfo | None:
    """None for a zone that this machine does not know: there the abbreviations have to tell."""
    try:
        return ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
