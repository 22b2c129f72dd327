"""One walk through the commands that read most of the server's catalog, on whatever version the server is.

``nox -s versions`` takes it to every major version from 12 to 18.
"""

import psycopg
import pytest

from tests.cli.changes import CALM, SAFEGUARDS

MORE = """
CREATE TABLE visits (day date NOT NULL, page int, who text COLLATE "C") PARTITION BY RANGE (day);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO visits SELECT date '2026-01-01' + i % 59, i, 'p' || i FROM generate_series(1, 20000) i;
CREATE MATERIALIZED VIEW cities AS SELECT city, count(*) AS customers FROM customers GROUP BY city;
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
CREATE INDEX customers_shout ON customers (shout(city));
"""
QUERIES = (
    "SELECT id, status FROM orders WHERE customer_id = 4711 ORDER BY created_at DESC LIMIT 20",
    "SELECT * FROM visits WHERE page = 77",
)
BLOCKS = "CREATE INDEX late ON public.orders (created_at);\nALTER TABLE public.orders ALTER COLUMN id TYPE bigint;\n"
ANY_TIME = {**CALM, f"{SAFEGUARDS}MAINTENANCE_WINDOW_ENABLED": "false"}
FAILS = "ALTER TABLE public.orders ADD CONSTRAINT few CHECK (id < 100);\n"


@pytest.fixture
def ask(cli, own_shop, home):
    """A command against the shop; gives what ran."""
    with psycopg.connect(own_shop, autocommit=True) as connection:
        connection.execute(MORE)
        connection.execute("ANALYZE")
    (home / "blocks.sql").write_text(BLOCKS)
    (home / "fails.sql").write_text(FAILS)
    return lambda *arguments: cli(*arguments, "-d", own_shop, **ANY_TIME)


@pytest.fixture
def ours(own_shop):
    """The indexes that bear our name, and whether they are valid."""
    question = (
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
        " WHERE (SELECT relname FROM pg_class WHERE oid = indexrelid) LIKE '%ip_idx'"
    )

    def read():
        with psycopg.connect(own_shop, autocommit=True) as connection:
            return dict(connection.execute(question).fetchall())

    return read


def test_t12_every_command_says_the_same_on_every_version(ask, ours):
    assert ask("init", "--yes").code == 0
    doctor = ask("doctor", "--json").json("doctor")
    assert [c for c in doctor["result"]["checks"] if c["state"] == "error"] == []

    queries = [part for text in QUERIES for part in ("--query", text)]
    ran = ask("recommend", *queries, "--max-indexes", "3", "--json")
    assert ran.code == 0, ran.err
    advice = ran.json("recommend")["result"]["recommendations"]
    assert {r["table"]["name"] for r in advice} == {"orders", "visits"}

    built = ask("apply", "--yes", "--json")
    assert built.code == 0, built.out + built.err
    assert {m["outcome"] for m in built.json("apply")["result"]["mutations"]} == {"done"}
    assert len(ours()) == 4 and set(ours().values()) == {True}, ours()
    assert [c for c in ask("doctor", "--json").json("doctor")["result"]["checks"] if c["state"] == "error"] == []

    undone = ask("rollback", "--last", "--yes", "--json")
    assert undone.code == 0, undone.err
    plan = ask("rollback", built.json("apply")["result"]["plan"], "--yes", "--json")
    assert (plan.code, ours()) == (0, {}), plan.err


def test_a_review_runs_the_migration_on_every_version(ask):
    blocks = ask("schema-evolve", "check", "blocks.sql", "--json")
    assert blocks.code == 3, blocks.err
    told = blocks.json("schema-evolve")["result"]["files"][0]
    assert told["method"].startswith("clone/"), told["method"]
    assert {"L01", "L03"} & {f["id"] for f in told["findings"]}
    fails = ask("schema-evolve", "check", "fails.sql", "--json").json("schema-evolve")
    assert fails["result"]["files"][0]["verdict"] == "fails"
