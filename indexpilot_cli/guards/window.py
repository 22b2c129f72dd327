"""Is this the hour? And does the build fit into what is left of it?"""

from __future__ import annotations

from datetime import datetime, timedelta

from indexpilot_cli.guards.calendar import MaintenanceWindow, from_settings, parse_window, zone_of
from indexpilot_cli.guards.context import Guard, GuardContext, PermitRequest, Verdict

_KEY = "production_safeguards.maintenance_window"
MARGIN = 2.0  # a build starts only if its estimated duration this many times fits
_MERGE_BYTES = 20e6  # bytes of index per second
_SCAN_BYTES = 100e6  # bytes of table per second; CONCURRENTLY reads the table twice


def duration(index_bytes: int, table_bytes: int) -> timedelta:
    """How long a concurrent build takes on a slow disk, without waiting for anybody.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    return timedelta(seconds=1 + index_bytes / _MERGE_BYTES + 2 * table_bytes / _SCAN_BYTES)


def judge(window: MaintenanceWindow | None, origin: str, now: datetime, needed: timedelta = timedelta(0)) -> Verdict:
    """Inside the window, with room for a build that takes ``needed``? No window: always."""
    if window is None:
        return Verdict("window", True, "no maintenance window is set", origin)
    opens = window.next_opening(now)
    if opens is None:
        return Verdict("window", False, f"the window {window} does not open within a year", origin, forceable=True)
    if opens > now:
        return _closed(window, origin, now, opens)
    return _inside(window, origin, now, needed)


def _closed(window: MaintenanceWindow, origin: str, now: datetime, opens: datetime) -> Verdict:
    day = window.skipped(now)
    why = f"has no minute on {day}, the clocks go forward over it" if day else f"is closed (now {_local(now, window)})"
    text = f"the window {window} {why}; it opens {_local(opens, window, date=True)}"
    return Verdict("window", False, text, origin, retry_at=opens, forceable=True)


def _inside(window: MaintenanceWindow, origin: str, now: datetime, needed: timedelta) -> Verdict:
    end = window.closes(now)
    left = window.time_left(now)
    # A build half done at the end of the window is cancelled, which leaves an index to drop, or goes on outside it.
    if end is not None and needed * MARGIN > left:
        again = window.next_opening(end)
        text = (
            f"the window {window} closes in {_span(left)}; a build of about {_span(needed)} "
            f"starts only with {MARGIN:g} times that left"
        )
        return Verdict("window", False, text, origin, retry_at=again, forceable=True)
    return Verdict("window", True, f"window {window} (now {_local(now, window)}, open for {_span(left)})", origin)


def _local(moment: datetime, window: MaintenanceWindow, *, date: bool = False) -> str:
    local = moment.astimezone(zone_of(window.zone))
    return f"{local:%Y-%m-%d %H:%M %Z}" if date else f"{local:%H:%M}"


def _span(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def window_of(request: PermitRequest) -> tuple[MaintenanceWindow | None, str]:
    """The window that counts and where it comes from: the flag's text, else the settings', else none."""
    configured = request.safeguards.maintenance_window
    if request.window:
        return parse_window(request.window, configured.timezone if configured.enabled else None), "--window"
    if not configured.enabled:
        return None, f"{_KEY}.enabled"
    return from_settings(configured), _KEY


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    """A run may begin when its quickest build fits; each one is asked for again before it begins."""
    window, origin = window_of(context.request)
    sizes = {t.relid: t.bytes for t in context.tables}
    spans = [duration(o.size_bytes, sizes.get(o.relid, 0)) for o in context.request.creating]
    return (judge(window, origin, context.now, min(spans, default=timedelta(0))),)


GUARD = Guard("window", 2, _ask)
