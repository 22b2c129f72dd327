"""Connection strings for the programs we start: as environment, so that no password stands in a process list."""

from __future__ import annotations

import psycopg
from psycopg import conninfo as libpq

from indexpilot_cli.db.errors import bad_conninfo


def environment(conninfo: str, password: str | None = None) -> dict[str, str]:
    """The connection as libpq's environment variables (``PGHOST``, ``PGPASSWORD``, …).

    ``conninfo`` is a database name, a URI or key=value pairs; options without a variable are left out.
    Raises UsageError when it cannot be read. https://www.postgresql.org/docs/current/libpq-envars.html
    """
    try:
        plain = conninfo and "=" not in conninfo and "://" not in conninfo
        given = {"dbname": conninfo} if plain else libpq.conninfo_to_dict(conninfo)
    except psycopg.Error:
        raise bad_conninfo() from None
    if password is not None:
        given["password"] = password
    # libpq says itself which option has which variable, also those of later versions.
    variables = {o.keyword.decode(): o.envvar.decode() for o in psycopg.pq.Conninfo.get_defaults() if o.envvar}
    return {variables[key]: str(value) for key, value in given.items() if key in variables and value is not None}


def with_database(conninfo: str, database: str) -> str:
    """The connection string for another database of the same server. Raises UsageError when it cannot be read."""
    try:
        return libpq.make_conninfo(conninfo if "=" in conninfo or "://" in conninfo else "", dbname=database)
    except psycopg.Error:
        raise bad_conninfo() from None
