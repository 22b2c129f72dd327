"""Transactions left open or nested, strong locks that pile up in one, statements that refuse one."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import RunState
from indexpilot_cli.evolve.review.case import Review, StatementCase, listed
from indexpilot_cli.evolve.review.rule import Rule, error
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action


def _outside(_action: Action, case: StatementCase) -> str:
    wrapped = case.review.migration.one_transaction
    lead = "-- in a file that the migration tool does not wrap in a transaction:" if wrapped else "COMMIT;"
    return f"{lead}\n{case.written.sql};"


def _left_open(review: Review) -> Iterator[Finding]:
    failed = any(c.seen.state is RunState.FAILED for c in review.cases)
    if review.observation.open_transaction and review.cases and not review.migration.one_transaction and not failed:
        text = "the file ends without COMMIT: nothing of its last transaction stays"
        yield TRANSACTION_OPEN.finding(review.cases[-1], text)


def _nested(review: Review) -> Iterator[Finding]:
    inside = wrapped = review.migration.one_transaction
    for case, action in review.actions:
        if action.kind is Act.BEGIN:
            if inside:
                yield TRANSACTION_NESTED.finding(case, "BEGIN inside a transaction does nothing")
            inside = True
        elif action.kind in (Act.COMMIT, Act.ROLLBACK) and not action.nested:
            if wrapped:
                text = "ends the transaction of the migration tool, not one of the file"
                yield TRANSACTION_NESTED.finding(case, text)
            elif not inside:
                yield TRANSACTION_NESTED.finding(case, "there is no transaction to end")
            inside = action.has("chain")
            wrapped = False


def _piled_up(review: Review) -> Iterator[Finding]:
    for cases in review.together.values():
        mine: dict[str, int] = {}
        for case in cases:
            for lock in case.seen.locks:
                if lock.mode.blocks_reads and lock.relation.existed and lock.relation.kind in ("r", "p"):
                    mine.setdefault(str(lock.relation.name), case.written.number)
            if len(set(mine.values())) > 1:
                text = f"the transaction holds ACCESS EXCLUSIVE on {listed(sorted(mine))} at the same time"
                yield LOCKS_PILE_UP.finding(case, text)
                break


NOT_IN_TRANSACTION = Rule(
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

TRANSACTION_OPEN = Rule(
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

TRANSACTION_NESTED = Rule(
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

LOCKS_PILE_UP = Rule(
    "T05 locks-pile-up",
    "one transaction takes strong locks on several tables",
    "All of them are held until COMMIT, and two such transactions in different order deadlock.",
    "One transaction for each table, where the changes do not depend on each other.",
    "BEGIN;\nALTER TABLE orders ADD COLUMN a int;\nALTER TABLE people ADD COLUMN b int;\nCOMMIT;",
    "ALTER TABLE orders ADD COLUMN a int;\nALTER TABLE people ADD COLUMN b int;",
    "explicit-locking.html#LOCKING-DEADLOCKS",
    find=_piled_up,
)
