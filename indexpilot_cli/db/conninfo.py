"""Connection strings as libpq reads them: what they say, which secrets they hold, and the same for another database."""

from __future__ import annotations

import os
from collections.abc import Mapping

import psycopg
from psycopg import conninfo as libpq

from indexpilot_cli.errors import UsageError


def secrets_of(dsn: str, password: str | None = None) -> tuple[str, ...]:
    """Every password that a message about this connection could contain, longest first."""
    try:
        parts = libpq.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {}
    found = {password, parts.get("password"), parts.get("sslpassword"), os.environ.get("PGPASSWORD")}
    return tuple(sorted({str(s) for s in found if s}, key=len, reverse=True))


def read_conninfo(dsn: str) -> dict[str, object]:
    """The connection string's parts; a bare word is a database name.

    Raises UsageError when it cannot be read. The text is in no part of the error: it may hold a password.
    """
    if dsn and "=" not in dsn and "://" not in dsn:
        return {"dbname": dsn}
    try:
        return dict(libpq.conninfo_to_dict(dsn))
    except psycopg.Error:
        wrong = bad_conninfo()
    raise wrong  # outside the handler, so that libpq's words are not even its context


def bad_conninfo() -> UsageError:
    """The connection string cannot be parsed. It is not repeated: it may hold a password."""
    return UsageError(
        "the connection string cannot be read",
        hint="write a database name, a URI (postgresql://...) or key=value pairs",
        code="bad_conninfo",
    )


def environment(conninfo: str, password: str | None = None) -> dict[str, str]:
    """The connection as libpq's environment variables (``PGHOST``, ``PGPASSWORD``, …).

    ``conninfo`` is a database name, a URI or key=value pairs; options without a variable are left out.
    Raises UsageError when it cannot be read. https://www.postgresql.org/docs/current/libpq-envars.html
    """
    given = read_conninfo(conninfo)
    if password is not None:
        given["password"] = password
    named = _variable_names()
    return {named[key]: str(value) for key, value in given.items() if key in named and value is not None}


def _variable_names() -> dict[str, str]:
    """Which option has which variable: libpq says it itself, also of options of later versions."""
    return {o.keyword.decode(): o.envvar.decode() for o in psycopg.pq.Conninfo.get_defaults() if o.envvar}


def without_secrets(conninfo: str, variables: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The connection as key=value pairs with what libpq's ``variables`` add to it, and without what libpq calls secret;
    and the names of what was left out. Raises UsageError when it cannot be read.
    """
    given = read_conninfo(conninfo) if conninfo else {}
    if "service" not in given:  # whose file goes before the variables
        given = {key: variables[name] for key, name in _variable_names().items() if variables.get(name)} | given
    secret = {o.keyword.decode() for o in psycopg.pq.Conninfo.get_defaults() if o.dispchar == b"*"}
    kept = {name: str(value) for name, value in given.items() if name not in secret and value is not None}
    return libpq.make_conninfo("", **kept), tuple(sorted(set(given) & secret))


def with_application(conninfo: str, name: str) -> str:
    """The connection string with this application name, where neither it, a service nor the environment has one.

    Raises UsageError when it cannot be read.
    """
    given = read_conninfo(conninfo) if conninfo else {}
    if {"application_name", "service"} & set(given) or {"PGAPPNAME", "PGSERVICE"} & set(os.environ):
        return conninfo
    kept = {key: str(value) for key, value in given.items() if value is not None}
    return libpq.make_conninfo("", **kept, application_name=name)


def with_database(conninfo: str, database: str) -> str:
    """The connection string for another database of the same server. Raises UsageError when it cannot be read."""
    return _with(conninfo if "=" in conninfo or "://" in conninfo else "", dbname=database)


def with_password(conninfo: str, password: str | None) -> str:
    """The connection string with the password in it, if there is one. Raises UsageError when it cannot be read."""
    named = {"dbname": conninfo} if conninfo and "=" not in conninfo and "://" not in conninfo else {}
    given = {} if password is None else {"password": password}
    return _with("" if named else conninfo, **named, **given)


def _with(conninfo: str, **parts: str) -> str:
    try:
        return libpq.make_conninfo(conninfo, **parts)
    except psycopg.Error:
        raise bad_conninfo() from None
