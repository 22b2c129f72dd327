"""Adapters of the host behind a queue: what they raise is counted, how long they take is nobody's time but theirs."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.core.telemetry import Tags
from indexpilot_cli.host.place import in_background
from indexpilot_cli.log.redact import scrub_text

BOUND = 10_000
_AT_EXIT = 2.0  # seconds for all adapters together
_delivering = threading.local()


@dataclass(frozen=True, slots=True)
class AdapterStats:
    """Calls since the adapter was configured: ``dropped`` ones found the queue full, ``waiting`` ones are in it.

    ``failures`` raised; ``last_error`` is the latest one's text without secrets.
    """

    delivered: int = 0
    failures: int = 0
    dropped: int = 0
    waiting: int = 0
    last_error: str | None = None


class GuardedAdapter:
    """An adapter whose calls a thread of ours makes, in order; at most ``bound`` wait.

    The thread is a daemon and begins with the first call. A forked child begins anew with an empty queue: what waits
    is the parent's to deliver.
    """

    def __init__(self, adapter: Any, *, bound: int = BOUND):
        self.adapter = adapter
        self._bound = bound
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self._change = threading.Condition()
        self._calls: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._thread: threading.Thread | None = None
        self._busy = self._closed = False
        self._numbers = {"delivered": 0, "failures": 0, "dropped": 0}
        self._last_error: str | None = None

    def stats(self) -> AdapterStats:
        """What came of the calls so far."""
        with self._change:
            waiting = len(self._calls) + self._busy
            return AdapterStats(**self._numbers, waiting=waiting, last_error=self._last_error)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all is delivered; False when that took longer, or when no thread can be had that delivers."""
        with self._change:
            self._change.wait_for(lambda: self._is_done() or self._thread is None, seconds)
            return self._is_done()

    def close(self) -> None:
        """Deliver what waits, and nothing more; comes back at once."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _is_done(self) -> bool:
        return not self._calls and not self._busy

    def _send(self, method: str, *arguments: Any) -> None:
        # What an adapter makes happen itself (an audit that asks our log, for one) would go round for ever.
        if getattr(_delivering, "now", False):
            return
        with self._change:
            if self._closed or len(self._calls) >= self._bound:
                self._numbers["dropped"] += 1
                return
            self._calls.append((method, arguments))
            if self._thread is None:
                self._thread = in_background(self._run, "indexpilot-adapter")
            self._change.notify_all()

    def _run(self) -> None:
        _delivering.now = True
        while True:
            with self._change:
                self._change.wait_for(lambda: self._calls or self._closed)
                if not self._calls:
                    return
                method, arguments = self._calls.popleft()
                self._busy = True
            error = self._called(method, arguments)
            with self._change:
                self._busy = False
                self._numbers["delivered" if error is None else "failures"] += 1
                self._last_error = error or self._last_error
                self._change.notify_all()

    def _called(self, method: str, arguments: tuple[Any, ...]) -> str | None:
        """What the call raised, if anything."""
        try:
            getattr(self.adapter, method)(*arguments)
        except BaseException as error:  # noqa: BLE001 - the host's own code, in a thread with nobody above it
            return scrub_text(f"{type(error).__name__}: {error}"[:500])
        return None


class GuardedMonitoring(GuardedAdapter):
    """A ``MonitoringAdapter`` that never raises and never waits."""

    def count(self, name: str, value: float, tags: Tags) -> None:
        """So many more."""
        self._send("count", name, value, tags)

    def gauge(self, name: str, value: float, tags: Tags) -> None:
        """So many now."""
        self._send("gauge", name, value, tags)

    def timing(self, name: str, seconds: float, tags: Tags) -> None:
        """How long it took."""
        self._send("timing", name, seconds, tags)

    def alert(self, level: str, name: str, text: str, value: float) -> None:
        """A threshold was passed."""
        self._send("alert", level, name, text, value)


class GuardedErrorTracker(GuardedAdapter):
    """An ``ErrorTracker`` that never raises and never waits."""

    def capture_exception(self, error: BaseException, context: Mapping[str, Any]) -> None:
        """An error, with its traceback."""
        self._send("capture_exception", error, context)


class GuardedAudit(GuardedAdapter):
    """An ``AuditAdapter`` that never raises and never waits."""

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        self._send("record", event)


# Weak: an adapter that the host has replaced need not live until the process ends.
_all: weakref.WeakSet[GuardedAdapter] = weakref.WeakSet()


def _after_fork() -> None:
    for guarded in tuple(_all):
        guarded._begin()
    _delivering.now = False


def _at_exit() -> None:
    end = time.monotonic() + _AT_EXIT
    for guarded in tuple(_all):
        guarded.flush(max(0.0, end - time.monotonic()))


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
