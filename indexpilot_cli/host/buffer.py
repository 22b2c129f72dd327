"""Query statistics on their way to the database: many rows a statement, never in the host's way."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from indexpilot_cli.core import telemetry
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.genome.profiles import tenant_number
from indexpilot_cli.host.place import in_background
from indexpilot_cli.workload.query_stats import QueryStat

BATCH = 100
INTERVAL = 5.0
BOUND = 10_000
_AT_ONCE = 1_000  # rows of one write: what is held falls in steps while a full buffer is written

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PendingStats:
    """A row that waits; ``check`` says that its names are compared with the catalog before it is written."""

    stat: QueryStat
    check: bool


@dataclass(frozen=True, slots=True)
class BufferStats:
    """Counters since the process began. ``dropped`` rows found the buffer full, ``rejected`` ones were bad.

    ``failures`` counts writes that failed and will be tried again; ``last_error`` is the latest one's message.
    """

    logged: int = 0
    written: int = 0
    rejected: int = 0
    dropped: int = 0
    failures: int = 0
    waiting: int = 0
    last_error: str | None = None


class StatBuffer(Generic[R]):
    """Rows are written at ``batch``, after ``interval`` seconds, and on ``flush``; at most ``bound`` are held.

    Those that are being written are among them.

    A thread of its own writes, and gives how many rows it wrote and how many it refused; ``on_start`` is called by who
    begins it, then ``prepare`` in it. A call waits for nothing but the lock, which nobody holds while the server is
    asked: a slow or dead server costs rows, which are counted.

    With ``wait`` it costs time instead: a call that finds the buffer full waits up to so many seconds for room, also
    while writes fail and are tried again. The row is still dropped, and counted, when that was in vain or the buffer is
    closed meanwhile. After a wait in vain no call waits until a write succeeds: a server that is gone for good costs
    each thread one wait. A thread that runs an event loop never waits: its other tasks would stand still, among them
    perhaps those that make room.
    """

    def __init__(
        self,
        write: Callable[[Sequence[R]], tuple[int, int]],
        *,
        batch: int = BATCH,
        interval: float = INTERVAL,
        bound: int = BOUND,
        wait: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        on_start: Callable[[], None] = lambda: None,
        prepare: Callable[[], None] = lambda: None,
    ):
        self.wait = wait
        self._write, self._on_start, self._prepare = write, on_start, prepare
        self._batch, self._interval, self._bound, self._clock = batch, interval, bound, clock
        # Reentrant: a signal handler or a finaliser of the host may log a query while its thread is in here.
        self._change = threading.Condition(threading.RLock())
        self._rows: list[R] = []
        self._since = 0.0
        self._taken = self._settled = self._wanted = 0  # of ``logged``: being written or done; done; to be done now
        self._closed = self._waited_in_vain = False
        self._healthy = True
        self._thread: threading.Thread | None = None
        self._count = dict.fromkeys(("logged", "written", "rejected", "dropped", "failures"), 0)
        self._last_error: str | None = None
        self._told = dict(self._count)  # what monitoring knows of

    def add(self, row: R) -> bool:
        """Take the row; False when the buffer is full and it is dropped."""
        with self._change:
            if (self._is_full() and not self._has_room_in_time()) or self._closed:
                self._count["dropped"] += 1
                return False
            self._rows.append(row)
            self._count["logged"] += 1
            waiting = len(self._rows)
            if waiting == 1:
                self._since = self._clock()
            if waiting in (1, self._batch):
                self._change.notify_all()
            if self._thread is None:
                self._start()
            return True

    def reject(self) -> None:
        """Count a row that was bad from the start."""
        with self._change:
            self._count["rejected"] += 1

    def flush(self, seconds: float = 10.0) -> bool:
        """Write what waits now; False when that did not succeed in time."""
        with self._change:
            goal, failures = self._count["logged"], self._count["failures"]
            if self._settled >= goal:
                return True
            self._start()
            if self._thread is not None:
                self._wanted = goal
                self._change.notify_all()
                self._change.wait_for(
                    lambda: self._settled >= goal or self._count["failures"] > failures or self._thread is None, seconds
                )
            alone = self._thread is None
        # No thread can be had, as while the process ends: the caller writes.
        while alone and self._write_next():
            pass
        with self._change:
            return self._settled >= goal

    def close(self, seconds: float = 10.0) -> bool:
        """Flush and end the thread, within so many seconds; later rows are dropped. False when rows are left."""
        end = self._clock() + seconds
        self.flush(seconds)
        with self._change:
            self._closed = True
            self._change.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(max(0.0, end - self._clock()))
        with self._change:
            return self._settled == self._count["logged"]

    @property
    def is_healthy(self) -> bool:
        """Whether the latest write succeeded (True before the first)."""
        return self._healthy

    def stats(self) -> BufferStats:
        """The counters."""
        with self._change:
            return BufferStats(**self._count, waiting=len(self._rows), last_error=self._last_error)

    # -- inside, with the lock held

    def _is_full(self) -> bool:
        return self._count["logged"] - self._settled >= self._bound

    def _has_room_in_time(self) -> bool:
        if self.wait and not self._waited_in_vain and not _in_event_loop():
            self._waited_in_vain = not self._change.wait_for(lambda: self._closed or not self._is_full(), self.wait)
        return not self._is_full()

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._on_start()
            # Where no thread can be had the next call tries again, and ``flush`` does without.
            self._thread = in_background(self._run, "indexpilot-stats")

    def _due(self) -> bool:
        # After a failure only the interval (or a flush) counts: a full batch would otherwise ask a server that is down
        # without a pause.
        return self._closed or self._taken < self._wanted or (self._healthy and len(self._rows) >= self._batch)

    # -- the thread

    def _run(self) -> None:
        try:
            with suppress(IndexPilotError):  # the first write will tell it
                self._prepare()
            while self._await_rows():
                self._write_next()
        finally:
            with self._change:
                self._thread = None
                self._change.notify_all()
                if self._rows:
                    self._start()

    def _await_rows(self) -> bool:
        """True when there is something to write; False when nothing more will be, after the one try at the end."""
        with self._change:
            tried = self._closed
            while not self._due():
                left = self._since + self._interval - self._clock() if self._rows else None
                if left is not None and left <= 0:
                    break
                self._change.wait(left)
            return bool(self._rows) and not (tried and not self._healthy)

    def _write_next(self) -> bool:
        """Write and account; whether rows are left and the write succeeded.

        An error that is not ours ends the thread; its rows stay, and another begins.
        """
        with self._change:
            if not self._rows:
                return False
            rows, self._rows = self._rows[:_AT_ONCE], self._rows[_AT_ONCE:]
            self._taken += len(rows)
        counts, error, began = (0, 0), "the writing thread stopped", self._clock()
        was_healthy = self._healthy
        try:
            # Outside the lock: a host's call must not wait for the server's answer to somebody else's batch.
            counts, error = self._write(rows), ""
        except Exception as failed:
            # Told once until a write succeeds: a server that is down is asked every few seconds.
            if was_healthy:
                telemetry.failure(failed, command="host log_query_stat")
            if not isinstance(failed, IndexPilotError):
                raise
            error = failed.text
        finally:
            telemetry.timing("query_stats.flush", self._clock() - began, outcome="failed" if error else "done")
            self._account(rows, counts, error)
        return not error and bool(self._rows)

    def _account(self, rows: list[R], counts: tuple[int, int], error: str) -> None:
        with self._change:
            if error:
                self._count["failures"] += 1
                self._last_error = error
                # The older rows keep their place. The interval begins anew: the next try is not made at once.
                self._rows = rows + self._rows
                self._taken -= len(rows)
                self._wanted = 0
                self._since = self._clock()
            else:
                self._count["written"] += counts[0]
                self._count["rejected"] += counts[1]
                self._settled += len(rows)
                self._waited_in_vain = False
            self._healthy = not error
            self._tell()
            self._change.notify_all()

    def _tell(self) -> None:
        # Here and not when a row is dropped: a call of the host's pays for no monitoring.
        for name in ("written", "rejected", "dropped", "failures"):
            telemetry.count(f"query_stats.{name}", self._count[name] - self._told[name])
        self._told = dict(self._count)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def checked(
    tenant_id: object, table_name: object, field_name: object, query_type: object, duration_ms: object, at: float
) -> QueryStat | None:
    """The row, or None when the database could not take it or it cannot be true (NaN, negative, no name).

    Its values are of the plain types: what a subclass (an Enum, a scalar of numpy) would be written as is not known.
    """
    tenant = None if tenant_id is None else tenant_number(tenant_id)
    if tenant is None and tenant_id is not None:
        return None
    milliseconds = _milliseconds(duration_ms)
    table, kind = _writable(table_name), _writable(query_type)
    field = None if field_name is None else _writable(field_name)
    if milliseconds is None or table is None or kind is None or (field is None and field_name is not None):
        return None
    return QueryStat(tenant, table, field, kind, milliseconds, at)


def _milliseconds(value: object) -> float | None:
    # A bool is an int to Python, and no duration.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number >= 0 and math.isfinite(number) else None


def _writable(text: object) -> str | None:
    if not isinstance(text, str) or not text or "\0" in text:
        return None
    try:
        return str.__str__(text) if len(text.encode()) <= 200 else None
    except UnicodeEncodeError:
        return None
