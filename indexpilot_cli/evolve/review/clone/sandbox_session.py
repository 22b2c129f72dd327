"""A session for strangers' statements: watched from outside, interrupted when it takes too long or too much."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from indexpilot_cli.core import units
from indexpilot_cli.db.observe_session import Answer, Gone, Overrun, Watch, WatchedSession
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.review.clone.sandbox import OWNER, PORT, Sandbox

_PATIENCE = 2.0  # seconds a session has to obey
_LOOK_EVERY = 0.5  # seconds between two measurements of the data directory
_OUR_SECONDS = 60.0  # for questions of ours
# On empty tables everything is cheap: here a sequential scan shall mean that no index serves.
_STARTS_WITH = {
    "enable_seqscan": "off",
    "enable_indexonlyscan": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in _STARTS_WITH.items())


class UntrustedSession:
    """A session of the schema's owner to one database of the sandbox. Close it, or use it in a ``with`` block."""

    def __init__(self, sandbox: Sandbox, database: str):
        self._sandbox = sandbox
        self._wire = WatchedSession(sandbox.socket, PORT, OWNER, database, options=_OPTIONS)
        self.dead = False

    def __enter__(self) -> UntrustedSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        self.dead = True
        self._wire.close()

    @property
    def backend_pid(self) -> int:
        """The server's process for the session."""
        return self._wire.pid

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open and not failed."""
        return not self.dead and self._wire.status == "T"

    @property
    def idle(self) -> bool:
        """Whether no transaction block is open."""
        return not self.dead and self._wire.status == "I"

    def run(self, text: str, seconds: float | None = None) -> Answer:
        """One statement of theirs. ``overrun`` and ``error`` of the answer say what went wrong; it never raises."""
        return self._watched(
            self._wire.run, text, self._sandbox.limits.statement_seconds if seconds is None else seconds
        )

    def tell(self, text: str, seconds: float = _OUR_SECONDS) -> Answer:
        """Statements of ours in one message, with their rows; it never raises."""
        return self._watched(self._wire.ask, text, seconds)

    # -- inside

    def _watched(self, send: Callable[[str, Watch], Answer], text: str, seconds: float) -> Answer:
        if self.dead:
            return Answer(overrun="the server ended the session")
        try:
            return send(text, _Watch(self._sandbox, seconds))
        except Gone as gone:
            return self._lost(gone, None)
        except Overrun as overrun:
            return self._interrupt(overrun.reason)

    def _interrupt(self, reason: str) -> Answer:
        """Cancel, then terminate, then kill."""
        for function in ("pg_cancel_backend", "pg_terminate_backend"):
            try:
                self._sandbox.admin.value(f"SELECT pg_catalog.{function}(%s)", [self._wire.pid])
                answer = self._wire.settle(_Watch(self._sandbox, _PATIENCE, disk=False))
            except Overrun:
                continue
            except IndexPilotError:
                break
            except Gone as gone:
                return self._lost(gone, reason)
            answer.overrun = reason
            return answer
        self._sandbox.kill(self._wire.pid)
        return self._lost(Gone(None), reason)

    def _lost(self, gone: Gone, reason: str | None) -> Answer:
        self.dead = True
        self._wire.close()
        return Answer(error=gone.error, overrun=reason or "the server ended the session")


class _Watch:
    """Raises Overrun when the time is over or the data directory is too large."""

    def __init__(self, sandbox: Sandbox, seconds: float, *, disk: bool = True):
        self._sandbox = sandbox
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._next = time.monotonic() + _LOOK_EVERY if disk else float("inf")

    def __call__(self) -> None:
        now = time.monotonic()
        if now > self._end:
            raise Overrun(f"it ran longer than {self._seconds:.0f} s on empty tables")
        if now > self._next:
            self._next = now + _LOOK_EVERY
            if self._sandbox.too_large():
                raise Overrun(f"it wrote more than {units.size(self._sandbox.limits.disk)} on empty tables")
