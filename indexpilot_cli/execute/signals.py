"""INT, TERM and HUP while indexes change: the first asks to stop and clean up, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from indexpilot_cli.errors import OutcomeUnknownError

SHELL = 128  # what a shell adds to a signal's number
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """Somebody asked to stop; everything is as the next run expects it."""


class Stop:
    """Whether somebody asked to stop. ``signal`` is the first signal that came."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether to stop as soon as nothing is left half done."""
        return self._event.is_set()

    def check(self) -> None:
        """Raises StopRequested when somebody asked to stop."""
        if self.requested:
            raise StopRequested

    def request(self, number: int | None = None) -> None:
        """Ask to stop."""
        self.signal = self.signal or number
        self._event.set()

    def sleep(self, seconds: float) -> bool:
        """Wait, or less when somebody asks to stop; whether somebody did."""
        return self._event.wait(seconds)


@contextmanager
def listening(given: Stop | None = None, *, ends: bool = True) -> Iterator[Stop]:
    """The signals set the Stop during the block; after it, the signal that came takes its ordinary course.

    Without ``ends`` it does not: then the caller must tell that it was stopped, and by what. Outside the main
    thread Python delivers no signals, so nothing is installed there.
    """
    stop = given or Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before: dict[int, Any] = {}

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            signal.signal(number, before[number])
            signal.raise_signal(number)
        stop.request(number)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield stop
    except OutcomeUnknownError:
        ends = False  # what nobody knows yet is more to tell than that somebody stopped it
        raise
    finally:
        for installed, old in before.items():
            signal.signal(installed, old)
        # Whatever the block failed with, such as a lock that was not free in time, it was asked to end.
        if ends and stop.signal is not None:
            signal.raise_signal(stop.signal)


def go_on(exit_code: int) -> None:
    """Let the signal behind an exit code, if there is one, take its ordinary course."""
    if exit_code > SHELL:
        signal.raise_signal(exit_code - SHELL)
