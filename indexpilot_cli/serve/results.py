"""Results of workflows, kept for those who look: however many look, the database is asked once and by few."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from indexpilot_cli.core.command import Outcome, Progress, Silent
from indexpilot_cli.errors import IndexPilotError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A workflow whose outcome is kept. ``seconds``: how long it is believed; ``sessions``: how many it opens at once.

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

    @property
    def age(self) -> timedelta | None:
        """How old the outcome is."""
        return None if self.at is None else datetime.now(UTC) - self.at


class Results:
    """Kept outcomes by question. All methods may be called from any thread.

    At most ``sessions`` sessions are open at once; a question that needs more than are free waits.
    """

    def __init__(self, sessions: int) -> None:
        self._most = sessions
        self._free = sessions
        self._gate = threading.Condition()
        self._asking: dict[str, threading.Lock] = {}
        self._kept: dict[str, Kept[Any]] = {}

    def get(self, question: Question[T]) -> Kept[T]:
        """What is known, asked anew when it is too old. A long question is begun and what is known given at once."""
        if not self._is_due(question):
            return self.known(question)
        if question.long:
            self.begin(question)
            return self.known(question)
        with self._lock(question):
            if self._is_due(question):  # another may have asked while this one waited
                self._try(question)
        return self.known(question)

    def known(self, question: Question[T]) -> Kept[T]:
        """What is known, however old."""
        return self._kept.get(question.name, Kept())

    def begin(self, question: Question[T]) -> bool:
        """Ask in the background; False when that is under way already."""
        lock = self._lock(question)
        if not lock.acquire(blocking=False):
            return False
        self._note(question, stage="waiting")
        threading.Thread(target=self._finish, args=(question, lock), name=f"serve {question.name}", daemon=True).start()
        return True

    def forget(self, *names: str) -> None:
        """Believe these no longer: something was changed."""
        for name in names:
            kept = self._kept.get(name)
            if kept is not None:
                self._kept[name] = replace(kept, tried_at=None)

    def _finish(self, question: Question[T], lock: threading.Lock) -> None:
        try:
            self._try(question)
        finally:
            lock.release()

    def _try(self, question: Question[T]) -> None:
        need = min(question.sessions, self._most)
        with self._gate:
            self._gate.wait_for(lambda: self._free >= need)
            self._free -= need
        try:
            outcome = question.ask(_Stages(self, question) if question.long else Silent())
            now = datetime.now(UTC)
            self._kept[question.name] = Kept(outcome, now, None, now)
        except IndexPilotError as error:
            self._note(question, error=error, tried_at=datetime.now(UTC), stage=None)
        finally:
            with self._gate:
                self._free += need
                self._gate.notify_all()

    def _is_due(self, question: Question[Any]) -> bool:
        tried = self.known(question).tried_at
        return tried is None or datetime.now(UTC) - tried > timedelta(seconds=question.seconds)

    def _lock(self, question: Question[Any]) -> threading.Lock:
        return self._asking.setdefault(question.name, threading.Lock())

    def _note(self, question: Question[Any], **changed: Any) -> None:
        self._kept[question.name] = replace(self.known(question), **changed)


class _Stages(Silent):
    """Progress that is kept with the result."""

    def __init__(self, results: Results, question: Question[Any]) -> None:
        self._results = results
        self._question = question

    def stage(self, title: str, total: float | None = None) -> None:  # noqa: ARG002 - part of the protocol
        """Keep what is done just now."""
        self._results._note(self._question, stage=title)
