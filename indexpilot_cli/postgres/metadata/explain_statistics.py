"""How many EXPLAINs succeeded and failed, added up over processes and kept by day."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.postgres.metadata.room import SCHEMA, question
from indexpilot_cli.postgres.session import Session


@dataclass(frozen=True, slots=True)
class ExplainCount:
    """Statements of one origin (``twin``, ``hypopg``, ``server``) with one outcome (``ok`` or an error's word)."""

    origin: str
    outcome: str
    statements: int
    total_ms: float


def add(session: Session, count: ExplainCount, *, schema: str = SCHEMA) -> None:
    """Add to today's count."""
    values = {
        "origin": count.origin,
        "outcome": count.outcome,
        "statements": count.statements,
        "total_ms": count.total_ms,
    }
    session.execute(question(session, "explain_add", schema), values)


def totals(session: Session, days: int | None = None, *, schema: str = SCHEMA) -> tuple[ExplainCount, ...]:
    """Counts by origin and outcome, of the last days or of all time."""
    rows = session.rows(question(session, "explain_totals", schema), {"days": days})
    return tuple(ExplainCount(*row) for row in rows)


def coverage(counts: tuple[ExplainCount, ...]) -> float | None:
    """The share of statements the planner answered, 0 to 1; None when there were none."""
    total = sum(c.statements for c in counts)
    return sum(c.statements for c in counts if c.outcome == "ok") / total if total else None
