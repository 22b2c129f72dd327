"""Short transactions under strong locks: never asked for behind a long transaction, given up early, tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from indexpilot_cli.core.names import QualifiedName, quote_literal
from indexpilot_cli.db import locks
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, RefusedError, UnreachableError
from indexpilot_cli.evolve.change.online import state
from indexpilot_cli.evolve.change.online.values import OnlinePlan, Pace
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.watch import STOPPED, Watch, watched

_BUSY = frozenset({"55P03", "40P01"})
_ORPHAN = 30.0  # seconds a server gets to notice that an earlier run of ours died


class Interrupted(Exception):
    """Somebody asked to stop; everything is as the next run expects it."""


@dataclass(slots=True)
class Run:
    """A change under way. ``early``: autovacuum gives way to us.

    ``lock_seconds`` is the longest time one of our transactions kept others from reading.
    """

    ctx: RunContext
    session: Session
    plan: OnlinePlan
    pace: Pace
    early: bool = True
    rows: int = 0
    lock_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raises Interrupted when somebody asked to stop."""
        if self.ctx.stop.requested:
            raise Interrupted


def own_table(ctx: RunContext, session: Session, relid: int, what: str) -> None:
    """The table's lock among all who use IndexPilot; a session whose program died gets time to end.

    Raises RefusedError that names the other run.
    """
    end = time.monotonic() + _ORPHAN
    while not locks.try_lock(session, relid):
        holder = locks.holder(session, relid)
        if ctx.stop.requested:
            raise Interrupted
        if time.monotonic() >= end:
            raise RefusedError(
                f"another run works on {what}",
                detail=None if holder is None else str(holder),
                hint="try again when it is over; indexpilot history shows what it did",
                code="locked",
            )
        time.sleep(0.1)


def brief(
    run: Run,
    statements: Sequence[str],
    what: str,
    *,
    exclusive: Sequence[QualifiedName] = (),
    before: Callable[[], None] | None = None,
) -> None:
    """The statements in one transaction that waits ``lock_ms`` at most for each lock, tried again while it is busy.

    While a long transaction holds a lock, only every third try asks: behind our request everybody else would wait.
    ``exclusive`` are tables to lock against everybody first; ``before`` is called under that lock and may refuse.
    Raises RefusedError when the locks were never free, or the table's name belongs to another table by now.
    """
    for attempt in range(1, run.pace.tries + 1):
        run.check()
        _let_vacuum_finish(run, exclusive, what)
        if exclusive and attempt % 3 and _in_the_way(run, exclusive, what, attempt):
            run.ctx.rest(min(attempt, 4))
            continue
        try:
            _once(run, statements, exclusive, before)
            return
        except IndexPilotError as error:
            if sqlstate(error) not in _BUSY or run.session.closed:
                raise
            run.ctx.rest(min(attempt, 4))
    raise RefusedError(
        f"{what}: the table's lock was not free in {run.pace.tries} tries",
        detail=_named(run, exclusive),
        hint="end the transaction in the way and run the same command again: it goes on where it stopped",
        code="lock_timeout",
    )


def patient(run: Run, statement: str, what: str) -> None:
    """A statement that may work for long once it has its lock, which does not keep anybody from reading or writing."""
    for attempt in range(1, run.pace.tries + 1):
        _let_vacuum_finish(run, (run.plan.table,), what)
        build.set_lock_timeout(run.session, run.pace.lock_ms / 1000)
        try:
            through(run, statement, what)
            return
        except IndexPilotError as error:
            if sqlstate(error) not in _BUSY or run.session.closed or attempt == run.pace.tries:
                raise
            run.ctx.progress.say(f"{what}: waits for its lock")
            run.ctx.rest(min(attempt, 4))
        finally:
            if not run.session.closed:
                build.set_lock_timeout(run.session, 0)


def through(run: Run, statement: str, what: str) -> None:
    """The statement to its end; being asked to stop ends it (Interrupted). Raises what the server says."""
    run.check()
    ended = watched(run.ctx, run.session, statement, Watch(run.session.backend_pid, what))
    if ended.error is not None and ended.cancelled == STOPPED:
        raise Interrupted
    if ended.error is not None:
        raise ended.error
    if ended.lost:
        raise UnreachableError("the connection was lost", code="connection_lost")


def _once(
    run: Run,
    statements: Sequence[str],
    exclusive: Sequence[QualifiedName],
    before: Callable[[], None] | None,
) -> None:
    session = run.session
    wait = round(run.pace.lock_ms * (0.5 + random.random() / 2))
    with session.transaction():
        session.value(
            "SELECT pg_catalog.set_config('lock_timeout', %s, true) AS a,"
            " pg_catalog.set_config('idle_in_transaction_session_timeout', '1s', true) AS b",
            (f"{wait}ms",),
        )
        if exclusive:
            lockable = [str(t) for t in exclusive if t == run.plan.table or state.may_lock(session, t)]
            session.execute(f"LOCK TABLE {', '.join(lockable)} IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        _same_table(run)
        if before is not None:
            before()
        session.execute(_block(statements))
    if exclusive:
        run.lock_seconds = max(run.lock_seconds, time.monotonic() - began)


def _block(statements: Sequence[str]) -> str:
    """All of them in one, so that the locks are held while the server works and not while it waits for us."""
    body = "".join(f"EXECUTE {quote_literal(statement)}; " for statement in statements)
    return f"DO {quote_literal(f'BEGIN {body}END')}"


def _let_vacuum_finish(run: Run, tables: Sequence[QualifiedName], what: str) -> None:
    """Only a superuser's request makes autovacuum give way; others wait, without anybody waiting behind them."""
    if run.early or not tables:
        return
    relids, said = _relids(run, tables), False
    while state.vacuuming(run.ctx.look, relids, run.session.backend_pid):
        run.check()
        if not said:
            run.ctx.progress.say(f"{what}: waits for autovacuum to finish with the table")
            said = True
        run.ctx.stop.sleep(1.0)


def _same_table(run: Run) -> None:
    found = build.relation_kind(run.session, run.plan.table)
    if found is None or found[0] != run.plan.relid:
        raise RefusedError(
            f"{run.plan.table.short} is another table now",
            detail="it was renamed, replaced or dropped",
            hint="put the name back and run the same command again",
            code="stale_plan",
        )


def _in_the_way(run: Run, exclusive: Sequence[QualifiedName], what: str, attempt: int) -> bool:
    """Whether somebody has kept a lock for longer than we would wait: then asking would only make others wait."""
    found = _lockers(run, exclusive)
    if found and attempt in (1, 5, 20):
        run.ctx.progress.say(f"{what}: waits for {found[0]}")
    return bool(found)


def _lockers(run: Run, tables: Sequence[QualifiedName]) -> tuple[object, ...]:
    older = run.pace.lock_ms / 1000
    return state.long_lockers(run.ctx.look, _relids(run, tables), run.session.backend_pid, older)


def _relids(run: Run, tables: Sequence[QualifiedName]) -> tuple[int, ...]:
    known = (build.relation_kind(run.ctx.look, table) for table in tables)
    return tuple(found[0] for found in known if found is not None)


def _named(run: Run, tables: Sequence[QualifiedName]) -> str | None:
    return "; ".join(map(str, _lockers(run, tables))) or None
