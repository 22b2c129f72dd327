"""How many statements that advice rests on could be planned, by day and by who asked: ``explain_statistics``."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.command import Connection
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.log.bookkeeping import is_writable, writer
from indexpilot_cli.log.metadata import SCHEMA, question

PLANNED = "planned"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExplainCount:
    """Statements of one origin with one outcome (planned, failed); ``total_ms`` is the time their plans took."""

    origin: str
    outcome: str
    statements: int
    total_ms: float


def add(connection: Connection, origin: str, planned: int, failed: int, seconds: float = 0.0) -> None:
    """Count statements that were planned and that could not be; nothing where nothing can be written."""
    try:
        with writer(connection) as session:
            if is_writable(session, connection.metadata_schema):
                values = {"origin": origin, PLANNED: planned, FAILED: failed, "ms": seconds * 1000}
                session.execute(question(session, "log/explain_count", connection.metadata_schema), values)
    except IndexPilotError:
        return  # the row of the command, which goes the same way, brings the warning


def counts(session: Session, days: int, *, schema: str = SCHEMA) -> tuple[ExplainCount, ...]:
    """The counts of that many days, today's included, by origin and outcome."""
    rows = session.rows(question(session, "log/explain_counts", schema), {"days": days})
    return tuple(ExplainCount(r.origin, r.outcome, r.statements, r.total_ms) for r in rows)
