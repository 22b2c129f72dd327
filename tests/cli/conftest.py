"""A home directory of its own and, where wanted, a database with a little shop in it."""

import functools

import pytest

from tests.cli.process import run

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


@pytest.fixture
def home(tmp_path):
    """An empty home, which is also the working directory."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def cli(home):
    """Run the program in the home directory."""
    return functools.partial(run, home)


@pytest.fixture
def shop(connection, database):
    """The DSN of a database with two tables of a shop and one with an awkward name."""
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
