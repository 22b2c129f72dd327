"""The bypass levels as they stand now: settings and the persisted switch together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.facts import Switch
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.guards import bypass
from indexpilot_cli.guards.values import BypassLevel
from indexpilot_cli.log import migrations, switches
from indexpilot_cli.settings.sections import BypassSettings


def current_levels(
    session: Session,
    settings: BypassSettings,
    schema: str,
    now: datetime | None = None,
    origins: Mapping[str, str] | None = None,
) -> tuple[BypassLevel, ...]:
    """Every level with its effective value; a switch that is there and cannot be read counts as off.

    Before ``init`` there is no switch. Raises UnreachableError when the connection is lost.
    """
    found = read_switches(session, schema)
    return bypass.levels(settings, found, now or datetime.now(UTC), origins or {})


def read_switches(session: Session, schema: str) -> tuple[Switch, ...] | None:
    """The switches; none before ``init``, None where they cannot be read."""
    try:
        return switches.read(session, schema=schema) if migrations.is_ready(session, schema) else ()
    except UnreachableError:
        raise
    except IndexPilotError:
        return None


def note_emergency(session: Session, connection: Connection, settings: BypassSettings) -> None:
    """Remember since when a configured emergency is on, so that it can end by itself; forget those that are over.

    ``session`` only reads, a short one of its own writes. Where nothing can be written nothing is remembered, and
    the emergency goes on until it is taken back by hand.
    """
    wanted = bypass.emergency_key(settings) if settings.emergency.enabled else ""
    known = read_switches(session, connection.metadata_schema) or ()
    seen = {s.name for s in known if s.name.startswith(f"{bypass.EMERGENCY}:")}
    if seen == ({wanted} if wanted else set()):
        return
    try:
        _write_emergency(connection, wanted, settings.emergency.reason)
    except UnreachableError:
        raise
    except IndexPilotError:
        return


def _write_emergency(connection: Connection, wanted: str, reason: str) -> None:
    from indexpilot_cli.log.bookkeeping import is_writable, writer

    schema = connection.metadata_schema
    with writer(connection) as session:
        if not is_writable(session, schema):
            return
        if wanted:
            switches.see_emergency(session, wanted, reason, schema=schema)
        else:
            switches.forget_emergencies(session, schema=schema)
