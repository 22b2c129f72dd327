"""What another version of PostgreSQL does otherwise: said where a clone cannot have the server's own.

The release notes name each: https://www.postgresql.org/docs/release/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.sql.ddl.action import Act, Migration


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """Statements that ``words`` matches are new with the major version ``since``, or ``otherwise`` before it."""

    since: int
    words: str
    name: str
    otherwise: str = ""


# DROP COLUMN and TYPE concern these only where the schema has some.
_OF_GENERATED = "a change of a column that a generated column uses"
_DIFFERENCES = (
    VersionDifference(13, r"\bdrop\s+expression\b", "DROP EXPRESSION"),
    VersionDifference(13, r"\bdrop\s+database\b.*\bforce\b", "DROP DATABASE … FORCE"),
    VersionDifference(14, r"\bdetach\s+partition\b.*\b(?:concurrently|finalize)\b", "DETACH PARTITION … CONCURRENTLY"),
    VersionDifference(
        14,
        r"\bdetach\s+partition\b(?!.*\b(?:concurrently|finalize)\b)",
        "DETACH PARTITION",
        "locks the partition with ACCESS EXCLUSIVE from 14 on, before with SHARE UPDATE EXCLUSIVE",
    ),
    VersionDifference(14, r"\bbegin\s+atomic\b", "a body with BEGIN ATOMIC"),
    VersionDifference(14, r"\bset\s+compression\b", "SET COMPRESSION"),
    VersionDifference(15, r"\bnulls\s+(?:not\s+)?distinct\b", "NULLS NOT DISTINCT"),
    VersionDifference(15, r"\bset\s+access\s+method\b", "SET ACCESS METHOD"),
    VersionDifference(15, r"\bmerge\s+into\b", "MERGE"),
    VersionDifference(15, r"\bsecurity_invoker\b", "security_invoker"),
    VersionDifference(
        15,
        r"\balter\s+table\b",
        _OF_GENERATED,
        "is refused from 15 on; before, DROP COLUMN takes the generated column along in silence",
    ),
    VersionDifference(16, r"\bstorage\s+default\b|\bset\s+storage\s+default\b", "STORAGE DEFAULT"),
    VersionDifference(17, r"\bset\s+expression\b", "SET EXPRESSION"),
    VersionDifference(17, r"\bmerge\s+into\b.*\breturning\b", "MERGE … RETURNING"),
    VersionDifference(18, r"\bnot\s+enforced\b", "NOT ENFORCED"),
    VersionDifference(18, r"\bnot\s+null\b.*\bnot\s+valid\b", "NOT NULL … NOT VALID"),
    VersionDifference(18, r"\bgenerated\s+always\s+as\s*\((?!.*\bstored\b)", "a generated column that is not STORED"),
    VersionDifference(18, r"\buuidv[47]\s*\(", "uuidv4() and uuidv7()"),
    VersionDifference(18, r"\bwithout\s+overlaps\b", "WITHOUT OVERLAPS"),
)


def version_notes(migrations: Sequence[Migration], clone: int, server: int, *, generated: bool) -> tuple[str, ...]:
    """What holds on the clone's major version and not on the server's, a sentence for each statement it concerns.

    ``generated``: the schema has generated columns.
    """
    if clone == server:
        return ()
    found = tuple(_notes(migrations, clone, server, generated))
    return found or (f"no statement is known to do on PostgreSQL {server} what it does not do on {clone}",)


def _notes(migrations: Sequence[Migration], clone: int, server: int, generated: bool) -> Iterator[str]:
    between = [d for d in _DIFFERENCES if min(clone, server) < d.since <= max(clone, server)]
    for migration in migrations:
        for statement in migration.statements:
            for known in between:
                kinds = {action.kind for action in statement.actions}
                concerned = known.name != _OF_GENERATED or (generated and kinds & {Act.DROP_COLUMN, Act.ALTER_TYPE})
                if concerned and re.search(known.words, statement.sql, re.IGNORECASE | re.DOTALL):
                    yield f"{migration.path}:{statement.line}: {_said(known, clone, server)}"


def _said(known: VersionDifference, clone: int, server: int) -> str:
    if known.otherwise:
        return f"{known.name} {known.otherwise}: it was tried on {clone}, the server is {server}"
    if server < known.since:
        return f"{known.name} came with {known.since}: the server, {server}, refuses what {clone} took"
    return f"{known.name} came with {known.since}: it could not be tried on {clone}, the server, {server}, has it"
