"""Real PostgreSQL for the tests, found by one fixture.

Order: ``INDEXPILOT_TEST_DSN`` (a superuser DSN), Docker through testcontainers when an engine answers,
a local installation, the embedded wheel. ``INDEXPILOT_TEST_MAJOR`` asks for one major version.
"""

import os
import shutil
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from indexpilot_cli.db.capabilities import Binaries, installed
from indexpilot_cli.db.connection import end_connection
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.waiting import LIMIT

SETTINGS = {"fsync": "off", "autovacuum": "off", "full_page_writes": "off", "max_connections": "60"}


@dataclass(frozen=True)
class TestServer:
    """A running server: ``dsn`` connects to its ``postgres`` database as superuser."""

    __test__ = False
    dsn: str
    origin: str
    local: LocalServer | None = None

    def database(self, name: str) -> str:
        """The DSN of another database of the server."""
        return psycopg.conninfo.make_conninfo(self.dsn, dbname=name)


def binaries() -> Binaries:
    wanted = os.environ.get("INDEXPILOT_TEST_MAJOR")
    usable = [b for b in installed() if wanted is None or b.major == int(wanted)]
    if not usable:
        pytest.skip(f"no PostgreSQL {wanted or ''} on this machine")
    return usable[0]


def docker_server():
    if shutil.which("docker") is None or os.environ.get("INDEXPILOT_TEST_MAJOR"):
        return None
    try:
        from testcontainers.community.postgres import PostgresContainer

        container = PostgresContainer("postgres:17", driver=None)
        container.start()
    except Exception:  # noqa: BLE001 - no engine, no image: the next way is tried
        return None
    return container


@pytest.fixture(scope="session")
def pg():
    """A server for the whole session, as a TestServer."""
    given = os.environ.get("INDEXPILOT_TEST_DSN")
    if given:
        yield TestServer(given, "given")
        return
    container = docker_server()
    if container is not None:
        yield TestServer(container.get_connection_url(), "docker")
        container.stop()
        return
    found = binaries()
    preload = {"shared_preload_libraries": "pg_stat_statements"} if has_contrib(found) else {}
    with LocalServer(found, new_home(), SETTINGS | preload) as server:
        # Its first session writes a file that later ones read, also those of its copies: 2 ms less for each of these.
        psycopg.connect(server.dsn("template1")).close()
        yield TestServer(server.dsn(), found.origin, server)


def has_contrib(found: Binaries) -> bool:
    return any(found.directory.parent.glob("lib/**/pg_stat_statements.so")) or any(
        found.directory.parent.glob("lib/pg_stat_statements.so")
    )


@contextmanager
def reachable_directory():
    """A new directory that the server's account can enter; pytest closes its own to others again and again."""
    with tempfile.TemporaryDirectory(prefix="indexpilot-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def twin_place():
    """One cache of twins for all tests of this process; that of the user grows, and every opening walks through it."""
    with reachable_directory() as path:
        yield path


@cache
def _admin(dsn):
    """A connection that makes and drops databases, kept: one for each of them took 8 ms of processor time."""
    return psycopg.connect(dsn, autocommit=True)


@contextmanager
def session_to(dsn):
    """A session that has ended afterwards: what it counted, which it tells at its end, is known to what follows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            yield connection
        finally:
            end_connection(connection, LIMIT)


def _end_sessions(admin, name):
    """End what is left of sessions to the database, and wait for it: DROP DATABASE sleeps a tenth of a second where it
    meets one, and each test has closed its own a moment before.
    """
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    _until_left(admin, name)


def _until_left(admin, name):
    """Wait for the last session to leave the database: the server gives those it meets five seconds, then refuses."""
    left = "SELECT pg_stat_get_db_numbackends(oid) FROM pg_database WHERE datname = %s"
    end = time.monotonic() + LIMIT
    while any(admin.execute(left, (name,)).fetchone() or ()) and time.monotonic() < end:
        time.sleep(0.002)


@contextmanager
def new_database(pg, template="template1"):
    """A new database, empty unless it copies another; gives its superuser DSN and drops it afterwards."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    admin = _admin(pg.dsn)
    # From 15 on pages are copied through the WAL where nothing else is said: 23 ms of processor time instead of 10.
    files = " STRATEGY file_copy" if admin.info.server_version >= 150000 else ""
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}" + files)
    _until_left(admin, template)
    admin.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield pg.database(name)
    finally:
        _end_sessions(admin, name)
        force = " WITH (FORCE)" if admin.info.server_version >= 130000 else ""
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}" + force).format(sql.Identifier(name)))


@contextmanager
def templates(pg, fill):
    """A function that gives the name of a database filled by ``fill(dsn, key)``, made when the key is new."""
    with ExitStack() as stack:

        @cache
        def filled(*key):
            dsn = stack.enter_context(new_database(pg))
            fill(dsn, *key)
            return psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]

        yield filled


@pytest.fixture
def database(pg):
    """The DSN of a new empty database."""
    with new_database(pg) as dsn:
        yield dsn


@pytest.fixture
def connection(database):
    """An autocommit superuser connection to the new database."""
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn
