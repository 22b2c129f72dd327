"""The runtime switch: one row per name, seen by every process at its next look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from indexpilot_cli.db.session import Session
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.log.redact import scrub_text


@dataclass(frozen=True, slots=True)
class Switch:
    """A runtime switch as the metadata schema keeps it. ``until`` (UTC): back on by itself; None: by hand."""

    name: str
    is_off: bool
    reason: str = ""
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def off_at(self, now: datetime) -> bool:
        """Whether it says off at that moment."""
        return self.is_off and (self.until is None or now < self.until)


def read(session: Session, *, schema: str = SCHEMA) -> tuple[Switch, ...]:
    """All switches, by name. Raises IndexPilotError when they cannot be read: the caller takes that for off."""
    rows = session.rows(question(session, "log/switches", schema), {})
    return tuple(Switch(r.name, r.is_off, r.reason, r.actor, _utc(r.since), _utc(r.until)) for r in rows)


def turn(
    session: Session,
    name: str,
    *,
    off: bool,
    reason: str = "",
    actor: str = "",
    seconds: float | None = None,
    schema: str = SCHEMA,
) -> None:
    """Set the switch from now on; ``seconds``: it comes back by itself after them, by the server's clock."""
    values = {"name": name, "is_off": off, "reason": scrub_text(reason), "actor": actor, "seconds": seconds}
    session.execute(question(session, "log/switch_set", schema), values)


def see_emergency(session: Session, name: str, reason: str, *, schema: str = SCHEMA) -> None:
    """Remember when this configured emergency was first seen, and forget the others."""
    # The first to see it wins (ON CONFLICT DO NOTHING): processes that start later must not begin the time anew.
    with session.transaction():
        forget_emergencies(session, name, schema=schema)
        session.execute(question(session, "log/switch_see", schema), {"name": name, "reason": scrub_text(reason)})


def forget_emergencies(session: Session, keep: str = "", *, schema: str = SCHEMA) -> None:
    """Forget every configured emergency but this one."""
    session.execute(question(session, "log/switch_forget", schema), {"name": keep})


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
