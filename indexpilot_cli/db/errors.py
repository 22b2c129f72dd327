"""psycopg's errors in our terms: the one place where a server's refusal becomes an ``IndexPilotError``.

SQLSTATE classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from indexpilot_cli.errors import (
    AnsweredError,
    IndexPilotError,
    PrerequisiteError,
    RefusedError,
    UnreachableError,
    UsageError,
)

MASK = "********"


class StatementError(AnsweredError):
    """The server refused a statement as such: syntax, a missing object, a bad value. ``detail`` has its words."""

    default_code = "statement_failed"


@dataclass(frozen=True, slots=True)
class _Cause:
    """One way a connection fails: how to recognise it and what to say."""

    code: str
    sqlstates: tuple[str, ...]
    words: str
    message: str
    hint: str


# The first whose words fit wins, so what is special stands before what is general.
_CAUSES = (
    _Cause(
        "authentication_failed",
        ("28P01", "28000"),
        r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist|not permitted to log in",
        "the server refused the login",
        "check the user name and password (PGUSER, PGPASSWORD, ~/.pgpass) and the server's pg_hba.conf",
    ),
    _Cause(
        "database_missing",
        ("3D000",),
        r"database .* does not exist",
        "the database does not exist on that server",
        "list the databases with  psql -l  and give one with --dbname",
    ),
    _Cause(
        "host_unknown",
        (),
        r"translate host name|name or service not known|resolve host|getaddrinfo|nodename nor servname|no address",
        "the host name is not known",
        "check --host or PGHOST",
    ),
    _Cause(
        "timeout",
        (),
        r"timeout expired|timed out|connection timeout",
        "the server did not answer in time",
        "check host, port and firewall, or give more time with PGCONNECT_TIMEOUT",
    ),
    _Cause(
        "too_many_connections",
        ("53300",),
        r"too many clients|connection slots|too many connections",
        "the server has no free connection",
        "try again later, or as a role with a reserved connection",
    ),
    _Cause(
        "not_ready",
        ("57P03",),
        r"starting up|shutting down|in recovery mode|not accepting connections",
        "the server is not accepting connections now",
        "wait until it has started",
    ),
    _Cause(
        "connection_refused",
        (),
        r"connection refused|no such file or directory|is the server running|no route to host|network is unreachable",
        "no server is listening there",
        "check --host and --port, and that the server runs",
    ),
    _Cause(
        "tls_failed",
        (),
        r"\bssl\b|certificate|\btls\b",
        "no secure connection could be made",
        "check sslmode and sslrootcert",
    ),
    _Cause(
        "service_missing",
        (),
        r"definition of service|service file",
        "the connection service is not defined",
        "check PGSERVICE and ~/.pg_service.conf",
    ),
    _Cause(
        "connection_lost",
        ("57P01", "57P02"),
        r"closed the connection|terminating connection|connection (reset|is closed|is lost)",
        "the connection was lost",
        "try again; the server's log tells why it ended the session",
    ),
)
_LOST = _CAUSES[-1]
_UNKNOWN = _Cause("unreachable", (), "", "cannot connect to the server", "try the same connection with psql")


def sqlstate(error: BaseException | None) -> str | None:
    """The SQLSTATE behind an error of ours or of psycopg; None when the server gave none."""
    if isinstance(error, psycopg.Error):
        return error.sqlstate
    return sqlstate(error.__cause__) if error is not None else None


def clean(text: str, secrets: Sequence[str] = ()) -> str:
    """The text on one line, with every secret masked."""
    line = " | ".join(" ".join(part.split()) for part in text.strip().splitlines() if part.strip())
    for secret in secrets:
        line = line.replace(secret, MASK)
    return line


def connect_error(error: psycopg.Error, secrets: Sequence[str] = ()) -> IndexPilotError:
    """Why no connection was made. The result has no ``__cause__``, so no traceback shows a connection string."""
    text = str(error)
    if error.sqlstate == "42501" or "permission denied for database" in text:
        return _privilege(clean(text, secrets))
    cause = _recognise(error.sqlstate, text)
    return UnreachableError(cause.message, detail=clean(text, secrets), hint=cause.hint, code=cause.code)


def statement_error(error: psycopg.Error, *, broken: bool = False, secrets: Sequence[str] = ()) -> IndexPilotError:
    """What a statement's failure means. ``broken`` says the connection did not survive it."""
    detail = clean(error.diag.message_primary or str(error), secrets)
    state = error.sqlstate or ""
    if broken or state in _LOST.sqlstates:
        return UnreachableError(_LOST.message, detail=detail, hint=_LOST.hint, code=_LOST.code)
    if state == "42501":
        return _privilege(detail)
    # query_canceled: a timeout of ours or somebody's pg_cancel_backend(); only the message tells which.
    if state == "57014":
        hint = "give the statement more time (statement_timeout)" if "timeout" in detail else None
        return UnreachableError("the server cancelled a statement", detail=detail, hint=hint, code="timeout")
    if state == "55P03":
        return RefusedError("a lock was not free in time", detail=detail, hint="try again later", code="lock_timeout")
    if state == "25006":
        return RefusedError("the session or server is read-only", detail=detail, code="read_only")
    # Class 53: disk, memory or connections used up. Trying again at once does not help.
    if state.startswith("53"):
        return PrerequisiteError("the server is out of a resource", detail=detail, code="out_of_resource")
    hint = clean(error.diag.message_hint, secrets) if error.diag.message_hint else None
    return StatementError("the server refused a statement", detail=detail, hint=hint)


@contextmanager
def mapped(connection: psycopg.Connection[object], secrets: Sequence[str] = ()) -> Iterator[None]:
    """psycopg's errors inside the block come out as ours, with the original as cause."""
    try:
        yield
    except psycopg.Error as error:
        raise statement_error(error, broken=connection.broken or connection.closed, secrets=secrets) from error
    except UnicodeEncodeError as error:  # half a surrogate pair: bytes of a command line that are no text, for one
        raise UsageError("a text cannot be sent to the server", detail=str(error), code="encoding") from None


def _recognise(state: str | None, text: str) -> _Cause:
    by_state = (cause for cause in _CAUSES if state and state in cause.sqlstates)
    by_words = (cause for cause in _CAUSES if re.search(cause.words, text, re.IGNORECASE))
    return next(by_state, None) or next(by_words, _UNKNOWN)


def _privilege(detail: str) -> PrerequisiteError:
    return PrerequisiteError(
        "the role lacks a privilege",
        detail=detail,
        hint="grant it, or connect as a role that has it; indexpilot doctor lists what is needed",
        code="privilege_missing",
    )
