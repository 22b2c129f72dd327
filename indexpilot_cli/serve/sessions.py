"""Who is at the pages: the token typed once becomes a cookie, and every form carries a key that foreign pages lack.

A cookie is sent to every port of a host and along with what other pages make a browser send. So it counts only where
the browser says that one of our own pages asks, or nobody but the person (https://www.w3.org/TR/fetch-metadata/).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from indexpilot_cli.host.interceptor.rates import TokenBuckets

LASTS = timedelta(hours=12)
WRONG_TOKENS = 10  # in a minute from one address
_MOST = 1000  # open at once: what a server that is up for months may keep
NOBODY = "nobody"  # who asks where no token is needed


class Sessions:
    """Open sessions of one server. They end with it, when they are ended, and after twelve hours."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._key = secrets.token_bytes(32)  # forms of before a restart are foreign ones
        self._ends: dict[str, datetime] = {}
        self._wrong = TokenBuckets(WRONG_TOKENS)

    @property
    def needed(self) -> bool:
        """Whether pages are for those who have logged in."""
        return self._token is not None

    def is_token(self, given: str) -> bool:
        """Whether it is the token, told in a time that says nothing about it."""
        return self._token is not None and _same(given, self._token)

    def wrong(self, caller: str) -> float:
        """A wrong token came from there; the seconds to wait when that was too often."""
        return self._wrong.take(caller)

    def begin(self) -> str:
        """The value of the cookie of a new session."""
        now = datetime.now(UTC)
        for old in [name for name, ends in self._ends.items() if ends < now] or list(self._ends)[: -_MOST + 1]:
            self._ends.pop(old, None)
        name = secrets.token_urlsafe(32)
        self._ends[name] = now + LASTS
        return name

    def end(self, session: str) -> None:
        """The cookie counts no longer."""
        self._ends.pop(session, None)

    def of(self, scope: Scope) -> str | None:
        """The session that a request of our own pages belongs to; None: it has to log in."""
        if not self.needed:
            return NOBODY
        headers = Headers(scope=scope)
        session = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope), "")
        # The name of a dictionary's key is found by its hash, which is keyed anew in every process.
        ends = self._ends.get(session)
        return session if ends is not None and ends > datetime.now(UTC) and is_our_page(headers) else None

    def form_key(self, session: str, path: str) -> str:
        """What the form of that address carries: of no use in another session or for another address."""
        return hmac.digest(self._key, f"{session} {path}".encode(), "sha256").hex()

    def allows(self, scope: Scope, given: str) -> bool:
        """Whether a form was made for this session and address, and is sent by one of our pages."""
        session = self.of(scope)
        if session is None or not is_our_page(Headers(scope=scope)):
            return False
        return _same(given, self.form_key(session, scope["path"]))


def cookie_name(scope: Scope) -> str:
    """Of this server: cookies know no ports, and another may listen beside it."""
    server = scope.get("server")
    return f"indexpilot-{server[1]}" if server else "indexpilot"


def is_our_origin(headers: Headers) -> bool:
    """Whether a browser that tells an origin tells the place that it asks."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin.lower()).netloc == headers.get("host", "").lower()


def is_our_page(headers: Headers) -> bool:
    """Whether the browser says that it is nobody but the person, or a page of just this origin."""
    return is_our_origin(headers) and headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
