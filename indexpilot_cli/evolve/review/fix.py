"""A safer file: the same changes, with what takes long done beside readers and writers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.replacements import Arrangement, Replacement, begins_untimed, render, replacement
from indexpilot_cli.evolve.review.values import Impact
from indexpilot_cli.sql.ddl.action import Act

# LOCK, SAVEPOINT and ROLLBACK count on what the same transaction did before: no part of it may commit early.
_HOLDS = frozenset({Act.SAVEPOINT, Act.LOCK, Act.ROLLBACK})
_COMPOSED = "left as it is: psql puts it together from other files, variables or branches; fix those files"
# What goose, sql-migrate and dbmate read as: no transaction around this file.
_MARKS = (
    (re.compile(r"^([ \t]*--[ \t]*\+goose[ \t]+up\b)", re.I | re.M), r"-- +goose NO TRANSACTION\n\1"),
    (re.compile(r"^([ \t]*--[ \t]*\+migrate[ \t]+up)\b", re.I | re.M), r"\1 notransaction"),
    (re.compile(r"^([ \t]*--[ \t]*migrate:up)\b", re.I | re.M), r"\1 transaction:false"),
)


@dataclass(frozen=True, slots=True)
class FixedMigration:
    """The safer text (the same when nothing can be made safer), what to know of it, and the statements that changed.

    ``verdict`` is what the clone said of it, once it has run there.
    """

    text: str
    notes: tuple[str, ...] = ()
    changed: tuple[int, ...] = ()
    verdict: Impact | None = None


def fix(review: Review) -> FixedMigration:
    """The file rewritten where the verdicts say that others wait; nothing else changes by a byte."""
    if review.catalog is not None and not review.catalog.tables:
        review = replace(review, catalog=None, server=review.version)
    migration = review.migration
    if migration.composed:
        return FixedMigration(migration.text, (_COMPOSED,))
    wanted = tuple(replacement(case) for case in review.cases)
    held = _held(review)
    wanted = tuple(_whole(r) if r.case.seen.transaction in held else r for r in wanted)
    outside = any(_leaves(r) for r in wanted)
    timeout = _needs_timeout(wanted)
    wrapped = migration.one_transaction and outside
    arrangement = Arrangement(timeout, wrapped)
    placed = arrangement.arrange(wanted)
    text = render(migration, placed, timeout=timeout and not begins_untimed(placed))
    notes: list[str] = []
    for one in wanted:
        notes += one.notes
    if wrapped:
        text, note = _unwrapped(text)
        notes.insert(0, note)
    elif arrangement.split:
        notes.insert(0, "a transaction was split: its parts commit one after another")
    notes += ["a transaction with savepoints, locks or a rollback was left whole"] * bool(held)
    changed = tuple(p.written.number for p in placed if p.after or p.texts not in (None, [p.written.sql]))
    return FixedMigration(text, tuple(dict.fromkeys(notes)), changed)


def _held(review: Review) -> frozenset[int]:
    """Transactions that mean something by being whole."""
    numbers = {c.seen.transaction for c, a in review.actions if a.kind in _HOLDS and not a.nested}
    return frozenset(numbers if review.migration.one_transaction else numbers & review.blocks)


def _whole(wanted: Replacement) -> Replacement:
    """In a transaction that stays whole only what runs inside one is changed."""
    return replace(wanted, steps=None) if _leaves(wanted) else wanted


def _leaves(wanted: Replacement) -> bool:
    """Whether a step must run outside the transaction of its statement."""
    return any(step.alone or step.apart for step in wanted.steps or ())


def _needs_timeout(wanted: Sequence[Replacement]) -> bool:
    """Whether something waits for a lock that others need and nothing in the file ends that wait."""
    for item in wanted:
        if any(a.kind is Act.SET and a.object == "lock_timeout" for a in item.case.actions):
            return False
        blocks = any(k.relation.existed and k.mode.blocks_writes for k in item.case.seen.locks)
        # CONCURRENTLY waits for older transactions under a weak lock: lock_timeout would end it (55P03) and leave an
        # invalid index.
        online = item.steps is not None and all(step.alone for step in item.steps)
        if blocks and not online and item.case.verdict.impact is not Impact.FAILS:
            return True
    return False


def _unwrapped(text: str) -> tuple[str, str]:
    """The text with the migration tool's own mark for no transaction, where the tool is known."""
    for pattern, with_mark in _MARKS:
        if pattern.search(text):
            newline = "\r\n" if "\r\n" in text else "\n"
            marked = pattern.sub(with_mark.replace("\\n", newline), text, count=1)
            return marked, "the migration tool is told not to wrap the file in a transaction"
    return text, "run this file without a transaction around it: tell the migration tool so"
