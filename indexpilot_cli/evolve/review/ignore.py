"""Ignore comments and flags applied to findings; comments that lack a reason or a use become findings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches

from indexpilot_cli.evolve.review.hazards import HAZARDS
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Ignore, Migration, MigrationStatement


def with_ignores(migration: Migration, found: Sequence[Finding], ignore: Collection[str]) -> tuple[Finding, ...]:
    """The findings, those that are ignored marked so, and what is to be said of the ignore comments themselves.

    ``ignore`` are ids or names that a flag or a setting switches off; they need no reason.
    """
    statements = {s.number: s for s in migration.statements}
    made = [_applied(f, statements.get(f.statement)) for f in found]
    used = {(f.statement, f.id) for f in made if f.ignored is not None}
    made += _comments(migration, used)
    off = {word.lower() for word in ignore}
    return tuple(_switched_off(f, off) for f in made)


def _applied(finding: Finding, statement: MigrationStatement | None) -> Finding:
    for comment in statement.ignores if statement is not None else ():
        if comment.hazard == finding.id:
            return replace(finding, ignored=comment.reason)
    return finding


def _switched_off(finding: Finding, off: Collection[str]) -> Finding:
    if finding.ignored is None and (finding.id.lower() in off or finding.name in off):
        return replace(finding, ignored=f"--ignore {finding.id}")
    return finding


def _comments(migration: Migration, used: Collection[tuple[int, str]]) -> Iterator[Finding]:
    for statement in migration.statements:
        for comment in statement.ignores:
            if (statement.number, comment.hazard) not in used:
                yield _about("I02", _unused(comment), migration, comment, statement.number)
            elif not comment.reason:
                text = (
                    f"ignores {comment.hazard} and does not say why: -- indexpilot: ignore {comment.hazard} -- reason"
                )
                yield _about("I01", text, migration, comment, statement.number)
    for comment in migration.stray_ignores:
        yield _about("I02", f"no statement follows the comment that ignores {comment.hazard}", migration, comment, 0)


def _unused(comment: Ignore) -> str:
    if comment.hazard in HAZARDS:
        return f"there is no {comment.hazard} in this statement to ignore"
    near = get_close_matches(comment.hazard, HAZARDS, n=1, cutoff=0.5)
    return f"there is no hazard {comment.hazard}" + (f": did you mean {near[0]}?" if near else "")


def _about(hazard: str, text: str, migration: Migration, comment: Ignore, number: int) -> Finding:
    known = HAZARDS[hazard]
    return Finding(known.id, known.name, known.severity, migration.path, number, comment.line, 1, "", text)
