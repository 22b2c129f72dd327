"""The workers of a twin: as many as the questions are worth, made anew when their server crashed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.planner.twin.layout import Heap, Storage
from indexpilot_cli.planner.twin.worker import Worker

FIRST_COPY = "w0"
CRASHED = "the twin's server crashed while it planned this"
_PER_WORKER = 200  # questions that make another worker worth its start
_FILES = 400
_REVIVALS, _PAUSE = 6, 0.05


class CopyHost(Protocol):
    """Where copies of a hydrated template are made and reached."""

    def copy(self, name: str) -> tuple[str, Storage]:
        """A database like the template with files of full size: its name, and where its files are."""
        ...

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs."""
        ...

    def planner(self, database: str) -> Session:
        """A session that only plans."""
        ...

    def recover(self) -> None:
        """Wait until the server takes connections again, starting it where it is gone and ours."""
        ...


_T = TypeVar("_T")


class WorkerPool:
    """The workers of one twin: started when there is enough to do, and made anew when their server crashed."""

    def __init__(self, host: CopyHost, heaps: Mapping[QualifiedName, Heap], most: int, files: int):
        self._host = host
        self._heaps = heaps
        self._most = most
        # A copy of thousands of files takes seconds, in which one worker answers thousands of questions.
        self._per_worker = _PER_WORKER * max(1, files // _FILES)
        self.workers: list[Worker] = []
        self._start()

    def close(self) -> None:
        """End all sessions."""
        while self.workers:
            self.workers.pop().close()

    def restore(self) -> int | None:
        """Leave the first worker's database as it was made; gives how many indexes were dropped, None: it is not."""
        try:
            return self.workers[0].restore() if self.workers else None
        except IndexPilotError:
            return None

    def grow(self, questions: int) -> None:
        """Start the workers that so many questions are worth."""
        while len(self.workers) < min(self._most, 1 + questions // self._per_worker):
            self._start()

    def ask(self, work: Callable[[Worker], _T]) -> _T:
        """What ``work`` gives on the first worker. Raises StatementError when it ends the server, twice."""
        for attempt in range(2):  # the first time the server may have ended for another reason, or long before
            try:
                return work(self.workers[0])
            except UnreachableError as error:
                if error.code == "timeout":
                    raise
                self._revive(error)
                if attempt:
                    raise StatementError(CRASHED) from error
        raise AssertionError("not reached")

    def each(
        self, work: Callable[[Worker, _T], None], shares: Sequence[Sequence[_T]], crashed: Callable[[_T], None]
    ) -> None:
        """``work`` on every item of every worker's share, workers side by side.

        A backend that dies takes the sessions of all workers with it, so what was under way then is tried again
        alone; ``crashed`` gets the item that ends the server even so.
        """
        todo = [deque(share) for share in shares]
        while any(todo):
            busy = [(worker, share) for worker, share in zip(self.workers, todo, strict=True) if share]
            if len(busy) == 1:
                losses = [_work_off(work, *busy[0])]
            else:
                with ThreadPoolExecutor(len(busy)) as pool:
                    futures = [pool.submit(_work_off, work, worker, share) for worker, share in busy]
                    losses = [future.result() for future in futures]
            lost = [error for error in losses if error is not None]
            if not lost:
                return
            self._revive(lost[0])
            suspects = [(n, share.popleft()) for n, share in enumerate(todo) if share]
            for number, item in suspects:
                error = _work_off(work, self.workers[number], deque((item,)))
                if error is not None:
                    self._revive(error)
                    crashed(item)

    def _start(self) -> None:
        name, storage = self._host.copy(f"w{len(self.workers)}" if self.workers else FIRST_COPY)
        self.workers.append(Worker(self._host.superuser(name), self._host.planner(name), storage, self._heaps))

    def _revive(self, error: UnreachableError) -> None:
        """Fresh copies for as many workers as there were, once the server takes connections again."""
        count = len(self.workers)
        self.close()
        for attempt in range(_REVIVALS):
            self._host.recover()
            try:
                while len(self.workers) < count:
                    self._start()
            except UnreachableError as again:  # it had not yet noticed that one of its processes died
                error = again
                self.close()
                time.sleep(_PAUSE * 2**attempt)
            else:
                return
        raise error


def _work_off(work: Callable[[Worker, _T], None], worker: Worker, share: deque[_T]) -> UnreachableError | None:
    """Take items off the share until it is empty or the server is lost; the item it was lost with stays."""
    while share:
        try:
            work(worker, share[0])
        except UnreachableError as error:
            if error.code == "timeout":
                raise
            return error
        share.popleft()
    return None
