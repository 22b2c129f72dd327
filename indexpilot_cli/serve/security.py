"""Who may ask, and what every answer says to browsers.

One ASGI layer before everything else, so that no endpoint can forget it. A browser on the same machine can be made to
send requests to loopback by any page (DNS rebinding, CSRF): Host must be a name of ours (or, where others reach us, an
address), Origin where a browser sends it the same place (https://datatracker.ietf.org/doc/html/rfc6454#section-7), and
a token comes in a header that no foreign page can set.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexpilot_cli.host.interceptor.rates import TokenBuckets
from indexpilot_cli.serve.sessions import Sessions, is_our_origin
from indexpilot_cli.serve.values import ServeRequest

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN = ("/healthz", "/readyz")  # probes carry no token and tell nothing but yes or no
LOGIN = ("/login", "/logout")
STATIC = "/static/"
MOST_BYTES = 2_000_000  # of a request's body: a migration to review is the longest thing anybody sends
_MOST_DROPPED = 20_000_000  # of a longer one, read and dropped: who is hung up on while sending sees no answer
BODY_SECONDS = 20.0  # else a byte a minute would keep a connection open
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
    "Cache-Control": "no-store",  # it is of a database that not everybody may see
}


class Gatekeeper:
    """Refuses foreign hosts and origins, wrong tokens, bodies too long or too slow, and who asks too often."""

    def __init__(self, app: ASGIApp, request: ServeRequest, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions
        self._names = frozenset(known_names(request))
        self._local = is_loopback(request.address)
        self._origins = frozenset(request.origins)
        self._asked = TokenBuckets(request.settings.operational.serve.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 4xx."""
        if scope["type"] != "http":  # neither websockets nor the events of a lifespan are for us
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        answer = self._refused(scope, headers)
        if answer is None:
            body = await _read(headers, receive)
            if isinstance(body, bytes):
                # What GET would say of itself; the server of HTTP leaves the body out.
                asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
                await self._app(asked, _once(body, receive), guarded)
                return
            answer = body
        await answer(scope, receive, guarded)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        caller = (scope.get("client") or ("",))[0]
        if not self._is_our_name(host_of(headers.get("host", "").lower())):
            return problem(421, "foreign_host", "this name is not served here")
        # Before the token is looked at: guesses are requests, too.
        wait = self._asked.take(caller)
        if wait:
            return _too_often(wait)
        if headers.get("origin") not in self._origins and not is_our_origin(headers):
            return problem(403, "foreign_origin", "pages of other places may not ask")
        if not self._sessions.needed or scope["path"] in OPEN or _is_preflight(scope, headers):
            return None
        return None if self._is_at_pages(scope) else self._unknown(scope, headers, caller)

    def _is_our_name(self, name: str) -> bool:
        """Whether a Host means this server. Beyond loopback any address does: probes and scrapers ask for that of a
        pod, and who was led here by a foreign name (DNS rebinding) says that name.
        """
        return name in self._names or (not self._local and is_address(name.removeprefix("[").removesuffix("]")))

    def _is_at_pages(self, scope: Scope) -> bool:
        """Whether it is a person who has logged in, or is about to. Programs that write show the token itself."""
        if scope["path"] in LOGIN or scope["path"].startswith(STATIC):
            return True
        return _is_for_people(scope) and self._sessions.of(scope) is not None

    def _unknown(self, scope: Scope, headers: Headers, caller: str) -> Response | None:
        """What who does not have the token is told."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._sessions.is_token(given.strip()):
            return None
        wait = self._sessions.wrong(caller) if given else 0.0
        if wait:
            return _too_often(wait)
        if _is_for_people(scope) and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"/login?{urlencode({'next': address_of(scope)})}", 303)
        return problem(401, "token", "a token is needed", headers={"WWW-Authenticate": "Bearer"})


def address_of(scope: Scope) -> str:
    """Path and query of a request."""
    query = scope.get("query_string", b"").decode("ascii", "replace")
    return f"{quote(scope['path'])}?{query}" if query else quote(scope["path"])


def _is_for_people(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") or not scope["path"].startswith("/api/")


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    """A browser asks, without the token, whether it may ask: https://fetch.spec.whatwg.org/#cors-preflight-fetch."""
    return scope["method"] == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def _too_often(wait: float) -> JSONResponse:
    return problem(429, "too_often", "too many requests", headers={"Retry-After": str(math.ceil(wait))})


async def _read(headers: Headers, receive: Receive) -> bytes | JSONResponse:
    """The whole body, or why it is not taken."""
    too_long = problem(413, "too_long", f"a request has at most {MOST_BYTES:,} bytes", headers={"Connection": "close"})
    length = headers.get("content-length", "0")  # a chunked body tells none: it is counted as it comes
    if not length.isdecimal() or int(length) > _MOST_DROPPED:
        return too_long
    parts, seen, more = bytearray(), 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more and seen <= _MOST_DROPPED:
                message = await receive()
                more = message.get("more_body", False)
                piece = message.get("body", b"")
                seen += len(piece)
                if seen <= MOST_BYTES:
                    parts += piece
    except TimeoutError:
        return problem(408, "too_slow", "the request did not come", headers={"Connection": "close"})
    return bytes(parts) if seen <= MOST_BYTES else too_long


def _once(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then whatever comes behind it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


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
    """The name in a Host header, without the port."""
    name, colon, port = header.rpartition(":")
    return name if colon and port.isdecimal() else header


def is_address(name: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    return ipaddress.ip_address(address).is_loopback if is_address(address) else address == "localhost"
