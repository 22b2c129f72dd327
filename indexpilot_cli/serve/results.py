"""Results of workflows, kept for those who look: however many look, the database is asked once and by few."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from indexpilot_cli.core.command import Outcome, Progress, Silent
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UnreachableError, UsageError
from indexpilot_cli.execute.signals import StopRequested
from indexpilot_cli.render.views.api.frame import AnswerStatus

T = TypeVar("T")
PATIENCE = 10.0  # seconds that somebody who looks waits for a first answer, before told that it is being made
_MOST_KEPT = 256  # answers to questions with a parameter: the oldest are forgotten
_MOST_ASKING = 32  # threads
_BUSY_SHARE = 20  # a question is asked again after so many times what its answer took: a twentieth of one session
_STALE = 3  # times as old as it is believed: then who looks waits for a new one


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A workflow whose outcome is kept. ``seconds``: how long it is believed at least; ``sessions``: how many it opens.

    ``long``: it may take minutes, so that it is asked in the background and nobody waits for it.
    """

    name: str
    ask: Callable[[Progress], Outcome[T]]
    seconds: float = 10.0
    sessions: int = 1
    long: bool = False


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """The last outcome and when it came; ``error`` is why the latest try gave none; ``stage`` what is done just now.

    An outcome stays when a later try fails: old numbers with their age are better than none.
    """

    outcome: Outcome[T] | None = None
    at: datetime | None = None
    error: IndexPilotError | None = None
    tried_at: datetime | None = None
    stage: str | None = None
    took: float = 0.0

    @property
    def age(self) -> timedelta | None:
        """How old the outcome is."""
        return None if self.at is None else datetime.now(UTC) - self.at

    @property
    def result(self) -> T | None:
        """What the workflow found, None while nothing is known."""
        return None if self.outcome is None else self.outcome.result

    @property
    def status(self) -> AnswerStatus:
        """Whether it is true now, and if not why."""
        if self.error is None:
            return AnswerStatus.LOADING if self.outcome is None else AnswerStatus.OK
        found = _status_of(self.error)
        return AnswerStatus.STALE if found is AnswerStatus.FAILED and self.outcome is not None else found


def _status_of(error: IndexPilotError) -> AnswerStatus:
    if isinstance(error, UnreachableError):
        # The server has answered, in its way: it ended a statement of ours (57014).
        return AnswerStatus.FAILED if error.code == "timeout" else AnswerStatus.DATABASE_AWAY
    if isinstance(error, PrerequisiteError) and error.code in ("not_initialised", "metadata_too_old"):
        return AnswerStatus.NOT_INITIALISED
    if isinstance(error, UsageError):
        return AnswerStatus.EMPTY
    return AnswerStatus.REFUSED if isinstance(error, PrerequisiteError | RefusedError) else AnswerStatus.FAILED


@dataclass(slots=True)
class _Sessions:
    """How many sessions are free. What may take minutes leaves one of several for those who look meanwhile."""

    most: int
    free: int = 0
    gate: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.free = self.most

    def take(self, question: Question[Any], stop: threading.Event) -> int:
        """How many were taken, after a wait for them. Raises StopRequested."""
        spare = int(question.long and self.most > 1)
        need = min(question.sessions, self.most - spare)
        with self.gate:
            self.gate.wait_for(lambda: stop.is_set() or self.free >= need + spare)
            if stop.is_set():
                raise StopRequested
            self.free -= need
        return need

    def give(self, taken: int) -> None:
        """They are free again."""
        with self.gate:
            self.free += taken
            self.gate.notify_all()


class Results:
    """Kept outcomes by question. All methods may be called from any thread.

    At most ``sessions`` sessions are open at once; a question that needs more than are free waits. One question is
    asked once at a time; who else wants to know waits without holding a thread (``ask``).
    """

    def __init__(self, sessions: int) -> None:
        self._sessions = _Sessions(sessions)
        self._lock = threading.Lock()
        self._asking: dict[str, Future[None]] = {}
        self._kept: dict[str, Kept[Any]] = {}
        self._stop = threading.Event()
        self._changes = 0

    async def ask(self, question: Question[T], patience: float = PATIENCE) -> Kept[T]:
        """What is known, asked anew when it is too old. Of a long question, and of one whose answer is a little old or
        failed lately, what is known is given at once while it is asked in the background.
        """
        done = self._due(question)
        if done is not None:
            # Not cancelled with a reader that has gone: the others wait for the same answer.
            await asyncio.wait({asyncio.wrap_future(done)}, timeout=patience)
        return self.known(question)

    def known(self, question: Question[T]) -> Kept[T]:
        """What is known, however old."""
        return self._kept.get(question.name, Kept())

    def named(self, name: str) -> Kept[Any] | None:
        """What is known of the question of that name, None where nobody asked it."""
        return self._kept.get(name)

    def begin(self, question: Question[T]) -> bool:
        """Ask in the background; False when that is under way already, or when too much is."""
        return self._begun(question)[1]

    def forget(self, *names: str) -> None:
        """Believe these no longer: something was changed. Without names: none of all."""
        with self._lock:
            self._changes += 1
            for name in names or tuple(self._kept):
                kept = self._kept.get(name)
                if kept is not None:
                    self._kept[name] = replace(kept, tried_at=None)  # shown until there is a new one

    def close(self, seconds: float = 10.0) -> None:
        """Stop what is being asked, each at its next step, and wait so long for that."""
        self._stop.set()
        self._sessions.give(0)  # wakes those that wait for a session: they see that it is over
        wait(tuple(self._asking.values()), timeout=seconds)

    def _due(self, question: Question[T]) -> Future[None] | None:
        """What to wait for, None where what is known will do; begun where it is too old."""
        kept = self.known(question)
        believed = max(question.seconds, _BUSY_SHARE * kept.took)
        age = None if kept.tried_at is None else (datetime.now(UTC) - kept.tried_at).total_seconds()
        if age is not None and age <= believed:
            return None
        done, _ = self._begun(question)
        near = age is not None and (age <= _STALE * believed or kept.error is not None)
        return None if question.long or near else done

    def _begun(self, question: Question[T]) -> tuple[Future[None] | None, bool]:
        with self._lock:
            running = self._asking.get(question.name)
            if running is not None or len(self._asking) >= _MOST_ASKING or self._stop.is_set():
                return running, False
            done: Future[None] = Future()
            done.set_running_or_notify_cancel()  # from here on no waiter can cancel it
            self._asking[question.name] = done
        self._note(question, stage="waiting")
        name = f"serve {question.name}"[:60]
        threading.Thread(target=self._finish, args=(question, done), name=name, daemon=True).start()
        return done, True

    def _finish(self, question: Question[T], done: Future[None]) -> None:
        # What is no error of ours is told as one, and its traceback goes to the log by threading.excepthook.
        fault = IndexPilotError("this is a fault of IndexPilot: please report it", hint="its log has the details")
        try:
            with suppress(StopRequested):
                fault = self._try(question) or fault
        finally:
            if self.known(question).stage is not None:  # an outcome takes it away
                self._note(question, error=fault, tried_at=datetime.now(UTC), stage=None)
            with self._lock:
                del self._asking[question.name]
            done.set_result(None)

    def _try(self, question: Question[T]) -> IndexPilotError | None:
        """The outcome is kept; else the error that there was."""
        taken = self._sessions.take(question, self._stop)
        began, changes = time.monotonic(), self._changes
        try:
            outcome = question.ask(_Stages(self, question) if question.long else Silent())
        except IndexPilotError as error:
            return error
        finally:
            self._sessions.give(taken)
        now, took = datetime.now(UTC), time.monotonic() - began
        # What was changed meanwhile, the answer may not have in it.
        tried = now if changes == self._changes else None
        self._note(question, outcome=outcome, at=now, error=None, tried_at=tried, stage=None, took=took)
        return None

    def _note(self, question: Question[Any], **changed: Any) -> None:
        with self._lock:
            # Taken out and put in: the oldest stand first, and are the first to go.
            self._kept[question.name] = replace(self._kept.pop(question.name, Kept()), **changed)
            for name in [n for n in self._kept if n not in self._asking][: len(self._kept) - _MOST_KEPT]:
                del self._kept[name]


class _Stages(Silent):
    """Progress that is kept with the result, and by which what may take minutes can be stopped."""

    def __init__(self, results: Results, question: Question[Any]) -> None:
        self._results = results
        self._question = question

    def stage(self, title: str, total: float | None = None) -> None:  # noqa: ARG002 - part of the protocol
        """Keep what is done just now. Raises StopRequested when the server is to end."""
        self.advance()
        self._results._note(self._question, stage=title)

    def advance(self, amount: float = 1) -> None:  # noqa: ARG002
        """Raises StopRequested when the server is to end."""
        if self._results._stop.is_set():
            raise StopRequested
