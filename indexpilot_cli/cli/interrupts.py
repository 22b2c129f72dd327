"""INT, TERM and HUP: what is under way is taken back, then the process ends with the shell's code for the signal.

Who presses Ctrl-C twice wants the same as who does it once: a further signal within a few seconds would only cut the
clean-up short and leave a private server or an open row. After that it ends what still hangs.

A handler written in Python runs in the main thread, between two of its instructions. A signal that comes just before
a call that waits, or that the system hands to another thread, is noted and then not heard until the call returns, which
a question to a person never does by itself (https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers).
So a thread of its own reads what was noted and has the waiting call interrupted.

Process 1 of a container gets no signal that it has no handler for (pid_namespaces(7)), so the handlers stand before
anything else is read.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import time
from types import FrameType

SHELL = 128  # what a shell adds to a signal's number
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLEAN_UP = 5.0  # seconds in which a further signal is not heard
_WAKE = signal.SIGURG  # ignored by default: harmless to send, also where its handler is gone
_WAKE_AFTER = (0.02, 0.1, 0.5, 2.0)  # seconds; more than once, for the main thread may be just about to wait
_heard_at: float | None = None


class Interrupted(KeyboardInterrupt):
    """INT. A type of its own: where KeyboardInterrupt itself leaves code that was compiled from text, such as that of
    dataclasses while modules are read, ``python -m`` ends by the signal (-2), whatever code it is left with.
    """


class Terminated(SystemExit):
    """TERM or HUP: ends like Ctrl-C, after clean-up."""

    def __init__(self, exit_code: int):
        super().__init__(exit_code)
        self.exit_code = exit_code


def heed() -> None:
    """From here on INT raises Interrupted, TERM and HUP raise Terminated. What nohup ignores stays ignored."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    noted, note = os.pipe()
    os.set_blocking(note, False)
    signal.signal(_WAKE, lambda *_: None)
    signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    _thread.start_new_thread(_wake_main_thread, (noted, _thread.get_ident()))


def hold_off() -> None:
    """While the end is told: a further signal would cut its line short."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def leave_at_next(exit_code: int) -> None:
    """From here on all is told: a signal ends the process at once, where threads are still waited for, say."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: os._exit(exit_code))
    # The interpreter takes handlers in Python away before it is done, and a signal would then be the end with a code
    # of its own. What is ignored stays so.
    atexit.register(hold_off)


def leave(exit_code: int) -> None:
    """End without a traceback: a signal came before anything was begun, or a further one in the midst of the end."""
    hold_off()
    sys.stderr.write("error: interrupted\n" if exit_code == SHELL + signal.SIGINT else "error: terminated\n")
    sys.stderr.flush()
    os._exit(exit_code)


def _wake_main_thread(noted: int, main: int) -> None:
    while number := os.read(noted, 1):
        if number[0] in _SIGNALS:
            for seconds in _WAKE_AFTER:
                time.sleep(seconds)
                signal.pthread_kill(main, _WAKE)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    global _heard_at
    if _heard_at is not None and time.monotonic() - _heard_at < _CLEAN_UP:
        return
    _heard_at = time.monotonic()
    raise Interrupted if number == signal.SIGINT else Terminated(SHELL + number)
