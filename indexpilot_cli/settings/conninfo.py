"""One libpq connection string from the fields a user gave. Nothing is filled in: libpq knows its own defaults.

A string (URI or key=value) replaces every field of a less important place; fields of the same place are overridden
by it, as psql does; fields of a more important place override it.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.sections import Settings

_RANK = {"default": 0, "user": 1, "project": 2, "file": 2, "environment": 3, "flag": 4}
_FIELDS = ("host", "port", "user", "dbname", "sslmode")
_URI_HINT = "write @ as %40, / as %2F, # as %23, ? as %3F, : as %3A; better: keep the password in ~/.pgpass"
_SCHEMES = ("postgresql://", "postgres://")


def is_uri(text: str) -> bool:
    """Whether libpq reads the text as a URI."""
    return text.startswith(_SCHEMES)


def is_string(text: str) -> bool:
    """Whether the text is a connection string rather than a database name."""
    return is_uri(text) or "=" in text


def compose(settings: Settings) -> tuple[str, str | None]:
    """The connection string and the password to use beside it. Raises UsageError for a URI libpq would misread."""
    base, rank = _base(settings)
    fields = {n: str(v) for n in _FIELDS if (v := getattr(settings.connection, n)) is not None}
    if base is not None and fields.get("dbname") == base:
        del fields["dbname"]
    below = {n: v for n, v in fields.items() if _rank(settings, n) == rank}
    above = {n: v for n, v in fields.items() if _rank(settings, n) > rank}
    password = settings.connection.password if _rank(settings, "password") >= rank else None
    if base is None:
        return _pairs(below | above), password
    if is_uri(base):
        _check_uri(base)
        return _extend_uri(base, below, above), password
    return " ".join(part for part in (_pairs(below), base.strip(), _pairs(above)) if part), password


def _base(settings: Settings) -> tuple[str | None, int]:
    """The most important connection string and its rank; (None, 0) when there are only fields."""
    dsn, name = settings.connection.dsn, settings.connection.dbname
    found = [(_rank(settings, "dsn"), dsn if is_string(dsn) else _pairs({"dbname": dsn}))] if dsn else []
    if name and is_string(name):
        found.append((_rank(settings, "dbname"), name))
    if not found:
        return None, 0
    rank, text = max(found, key=lambda pair: pair[0])
    return text, rank


def _rank(settings: Settings, field: str) -> int:
    return _RANK[settings.origin(f"connection.{field}").kind]


def _pairs(fields: dict[str, str]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: str) -> str:
    if value and not any(c.isspace() or c in "'\\" for c in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _check_uri(uri: str) -> None:
    rest = uri.partition("://")[2]
    end = min((i for c in "/?#" if (i := rest.find(c)) >= 0), default=len(rest))
    last = rest.rfind("@")
    stray = last > end and "=" not in rest[end:last]
    if rest[:end].count("@") > 1 or stray or "#" in rest[: max(last, 0)]:
        raise UsageError(
            "the connection URI has a special character in its user or password",
            hint=_URI_HINT,
            code="conninfo",
        )


def _extend_uri(uri: str, below: dict[str, str], above: dict[str, str]) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise UsageError("the connection URI cannot be read", hint=_URI_HINT, code="conninfo") from None
    authority, _, hosts = parts.netloc.rpartition("@")
    has = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    has |= {"user"} if authority.partition(":")[0] else set()
    has |= {"host"} if hosts.partition(":")[0] else set()
    has |= {"port"} if hosts.rpartition(":")[2].isdigit() and ":" in hosts else set()
    has |= {"dbname"} if parts.path.strip("/") else set()
    extra = {n: v for n, v in below.items() if n not in has} | above
    if not extra:
        return uri
    return uri + ("&" if "?" in uri else "?") + urlencode(extra, quote_via=quote)
