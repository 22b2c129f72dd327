"""Triggers or row security switched off and not on again in the same file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.evolve.review.case import Review, name_of
from indexpilot_cli.evolve.review.rule import Rule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act


def _switched_off(review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        words = " ".join(action.options)
        if action.kind not in (Act.SET_TRIGGER, Act.SET_ROW_SECURITY) or "disable" not in words:
            continue
        later = review.after(case.written.number)
        back = any(a.kind is action.kind and a.table == action.table and "enable" in " ".join(a.options) for a in later)
        if not back and not review.is_new(action):
            what = "row security" if action.kind is Act.SET_ROW_SECURITY else f"trigger {action.object or 'ALL'}"
            made = PROTECTION_OFF.finding(case, f"{what} of {name_of(action)} stays switched off")
            yield replace(made, table=review.table_name(action))


PROTECTION_OFF = Rule(
    "W14 protection-off",
    "triggers or row security are switched off",
    "Disabled triggers do not fire for anybody, foreign keys included; without row security every row is visible.",
    "Switch them on again in the same transaction, or use session_replication_role in one session.",
    "ALTER TABLE orders DISABLE TRIGGER ALL;",
    "BEGIN;\nALTER TABLE orders DISABLE TRIGGER audit;\nALTER TABLE orders ENABLE TRIGGER audit;\nCOMMIT;",
    "sql-altertable.html",
    find=_switched_off,
)
