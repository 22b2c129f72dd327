"""When a job is due: days and hours of a zone's wall clock, as moments in UTC.

An hour that the clocks skip is due when they go forward, one that comes twice is due the first time; so every day,
week and month has exactly one moment, summer time or not.
"""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import chain

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.guards.calendar import LONG_DAYS, checked_zone, instant, zone_of
from indexpilot_cli.lifecycle.values import LifecycleState
from indexpilot_cli.settings.sections import MaintenanceComponents, MaintenanceSettings

_HOUR = timedelta(hours=1)
RETRY = _HOUR  # after a run that failed: what was in its way may be gone by then


class Job(StrEnum):
    """What is run by the clock."""

    INTEGRITY = "integrity"
    COUNTERS = "counters"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """A job, and of which tenant where it is one's."""

    job: Job
    tenant: int | None = None

    def __str__(self) -> str:
        return self.job.value if self.tenant is None else f"{self.job.value} {self.tenant}"

    def lock(self, schema: str) -> int:
        """The job's advisory lock: a signed 8-byte number, apart from the pairs that tables are locked by."""
        text = f"indexpilot.lifecycle {quote_identifier(schema)} {self}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The zone's ``hour`` from which a day's jobs are due, and the days of the weekly and the monthly one."""

    zone: str
    hour: int
    weekday: int
    monthday: int

    def previous(self, job: Job, now: datetime) -> datetime:
        """The newest moment, not after now, at which the job was due."""
        return max(moment for moment in self._around(job, now) if moment <= now)

    def following(self, job: Job, now: datetime) -> datetime:
        """The first moment after now at which it is due."""
        return min(moment for moment in self._around(job, now) if moment > now)

    def due(self, job: Job, done: datetime | None, now: datetime) -> datetime | None:
        """The moment that still waits for a run; None when there is none. ``done``: when the last run began that was
        carried out.
        """
        moment = self.previous(job, now)
        return moment if done is None or done < moment else None

    def text(self, job: Job) -> str:
        """``Sunday 03:00 Europe/Berlin``."""
        clock = f"{self.hour:02d}:00 {self.zone}"
        match job:
            case Job.INTEGRITY:
                return "every hour"
            case Job.COUNTERS:
                return f"every day {clock}"
            case Job.MONTHLY:
                return f"day {self.monthday} of the month {clock}"
        return f"{LONG_DAYS[self.weekday].capitalize()} {clock}"

    def _around(self, job: Job, now: datetime) -> Iterator[datetime]:
        if job is Job.INTEGRITY:
            hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            yield from (hour, hour + _HOUR)
            return
        zone = zone_of(self.zone)
        today = now.astimezone(zone).date()
        for day in self._months(today) if job is Job.MONTHLY else self._days(job, today):
            yield instant(day, self.hour * 60, zone)

    def _days(self, job: Job, today: date) -> Iterator[date]:
        for offset in range(-8, 9):
            day = today + timedelta(days=offset)
            if job is Job.COUNTERS or day.weekday() == self.weekday:
                yield day

    def _months(self, today: date) -> Iterator[date]:
        for offset in range(-2, 3):
            year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
            yield date(year, month + 1, min(self.monthday, monthrange(year, month + 1)[1]))


def timetable(settings: MaintenanceSettings) -> Timetable:
    """The timetable of the settings. Raises UsageError for an unknown zone."""
    return Timetable(checked_zone(settings.timezone), settings.hour, settings.day_of_week, settings.day_of_month)


_STATES = {
    "unused": (LifecycleState.UNUSED,),
    "redundant": (LifecycleState.DUPLICATE, LifecycleState.REDUNDANT),
    "invalid": (LifecycleState.INVALID,),
    "bloat": (LifecycleState.BLOATED,),
    "statistics": (
        LifecycleState.NEVER_ANALYZED,
        LifecycleState.STALE_STATISTICS,
        LifecycleState.STATISTICS_MISSING,
    ),
    "wraparound": (LifecycleState.WRAPAROUND,),
    "integrity": (LifecycleState.METADATA_MISMATCH,),
}
# What is in no other component is about how tables and indexes are laid out, which changes seldom.
_STRUCTURE = tuple(s for s in LifecycleState if s not in set(chain.from_iterable(_STATES.values())))


def components(job: Job, switched: MaintenanceComponents) -> tuple[str, ...]:
    """The parts of the job that are switched on, by their names in the settings."""
    names: tuple[str, ...] = (*_STATES, *(("structure",) if job is Job.MONTHLY else ()))
    if job is Job.TENANT:
        names = tuple(name for name in names if name != "integrity")  # our tables are nobody's own
    elif job is Job.INTEGRITY:
        names = ("integrity",)
    elif job is Job.COUNTERS:
        names = ("counters", "query_stats")  # what there is to do once a day
    on = asdict(switched)
    return tuple(name for name in names if on[name])


def states(names: Iterable[str]) -> tuple[LifecycleState, ...]:
    """The findings that belong to the components."""
    return tuple(chain.from_iterable(_STATES.get(name, _STRUCTURE) for name in names))


def enabled(key: JobKey, settings: MaintenanceSettings) -> bool:
    """Whether the settings let the clock run the job."""
    off = (key.job is Job.WEEKLY and not settings.weekly) or (key.job is Job.MONTHLY and not settings.monthly)
    return not off and bool(components(key.job, settings.components))
