"""Advice nobody wants to see again, until a date or for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from indexpilot_cli.postgres.metadata.redact import scrub_text
from indexpilot_cli.postgres.metadata.room import SCHEMA, question
from indexpilot_cli.postgres.session import Session


@dataclass(frozen=True, slots=True)
class Ignored:
    """One ignored recommendation. ``until`` None: for good."""

    recommendation_id: str
    reason: str
    until: datetime | None
    actor: str | None
    created_at: datetime


def add(
    session: Session,
    recommendation_id: str,
    reason: str,
    *,
    until: datetime | None = None,
    actor: str | None = None,
    schema: str = SCHEMA,
) -> None:
    """Ignore a recommendation, or ignore it anew with another reason and date."""
    values = {"id": recommendation_id, "reason": scrub_text(reason), "until": until, "actor": actor}
    session.execute(question(session, "ignored_add", schema), values)


def listed(session: Session, *, expired: bool = False, schema: str = SCHEMA) -> tuple[Ignored, ...]:
    """What is ignored now, newest first; with ``expired`` also what no longer is."""
    rows = session.rows(question(session, "ignored_list", schema), {"expired": expired})
    return tuple(Ignored(*row) for row in rows)


def remove(session: Session, recommendation_id: str, *, schema: str = SCHEMA) -> bool:
    """No longer ignore it; False when it was not ignored."""
    return session.execute(question(session, "ignored_remove", schema), {"id": recommendation_id}) == 1
