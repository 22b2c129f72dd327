"""One step of a change of the database, carried out in its manner.

BRIEF: all statements in one transaction that asks for its locks, waits shortly and tries again. PATIENT: each alone, a
short wait for the lock and as long as it takes for the work, beside which everybody reads and writes. BATCHED: rows
written in short transactions until none is left. ALONE: an index built CONCURRENTLY, which refuses a transaction block
and must not have a lock timeout.
https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.core.ddl import drop_index
from indexpilot_cli.core.mutation import Blocker, IndexFacts
from indexpilot_cli.core.names import QualifiedName, quote_literal
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import SHORT, attempts, blocker, is_busy, until_free, worth_retrying
from indexpilot_cli.db.queries import marked
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError, UnreachableError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.backfill import BackfillWork, fill_all
from indexpilot_cli.execute.build import is_usable
from indexpilot_cli.execute.context import RunContext, StepRun
from indexpilot_cli.execute.events import tell_drop
from indexpilot_cli.execute.signals import StopRequested
from indexpilot_cli.execute.watch import STOPPED, Ended, StatementWatch, watched

_YIELDS_TO_US = 1.0  # seconds, deadlock_timeout as it is usually: autovacuum gives way to who has waited so long
_ASK_ANYWAY = 3  # while somebody keeps a lock for long, only every third try stands in the queue


class StepManner(StrEnum):
    """How statements are run."""

    BRIEF = "brief"
    PATIENT = "patient"
    BATCHED = "batched"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class DatabaseStep:
    """What to run, and how. ``exclusive`` are tables to lock against everybody first.

    ``waits_for``: tables whose long lockers are looked at before their lock is asked for; ``exclusive`` are among them.
    ``check`` is called under the locks and may refuse; ``record`` writes in the same transaction, or behind work that
    is not one transaction. ``fill`` is what a BATCHED step writes, ``told`` hears the page up to which it is written
    (``page``: where to begin). ``index`` is what an ALONE step builds; ``ours`` tells whether the index that has its
    name is that one, ``tablespace`` where it goes.
    """

    title: str
    statements: tuple[str, ...] = ()
    manner: StepManner = StepManner.BRIEF
    exclusive: tuple[QualifiedName, ...] = ()
    waits_for: tuple[QualifiedName, ...] = ()
    check: Callable[[], None] | None = None
    record: Callable[[Session], None] | None = None
    fill: BackfillWork | None = None
    page: int = 0
    told: Callable[[int], None] = lambda _page: None
    index: QualifiedName | None = None
    ours: Callable[[], bool] | None = None
    tablespace: str = ""


def perform(run: StepRun, step: DatabaseStep) -> None:
    """The step stands afterwards.

    Raises StopRequested (somebody asked to stop; what was begun is undone, and another run goes on), RefusedError when
    its locks were never free, and whatever the server says.
    """
    match step.manner:
        case StepManner.BRIEF:
            _persist(run, step, lambda: through(run, lambda: _transaction(run, step), step.title))
        case StepManner.PATIENT:
            for statement in step.statements:
                _persist(run, step, lambda text=statement: _patiently(run, step, text))  # type: ignore[misc]
        case StepManner.BATCHED if step.fill is not None:
            fill_all(run, step.fill, step.page, step.told)
        case StepManner.ALONE:
            for statement in step.statements:
                _build(run, step, statement)
    if step.record is not None and step.manner is not StepManner.BRIEF:
        step.record(run.ctx.log)


def through(run: StepRun, work: str | Callable[[], object], title: str) -> None:
    """The statement to its end under watch. Raises what the server says, StopRequested when somebody asks to stop."""
    run.check()
    ended = watched(run.ctx, run.session, work, StatementWatch(run.session.backend_pid, title))
    run.blockers = ended.blockers or run.blockers
    if ended.error is not None and ended.cancelled == STOPPED:
        raise StopRequested from ended.error
    if ended.error is not None:
        raise ended.error
    if ended.lost:
        raise UnreachableError("the connection was lost", code="connection_lost")


def long_lockers(run: StepRun, tables: Sequence[QualifiedName]) -> tuple[Blocker, ...]:
    """Who has kept a lock on the tables for longer than we would wait; autovacuum is left out."""
    rows = _lockers(run, tables, run.pace.lock_ms / 1000)
    return tuple(who for who, automatic in rows if not automatic)


def lost(error: IndexPilotError) -> bool:
    """Whether the connection is gone, so that nobody knows what stands; a cancelled statement is simply undone."""
    return isinstance(error, UnreachableError) and sqlstate(error) != "57014"


# -- one lock, asked for until it is free


def _persist(run: StepRun, step: DatabaseStep, action: Callable[[], None]) -> None:
    tries = run.pace.tries

    def ask(attempt: int) -> None:
        run.check()
        run.tries = max(run.tries, attempt)
        _let_vacuum_finish(run, step)
        if attempt % _ASK_ANYWAY and attempt < tries:
            _not_behind(run, step)
        action()

    def busy(attempt: int, _error: IndexPilotError) -> None:
        run.blockers = run.blockers or _in_front(run, step)
        if attempt < tries:
            whom = f": waiting for {run.blockers[0]}" if run.blockers else ""
            run.ctx.progress.say(f"{step.title}: the table is busy, try {attempt} of {tries}{whom}")

    try:
        until_free(attempts(run.ctx.stop, tries, longest=4), ask, busy)
    except IndexPilotError as error:
        if run.ctx.stop.requested and is_busy(error):
            raise StopRequested from error
        raise


def _not_behind(run: StepRun, step: DatabaseStep) -> None:
    """Behind a request that waits for a long transaction everybody would wait too: it is not made at all.

    Measured with one such reader and ten later SELECTs: without a limit all ten waited as long as the reader lived.
    """
    found = long_lockers(run, step.exclusive or step.waits_for) if step.exclusive or step.waits_for else ()
    if found:
        run.blockers = found
        raise RefusedError("a lock was not free in time", detail=str(found[0]), code="lock_timeout")


def _in_front(run: StepRun, step: DatabaseStep) -> tuple[Blocker, ...]:
    """Who holds the tables now: the watch, which looks ten times a second, may have seen nobody on a busy machine."""
    with suppress(IndexPilotError):
        return tuple(who for who, _ in _lockers(run, step.exclusive or step.waits_for, 0.0))
    return ()


def _let_vacuum_finish(run: StepRun, step: DatabaseStep) -> None:
    """Only a superuser's request makes autovacuum give way; others wait, without anybody waiting behind them."""
    tables = step.exclusive or step.waits_for
    if run.early or not tables:
        return
    said = False
    while any(automatic for _, automatic in _lockers(run, tables, 0.0)):
        run.check()
        if not said:
            run.ctx.progress.say(f"{step.title}: waits for autovacuum to finish with the table")
            said = True
        run.ctx.stop.sleep(1.0)


def _lockers(run: StepRun, tables: Sequence[QualifiedName], older: float) -> Iterator[tuple[Blocker, bool]]:
    known = (build.relation_kind(run.ctx.look, table) for table in tables)
    relids = [found[0] for found in known if found is not None]
    pid = run.session.backend_pid
    for row in run.ctx.look.rows("online/lockers", {"relids": relids, "pid": pid, "older": older}):
        yield blocker(row), bool(row.automatic)


# -- manners


def _transaction(run: StepRun, step: DatabaseStep) -> None:
    """One try: all or nothing. Our death or silence in it frees the table at once."""
    session, wait = run.session, run.pace.lock_ms / 1000
    if wait < _YIELDS_TO_US:
        wait *= 0.5 + random.random() / 2
    # A client stopped or cut off between two statements would keep its locks: the server ends it instead (25P03).
    idle = "1s" if step.exclusive else "10s"
    with session.transaction():
        session.value(
            "SELECT pg_catalog.set_config('lock_timeout', %s, true) AS a,"
            " pg_catalog.set_config('idle_in_transaction_session_timeout', %s, true) AS b",
            (f"{round(wait * 1000)}ms", idle),
        )
        if step.exclusive:
            lockable = [str(t) for t in step.exclusive if t == run.table or _may_lock(session, t)]
            session.execute(f"LOCK TABLE {', '.join(lockable)} IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        _same_table(run)
        if step.check is not None:
            step.check()
        for text in (_block(step.statements),) if step.exclusive else step.statements:
            session.execute(text)
        if step.record is not None:
            step.record(session)
    if step.exclusive:
        run.lock_seconds = max(run.lock_seconds, time.monotonic() - began)


def _block(statements: Sequence[str]) -> str:
    """All of them in one, so that the locks are held while the server works and not while it waits for us."""
    body = "".join(f"EXECUTE {quote_literal(marked(statement))}; " for statement in statements)
    return f"DO {quote_literal(f'BEGIN {body}END')}"


def _may_lock(session: Session, table: QualifiedName) -> bool:
    """LOCK TABLE asks for a privilege to write; a role with none leaves the lock to the statement that needs it."""
    return bool(session.value("SELECT pg_catalog.has_table_privilege(%s, 'UPDATE, DELETE, TRUNCATE')", (str(table),)))


def _same_table(run: StepRun) -> None:
    found = build.relation_kind(run.session, run.table)
    if found is None or found[0] != run.relid:
        raise RefusedError(
            f"{run.table.short} is another table now",
            detail="it was renamed, replaced or dropped",
            hint="put the name back and run the same command again",
            code="stale_plan",
        )


def _patiently(run: StepRun, step: DatabaseStep, statement: str) -> None:
    build.set_lock_timeout(run.session, run.pace.lock_ms / 1000)
    try:
        through(run, statement, step.title)
    finally:
        if not run.session.closed:
            build.set_lock_timeout(run.session, 0)


def _build(run: StepRun, step: DatabaseStep, statement: str) -> None:
    """The index is there and usable; an invalid one that is ours is removed and built again."""
    assert step.index is not None
    for attempt in attempts(run.ctx.stop, run.pace.tries):
        run.check()
        run.tries = max(run.tries, attempt)
        found = build.find_index(run.session, step.index)
        if found is not None and step.ours is not None and not step.ours():
            raise RefusedError(f"the name {step.index} belongs to something else", code="name_taken")
        if found is not None and is_usable(found):
            return
        if found is not None and _cleaned(run, step.index) is not None:
            continue
        if _built(run, step, statement):
            return
    run.check()
    hint = "run the same command again"
    raise RefusedError(f"index {step.index} could not be built", hint=hint, code="busy")


def _built(run: StepRun, step: DatabaseStep, statement: str) -> bool:
    """One try. A duplicate or another refusal of the data is raised; a lock or a deadlock only means once more."""
    assert step.index is not None
    build.set_lock_timeout(run.session, 0)  # a timeout would leave an invalid index; the watcher cancels instead
    build.set_tablespace(run.session, step.tablespace)
    watch = StatementWatch(run.session.backend_pid, step.title, first_lock=run.pace.lock_ms / 1000)
    ended = watched(run.ctx, run.session, statement, watch)
    run.blockers = ended.blockers or run.blockers
    if ended.lost:
        raise OutcomeUnknownError("the connection was lost while an index was built", code="connection_lost")
    if ended.error is None:
        return True
    return _failed(run, step.index, ended)


def _failed(run: StepRun, index: QualifiedName, ended: Ended) -> bool:
    if ended.cancelled == STOPPED:
        _cleaned(run, index)
        raise StopRequested from ended.error
    if ended.error is not None and not worth_retrying(ended.sqlstate):
        _cleaned(run, index)
        raise ended.error
    return False


def _cleaned(run: StepRun, index: QualifiedName) -> IndexFacts | None:
    """What has the name once our invalid index is removed."""
    remnant = build.find_index(run.session, index)
    return None if remnant is None or is_usable(remnant) else clean(run.ctx, run.session, remnant).found


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is there afterwards (None: nothing) and the last error."""

    found: IndexFacts | None
    error: IndexPilotError | None = None


def clean(ctx: RunContext, session: Session, remnant: IndexFacts) -> Cleaned:
    """Drop the remnant unless it has become valid, is being built, or is another index by now.

    The session must hold the table's lock. A stop request does not end the work: what is begun is cleaned up.
    """
    build.set_lock_timeout(session, ctx.limits.lock)
    error: IndexPilotError | None = None
    for _ in attempts(ctx.stop, SHORT, obstinate=True):
        # Read again right before each DROP: it would wait for an orphaned build and drop what has just become valid.
        found = build.find_index(session, remnant.name)
        if found is None or found.oid != remnant.oid or is_usable(found) or found.builder is not None:
            return Cleaned(found, error)
        ctx.progress.say(f"removing what is left of {remnant.name}")
        try:
            session.execute(drop_index(remnant.name, concurrently=not remnant.partitioned))
            tell_drop(ctx, remnant.table, remnant.name, "invalid remnant of a build")
        except IndexPilotError as failed:
            error = failed
            if session.closed:
                raise
    return Cleaned(build.find_index(session, remnant.name), error)
