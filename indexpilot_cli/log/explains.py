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
COVERAGE_TARGET = 70.0  # per cent of the statements that are to be planned


@dataclass(frozen=True, slots=True)
class ExplainCoverage:
    """Of ``statements`` on which advice was to rest, how many were ``planned`` and how many ``failed`` to be.

    ``coverage_pct`` is the one share in per cent, None while nothing was asked; ``origins`` has it by who asked.
    """

    days: int
    statements: int
    planned: int
    failed: int
    coverage_pct: float | None
    target_pct: float
    meets_target: bool | None
    origins: dict[str, dict[str, int]]


def add(connection: Connection, origin: str, planned: int, failed: int, seconds: float = 0.0) -> None:
    """Count statements that were planned and that could not be; nothing where nothing can be written."""
    try:
        with writer(connection) as session:
            if is_writable(session, connection.metadata_schema):
                values = {"origin": origin, PLANNED: planned, FAILED: failed, "ms": seconds * 1000}
                session.execute(question(session, "log/explain_count", connection.metadata_schema), values)
    except IndexPilotError:
        return  # the row of the command, which goes the same way, brings the warning


def coverage(session: Session, days: int, *, schema: str = SCHEMA) -> ExplainCoverage:
    """How much of what advice was to rest on could be planned in so many days, today included, by all processes."""
    origins: dict[str, dict[str, int]] = {}
    for row in session.rows(question(session, "log/explain_counts", schema), {"days": days}):
        origins.setdefault(row.origin, {PLANNED: 0, FAILED: 0})[row.outcome] = row.statements
    planned = sum(found[PLANNED] for found in origins.values())
    failed = sum(found[FAILED] for found in origins.values())
    share = 100.0 * planned / (planned + failed) if planned + failed else None
    meets = None if share is None else share >= COVERAGE_TARGET
    return ExplainCoverage(days, planned + failed, planned, failed, share, COVERAGE_TARGET, meets, origins)
