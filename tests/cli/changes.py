"""One initialised database with one kept plan, for all tests that change indexes; each leaves it as it was."""

import contextlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.cli.conftest import SHOP, WORKLOAD
from tests.cli.process import PROGRAM, environment, run
from tests.servers import session_to
from tests.waiting import eventually

SAFEGUARDS = "INDEXPILOT_PRODUCTION_SAFEGUARDS_"
# The machine that runs the tests is busy, and they build more indexes than anybody should in an hour.
CALM = {f"{SAFEGUARDS}CPU_THROTTLE_ENABLED": "false", f"{SAFEGUARDS}RATE_LIMITER_ENABLED": "false"}


@dataclass(frozen=True)
class Shop:
    """The database, the plan as a document, and the program in a home of its own."""

    dsn: str
    document: dict
    home: Path
    cache: str

    @property
    def plan(self):
        return self.document["result"]["plan"]

    @property
    def advice(self):
        return self.document["result"]["recommendations"]

    def cli(self, *arguments, **more):
        """Run a command against the database, with calm safeguards."""
        return run(self.home, *arguments, "-d", self.dsn, XDG_CACHE_HOME=self.cache, **{**CALM, **more})

    def start(self, *arguments, **more):
        """Start a command and do not wait for it."""
        return subprocess.Popen(
            [*PROGRAM, *arguments, "-d", self.dsn],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=environment(self.home, XDG_CACHE_HOME=self.cache, **{**CALM, **more}),
        )

    def rows(self, query, *values):
        """The rows of a question."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query, values or None).fetchall()

    def ours(self):
        """Indexes that bear our name, and whether they are valid."""
        return dict(
            self.rows(
                "SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
                " WHERE (SELECT relname FROM pg_class WHERE oid = indexrelid) LIKE '%ip_idx'"
            )
        )

    def file(self, name, *recommendations):
        """A plan file with these recommendations only."""
        result = {**self.document["result"], "recommendations": list(recommendations)}
        (self.home / name).write_text(json.dumps({**self.document, "result": result}))
        return str(self.home / name)

    @contextlib.contextmanager
    def writer_at_work(self, table="orders"):
        """An open transaction that has written to the table: a concurrent build waits for it."""
        with psycopg.connect(self.dsn, application_name="busy") as connection:
            connection.execute(sql.SQL("UPDATE {} SET id = id WHERE id = 1").format(sql.Identifier(table)))
            yield connection

    def wait_for(self, query):
        """Ask until there is an answer."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return eventually(lambda: connection.execute(query).fetchall())


BUILDING = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"


@pytest.fixture(scope="session")
def prepared(pg, cache, tmp_path_factory):
    """The database, initialised, with the plan kept in it."""
    home = tmp_path_factory.mktemp("changes")
    dsn = pg.database("t_cli_changes")
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE t_cli_changes")
        for statement in (SHOP, "ANALYZE"):
            with session_to(dsn) as connection:
                connection.execute(statement)
        assert run(home, "init", "--db-only", "--yes", "-d", dsn).code == 0
        (home / "workload.sql").write_text(WORKLOAD)
        advice = run(home, "recommend", "--source", "sql", "workload.sql", "--json", "-d", dsn, XDG_CACHE_HOME=cache)
        assert advice.code == 0, advice.err
        yield Shop(dsn, advice.json("recommend"), home, cache)
        admin.execute("DROP DATABASE t_cli_changes WITH (FORCE)")


@pytest.fixture
def changes(prepared, tmp_path):
    """The same with a new home and nothing but its plan in our schema; what the test built is gone afterwards."""
    (tmp_path / "h").mkdir(exist_ok=True)
    shop = Shop(prepared.dsn, prepared.document, tmp_path / "h", prepared.cache)
    forget(shop)
    yield shop
    with psycopg.connect(prepared.dsn, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '20s'")
        for (name,) in connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
            " WHERE NOT indisvalid OR c.relname LIKE '%ip_idx'"
        ).fetchall():
            connection.execute(f"DROP INDEX IF EXISTS {name}".encode())
    forget(shop)


def forget(shop):
    """What other tests of this session logged and recommended in the database that they share."""
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # the log only lets rows be added
        for table in ("mutation_log", "idle_runs", "plan_approvals"):
            connection.execute(f"DELETE FROM indexpilot.{table}".encode())
        connection.execute("DELETE FROM indexpilot.plans WHERE id <> %s", (shop.plan,))
