"""A role that may only look suffices, and looking leaves no trace outside IndexPilot's own schema."""

import os
import subprocess

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from indexpilot_cli.db.capabilities import newest_program

ROLE = "looks_only"


@pytest.fixture
def looker(own_shop, connection):
    """The DSN of a role with CONNECT, USAGE, SELECT and pg_read_all_stats, and nothing else."""
    name = connection.info.dbname
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(ROLE)))
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(ROLE)))
    for text in (
        f"REVOKE ALL ON DATABASE {name} FROM public",
        f"GRANT CONNECT ON DATABASE {name} TO {ROLE}",
        "REVOKE ALL ON SCHEMA public FROM public",
        f'GRANT USAGE ON SCHEMA public, "Mixed Case" TO {ROLE}',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA public, "Mixed Case" TO {ROLE}',
        f"GRANT pg_read_all_stats TO {ROLE}",
    ):
        connection.execute(text)
    yield make_conninfo(own_shop, user=ROLE)
    connection.execute(f"DROP OWNED BY {ROLE}")
    connection.execute(f"DROP ROLE {ROLE}")


def dump(dsn, *more):
    """Schema and data as pg_dump writes them, without the session's random key."""
    program = newest_program("pg_dump")
    assert program is not None
    ran = subprocess.run([program, "-d", dsn, *more], capture_output=True, text=True, check=True, env={**os.environ})
    return [line for line in ran.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_every_reading_command_works_and_writes_nothing(cli, own_shop, looker, workload, home):
    before = dump(own_shop)
    file = str(home / "shop.snapshot")
    commands = (
        ("discover", "-d", looker),
        ("doctor", "-d", looker, "--twin", "--source", "sql", workload),
        ("analyze", "-d", looker, "--source", "sql", workload),
        ("recommend", "-d", looker, "--source", "sql", workload),
        (
            "explain",
            "-d",
            looker,
            "--query",
            "SELECT * FROM orders WHERE status = 'open'",
            "--with",
            "CREATE INDEX ON orders (status)",
        ),
        ("snapshot", "save", file, "-d", looker),
        ("recommend", "--snapshot", file, "--source", "sql", workload),
    )
    for command in commands:
        ran = cli(*command)
        assert ran.code == 0, (command, ran.err)
    assert dump(own_shop) == before


def test_with_its_own_schema_only_that_changes(cli, own_shop, connection, workload):
    assert cli("init", "-d", own_shop, "--yes", "--db-only").code == 0
    before = dump(own_shop, "-N", "indexpilot")
    log = "SELECT count(*) FROM indexpilot.mutation_log"
    rows = connection.execute(log).fetchone()[0]
    for command in (
        ("discover",),
        ("analyze", "--source", "sql", workload),
        ("recommend", "--source", "sql", workload),
    ):
        assert cli(command[0], "-d", own_shop, *command[1:]).code == 0
        now = connection.execute(log).fetchone()[0]
        assert now == rows + 1, command
        rows = now
    failed = cli("recommend", "-d", own_shop, "--table", "nosuch", "--source", "sql", workload)
    assert failed.code == 2
    last = connection.execute(
        "SELECT state, mutation_type FROM indexpilot.mutation_log ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert last == ("FAILED", "RECOMMEND_INDEX")
    assert dump(own_shop, "-N", "indexpilot") == before


def test_what_the_role_may_not_read_of_ours_is_told_and_not_taken_for_nothing(
    cli, own_shop, looker, connection, workload
):
    assert cli("init", "-d", own_shop, "--yes", "--db-only").code == 0
    for command in (("recommend", "--source", "sql", workload), ("calibrate", "--show"), ("lifecycle",)):
        told = cli(*command, "-d", looker, "--json").json(command[0])["warnings"]
        assert "metadata_hidden" in {warning["code"] for warning in told}, command
    ran = cli("recommend", "-d", looker, "--source", "query_stats", "--json")
    assert (ran.code, ran.json("error")["error"]["code"]) == (5, "metadata_hidden")
    assert cli("init", "-d", own_shop, "--grant", ROLE, "--yes", "--db-only").code == 0
    told = cli("calibrate", "--show", "-d", looker, "--json").json("calibrate")["warnings"]
    assert "metadata_hidden" not in {warning["code"] for warning in told}


def test_statements_of_other_roles_are_hidden_and_not_unparsed(cli, own_shop, looker, connection):
    if not connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'").fetchone():
        pytest.skip("no contrib")
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    connection.execute("SELECT count(*) FROM orders WHERE status = 'hidden'")
    connection.execute(f"REVOKE pg_read_all_stats FROM {ROLE}")
    ran = cli("analyze", "-d", looker)
    assert " hidden" in ran.out and "unparsed" not in ran.out
    assert "GRANT pg_read_all_stats" in ran.err
    refused = cli("recommend", "-d", looker)
    assert refused.code == 2 and "GRANT pg_read_all_stats" in refused.err
