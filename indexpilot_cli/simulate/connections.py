"""The demo's SQL files cut into named steps, and the connections that run them side by side.

None of the connections is left working when something goes wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib.resources import files
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError

T = TypeVar("T")
Work = Callable[[Replay, str], None]
_POLL = 0.1  # seconds between looks at how far tasks are


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

    def watch(self, running: Iterable[Future[None]], done: Callable[[], int], progress: Progress) -> None:
        """Wait for the tasks and tell meanwhile how much is ``done``; what a task raises is raised here."""
        seen = 0
        left = set(running)
        while left:
            finished, left = wait(left, timeout=_POLL)
            now = done()
            progress.advance(now - seen)
            seen = now
            for future in finished:
                future.result()

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


_HEADER = re.compile(r"^-- step +(?P<head>.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_END = re.compile(r";[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class SqlStep:
    """A named piece of SQL. ``words`` are the rest of its header line; statements end where a line ends in ``;``."""

    name: str
    words: tuple[str, ...]
    statements: tuple[str, ...]


def sql_steps(file: str) -> tuple[SqlStep, ...]:
    """The steps of ``simulate/sql/<file>.sql``, in the order of the file."""
    return cut_steps(files("indexpilot_cli.simulate").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8"))


def named_steps(file: str) -> dict[str, SqlStep]:
    """The steps of a file by name."""
    return {step.name: step for step in sql_steps(file)}


def cut_steps(text: str) -> tuple[SqlStep, ...]:
    """The steps of a text; whatever stands before the first header is left out."""
    parts = _HEADER.split(text)[1:]
    return tuple(_step(head, body) for head, body in zip(parts[::2], parts[1::2], strict=True))


def _step(head: str, body: str) -> SqlStep:
    name, *words = head.split()
    statements = (part.strip() for part in _END.split(_COMMENT.sub("", body)))
    return SqlStep(name, tuple(words), tuple(s for s in statements if s))
