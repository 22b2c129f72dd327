"""Removing our own invalid remnant: looked at again right before, under a short lock timeout, a few times."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.ddl import drop_index
from indexpilot_cli.core.mutation import IndexFacts
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.decide import is_usable
from indexpilot_cli.execute.retry import SHORT, attempts


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is there afterwards (None: nothing) and the last error."""

    found: IndexFacts | None
    error: IndexPilotError | None = None


def clean(ctx: RunContext, session: Session, remnant: IndexFacts) -> Cleaned:
    """Drop the remnant unless it has become valid, is being built, or is another index by now.

    The session must hold the table's lock. A stop request does not end the work: what is begun is cleaned up.
    """
    build.set_lock_timeout(session, ctx.limits.lock)
    error: IndexPilotError | None = None
    for _ in attempts(ctx.stop, SHORT, obstinate=True):
        found = build.find_index(session, remnant.name)
        if found is None or found.oid != remnant.oid or is_usable(found) or found.builder is not None:
            return Cleaned(found, error)
        ctx.progress.say(f"removing what is left of {remnant.name}")
        try:
            session.execute(drop_index(remnant.name, concurrently=not remnant.partitioned))
        except IndexPilotError as failed:
            error = failed
            if session.closed:
                raise
    return Cleaned(build.find_index(session, remnant.name), error)
