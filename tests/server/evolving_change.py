"""What the tests of schema changes share: a database with our tables, requests, dumps, the log."""

import difflib
import subprocess
from dataclasses import dataclass

import psycopg
import pytest

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.capabilities import installed, newest_program
from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve.change import execute as evolve_execute
from indexpilot_cli.evolve.change import rollback as evolve_rollback
from indexpilot_cli.evolve.impact import clear_impact_cache
from indexpilot_cli.evolve.requests import ChangeRequest, ChangeUndoRequest
from indexpilot_cli.log import metadata


def refuse(_planned):
    raise AssertionError("nobody is to be asked")


def pg_dump(dsn):
    """The server's own pg_dump, which knows what that server keeps to itself, else the newest there is."""
    with psycopg.connect(dsn) as connection:
        major = connection.info.server_version // 10000
    own = (b.program("pg_dump") for b in installed() if b.major == major)
    found = next((path for path in own if path.exists()), None) or newest_program("pg_dump")
    return found or pytest.skip("no pg_dump on this machine")


def dump(dsn, *more):
    """The schema as pg_dump writes it, without what differs from run to run."""
    done = subprocess.run([pg_dump(dsn), "--schema-only", *more, dsn], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # A pg_dump with CVE-2025-8714 fixed writes a random key into every dump.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@dataclass(frozen=True)
class Ground:
    """A database with the metadata tables, to change columns in."""

    dsn: str

    def sql(self, text, *values):
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(text, values or None)
            return cursor.fetchall() if cursor.description else []

    def script(self, text):
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(text)

    def request(self, kind, table, column, **more):
        facts = {"lock_timeout": 0.5, "retries": 1, "confirmed": True, "execute": True} | more
        return ChangeRequest(
            kind, table, column, connection=Connection(self.dsn), record=Record("tester", "1", kind), **facts
        )

    def change(self, kind, table, column, **more):
        return evolve_execute.run(self.request(kind, table, column, **more), Silent(), refuse)

    def preview(self, kind, table, column, **more):
        return self.change(kind, table, column, execute=False, **more)

    def rollback(self, target=None, **more):
        facts = {"lock_timeout": 0.5, "retries": 1, "confirmed": True, "execute": True} | more
        asked = ChangeUndoRequest(
            connection=Connection(self.dsn), target=target, record=Record("tester", "1", "rollback"), **facts
        )
        return evolve_rollback.run(asked, Silent(), refuse)

    def log(self):
        return self.sql(
            "SELECT mutation_type, state, field_name, sqlstate, error, undo_sql, details_json, id"
            " FROM indexpilot.mutation_log ORDER BY id"
        )

    def dump(self):
        return dump(self.dsn)

    def columns(self, table):
        return dict(
            self.sql(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                table,
            )
        )


def prepare(dsn):
    """The metadata tables in the database; gives the ground."""
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000, lock_timeout_ms=None) as session:
        metadata.migrate(session)
    clear_impact_cache()
    return Ground(dsn)


def public(name):
    return QualifiedName("public", name)


def assert_same(now, before):
    """Both dumps are equal; only the lines that differ are shown."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "after", lineterm="", n=2)
    difference = "\n".join(lines)
    if difference:
        pytest.fail(difference)
