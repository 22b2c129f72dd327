"""Statements that nothing ends, neither while they wait for their lock nor while they hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from indexpilot_cli.evolve.review.case import Review, StatementCase
from indexpilot_cli.evolve.review.rule import Rule
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.sql.ddl.action import Act, Action

_NONE = ("0", "0s", "0ms", "")


def _no_lock_timeout(review: Review) -> Iterator[Finding]:
    for case in _untimed(review, "lock_timeout", lambda c: bool(c.verdict.blocked)):
        table = case.verdict.blocked[0].table.short
        text = f"waits for its lock on {table} as long as it takes, and everybody behind it waits too"
        yield replace(NO_LOCK_TIMEOUT.finding(case, text), instead=f"SET lock_timeout = '2s';\n{case.written.sql};")


def _no_statement_timeout(review: Review) -> Iterator[Finding]:
    for case in _untimed(review, "statement_timeout", lambda c: c.long):
        table = case.verdict.blocked[0].table.short
        text = f"nothing ends the statement if it takes longer than you think while {table} is locked"
        instead = f"SET statement_timeout = '30s';\n{case.written.sql};"
        yield replace(NO_STATEMENT_TIMEOUT.finding(case, text), instead=instead)


def _untimed(review: Review, name: str, wanted: Callable[[StatementCase], bool]) -> Iterator[StatementCase]:
    """Statements that wait for a lock others need while the setting is off."""
    timed = False
    for case in review.cases:
        for action in case.actions:
            timed = _set_by(action, name, timed)
        waits = any(lock.relation.existed and lock.mode.blocks_writes for lock in case.seen.locks)
        if waits and case.verdict.impact is not Impact.FAILS and wanted(case) and not timed:
            yield case


def _set_by(action: Action, name: str, timed: bool) -> bool:
    for key, value in action.parameters if action.kind is Act.SET else ():
        if key.lower() == name:
            timed = not (action.has("reset") or value.strip("' ").lower() in _NONE)
    return timed


NO_LOCK_TIMEOUT = Rule(
    "T01 no-lock-timeout",
    "nothing ends the wait for a lock",
    "While the statement waits for its lock, everybody who comes after waits behind it.",
    "SET lock_timeout at the top of the file, and try again when it strikes.",
    "ALTER TABLE orders ADD COLUMN note text;",
    "SET lock_timeout = '2s';\nALTER TABLE orders ADD COLUMN note text;",
    "runtime-config-client.html#GUC-LOCK-TIMEOUT",
    find=_no_lock_timeout,
)

NO_STATEMENT_TIMEOUT = Rule(
    "T02 no-statement-timeout",
    "nothing ends a statement that takes too long under its lock",
    "A statement that was expected to take a moment keeps its lock however long it takes.",
    "SET statement_timeout for the part that takes locks (not for CONCURRENTLY builds and validation).",
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "SET statement_timeout = '5s';\nALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "runtime-config-client.html#GUC-STATEMENT-TIMEOUT",
    find=_no_statement_timeout,
)
