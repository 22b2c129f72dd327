"""Runs of a timer that found nothing to do: counted by command and outcome, as a row of each would fill the log.

One row an hour says that they went on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.log.metadata import SCHEMA, question, status

_SINCE = 5  # version of the schema that has the table


@dataclass(frozen=True, slots=True)
class IdleRuns:
    """Runs of a timer that found nothing to do; they have no rows."""

    command: str
    outcome: Annotated[str, "window, already_done, nothing_to_do …; of probes live or ready"]
    runs: Count
    first: datetime
    last: datetime


def count(session: Session, outcome: str, mutation: Mutation, schema: str = SCHEMA) -> bool:
    """Count one more run; False where it gets a row too: one within an hour does.

    So it does where the tables are older and have no such counter.
    """
    if not _counted(session, schema):
        return False
    command = str(mutation.details.get("command", ""))
    return bool(session.value(question(session, "log/idle_count", schema), {"command": command, "outcome": outcome}))


def counts(session: Session, schema: str = SCHEMA) -> tuple[IdleRuns, ...]:
    """Every counter, by command and outcome; none where the tables are older, or came after the role's grants."""
    if not _counted(session, schema):
        return ()
    try:
        rows = session.rows(question(session, "log/idle_counts", schema), {})
    except PrerequisiteError:
        return ()
    return tuple(IdleRuns(r.command, r.outcome, r.runs, r.first_at, r.last_at) for r in rows)


def _counted(session: Session, schema: str) -> bool:
    return (status(session, schema).version or 0) >= _SINCE
