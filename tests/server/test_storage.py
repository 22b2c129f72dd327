"""The size model against indexes that were really built."""

import math

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.size import estimate
from tests.servers import new_database

pytestmark = pytest.mark.server
SETUP = """
CREATE TABLE wide AS
SELECT g AS id,
       g::bigint * 7 AS big,
       md5(random()::text)::uuid AS token,
       'user' || (random() * 150000)::int || '@example.org' AS email,
       (random() * 2666)::int AS customer,
       (random() * 6)::int::smallint AS kind,
       CASE WHEN random() < 0.1 THEN (random() * 100000)::int END AS parent,
       (g / 100) AS batch,
       (g / 400) AS shelf,
       (CASE WHEN random() < 0.9 THEN 'done' WHEN random() < 0.95 THEN 'open' ELSE 'failed' END)::text AS status,
       timestamptz '2024-01-01' + g * interval '1 minute' AS created,
       timestamptz '2024-01-01' + (random() * 300000)::int * interval '1 minute' AS seen,
       (random() * 100000)::numeric(12, 2) AS amount,
       random() AS ratio,
       repeat(md5(g::text), 3) AS long_text,
       CASE WHEN random() < 0.95 THEN NULL ELSE timestamptz '2024-06-01' + g * interval '1 second' END AS deleted,
       random() < 0.02 AS urgent,
       (10 ^ (random() * 4))::int AS skewed,
       (random() * 99)::int AS tenant,
       (random() * 9999)::int AS product,
       (random() * 500)::int::char(6) AS padded,
       CASE WHEN random() > 0.8 THEN 'ref-' || g * 7919 % 1000003 END AS reference,
       CASE WHEN random() > 0.8 THEN (random() * 9999)::int END AS maybe,
       (random() ^ 2 * 100000)::int * 7919 % 1000003 AS account,
       md5((random() ^ 4 * 100000)::int::text)::uuid AS holder,
       'c' || (random() ^ 3 * 150000)::int AS buyer
FROM generate_series(1, 100000) g;
CREATE TABLE papers AS
SELECT g AS id,
       (SELECT array_agg('tag' || (random() ^ 2 * 400)::int) FROM generate_series(1, 1 + g % 6)) AS tags,
       (SELECT array_agg((random() * 5000)::int) FROM generate_series(1, 5 + g % 3)) AS numbers,
       jsonb_build_object('kind', 'k' || g % 12, 'user', (random() * 3000)::int, 'ok', g % 2 = 0) AS data,
       jsonb_build_object('sku', md5(g::text), 'price', (random() * 900)::numeric(8, 2), 'stock', g % 50) AS product,
       'the ' || md5((g % 20000)::text) || ' ' || (g % 977) AS title,
       point(random() * 1000, random() * 1000) AS place,
       int4range(g, g + 10) AS span,
       'order ' || g || ' shipped' AS note,
       to_tsvector('simple', 'word' || g % 50 || ' term' || (random() * 3000)::int || ' item' || g % 700) AS words
FROM generate_series(1, 30000) g; -- ANALYZE reads them all: what it happened to sample is not what is tested
ANALYZE wide, papers;
"""
BTREES = [
    "wide (id)",
    "wide (big)",
    "UNIQUE wide (id)",
    "wide (token)",
    "wide (email)",
    "wide (customer)",
    "wide (kind)",
    "wide (parent)",
    "wide (parent) WHERE parent IS NOT NULL",
    "wide (batch, shelf)",
    "wide (tenant, product)",
    "wide (tenant, created)",
    "wide (tenant, status)",
    "wide (status)",
    "wide (created) WHERE status = 'failed'",
    "wide (id) WHERE urgent",
    "wide (customer) WHERE deleted IS NULL",
    "wide (lower(email))",
    "wide (date_trunc('day', seen AT TIME ZONE 'UTC'))",
    "wide (customer) INCLUDE (amount, status)",
    "wide (tenant) INCLUDE (email)",
    "wide (id) WITH (fillfactor = 70)",
    "wide (amount)",
    "wide (ratio)",
    "wide (long_text)",
    "wide (deleted)",
    "wide (skewed)",
    "wide (status, customer)",
    "wide (kind, tenant, created)",
    "wide (email text_pattern_ops)",
    "wide (created) WHERE created > '2024-02-15'",
    "wide (seen, customer)",
    "wide (left(email, 6))",
    "wide (urgent)",
    "wide (padded)",
    "wide (reference)",
    "wide (maybe)",
    "wide (maybe, status)",
    "wide (account)",
    "wide (holder)",
    "wide (buyer)",
    "wide (buyer, tenant)",
    "wide (account) WHERE reference IS NULL",
    "wide (skewed, tenant) WHERE status = 'open'",
    "wide (account, urgent)",
    "wide (reference) WHERE reference IS NOT NULL",
]
OTHERS = [
    ("gin", "papers USING gin (tags)"),
    ("gin", "papers USING gin (numbers)"),
    ("gin", "papers USING gin (data)"),
    ("gin", "papers USING gin (data jsonb_path_ops)"),
    ("gin", "papers USING gin (product)"),
    ("gin", "papers USING gin (product jsonb_path_ops)"),
    ("gin", "papers USING gin (words)"),
    ("gin", "papers USING gin (title gin_trgm_ops)"),
    ("gin", "papers USING gin (to_tsvector('simple', note))"),
    ("gist", "papers USING gist (place)"),
    ("gist", "papers USING gist (span)"),
    ("brin", "wide USING brin (created)"),
    ("brin", "wide USING brin (id, created) WITH (pages_per_range = 16)"),
    ("hash", "wide USING hash (long_text)"),
    ("hash", "wide USING hash (customer)"),
]
# Where few values have most rows 6 to 10 % were missing over 25 samples of ANALYZE, of the others 5 % at most.
TOLERANCE = {"btree": 0.1, "wide (skewed)": 0.13, "gin": 0.4, "gist": 0.5, "brin": 0.5, "hash": 0.5}


def build(connection, text, number):
    unique = "UNIQUE " if text.startswith("UNIQUE ") else ""
    connection.execute(f"CREATE {unique}INDEX i{number} ON {text.removeprefix('UNIQUE ')}")


def errors(connection, dsn, texts):
    """Predicted and true pages of each index, built one after the other."""
    for number, text in enumerate(texts):
        build(connection, text, number)
    with open_session(dsn) as session:
        catalog = read_catalog(session)
    found = {}
    for table in catalog.tables:
        for index in table.indexes:
            text = texts[int(index.name.name[1:])]
            found[text] = (estimate(index.definition, table, catalog), index)
    return found


def off(predicted, true):
    return (predicted - true) / true


@pytest.fixture(scope="module")
def measured(pg):
    import psycopg

    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        trigrams = connection.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchone()[
            0
        ]
        if trigrams:
            connection.execute("CREATE EXTENSION pg_trgm")
        connection.execute("SELECT setseed(0.5)")
        connection.execute(SETUP)
        others = [t for _, t in OTHERS if trigrams or "trgm" not in t]
        yield errors(connection, dsn, BTREES + others)


@pytest.mark.parametrize("text", BTREES)
def test_btree_pages_within_a_tenth(measured, text):
    size, index = measured[text]
    few = abs(size.pages - index.pages) <= 2  # of a handful: what ANALYZE happened to sample
    assert few or abs(off(size.pages, index.pages)) <= TOLERANCE.get(text, TOLERANCE["btree"]), (
        f"{size.pages} predicted, {index.pages} built"
    )


@pytest.mark.parametrize(("method", "text"), OTHERS)
def test_other_methods_within_two_fifths(measured, method, text):
    if text not in measured:
        pytest.skip("no pg_trgm here")
    size, index = measured[text]
    assert size.method == method
    assert abs(off(size.pages, index.pages)) <= TOLERANCE[method] or abs(size.pages - index.pages) <= 1


def test_tuples_follow_the_predicate(measured):
    for text in ("wide (created) WHERE status = 'failed'", "wide (customer) WHERE deleted IS NULL"):
        size, index = measured[text]
        assert math.isclose(size.tuples, index.tuples, rel_tol=0.35)


def test_the_table_is_the_one_measured(measured):
    assert {i.definition.table for _, i in measured.values()} == {
        QualifiedName("public", "wide"),
        QualifiedName("public", "papers"),
    }
