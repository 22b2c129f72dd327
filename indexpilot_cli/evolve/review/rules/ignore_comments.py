"""Ignore comments that lack a reason or a use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Ignore, Migration


def _without_reason(
    migration: Migration, used: Collection[tuple[int, str]], _known: Collection[str]
) -> Iterator[Finding]:
    for statement in migration.statements:
        for comment in statement.ignores:
            id_ = comment.hazard
            if (statement.number, id_) in used and not comment.reason:
                text = f"ignores {id_} and does not say why: -- indexpilot: ignore {id_} -- reason"
                yield _about(IGNORE_WITHOUT_REASON, text, migration, comment, statement.number)


def _unused(migration: Migration, used: Collection[tuple[int, str]], known: Collection[str]) -> Iterator[Finding]:
    for statement in migration.statements:
        for comment in statement.ignores:
            if (statement.number, comment.hazard) not in used:
                yield _about(IGNORE_UNUSED, _nothing(comment, known), migration, comment, statement.number)
    for comment in migration.stray_ignores:
        text = f"no statement follows the comment that ignores {comment.hazard}"
        yield _about(IGNORE_UNUSED, text, migration, comment, 0)


def _nothing(comment: Ignore, known: Collection[str]) -> str:
    if comment.hazard in known:
        return f"there is no {comment.hazard} in this statement to ignore"
    near = get_close_matches(comment.hazard, known, n=1, cutoff=0.5)
    return f"there is no hazard {comment.hazard}" + (f": did you mean {near[0]}?" if near else "")


def _about(rule: HazardRule, text: str, migration: Migration, comment: Ignore, number: int) -> Finding:
    known = rule.hazard
    return Finding(known.id, known.name, known.severity, migration.path, number, comment.line, 1, "", text)


IGNORE_WITHOUT_REASON = HazardRule(
    "I01 ignore-without-reason",
    "an ignore comment without a reason",
    "Whoever reads it next year cannot know whether it still holds.",
    "-- indexpilot: ignore L01 -- the table is empty",
    "-- indexpilot: ignore L01\nCREATE INDEX i ON orders (ref);",
    "-- indexpilot: ignore L01 -- the table is empty\nCREATE INDEX i ON orders (ref);",
    comments=_without_reason,
)

IGNORE_UNUSED = HazardRule(
    "I02 ignore-unused",
    "an ignore comment that ignores nothing",
    "Nothing of that id was found in the statement behind it (or there is no such id).",
    "Remove the comment.",
    "-- indexpilot: ignore L01 -- the table is empty\nSELECT 1;",
    "SELECT 1;",
    comments=_unused,
)
