"""Approvals of plans: rows that are only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.log.redact import scrub_text
from indexpilot_cli.log.room import SCHEMA, question


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved which plan when (UTC). ``digest`` is of the plan's statements as they were then."""

    plan_id: str
    digest: str
    approved_by: str
    approved_at: datetime
    reason: str = ""


def of_plan(session: Session, plan_id: str, *, schema: str = SCHEMA) -> tuple[Approval, ...]:
    """The plan's approvals, newest first."""
    rows = session.rows(question(session, "log/approvals", schema), {"plan_id": plan_id})
    return tuple(_approval(row) for row in rows)


def add(
    session: Session, plan_id: str, digest: str, approved_by: str, reason: str = "", *, schema: str = SCHEMA
) -> Approval:
    """Record an approval now, by the server's clock; the server notes the session's role beside the given name."""
    values = {"plan_id": plan_id, "digest": digest, "approved_by": approved_by, "reason": scrub_text(reason)}
    return _approval(session.one(question(session, "log/approval_add", schema), values))


def _approval(row: Row) -> Approval:
    return Approval(row.plan_id, row.digest, row.approved_by, row.approved_at.astimezone(UTC), row.reason)
