"""Who may ask, and what every answer says to browsers.

One ASGI layer before everything else, so that no endpoint can forget it. A browser on the same machine can be made to
send requests to loopback by any page (DNS rebinding, https://datatracker.ietf.org/doc/html/rfc6761#section-6.3 and
CSRF): Host must be a name of ours, and what writes needs the token in a header that no foreign page can set.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexpilot_cli.serve.values import ServeRequest

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN = ("/healthz", "/readyz")  # probes carry no token and tell nothing but yes or no
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Gatekeeper:
    """Refuses foreign hosts and origins and wrong tokens, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, request: ServeRequest) -> None:
        self._app = app
        self._token = request.token
        self._names = frozenset(known_names(request))
        self._origins = frozenset(request.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 4xx."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if refused is not None:
            await refused(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if host_of(headers.get("host", "")) not in self._names:
            return problem(421, "foreign_host", "this name is not served here")
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins and urlsplit(origin).hostname not in self._names:
            return problem(403, "foreign_origin", "pages of other places may not ask")
        if self._token is not None and scope["path"] not in OPEN and not self._knows(headers):
            return problem(401, "token", "a token is needed", headers={"WWW-Authenticate": "Bearer"})
        return None

    def _knows(self, headers: Headers) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ").encode()
        return hmac.compare_digest(given, (self._token or "").encode())


def problem(
    status: int,
    code: str,
    message: str,
    detail: str | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error as JSON, in the words of the command line's envelope."""
    error = {"code": code, "message": message, "detail": detail, "hint": hint}
    return JSONResponse({"error": error}, status, headers)


def known_names(request: ServeRequest) -> Iterable[str]:
    """Values of Host, without the port, that mean this server."""
    yield from LOOPBACK
    yield from request.names
    address = request.address
    yield f"[{address}]" if ":" in address else address


def host_of(header: str) -> str:
    """The name in a Host header, without the port; empty for what is none."""
    name, _, port = header.rpartition(":")
    if name and (port.isdecimal() or not port) and not header.endswith("]"):
        return name.lower()
    return header.lower()


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
