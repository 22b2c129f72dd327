"""Query statistics on their way to the database: many rows a statement, never in the host's way."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexpilot_cli.core import telemetry
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.workload.query_stats import QueryStat

BATCH = 100
INTERVAL = 5.0
BOUND = 10_000
_PATIENCE = 1.0  # seconds a call may wait once
_CREDIT_PER_CALL = 0.00005  # seconds of waiting a call may cost on average
_INT4 = range(-(2**31), 2**31)


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


Write = Callable[[Sequence[PendingStats]], int]


class StatBuffer:
    """Rows are written at ``batch``, after ``interval`` seconds, and on ``flush``; at most ``bound`` wait.

    A thread of its own writes. A call that completes a batch waits until it is written, but never longer than a
    second, and on average no more than a twentieth of a millisecond per call: a slow server costs rows, not time.

    With ``wait`` a slow server costs time, not rows: a call that finds the buffer full waits up to so many seconds
    for room, also while writes fail and are tried again, and rows that are being written count against ``bound``.
    The row is still dropped, and counted, when that was in vain or the buffer is closed meanwhile. After a wait in
    vain no call waits until a write succeeds: a server that is gone for good costs each thread one wait.
    """

    def __init__(
        self,
        write: Write,
        *,
        batch: int = BATCH,
        interval: float = INTERVAL,
        bound: int = BOUND,
        wait: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.wait = wait
        self._write = write
        self._batch, self._interval, self._bound, self._clock = batch, interval, bound, clock
        self._change = threading.Condition()
        self._rows: list[PendingStats] = []
        self._since = 0.0
        self._flushes = 0
        self._writing = 0
        self._urgent = self._closed = self._waited_in_vain = False
        self._healthy = True
        self._waited = 0.0
        self._thread: threading.Thread | None = None
        self._count = dict.fromkeys(("logged", "written", "rejected", "dropped", "failures"), 0)
        self._last_error: str | None = None
        self._told = dict(self._count)  # what monitoring knows of

    def add(self, row: PendingStats) -> bool:
        """Take the row; False when the buffer is full and it is dropped."""
        with self._change:
            if self._is_full():
                self._wait_for_room()
            if self._is_full() or self._closed:
                self._count["dropped"] += 1
                return False
            if not self._rows:
                self._since = self._clock()
            self._rows.append(row)
            self._count["logged"] += 1
            self._start()
            if len(self._rows) >= self._batch:
                self._batch_is_full()
            elif len(self._rows) == 1:
                self._change.notify_all()
            return True

    def reject(self) -> None:
        """Count a row that was bad from the start."""
        with self._change:
            self._count["rejected"] += 1

    def flush(self, seconds: float = 10.0) -> bool:
        """Write what waits now; False when that did not succeed in time."""
        with self._change:
            if self._is_empty():
                return True
            self._urgent = True
            self._start()
            self._change.notify_all()
            # A write under way has taken its rows already; those that wait now are in the one after it.
            goal = self._flushes + (2 if self._writing else 1)
            self._change.wait_for(lambda: self._is_empty() or self._flushes >= goal, seconds)
            return self._is_empty()

    def close(self, seconds: float = 10.0) -> bool:
        """Flush and end the thread; later rows are dropped."""
        done = self.flush(seconds)
        with self._change:
            self._closed = True
            self._change.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return done

    def stats(self) -> BufferStats:
        """The counters."""
        with self._change:
            return BufferStats(**self._count, waiting=len(self._rows), last_error=self._last_error)

    # -- inside, with the lock held

    def _is_full(self) -> bool:
        held = len(self._rows) + (self._writing if self.wait else 0)  # what a failed write gives back has room
        return held >= self._bound

    def _wait_for_room(self) -> None:
        if self._waited_in_vain or not (self._healthy or self.wait):
            return
        if not self._wait(lambda: self._closed or not self._is_full(), self.wait or _PATIENCE):
            self._healthy, self._waited_in_vain = False, True

    def _batch_is_full(self) -> None:
        self._change.notify_all()
        credit = _PATIENCE + _CREDIT_PER_CALL * self._count["logged"] - self._waited
        if credit > 0 and self._healthy:
            target = self._flushes
            self._wait(lambda: self._flushes > target, min(credit, _PATIENCE))

    def _wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        started = self._clock()
        done = self._change.wait_for(ready, seconds)
        self._waited += self._clock() - started
        return done

    def _is_empty(self) -> bool:
        return not self._rows and not self._writing

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            # A daemon, because a server that does not answer must not keep the host's process from ending.
            self._thread = threading.Thread(target=self._run, name="indexpilot-stats", daemon=True)
            self._thread.start()

    def _due(self) -> bool:
        # After a failure only the interval (or a flush) counts: a full batch would otherwise ask a server that is down
        # without a pause.
        return self._closed or self._urgent or (self._healthy and len(self._rows) >= self._batch)

    # -- the thread

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            with self._change:
                self._thread = None
                if self._rows:
                    self._start()

    def _serve(self) -> None:
        while True:
            with self._change:
                while not self._due():
                    left = self._since + self._interval - self._clock() if self._rows else None
                    if left is not None and left <= 0:
                        break
                    self._change.wait(left)
                if self._closed and not self._rows:
                    return
                rows, self._rows, self._urgent = self._rows, [], False
                self._writing = len(rows)
            # Outside the lock: a host's call must not wait for the server's answer to somebody else's batch.
            if rows:
                self._write_out(rows)
            with self._change:
                if self._closed:
                    return

    def _write_out(self, rows: list[PendingStats]) -> None:
        """Write and account. An error that is not ours ends the thread; its rows stay, and another begins."""
        written, error, began = 0, "the writing thread stopped", self._clock()
        was_healthy = self._healthy
        try:
            written, error = self._write(rows), ""
        except Exception as failed:
            # Told once until a write succeeds: a server that is down is asked every few seconds.
            if was_healthy:
                telemetry.failure(failed, command="host log_query_stat")
            if not isinstance(failed, IndexPilotError):
                raise
            error = f"{failed.message}: {failed.detail}" if failed.detail else failed.message
        finally:
            telemetry.timing("query_stats.flush", self._clock() - began, outcome="failed" if error else "done")
            self._account(rows, written, error)

    def _account(self, rows: list[PendingStats], written: int, error: str) -> None:
        with self._change:
            if error:
                self._take_back(rows, error)
            else:
                self._count["written"] += written
                self._count["rejected"] += len(rows) - written
                self._waited_in_vain = False
            self._healthy = not error
            self._writing = 0
            self._flushes += 1
            self._tell()
            self._change.notify_all()

    def _tell(self) -> None:
        # Here and not when a row is dropped: a call of the host's pays for no monitoring.
        for name in ("written", "rejected", "dropped", "failures"):
            telemetry.count(f"query_stats.{name}", self._count[name] - self._told[name])
        self._told = dict(self._count)

    def _take_back(self, rows: list[PendingStats], error: str) -> None:
        self._count["failures"] += 1
        self._last_error = error
        # The older rows keep their place, and what does not fit is the newest.
        kept = (rows + self._rows)[: self._bound]
        self._count["dropped"] += len(rows) + len(self._rows) - len(kept)
        # The interval begins anew below, so that the next try is not made at once.
        self._rows = kept
        self._since = self._clock()


def checked(
    tenant_id: object, table_name: object, field_name: object, query_type: object, duration_ms: object, at: float
) -> QueryStat | None:
    """The row, or None when the database could not take it or it cannot be true (NaN, negative, no name)."""
    if tenant_id is not None and (not isinstance(tenant_id, int) or isinstance(tenant_id, bool)):
        return None
    if isinstance(tenant_id, int) and tenant_id not in _INT4:
        return None
    if isinstance(duration_ms, bool) or not isinstance(duration_ms, int | float):
        return None
    if not math.isfinite(duration_ms) or duration_ms < 0:
        return None
    if not isinstance(table_name, str) or not isinstance(query_type, str) or not isinstance(field_name, str | None):
        return None
    if not all(map(_writable, (table_name, query_type))) or not (field_name is None or _writable(field_name)):
        return None
    return QueryStat(tenant_id, table_name, field_name, query_type, float(duration_ms), at)


def _writable(text: str) -> bool:
    try:
        return bool(text) and "\0" not in text and len(text.encode()) <= 200
    except UnicodeEncodeError:
        return False
