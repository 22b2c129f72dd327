"""``serve``: listen until somebody says stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

import uvicorn

from indexpilot_cli.core.command import Outcome
from indexpilot_cli.errors import UsageError
from indexpilot_cli.render.views.serve import ServeResult
from indexpilot_cli.serve.app import create_app
from indexpilot_cli.serve.security import is_loopback
from indexpilot_cli.serve.values import ServeRequest


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
    listener = _listen(request)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    app = create_app(request)
    server = _Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            lifespan="off",
        )
    )
    told(url)
    try:
        server.run([listener])
    finally:
        listener.close()
    code = 128 + server.signal if server.signal else 0
    word = signal.Signals(server.signal).name if server.signal else None
    return Outcome("serve", ServeResult(url, began, datetime.now(UTC), word), exit_code=code)


class _Server(uvicorn.Server):
    """Remembers the signal that ended it instead of raising it again."""

    signal: int = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal finishes what is being answered, a second one ends at once."""
        self.signal = sig
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def _listen(request: ServeRequest) -> socket.socket:
    family = socket.AF_INET6 if ":" in request.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((request.address, request.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {request.address} port {request.port}", detail=str(error), hint="--port 0: any free port"
        ) from None
    return listener
