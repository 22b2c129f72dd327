"""Writing many rows without getting in anybody's way: short transactions over ranges of pages, until none is left.

Pages, not keys: every row version written after the trigger is there is in step already, so only versions that were
there before have to be visited, and they are where they were. Any table will do, with or without a key.
A batch waits for a row no longer than its lock timeout and lasts no longer than half of ``deadlock_timeout``: it gives
up before the server would have to choose a victim, so the victim is never a session of the application.
https://www.postgresql.org/docs/current/runtime-config-locks.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.core import units
from indexpilot_cli.core.ddl import Select, Update
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import attempts, is_busy
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError
from indexpilot_cli.execute.context import StepRun

_TID_RANGES = 140000  # a range of row addresses is read as a range from 14 on
_OFFSETS = 291  # most rows on a page of 8 kB; larger pages hold more
_LONGEST = 400  # milliseconds
_ROW_LOCK = 100  # milliseconds
_SLOW = "57014"
_PAGES = "SELECT pg_catalog.pg_relation_size(%s::regclass) / pg_catalog.current_setting('block_size')::int"
_FIRST = 64  # pages
_LOOK = 8192  # pages read at a time
_TELL = 2.0  # seconds between two notes of how far we are
_LAG = 1.0  # seconds between two looks at the standbys
_PASSES = 6
_STUBBORN = 40  # tries for one page that is always locked
_LONG = 800  # milliseconds for a page whose rows take long by themselves


@dataclass(frozen=True, slots=True)
class Batch:
    """How one range of pages went: rows written, or why it has to be tried again (``busy`` or ``slow``)."""

    start: int
    end: int
    rows: int = 0
    seconds: float = 0.0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class BackfillWork:
    """What to do to the rows of a table that meet ``condition``: ``target`` gets ``value``, all SQL text.

    ``quiet``: triggers for ordinary sessions do not run (needs a superuser). ``settles``: rows may go on meeting the
    condition (a default that gives NULL) without that being wrong. ``title`` is what people read.
    """

    table: QualifiedName
    target: str
    value: str
    condition: str
    quiet: bool = False
    settles: bool = False
    title: str = ""


@dataclass(slots=True)
class _Backfill:
    """One pass over the table."""

    run: StepRun
    work: BackfillWork
    told: Callable[[int], None]
    size: int
    last_told: float = 0.0
    last_lag: float = 0.0


def fill_all(run: StepRun, work: BackfillWork, start: int, told: Callable[[int], None]) -> int:
    """Write until no row meets the work's condition; gives how many do in the end, which is none but for ``settles``.

    ``told`` is given the page up to which everything is written. Raises RefusedError when rows stay locked or out of
    step; whatever is wrong with a value comes out as the server said it.
    """
    first, remain, before = start, 0, -1
    for _ in range(_PASSES):
        end = length(run.session, work.table)
        run.ctx.progress.stage(work.title or f"filling {work.target}", float(max(end - first, 1)))
        _walk(_Backfill(run, work, told, min(_FIRST, run.pace.pages)), first, end)
        run.ctx.progress.stage(f"looking at every row of {work.target}", float(max(end, 1)))
        remain = left(run, work)
        if not remain or (work.settles and remain == before):
            return remain
        first, before = 0, remain
    if work.settles:
        return remain
    raise RefusedError(
        f"{work.target} is not in step after {_PASSES} passes",
        detail="something changes rows without the trigger",
        hint="indexpilot schema-evolve rollback takes the change back",
        code="not_in_step",
    )


def left(run: StepRun, work: BackfillWork) -> int:
    """How many rows meet the work's condition; read in pieces, so that no long snapshot stays open."""
    found = 0
    size = _LOOK if run.session.version >= _TID_RANGES else _FIRST
    for first, last in ranges(0, length(run.session, work.table), size):
        run.check()
        found += count(run.session, work, first, last)
        run.ctx.progress.advance(last - first)
    return found


def _walk(one: _Backfill, start: int, end: int) -> None:
    """From page to page; ranges in which a row stayed locked are visited again at the end."""
    waiting: list[tuple[int, int]] = []
    at = start
    while at < end:
        batch = _batch(one, at, min(at + one.size, end))
        if batch.failed is None:
            at = batch.end
            _noted(one, at if not waiting else waiting[0][0])
        elif one.size > 1:
            one.size = max(1, one.size // 4)
        else:
            one.run.ctx.progress.say(f"rows on page {at} of {one.work.table.short} are busy: they come last")
            waiting.append((batch.start, batch.end))
            at = batch.end
    for first, last in waiting:
        _insist(one, first, last)
    one.told(end)


def _insist(one: _Backfill, first: int, last: int) -> None:
    """One page until it is written; rows that take long by themselves (a slow trigger) get longer each time."""
    longest = _LONG
    for attempt in attempts(one.run.ctx.stop, _STUBBORN, longest=3):
        one.run.tries = max(one.run.tries, attempt + 1)
        batch = _batch(one, first, last, longest=longest)
        if batch.failed is None:
            return
        if batch.failed == "slow":
            longest *= 2
    one.run.check()
    raise RefusedError(
        f"rows on page {first} of {one.work.table.short} stay locked",
        hint="end the transaction that holds them and run the same command again: it goes on where it stopped",
        code="rows_locked",
    )


def _batch(one: _Backfill, first: int, last: int, longest: int | None = None) -> Batch:
    run = one.run
    run.check()
    _wait_for_standbys(one)
    run.tries = max(run.tries, 1)
    batch = fill(run.session, one.work, first, last, longest=longest)
    run.rows += batch.rows
    if batch.failed is None:
        run.ctx.progress.advance(last - first)
        one.size = min(next_size(one.size, batch.seconds, run.pace.batch_ms / 1000), run.pace.pages)
    run.ctx.stop.sleep(batch.seconds * run.pace.rest)
    return batch


def _noted(one: _Backfill, page: int) -> None:
    if time.monotonic() - one.last_told > _TELL:
        one.last_told = time.monotonic()
        one.told(page)


def _wait_for_standbys(one: _Backfill) -> None:
    """Nothing is written while a standby is far behind: what it has not replayed is kept as WAL on this server."""
    if time.monotonic() - one.last_lag < _LAG:
        return
    said = False
    while (behind := lag_bytes(one.run.ctx.look)) > one.run.pace.max_lag_bytes:
        one.run.check()
        if not said:
            one.run.ctx.progress.say(f"waits for a standby that is {units.size(behind)} behind")
            said = True
        one.run.ctx.stop.sleep(_LAG)
    one.last_lag = time.monotonic()


def length(session: Session, table: QualifiedName) -> int:
    """Pages of the table's own file now."""
    return int(session.value(_PAGES, (str(table),)))


def lag_bytes(session: Session) -> float:
    """How far the furthest standby is behind, as far as we may see."""
    return float(session.value("online/lag") or 0.0)


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


def fill(session: Session, work: BackfillWork, start: int, end: int, *, longest: int | None = None) -> Batch:
    """Write the rows on pages ``start`` to ``end`` (exclusive): one statement and no more, so that no row stays locked
    when this program is stopped.

    Gives how it went; raises what is no matter of time or locks (a value that cannot be converted, a lost server).
    """
    rows_on = f"WHERE {pages(session, start, end)} AND {work.condition}"
    statement = Update(f"ONLY {work.table}", f"{work.target} = {work.value}", rows_on)
    began = time.monotonic()
    try:
        with _limits(session, longest or _LONGEST, quiet=work.quiet):
            rows = session.execute(statement)
    except IndexPilotError as error:
        busy = is_busy(error)
        if not busy and (sqlstate(error) != _SLOW or session.closed):
            raise
        return Batch(start, end, 0, time.monotonic() - began, "busy" if busy else "slow")
    return Batch(start, end, max(rows, 0), time.monotonic() - began)


def count(session: Session, work: BackfillWork, start: int, end: int) -> int:
    """How many rows on the pages meet the condition."""
    rows_on = f"WHERE {pages(session, start, end)} AND {work.condition}"
    return int(session.value(Select("count(*)", f"ONLY {work.table}", rows_on)))


def pages(session: Session, start: int, end: int) -> str:
    """The condition that a row is on one of the pages."""
    if session.version >= _TID_RANGES:
        return f"ctid >= '({int(start)},0)'::pg_catalog.tid AND ctid < '({int(end)},0)'::pg_catalog.tid"
    places = Select(
        "('(' || page || ',' || place || ')')::pg_catalog.tid",
        f"pg_catalog.generate_series({int(start)}, {int(end) - 1}) AS page,"
        f" pg_catalog.generate_series(1, {_OFFSETS}) AS place",
    )
    return f"ctid = ANY (ARRAY({places}))"


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
    bound = longest
    if longest <= _LONG and patience is not None and patience >= 100:
        bound = min(longest, max(100, int(patience) // 2))
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
    session.value(f"SELECT {calls}", list(chain.from_iterable(wanted.items())))
