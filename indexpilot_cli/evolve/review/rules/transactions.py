"""Transactions left open, nested or refused, locks that pile up in one, statements that nothing ends, many ALTERs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import RunState, WorkKind
from indexpilot_cli.core.units import listed
from indexpilot_cli.evolve.review.case import Review, StatementCase, name_of
from indexpilot_cli.evolve.review.rule import HazardRule, error
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.sql.ddl.action import Act, Action


def _outside(_action: Action, case: StatementCase) -> str:
    wrapped = case.review.migration.one_transaction
    lead = "-- in a file that the migration tool does not wrap in a transaction:" if wrapped else "COMMIT;"
    return f"{lead}\n{case.written.sql};"


def _left_open(rule: HazardRule, review: Review) -> Iterator[Finding]:
    failed = any(c.seen.state is RunState.FAILED for c in review.cases)
    # A migration tool that wraps the file commits it itself.
    if review.observation.open_transaction and review.cases and not review.migration.one_transaction and not failed:
        text = "nothing ends this transaction before the file ends: without COMMIT nothing of it stays"
        yield replace(rule.finding(_begin(review), text), instead="COMMIT;")


def _begin(review: Review) -> StatementCase:
    """The BEGIN that nothing ends; the last statement where none was written (AND CHAIN)."""
    begun: StatementCase | None = None
    for case, action in review.actions:
        if action.kind is Act.BEGIN and not action.nested and begun is None:
            begun = case
        elif action.kind in (Act.COMMIT, Act.ROLLBACK) and not action.nested:
            begun = case if action.has("chain") else None
    return begun or review.cases[-1]


def _unended(rule: HazardRule, review: Review) -> Iterator[Finding]:
    cutter = review.migration.cutter
    text = f"{cutter} refuses the file" if cutter else "only the end of the file does"
    for case in review.cases:
        if not case.written.ended and (len(review.cases) > 1 or cutter):
            yield rule.finding(case, f"no semicolon ends the statement: {text}")


def _nested(rule: HazardRule, review: Review) -> Iterator[Finding]:
    inside = wrapped = review.migration.one_transaction
    for case, action in review.actions:
        if action.kind is Act.BEGIN:
            if inside:
                yield rule.finding(case, "BEGIN inside a transaction does nothing")
            inside = True
        elif action.kind in (Act.COMMIT, Act.ROLLBACK) and not action.nested:
            if wrapped:
                text = "ends the transaction of the migration tool, not one of the file"
                yield rule.finding(case, text)
            elif not inside:
                yield rule.finding(case, "there is no transaction to end")
            # AND CHAIN begins the next transaction at once. https://www.postgresql.org/docs/current/sql-commit.html
            inside = action.has("chain")
            wrapped = False


def _piled_up(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for cases in review.together.values():
        mine: dict[str, int] = {}
        for case in cases:
            for lock in case.seen.locks:
                if lock.mode.blocks_reads and lock.relation.existed and lock.relation.kind in ("r", "p"):
                    mine.setdefault(str(lock.relation.name), case.written.number)
            if len(set(mine.values())) > 1:
                text = f"the transaction holds ACCESS EXCLUSIVE on {listed(sorted(mine))} at the same time"
                yield rule.finding(case, text)
                break


NOT_IN_TRANSACTION = HazardRule(
    "F21 not-in-transaction",
    "a statement that refuses a transaction block stands in one",
    "CONCURRENTLY, VACUUM, CREATE DATABASE and ALTER SYSTEM fail inside BEGIN … COMMIT, or when the migration tool "
    "wraps the file (25001).",
    "Move it behind COMMIT, or tell the migration tool to run the file without a transaction.",
    "BEGIN;\nCREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);\nCOMMIT;",
    "CREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
    "sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    fails=error("25001"),
    safer=_outside,
)

TRANSACTION_OPEN = HazardRule(
    "T03 transaction-open",
    "the file ends inside a transaction",
    "Without COMMIT nothing of it stays, or the locks stay as long as the session.",
    "COMMIT at the end.",
    "BEGIN;\nALTER TABLE orders ADD COLUMN note text;",
    "BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;",
    "sql-commit.html",
    severity=Severity.WARNING,
    find=_left_open,
)

UNENDED = HazardRule(
    "T06 statement-unended",
    "a statement without its semicolon",
    "psql runs it at the end of the file. goose and sql-migrate refuse the file, and whoever puts files together has "
    "one statement out of two.",
    "A semicolon.",
    "SELECT 1;\nALTER TABLE orders ADD COLUMN note text",
    "SELECT 1;\nALTER TABLE orders ADD COLUMN note text;",
    "sql-syntax-lexical.html",
    severity=Severity.WARNING,
    find=_unended,
)

TRANSACTION_NESTED = HazardRule(
    "T04 transaction-nested",
    "BEGIN inside a transaction, or COMMIT outside one",
    "The server only warns: an inner BEGIN does nothing, the first COMMIT ends everything, and what comes after "
    "runs on its own. A COMMIT in a file that the migration tool wraps ends the tool's transaction.",
    "One BEGIN, one COMMIT; SAVEPOINT for parts.",
    "BEGIN;\nBEGIN;\nSELECT 1;\nCOMMIT;\nCOMMIT;",
    "BEGIN;\nSAVEPOINT part;\nSELECT 1;\nCOMMIT;",
    "sql-begin.html",
    severity=Severity.WARNING,
    find=_nested,
)

LOCKS_PILE_UP = HazardRule(
    "T05 locks-pile-up",
    "one transaction takes strong locks on several tables",
    "All of them are held until COMMIT, and two such transactions in different order deadlock.",
    "One transaction for each table, where the changes do not depend on each other.",
    "BEGIN;\nALTER TABLE orders ADD COLUMN a int;\nALTER TABLE people ADD COLUMN b int;\nCOMMIT;",
    "ALTER TABLE orders ADD COLUMN a int;\nALTER TABLE people ADD COLUMN b int;",
    "explicit-locking.html#LOCKING-DEADLOCKS",
    find=_piled_up,
)


_WALKS = frozenset({WorkKind.REWRITE, WorkKind.VERIFY})


def _walked_again(rule: HazardRule, review: Review) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for case in review.cases:
        if not any(w.kind in _WALKS and w.relation.existed and not w.online for w in case.seen.work):
            continue
        altered = {name_of(a) for a in case.actions if a.sql.lstrip()[:11].upper() == "ALTER TABLE"}
        for table in altered:
            seen[table] = seen.get(table, 0) + 1
            if seen[table] == 2:
                yield rule.finding(case, f"{table} is walked through again: one ALTER TABLE could do both")


MANY_ALTERS = HazardRule(
    "D10 many-alters",
    "several ALTER TABLE of one table, each rewriting or reading it",
    "Each statement walks through the table again; one ALTER TABLE with several subcommands walks once.",
    "Join the subcommands with commas.",
    "ALTER TABLE orders ALTER a TYPE bigint;\nALTER TABLE orders ALTER b TYPE bigint;",
    "ALTER TABLE orders ALTER a TYPE bigint, ALTER b TYPE bigint;",
    "sql-altertable.html",
    find=_walked_again,
)


# Zero switches a timeout off. https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
_NONE = ("0", "0s", "0ms", "")


def _no_lock_timeout(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in _untimed(review, "lock_timeout", lambda c: bool(c.verdict.blocked)):
        table = case.verdict.blocked[0].table.short
        text = f"waits for its lock on {table} as long as it takes, and everybody behind it waits too"
        yield replace(rule.finding(case, text), instead=f"SET lock_timeout = '2s';\n{case.written.sql};")


def _no_statement_timeout(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in _untimed(review, "statement_timeout", lambda c: c.long):
        table = case.verdict.blocked[0].table.short
        text = f"nothing ends the statement if it takes longer than you think while {table} is locked"
        instead = f"SET statement_timeout = '30s';\n{case.written.sql};"
        yield replace(rule.finding(case, text), instead=instead)


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


NO_LOCK_TIMEOUT = HazardRule(
    "T01 no-lock-timeout",
    "nothing ends the wait for a lock",
    "While the statement waits for its lock, everybody who comes after waits behind it.",
    "SET lock_timeout at the top of the file, and try again when it strikes.",
    "ALTER TABLE orders ADD COLUMN note text;",
    "SET lock_timeout = '2s';\nALTER TABLE orders ADD COLUMN note text;",
    "runtime-config-client.html#GUC-LOCK-TIMEOUT",
    find=_no_lock_timeout,
)

NO_STATEMENT_TIMEOUT = HazardRule(
    "T02 no-statement-timeout",
    "nothing ends a statement that takes too long under its lock",
    "A statement that was expected to take a moment keeps its lock however long it takes.",
    "SET statement_timeout for the part that takes locks (not for CONCURRENTLY builds and validation).",
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "SET statement_timeout = '5s';\nALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "runtime-config-client.html#GUC-STATEMENT-TIMEOUT",
    find=_no_statement_timeout,
)
