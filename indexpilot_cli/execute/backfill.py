"""Writing many rows without getting in anybody's way: short transactions over ranges of pages.

Pages, not keys: every row version written after the trigger is there is in step already, so only versions that were
there before have to be visited, and they are where they were. Any table will do, with or without a key.
A batch waits for a row no longer than its lock timeout and lasts no longer than half of ``deadlock_timeout``: it gives
up before the server would have to choose a victim, so the victim is never a session of the application.
https://www.postgresql.org/docs/current/runtime-config-locks.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError

_TID_RANGES = 140000  # a range of row addresses is read as a range from 14 on
_OFFSETS = 291  # most rows on a page of 8 kB; larger pages hold more
_LONGEST = 400  # milliseconds
_ROW_LOCK = 100  # milliseconds
_BUSY = frozenset({"55P03", "40P01", "40001"})
_SLOW = "57014"


@dataclass(frozen=True, slots=True)
class Batch:
    """How one range of pages went: rows written, or why it has to be tried again (``busy`` or ``slow``)."""

    start: int
    end: int
    rows: int = 0
    seconds: float = 0.0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What to do to the rows of a table that meet ``condition``: ``target`` gets ``value``, all SQL text.

    ``quiet``: triggers for ordinary sessions do not run (needs a superuser).
    """

    table: QualifiedName
    target: str
    value: str
    condition: str
    quiet: bool = False


def prepare(session: Session, pins: tuple[tuple[str, str], ...]) -> None:
    """Settings the expression may depend on, for the rest of the session."""
    for name, value in pins:
        session.value("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))


def look_early(session: Session) -> bool:
    """From now on the session looks for deadlocks at once: it is the one that gives up, and autovacuum gives way to it.

    Only a superuser may; False: autovacuum is to be waited for.
    """
    try:
        session.value("SELECT pg_catalog.set_config('deadlock_timeout', '20ms', false)")
    except PrerequisiteError:
        return False
    return True


def fill(session: Session, work: Work, start: int, end: int, *, longest: int | None = None) -> Batch:
    """Write the rows on pages ``start`` to ``end`` (exclusive): one statement and no more, so that no row stays locked
    when this program is stopped.

    Gives how it went; raises what is no matter of time or locks (a value that cannot be converted, a lost server).
    """
    text = f"UPDATE ONLY {work.table} SET {work.target} = {work.value} WHERE {pages(session, start, end)}"
    began = time.monotonic()
    try:
        with _limits(session, longest or _LONGEST, quiet=work.quiet):
            rows = session.execute(f"{text} AND {work.condition}")
    except IndexPilotError as error:
        state = sqlstate(error)
        if state in _BUSY or (state == _SLOW and not session.closed):
            return Batch(start, end, 0, time.monotonic() - began, "busy" if state in _BUSY else "slow")
        raise
    return Batch(start, end, max(rows, 0), time.monotonic() - began)


def count(session: Session, work: Work, start: int, end: int) -> int:
    """How many rows on the pages meet the condition."""
    question = f"SELECT count(*) FROM ONLY {work.table} WHERE {pages(session, start, end)} AND {work.condition}"
    return int(session.value(question))


def pages(session: Session, start: int, end: int) -> str:
    """The condition that a row is on one of the pages."""
    if session.version >= _TID_RANGES:
        return f"ctid >= '({int(start)},0)'::pg_catalog.tid AND ctid < '({int(end)},0)'::pg_catalog.tid"
    return (
        "ctid = ANY (ARRAY(SELECT ('(' || page || ',' || place || ')')::pg_catalog.tid"
        f" FROM pg_catalog.generate_series({int(start)}, {int(end) - 1}) AS page,"
        f" pg_catalog.generate_series(1, {_OFFSETS}) AS place))"
    )


def ranges(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """The pages from ``start`` to ``end`` in pieces of at most ``size``."""
    for first in range(start, end, size):
        yield first, min(first + size, end)


def next_size(size: int, seconds: float, aim: float) -> int:
    """How many pages the next batch should have: towards the aim (seconds), at most doubled, at least halved."""
    factor = 2.0 if seconds <= 0 else min(2.0, max(0.5, aim / seconds))
    return max(1, min(65_536, round(size * factor)))


@contextmanager
def _limits(session: Session, longest: int, *, quiet: bool) -> Iterator[None]:
    patience = session.value("SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'")
    bound = longest if patience is None or patience < 100 else min(longest, max(100, int(patience) // 2))
    _set(session, bound, min(_ROW_LOCK, bound), "replica" if quiet else None)
    try:
        yield
    finally:
        if not session.closed:
            _set(session, 0, 0, "origin" if quiet else None)


def _set(session: Session, statement: int, lock: int, role: str | None) -> None:
    """Milliseconds for a statement and for a lock, 0 for no limit; and whose triggers run (None: leave it)."""
    settings = {"statement_timeout": f"{statement}ms", "lock_timeout": f"{lock}ms", "session_replication_role": role}
    wanted = {name: value for name, value in settings.items() if value is not None}
    calls = ", ".join(f"pg_catalog.set_config(%s, %s, false) AS {name}" for name in wanted)
    session.value(f"SELECT {calls}", [part for pair in wanted.items() for part in pair])
