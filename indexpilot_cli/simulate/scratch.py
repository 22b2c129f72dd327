"""Where a simulation works: databases of its own, on a private server or beside one that says it is for scratch."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from indexpilot_cli.core.command import Connection, Progress
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.db.conninfo import with_database, with_password
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import PrerequisiteError, RefusedError
from indexpilot_cli.planner.twin.server import LocalServer
from indexpilot_cli.simulate import server

APPLICATION = "indexpilot-simulation"
_BYTES_PER_ROW = 900  # of three copies with their indexes, measured
_LEAST_BYTES = 300_000_000
_LEAST_MAJOR = 13  # the first whose DROP DATABASE ends the sessions that are left
_MARKS = re.compile("scratch|simulat", re.IGNORECASE)
_ABOUT = """
SELECT current_database() AS name,
    coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment,
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer / 10000 AS major,
    r.rolsuper OR r.rolcreatedb AS creates
FROM pg_database AS d, pg_roles AS r WHERE d.datname = current_database() AND r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class SimulationServer:
    """A server on which databases may be made and dropped. ``text`` says which it is."""

    conninfo: str
    major: int
    text: str

    def dsn(self, database: str) -> str:
        """The connection string of one of its databases."""
        return with_database(self.conninfo, database)

    @contextmanager
    def database(self, name: str, template: str | None = None) -> Iterator[str]:
        """A new database, empty or a copy of the template; gives its name, and drops it in the end."""
        own = f"indexpilot_simulation_{secrets.token_hex(4)}_{name}"
        with Replay(self.conninfo, APPLICATION) as admin:
            admin.run(f"CREATE DATABASE {quote_identifier(own)}{self._copy_of(template)}")
        try:
            yield own
        finally:
            with Replay(self.conninfo, APPLICATION) as admin:
                # FORCE ends what an interrupted run left connected; without it the drop fails (55006).
                admin.run(f"DROP DATABASE IF EXISTS {quote_identifier(own)} WITH (FORCE)")

    def _copy_of(self, template: str | None) -> str:
        if template is None:
            return " TEMPLATE template0"
        # The default since 15 (wal_log) writes every block to the WAL; before it there was no other way than file_copy.
        # https://www.postgresql.org/docs/current/sql-createdatabase.html
        strategy = " STRATEGY file_copy" if self.major >= 15 else ""
        return f" TEMPLATE {quote_identifier(template)}{strategy}"


@contextmanager
def simulation_server(connection: Connection | None, rows: int, progress: Progress) -> Iterator[SimulationServer]:
    """A private server that is gone afterwards, or the one of the connection.

    Raises RefusedError for a database that does not say it is for scratch, PrerequisiteError without room, without a
    server that can be started here, or without the right to create databases.
    """
    if connection is not None:
        yield _marked(connection)
        return
    server.require_space(server.room(), _LEAST_BYTES + rows * _BYTES_PER_ROW, "the simulation")
    progress.stage("starting PostgreSQL")
    binaries = server.choose("the simulation")
    running = LocalServer(binaries, server.new_home(), server.FAST)
    try:
        running.start()
        yield SimulationServer(running.dsn(), binaries.major, f"private PostgreSQL {binaries.version}")
    finally:
        running.remove()


def own_database(connection: Connection) -> str:
    """The connection string of a database that is for scratch itself. Raises RefusedError when it does not say so."""
    conninfo = with_password(connection.conninfo, connection.password)
    with Replay(conninfo, APPLICATION) as looking:
        _require_mark(looking.rows(_ABOUT)[0])
    return conninfo


def _marked(connection: Connection) -> SimulationServer:
    conninfo = with_password(connection.conninfo, connection.password)
    with Replay(conninfo, APPLICATION) as looking:
        about = looking.rows(_ABOUT)[0]
    _require_mark(about)
    if about["major"] < _LEAST_MAJOR:
        raise PrerequisiteError(f"simulations need PostgreSQL {_LEAST_MAJOR} or newer", detail=about["version"])
    if not about["creates"]:
        raise PrerequisiteError(
            "the simulation makes databases of its own, which this role may not", hint="ALTER ROLE ... CREATEDB"
        )
    return SimulationServer(conninfo, about["major"], f"PostgreSQL {about['version']} beside {about['name']}")


def _require_mark(about: dict[str, object]) -> None:
    name = str(about["name"])
    if not (_MARKS.search(name) or _MARKS.search(str(about["comment"]))):
        raise RefusedError(
            f"{name} does not say that it is a scratch database",
            hint=f"COMMENT ON DATABASE {quote_identifier(name)} IS 'scratch', or leave -d out for a private server",
            code="not_scratch",
        )
