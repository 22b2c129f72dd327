"""Running a statement, or a transaction, under watch: real progress, who holds it up, our own deadline.

No lock_timeout bounds a CREATE INDEX CONCURRENTLY: it would leave an invalid index that every write maintains, so the
watcher cancels by its own clock. https://www.postgresql.org/docs/current/progress-reporting.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from indexpilot_cli.core.mutation import Blocker, BuildProgress
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import attempts, blocker, worth_retrying
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext

_TICK = 0.1  # seconds
_AGAIN = 2.0  # seconds between two cancels
_GIVE_UP = 30.0  # seconds after the first cancel until the session is left alone

STOPPED = "interrupted"
DEADLINE = "deadline"
FIRST_LOCK = "lock_timeout"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a statement ended: the error (None: it succeeded), why we cancelled it, who was in the way last.

    ``lost``: the connection is gone, or the server did not answer to the cancel.
    """

    error: IndexPilotError | None = None
    cancelled: str | None = None
    blockers: tuple[Blocker, ...] = ()
    seconds: float = 0.0
    lost: bool = False

    @property
    def sqlstate(self) -> str | None:
        """The server's code, where it gave one; a lock we did not wait for any longer counts as one not available."""
        return "55P03" if self.cancelled == FIRST_LOCK else sqlstate(self.error)

    @property
    def why(self) -> str | None:
        """The error in the server's words, None when it succeeded."""
        return None if self.error is None else self.error.detail or self.error.message

    @property
    def code(self) -> str | None:
        """A stable word for how it failed, None when it succeeded."""
        return self.cancelled or (None if self.error is None else self.error.code)

    @property
    def in_the_way(self) -> tuple[str, ...]:
        """A note for each of the blockers."""
        return tuple(f"in the way: {who}" for who in self.blockers)


@dataclass(frozen=True, slots=True)
class StatementWatch:
    """What to look at: the process, the statement's deadline (time.monotonic), patience for the first lock (seconds).

    ``seen`` is told the oid of the index as soon as there is one.
    """

    pid: int
    title: str
    deadline: float | None = None
    first_lock: float | None = None
    seen: Callable[[int], None] | None = None


def watched(ctx: RunContext, session: Session, work: str | Callable[[], object], watch: StatementWatch) -> Ended:
    """Run the statement, or the function that uses the session, to its end.

    It is cancelled at the deadline or when somebody asks to stop.
    """
    return _Watcher(ctx, session, work, watch).run()


def retried(ctx: RunContext, session: Session, work: str | Callable[[], object], title: str) -> Ended:
    """The end of the last try of work that leaves nothing behind when it does not get its lock in time."""
    build.set_lock_timeout(session, ctx.limits.lock)
    pid, _ = build.backend(session)
    watch = StatementWatch(pid, title, deadline=ctx.limits.deadline())
    ended = Ended()
    for _ in attempts(ctx.stop, ctx.limits.retries + 1):
        ended = watched(ctx, session, work, watch)
        if not worth_retrying(ended.sqlstate):
            break
    return ended


def look(session: Session, pid: int) -> BuildProgress:
    """The build of process ``pid`` at this moment; an empty phase when it has not begun or is over."""
    row = session.one("execute/progress", {"pid": pid})
    assert row is not None
    blockers = tuple(blocker(b) for b in session.rows("execute/blockers", {"pid": pid}))
    return filled(BuildProgress, row, blockers=blockers)


class _Running:
    """Work that runs in a thread of its own, so that the caller can watch it and stop it."""

    def __init__(self, session: Session, work: str | Callable[[], object]):
        self._session = session
        self._work = work
        self._done = threading.Event()
        self.error: IndexPilotError | None = None
        self.crash: BaseException | None = None
        threading.Thread(target=self._run, name="indexpilot-statement", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether the work has ended, after at most so long."""
        return self._done.wait(seconds)

    def cancel(self) -> None:
        """Ask the server to stop it; the statement ends on its own when the connection is gone."""
        with suppress(IndexPilotError, OSError):
            self._session.cancel()

    def _run(self) -> None:
        try:
            if isinstance(self._work, str):
                self._session.execute(self._work)
            else:
                self._work()
        except IndexPilotError as error:
            self.error = error
        except BaseException as crash:  # noqa: BLE001 - carried over to the caller's thread and raised there
            self.crash = crash
        finally:
            self._done.set()


class _Watcher:
    def __init__(self, ctx: RunContext, session: Session, work: str | Callable[[], object], watch: StatementWatch):
        self._ctx, self._session, self._watch = ctx, session, watch
        self._start = time.monotonic()
        self._waiting_since: float | None = None
        self._cancelled: str | None = None
        self._cancelled_at = self._first_cancel = 0.0
        self._blockers: tuple[Blocker, ...] = ()
        self._named: set[int] = set()
        self._phase, self._done, self._seen = "", 0.0, False
        self._running = _Running(session, work)

    def run(self) -> Ended:
        """StatementWatch until the statement has ended."""
        self._ctx.progress.stage(self._watch.title)
        lost = False
        while not self._running.wait(_TICK):
            self._look()
            self._maybe_cancel()
            if self._cancelled and time.monotonic() - self._first_cancel > _GIVE_UP:
                lost = True
                break
        if self._running.crash is not None:
            raise self._running.crash
        error = self._running.error
        lost = lost or (isinstance(error, UnreachableError) and error.code == "connection_lost")
        return Ended(error, self._cancelled, self._blockers, time.monotonic() - self._start, lost)

    def _look(self) -> None:
        try:
            now = look(self._ctx.look, self._watch.pid)
        except IndexPilotError:
            with suppress(IndexPilotError):  # watching is a help, not a condition
                self._ctx.look.reconnect()
            return
        self._waiting_since = (self._waiting_since or time.monotonic()) if now.waits_for_table else None
        self._tell(now)
        if now.index_oid is not None and not self._seen and self._watch.seen is not None:
            self._seen = True
            self._watch.seen(now.index_oid)

    def _tell(self, now: BuildProgress) -> None:
        self._blockers = now.blockers or self._blockers
        for who in now.blockers:
            if who.pid not in self._named and time.monotonic() - self._start > 1.0:
                self._named.add(who.pid)
                self._ctx.progress.say(f"{self._watch.title}: waits for {who}")
        if now.phase and now.phase != self._phase:
            self._phase, self._done = now.phase, 0.0
            self._ctx.progress.stage(f"{self._watch.title}: {now.phase}", 1.0)
        if now.share is not None and now.share > self._done:
            self._ctx.progress.advance(min(now.share, 1.0) - self._done)
            self._done = min(now.share, 1.0)

    def _maybe_cancel(self) -> None:
        now = time.monotonic()
        reason = self._reason(now)
        if reason is None or now - self._cancelled_at < _AGAIN:
            return
        if self._cancelled is None:
            self._cancelled, self._first_cancel = reason, now
        # A cancel that reaches the server while no statement runs is lost, hence once more every two seconds.
        self._cancelled_at = now
        self._running.cancel()

    def _reason(self, now: float) -> str | None:
        if self._cancelled is not None:
            return self._cancelled
        if self._ctx.stop.requested:
            return STOPPED
        if self._watch.deadline is not None and now >= self._watch.deadline:
            return DEADLINE
        waited = 0.0 if self._waiting_since is None else now - self._waiting_since
        return FIRST_LOCK if self._watch.first_lock is not None and waited > self._watch.first_lock else None
