"""Switching IndexPilot off and on for every process of a database, and asking whether this is the hour to build."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Silent
from indexpilot_cli.guards.calendar import MaintenanceWindow, zone_of
from indexpilot_cli.guards.context import PermitRequest
from indexpilot_cli.guards.window import window_of
from indexpilot_cli.host import place


def disable_system(reason: str, *, for_seconds: float | None = None) -> dict[str, Any]:
    """Switch IndexPilot off for every process that uses this database, now and after a restart.

    ``reason`` is for those who find it off; ``for_seconds`` lets it come back by itself. The result has ``running``,
    ``changed`` and, in ``levels``, every switch with its value, source and reason. Logged as SYSTEM_DISABLE.
    Raises UsageError without a reason, PrerequisiteError before our tables are there.
    """
    return _turned("disable", reason, for_seconds)


def enable_system(reason: str = "") -> dict[str, Any]:
    """Switch IndexPilot on again; what the settings switch off stays off (``running`` False). As ``disable_system``.

    Logged as SYSTEM_ENABLE.
    """
    return _turned("enable", reason)


def get_system_status() -> dict[str, Any]:
    """``running``, and every switch with its effective value, source and reason; as ``indexpilot bypass status``."""
    return _turned("status")


def is_in_maintenance_window(check_time: datetime | None = None) -> bool:
    """Whether that moment (None: now, by this machine's clock) is inside the configured window; True without one.

    A time without a zone is taken as one of the window's zone. Raises UsageError for settings that cannot be read.
    """
    return should_wait_for_maintenance_window(check_time) == (False, 0.0)


def should_wait_for_maintenance_window(check_time: datetime | None = None) -> tuple[bool, float]:
    """Whether to wait for the configured window, and how many seconds until it opens (inf: not within a year)."""
    asked = PermitRequest(safeguards=place.current_settings().production_safeguards)
    window, _ = window_of(asked)
    if window is None:
        return False, 0.0
    moment = _moment(check_time, window)
    opens = window.next_opening(moment)
    if opens is None:
        return True, math.inf
    return opens > moment, max(0.0, (opens - moment).total_seconds())


def _moment(given: datetime | None, window: MaintenanceWindow) -> datetime:
    if given is None:
        return datetime.now(UTC)
    return (given.replace(tzinfo=zone_of(window.zone)) if given.tzinfo is None else given).astimezone(UTC)


def _turned(action: str, reason: str = "", seconds: float | None = None) -> dict[str, Any]:
    from indexpilot_cli.apply.bypass import run
    from indexpilot_cli.apply.values import BypassRequest

    settings = place.current_settings()
    record = place.record_of(f"{action}_system", settings)
    request = BypassRequest(action, place.connection(), reason, seconds, settings.bypass, settings.places, record)
    found: dict[str, Any] = to_json(run(request, Silent()).result)
    return found
