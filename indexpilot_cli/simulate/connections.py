"""Several connections working side by side, and none of them left working when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from graphlib import TopologicalSorter
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError

T = TypeVar("T")
Work = Callable[[Replay, str], None]


class ReplayConnections:
    """``size`` connections to ``dsn``, each prepared by ``greeting`` statements. Use it in a ``with`` block.

    Leaving the block by an exception cancels what the connections are doing.
    """

    def __init__(self, dsn: str, size: int, greeting: Sequence[str] = ()):
        self._idle: SimpleQueue[Replay] = SimpleQueue()
        self._members: list[Replay] = []
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="demo")
        for _ in range(size):
            member = Replay(dsn)
            self._members.append(member)
            for statement in greeting:
                member.run(statement)
            self._idle.put(member)

    def __enter__(self) -> ReplayConnections:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        # Before the threads are waited for: each of them is inside a statement and would let that run to its end.
        if error is not None:
            for member in self._members:
                with suppress(IndexPilotError, OSError):
                    member.cancel()
        self._pool.shutdown(wait=True)
        for member in self._members:
            member.close()

    def submit(self, task: Callable[[Replay], T]) -> Future[T]:
        """Give the task to the next free connection."""
        return self._pool.submit(self._borrow, task)

    def run(self, after: Mapping[str, Sequence[str]], work: Work, done: Callable[[str], None]) -> None:
        """Do all named tasks, each after those it names; ``done`` is called here, in the caller's thread."""
        order = TopologicalSorter(after)
        order.prepare()
        running: dict[Future[None], str] = {}
        while order.is_active():
            running |= {self._named(work, name): name for name in order.get_ready()}
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(finished)
                finished.result()
                order.done(name)
                done(name)

    def _named(self, work: Work, name: str) -> Future[None]:
        return self.submit(lambda member: work(member, name))

    def _borrow(self, task: Callable[[Replay], T]) -> T:
        member = self._idle.get()
        try:
            return task(member)
        finally:
            self._idle.put(member)
