"""From SQL text and a real catalog to candidates that the real planner then uses."""

import psycopg
import pytest

from indexpilot_cli.advise.candidates import propose
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.workload.fold import fold
from tests.servers import new_database
from tests.unit.advise.candidates.builders import shown

pytestmark = pytest.mark.server
SETUP = """
CREATE TABLE accounts (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id bigint PRIMARY KEY, org_id int NOT NULL, customer_id int, status text NOT NULL,
    paid boolean NOT NULL, urgent boolean NOT NULL, total numeric(12, 2), created_at timestamptz NOT NULL,
    deleted_at timestamptz, note text, code text, email text, old_ref text, extra json
);
CREATE TABLE lines (order_id bigint, line int, product_id int, quantity int, PRIMARY KEY (order_id, line));
CREATE TABLE docs (
    id int PRIMARY KEY, data jsonb, tags text[], body text, words tsvector, place point, during tsrange, at date
);
CREATE TABLE events (id bigint, at timestamptz, device int, payload text);
CREATE MATERIALIZED VIEW totals AS SELECT 1 AS org_id, 0::numeric AS total WHERE false;
CREATE TABLE parts (id int, at date, region int, amount int) PARTITION BY RANGE (at);
CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM ('2000-01-01') TO ('2024-01-01');
CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2030-01-01');
INSERT INTO accounts SELECT g, 'account ' || g FROM generate_series(1, 300) g;
INSERT INTO orders
SELECT g, 1 + g % 300, (random() * 8000)::int,
       CASE WHEN g % 200 = 0 THEN 'failed' WHEN g % 10 = 0 THEN 'open' ELSE 'done' END,
       random() < 0.5, g % 100 = 0, (random() * 1000)::numeric(12, 2), now() - g * interval '1 minute',
       CASE WHEN g % 12 = 0 THEN NULL ELSE now() - g * interval '1 hour' END, 'note number ' || md5(g::text),
       'C' || md5(g::text), 'User' || g || '@Example.org',
       CASE WHEN g % 20 = 0 THEN md5(g::text) END, '{}'
FROM generate_series(1, 60000) g;
ALTER TABLE orders ADD FOREIGN KEY (org_id) REFERENCES accounts;
INSERT INTO lines SELECT g / 3, g % 3, (random() * 2000)::int, 1 FROM generate_series(3, 60000) g;
INSERT INTO docs
SELECT g, jsonb_build_object('kind', g % 500, 'name', 'n' || g), ARRAY['t' || g % 400, 'u' || g % 37],
       'text about ' || md5((g % 900)::text), to_tsvector('simple', 'word' || g % 800),
       point(random() * 1000, random() * 1000), tsrange(t.s, t.s + interval '2 days'), date '2020-01-01' + g % 1500
FROM generate_series(1, 20000) g, LATERAL (SELECT timestamp '2020-01-01' + g * interval '1 hour' AS s) t;
INSERT INTO events SELECT g, timestamptz '2024-01-01' + g * interval '1 second', g % 50, repeat('x', 60)
FROM generate_series(1, 150000) g;
INSERT INTO parts SELECT g, date '2023-01-01' + g % 730, (random() * 500)::int, g FROM generate_series(1, 40000) g;
"""
CASES = {
    "equality": ("SELECT * FROM orders WHERE customer_id = 17", "btree orders (customer_id)"),
    "range": ("SELECT * FROM orders WHERE total > 999.5", "btree orders (total)"),
    "remainder": ("SELECT * FROM orders WHERE customer_id % 1000 = 7", "btree orders ((customer_id % 1000))"),
    "bits": ("SELECT * FROM orders WHERE customer_id & 1023 = 7", "btree orders ((customer_id & 1023))"),
    "only those that are there": (
        "SELECT count(*) FROM orders WHERE old_ref IS NOT NULL",
        "btree orders (old_ref) where old_ref IS NOT NULL",
    ),
    "equality and range": (
        "SELECT * FROM orders WHERE customer_id = 17 AND created_at > now() - interval '3 days'",
        "btree orders (customer_id, created_at)",
    ),
    "sort with limit": (
        "SELECT * FROM orders WHERE org_id = 17 ORDER BY created_at DESC LIMIT 10",
        "btree orders (org_id, created_at)",
    ),
    "sort in two directions": (
        "SELECT * FROM orders WHERE org_id = 7 ORDER BY total DESC, id LIMIT 10",
        "btree orders (org_id, total, id desc)",
    ),
    "nulls last": (
        "SELECT * FROM orders ORDER BY total DESC NULLS LAST LIMIT 10",
        "btree orders (total nulls first)",
    ),
    "join": (
        "SELECT * FROM accounts a JOIN orders o ON o.org_id = a.id WHERE a.name = 'account 7'",
        "btree orders (org_id)",
    ),
    "join with equality": (
        "SELECT o.note FROM accounts a JOIN orders o ON o.org_id = a.id AND o.customer_id = 5"
        " WHERE a.name = 'account 7'",
        "btree orders (customer_id, org_id)",
    ),
    "rare constant": ("SELECT * FROM orders WHERE status = 'failed'", "btree orders (status) where status = 'failed'"),
    "rare boolean": ("SELECT * FROM orders WHERE urgent", "btree orders (urgent) where urgent"),
    "constant and range": (
        "SELECT * FROM orders WHERE status = 'failed' ORDER BY created_at DESC LIMIT 5",
        "btree orders (created_at) where status = 'failed'",
    ),
    "soft delete": (
        "SELECT * FROM orders WHERE deleted_at IS NULL AND customer_id = 5",
        "btree orders (customer_id) where deleted_at IS NULL",
    ),
    "mostly null": ("SELECT * FROM orders WHERE old_ref = 'x'", "btree orders (old_ref) where old_ref IS NOT NULL"),
    "expression": ("SELECT * FROM orders WHERE lower(email) = 'user5@example.org'", "btree orders ((lower(email)))"),
    "truncated time": (
        "SELECT * FROM orders WHERE date_trunc('day', created_at AT TIME ZONE 'UTC') = '2024-01-01'",
        None,
    ),
    "pattern": ("SELECT * FROM orders WHERE code LIKE 'Cabc%'", "btree orders (code text_pattern_ops)"),
    "hash": ("SELECT * FROM orders WHERE note = 'x'", "hash orders (note)"),
    "covering": (
        "SELECT customer_id, total FROM orders WHERE customer_id BETWEEN 10 AND 40",
        "btree orders (customer_id) include (total)",
    ),
    "minimum": ("SELECT max(total) FROM orders WHERE org_id = 5", "btree orders (org_id, total)"),
    "json": ("""SELECT * FROM docs WHERE data @> '{"kind": 7}'""", "gin docs (data jsonb_path_ops)"),
    "json key": ("SELECT * FROM docs WHERE data ? 'missing'", "gin docs (data)"),
    "json field": ("SELECT * FROM docs WHERE data ->> 'name' = 'n5'", "btree docs ((data ->> 'name'))"),
    "array": ("SELECT * FROM docs WHERE tags @> ARRAY['t7']", "gin docs (tags)"),
    "text search": ("SELECT * FROM docs WHERE words @@ 'word5'::tsquery", "gin docs (words)"),
    "text search expression": (
        "SELECT * FROM docs WHERE to_tsvector('simple', body) @@ 'cfcd'::tsquery",
        "gin docs ((to_tsvector('simple', body)))",
    ),
    "nearest": ("SELECT * FROM docs ORDER BY place <-> point(5, 5) LIMIT 3", "gist docs (place)"),
    "overlap": (
        "SELECT * FROM docs WHERE during && tsrange('2020-02-01', '2020-02-02')",
        "gist docs (during)",
    ),
    "physical order": (
        "SELECT * FROM events WHERE at BETWEEN '2024-01-01 05:00+00' AND '2024-01-01 05:10+00'",
        "brin events (at)",
    ),
    "alternatives": ("SELECT * FROM orders WHERE customer_id = 5 OR code = 'x'", "btree orders (code)"),
    "partitioned": ("SELECT * FROM parts WHERE region = 5", "btree parts (region)"),
    "top per device": (
        "SELECT * FROM events WHERE device = 5 ORDER BY at DESC LIMIT 1",
        "btree events (device, at)",
    ),
    "correlated exists": (
        "SELECT * FROM accounts a WHERE a.id < 5"
        " AND EXISTS (SELECT 1 FROM orders o WHERE o.org_id = a.id AND o.urgent)",
        "btree orders (org_id) where urgent",
    ),
    "delete": ("DELETE FROM lines WHERE product_id = 5", "btree lines (product_id)"),
    "update": ("UPDATE orders SET paid = true WHERE code = 'x' AND org_id = 4", "btree orders (code)"),
}
UNSORTED = (
    "sort with limit",
    "sort in two directions",
    "nulls last",
    "constant and range",
    "minimum",
    "top per device",
)


@pytest.fixture(scope="module")
def tables(pg):
    """A database with the tables, analyzed and vacuumed; gives its DSN."""
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = on")  # else no hint bits yet, and nothing is all-visible
            connection.execute("SELECT setseed(0.25)")
            connection.execute(SETUP)
            connection.execute("VACUUM ANALYZE")
        yield dsn


@pytest.fixture(scope="module")
def catalog(tables):
    with open_session(tables) as session:
        return read_catalog(session)


def proposed(catalog, *texts):
    statements = tuple(ObservedStatement(text, 100, 1000.0) for text in texts)
    folded = fold([Workload(SourceKind.SQL, statements)], catalog)
    assert not folded.skipped
    return propose(folded.templates, catalog)


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explained(connection, text):
    (row,) = connection.execute("EXPLAIN (FORMAT JSON) " + text).fetchone()
    return list(nodes(row[0]["Plan"]))


@pytest.mark.parametrize("case", [c for c, (_, wanted) in CASES.items() if wanted])
def test_the_planner_uses_what_was_proposed(tables, catalog, case):
    text, wanted = CASES[case]
    found = {shown(c.definition): c for c in proposed(catalog, text).candidates}
    assert wanted in found, (sorted(found), proposed(catalog, text).rejections)
    with psycopg.connect(tables) as connection:
        connection.execute(create_index(found[wanted].definition, "asked_for", concurrently=False))
        connection.execute(f"ANALYZE {found[wanted].definition.table}")
        plan = explained(connection, text)
        connection.rollback()
    used = {n["Index Name"] for n in plan if "Index Name" in n}
    assert any(name == "asked_for" or name.startswith("parts_") for name in used) or case == "alternatives", plan
    if case in UNSORTED:
        assert not any("Sort" in n["Node Type"] for n in plan)
    if case == "covering":
        assert any(n["Node Type"] == "Index Only Scan" for n in plan)


def test_every_candidate_can_be_built(tables, catalog):
    everything = proposed(catalog, *(text for text, _ in CASES.values()))
    assert len(everything.candidates) >= 40
    with psycopg.connect(tables) as connection:
        connection.execute("TRUNCATE lines, docs, events, parts, orders")
        for candidate in everything.candidates:
            connection.execute(create_index(candidate.definition, "probe", concurrently=False))
            connection.execute("DROP INDEX probe")
        connection.rollback()


def test_nothing_is_proposed_twice_or_next_to_what_exists(catalog):
    everything = proposed(catalog, *(text for text, _ in CASES.values()))
    ids = [c.id for c in everything.candidates]
    assert len(ids) == len(set(ids))
    assert not any(c.definition.columns == ("id",) and not c.definition.include for c in everything.candidates)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT * FROM accounts WHERE name = 'x'", "too_small"),
        ("SELECT * FROM orders WHERE paid = true", "low_selectivity"),
        ("SELECT * FROM orders WHERE date_trunc('day', created_at) = '2024-01-01'", "volatile"),
        ("SELECT * FROM orders WHERE to_char(created_at, 'YYYY') = '2024'", "volatile"),
        ("SELECT * FROM orders WHERE created_at::date = '2024-01-01'", "volatile"),
        ("SELECT * FROM docs WHERE to_tsvector(body) @@ 'x'::tsquery", "volatile"),
        ("SELECT * FROM orders WHERE extra::text = '{}' AND extra IS NOT NULL", None),
        ("SELECT * FROM orders WHERE note ILIKE '%abc%'", "extension_missing"),
        ("SELECT * FROM orders WHERE id = 5", "covered_by"),
        ("SELECT * FROM docs WHERE 't7' = ANY (tags)", "function_mismatch"),
        ("SELECT * FROM totals WHERE org_id = 4", "too_small"),
    ],
)
def test_refusals_have_their_reason(catalog, text, reason):
    found = {r.reason for r in proposed(catalog, text).rejections}
    assert reason is None or reason in found, found
