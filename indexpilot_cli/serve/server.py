"""``serve``: listen until somebody says stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.render.views.serve import ServeResult
from indexpilot_cli.serve.app import create_app
from indexpilot_cli.serve.security import is_loopback
from indexpilot_cli.serve.values import ServeRequest

HEAD_SECONDS = 10.0
_MOST_OPEN = 500  # connections; more are answered 503


def run(request: ServeRequest, told: Callable[[str], None]) -> Outcome[ServeResult]:
    """Serve until TERM, HUP or INT; requests that are being answered are finished. ``told`` gets the URL.

    Raises UsageError for an address that others reach without a token, for writes without one, and where nobody can
    listen. A database that does not answer is no error: it is shown.
    """
    if request.token is None and not is_loopback(request.address):
        raise UsageError(f"{request.address} is reached by others: a token is needed", hint="--token-file FILE")
    if request.token is None and request.allow_apply:
        raise UsageError("--allow-apply needs a token", hint="--token-file FILE, or INDEXPILOT_SERVE_TOKEN")
    began = datetime.now(UTC)
    listener = listen(request)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    app = create_app(request)
    server = _Server(configured(app))
    try:
        with server.capture_signals():  # uvicorn's own hears none that comes between the word and the loop
            # In a thread: a database that does not answer must not hold up that it is said so.
            threading.Thread(target=_noted, args=(request, "started", url), daemon=True).start()
            told(url)
            server.run([listener])
    finally:
        listener.close()
        app.state.site.close()
        _noted(request, "stopped", url)
    code = 128 + server.signal if server.signal else 0
    word = signal.Signals(server.signal).name if server.signal else None
    return Outcome("serve", ServeResult(url, began, datetime.now(UTC), word), exit_code=code)


def configured(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody can write X-Forwarded-For, and limits go by the address
        limit_concurrency=_MOST_OPEN,
        timeout_graceful_shutdown=10,
    )


class ImpatientProtocol(H11Protocol):
    """Closes connections whose request head does not come: uvicorn waits for ever (Slowloris)."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request must come in time."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """The head of the next request must come in time once it has begun."""
        super().data_received(data)
        between = self.cycle is None or self.cycle.response_complete
        if not between and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif between and self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)


def _noted(request: ServeRequest, event: str, url: str) -> None:
    """A row in the log: who serves the database, from when to when. Looking leaves none."""
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        note.details(event=event, url=url, allow_apply=request.allow_apply)


class _Server(uvicorn.Server):
    """Remembers the signal that ended it instead of raising it again."""

    signal: int = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal finishes what is being answered, a second one ends at once."""
        self.signal = sig
        super().handle_exit(sig, frame)
        # uvicorn raises them again when it has ended, and the outcome would not be told.
        self._captured_signals.clear()


def listen(request: ServeRequest) -> socket.socket:
    """A bound socket. Raises UsageError where nobody can listen."""
    family = socket.AF_INET6 if ":" in request.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A port that a server left a moment ago waits (TIME_WAIT) and may be taken all the same.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((request.address, request.port))
        listener.listen()  # who reads the URL and comes at once waits, and is not refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {request.address} port {request.port}", detail=str(error), hint="--port 0: any free port"
        ) from None
    return listener
