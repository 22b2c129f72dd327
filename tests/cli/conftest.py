"""A home directory of its own and, where wanted, a database with a little shop in it."""

import functools

import psycopg
import pytest

from tests.cli.process import run, start

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, city text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL,
    created_at timestamptz NOT NULL);
CREATE SCHEMA "Mixed Case";
CREATE TABLE "Mixed Case"."a_rather_long_table_name_that_no_terminal|loves" (id int PRIMARY KEY, "order" text);
INSERT INTO customers SELECT i, 'user' || i || '@example.com', 'city' || i % 50 FROM generate_series(1, 5000) i;
INSERT INTO orders SELECT i, i % 5000, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END,
    timestamptz '2026-01-01Z' + i * interval '1 min' FROM generate_series(1, 40000) i;
INSERT INTO "Mixed Case"."a_rather_long_table_name_that_no_terminal|loves"
    SELECT i, i::text FROM generate_series(1, 20000) i;
"""
LONG_TABLE = '"Mixed Case"."a_rather_long_table_name_that_no_terminal|loves"'
WORKLOAD = """
SELECT id, status FROM orders WHERE customer_id = 4711 ORDER BY created_at DESC LIMIT 20;
SELECT count(*) FROM orders WHERE status = 'open';
SELECT * FROM "Mixed Case"."a_rather_long_table_name_that_no_terminal|loves" WHERE "order" = '77';
VACUUM orders;
"""


@pytest.fixture(scope="session")
def cache(twin_place):
    """One cache of twins for all tests."""
    return str(twin_place)


@pytest.fixture
def home(tmp_path):
    """An empty home, which is also the working directory."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def cli(home, cache):
    """Run the program in the home directory."""
    return functools.partial(run, home, XDG_CACHE_HOME=cache)


@pytest.fixture
def started(home, cache):
    """The same as a new process."""
    return functools.partial(start, home, XDG_CACHE_HOME=cache)


@pytest.fixture(scope="session")
def shop(pg):
    """The DSN of a database that all tests read: two tables of a shop and one with an awkward name."""
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE t_cli_shop")
        with psycopg.connect(pg.database("t_cli_shop"), autocommit=True) as connection:
            connection.execute(SHOP)
            connection.execute("ANALYZE")
        yield pg.database("t_cli_shop")
        admin.execute("DROP DATABASE t_cli_shop WITH (FORCE)")


@pytest.fixture
def own_shop(connection, database):
    """The same, for a test that changes it."""
    connection.execute(SHOP)
    connection.execute("ANALYZE")
    return database


@pytest.fixture
def workload(home):
    """A file of statements about the shop."""
    path = home / "workload.sql"
    path.write_text(WORKLOAD)
    return str(path)


@pytest.fixture
def no_server(tmp_path):
    """Arguments that reach no server."""
    return ("-h", str(tmp_path), "-d", "shop")
