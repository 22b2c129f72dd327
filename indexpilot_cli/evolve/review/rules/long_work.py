"""Long work that no single action explains, or that nobody waits for yet: held locks, bulk changes, a wait queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.core.units import listed
from indexpilot_cli.evolve.review.case import Review, StatementCase, span
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.sql.ddl.action import Act

_ROWS = frozenset(
    {Act.SELECT, Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE, Act.COPY, Act.ANALYZE, Act.CREATE_TABLE_AS}
)


def _harmless(case: StatementCase) -> bool:
    """Whether the statement by itself keeps nobody waiting."""
    harmless = (a.kind in _ROWS or a.kind is Act.VALIDATE_CONSTRAINT for a in case.actions)
    return bool(case.actions) and all(harmless)


def _earlier(case: StatementCase) -> tuple[StatementCase, ...]:
    return tuple(c for c in case.review.together[case.seen.transaction] if c is not case)


def _locked(case: StatementCase) -> bool:
    kinds: set[Act] = set()
    for other in _earlier(case):
        kinds |= {a.kind for a in other.actions}
    return Act.LOCK in kinds


def _under_earlier_lock(case: StatementCase) -> bool:
    return _harmless(case) and bool(_earlier(case)) and not _locked(case)


def _under_lock_table(case: StatementCase) -> bool:
    return _harmless(case) and _locked(case)


def _otherwise(case: StatementCase) -> bool:
    return not _harmless(case) or not _earlier(case)


def _bulk(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.cases:
        # ROW EXCLUSIVE keeps no reader and no writer of other rows waiting; what else is locked is another rule's.
        if case.verdict.impact is not Impact.LONG_ONLINE or any(a.kind is Act.COPY for a in case.actions):
            continue
        changed = [str(w.relation.name) for w in case.seen.work if w.kind is WorkKind.MODIFY and w.relation.existed]
        if not any(name in " ".join(case.verdict.work) for name in changed):
            continue
        worst, time = listed(case.verdict.work, 2), span(case.verdict.duration)
        text = f"{case.hidden}{worst} in one go{' ' * bool(time)}{time}: its rows stay locked until the end"
        yield replace(rule.finding(case, text), duration=case.verdict.duration)


def _queued(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.cases:
        if not case.verdict.queue or case.verdict.impact is Impact.FAILS:
            continue
        first = max(case.verdict.queue, key=lambda q: q.seconds)
        text = (
            f"pid {first.pid} ({first.user}) has an open transaction on {first.table} for {first.seconds:.0f} s: "
            "the statement would wait for it, and everybody behind the statement"
        )
        yield case.with_lock(replace(rule.finding(case, text), table=first.table))


WORK_UNDER_LOCK = HazardRule(
    "L35 work-under-lock",
    "long work while the transaction holds a lock others need",
    "A lock is held until the transaction ends. What is harmless alone keeps others waiting when an earlier "
    "statement of the same transaction has locked a table.",
    "COMMIT before the long part, or put it into a migration of its own.",
    "BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nUPDATE orders SET note = '';\nCOMMIT;",
    "ALTER TABLE orders ADD COLUMN note text;\nUPDATE orders SET note = '' WHERE id BETWEEN 1 AND 1000;",
    "explicit-locking.html#LOCKING-TABLES",
    unexplained=_under_earlier_lock,
    splits=True,
)

TABLE_LOCKED = HazardRule(
    "L36 table-locked",
    "LOCK TABLE, then long work",
    "An explicit lock is held until the transaction ends.",
    "Lock as weakly and as late as possible; set lock_timeout.",
    "BEGIN;\nLOCK TABLE orders;\nUPDATE orders SET note = '';\nCOMMIT;",
    "BEGIN;\nLOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE;\nUPDATE orders SET note = '';\nCOMMIT;",
    "explicit-locking.html#LOCKING-TABLES",
    unexplained=_under_lock_table,
    left="the explicit lock is held until the transaction ends",
)

LONG_BLOCK = HazardRule(
    "L37 long-block",
    "others wait for long",
    "The statement works on something big while its transaction holds a lock that readers or writers need.",
    "Split the work so that what takes long runs without that lock, or run it at a quiet hour.",
    "DO $$ BEGIN ALTER TABLE orders ALTER COLUMN id TYPE bigint; END $$;",
    "ALTER TABLE orders ADD COLUMN id_new bigint;",
    "explicit-locking.html#LOCKING-TABLES",
    unexplained=_otherwise,
    left="what it does cannot be split by rules",
)

BULK_CHANGE = HazardRule(
    "L38 bulk-change",
    "very many rows are changed at once",
    "Nobody waits for the table, but every changed row stays locked until the end, dead rows pile up, and a "
    "failure at the end loses all the work.",
    "Change some thousand rows at a time, each batch its own transaction.",
    "UPDATE orders SET note = '';",
    "UPDATE orders SET note = '' WHERE id BETWEEN 1 AND 1000;",
    "routine-vacuuming.html",
    severity=Severity.WARNING,
    find=_bulk,
)

WAIT_QUEUE = HazardRule(
    "L39 wait-queue",
    "somebody stands in front of the lock now",
    "A lock that must wait for an open transaction makes everybody behind it wait too: even a lock held for a "
    "millisecond stops the table for as long as that transaction stays open.",
    "SET lock_timeout to a second or two and try again; end the transaction that is in the way first.",
    "ALTER TABLE orders ADD COLUMN note text;",
    "SET lock_timeout = '1s';\nALTER TABLE orders ADD COLUMN note text;",
    "runtime-config-client.html#GUC-LOCK-TIMEOUT",
    severity=Severity.WARNING,
    find=_queued,
)
