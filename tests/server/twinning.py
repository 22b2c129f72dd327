"""A database with most of what a schema can hold, and its twin."""

import uuid
from contextlib import contextmanager

import psycopg
from psycopg import sql

from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.snapshot.capture import capture

SCHEMA = """
CREATE SCHEMA sales;
CREATE SCHEMA "Odd Schema";
CREATE TYPE sales.status AS ENUM ('new', 'paid', 'shipped', 'lost');
CREATE DOMAIN sales.email AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE sales.point3 AS (x int, y int, z int);
CREATE TABLE sales.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email sales.email NOT NULL,
    name text COLLATE "C",
    country char(2),
    tags text[] NOT NULL DEFAULT '{}',
    attributes jsonb,
    created timestamptz NOT NULL,
    full_text tsvector,
    validity int4range,
    place sales.point3
);
CREATE TABLE sales.orders (
    id bigserial,
    customer_id bigint NOT NULL REFERENCES sales.customers,
    status sales.status NOT NULL,
    amount numeric(12,2) NOT NULL,
    net numeric GENERATED ALWAYS AS (amount / 1.19) STORED,
    ordered date NOT NULL,
    PRIMARY KEY (id, ordered)
) PARTITION BY RANGE (ordered);
CREATE TABLE sales.orders_2023 PARTITION OF sales.orders FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE sales.orders_2024 PARTITION OF sales.orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE sales.orders_rest PARTITION OF sales.orders DEFAULT;
CREATE TABLE "Odd Schema"."Odd ""Table" (id int PRIMARY KEY, "Select" text, parent int);
CREATE TABLE "Odd Schema"."child" (extra int) INHERITS ("Odd Schema"."Odd ""Table");
CREATE TABLE sales.events (id bigserial PRIMARY KEY, kind int NOT NULL, level int NOT NULL, at timestamp NOT NULL);
CREATE UNLOGGED TABLE sales.never_analyzed (a int, b text);
CREATE INDEX customers_lower ON sales.customers (lower(email));
CREATE INDEX customers_tags ON sales.customers USING gin (tags);
CREATE INDEX customers_validity ON sales.customers USING gist (validity);
CREATE INDEX orders_customer ON sales.orders (customer_id);
CREATE INDEX orders_new ON sales.orders (ordered) WHERE status = 'new';
CREATE INDEX events_at ON sales.events USING brin (at) WITH (pages_per_range = 16);
CREATE INDEX events_kind ON sales.events USING hash (kind);
CREATE STATISTICS sales.events_together (ndistinct, dependencies, mcv) ON kind, level FROM sales.events;
CREATE STATISTICS sales.mixed (mcv, dependencies) ON status, ordered, amount FROM sales.orders_2023;
CREATE STATISTICS sales.texts (mcv) ON country, name FROM sales.customers;
CREATE VIEW sales.paid AS SELECT o.id, c.name, o.amount FROM sales.orders o JOIN sales.customers c
    ON c.id = o.customer_id WHERE o.status = 'paid';
CREATE FUNCTION sales.big(int) RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT count(*) FROM sales.events WHERE kind > $1 $$;
CREATE FUNCTION sales.half(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN n / 2; END $$;
"""

ROWS = """
INSERT INTO sales.customers (email, name, country, tags, attributes, created, full_text, validity, place)
SELECT 'user' || i || '@example.org', 'name ' || i % 3000, (ARRAY['DE','FR','US','JP'])[1 + i % 4],
       ARRAY['t' || i % 7, 't' || i % 50], jsonb_build_object('a', i % 10, 'b', i),
       timestamptz '2023-01-01 00:00Z' + i * interval '11 min',
       to_tsvector('simple', 'word' || i % 90 || ' other' || i % 13),
       int4range(i, i + 10 + i % 100), (i % 3, i, 1)::sales.point3
FROM generate_series(1, 20000) i;
INSERT INTO sales.orders (customer_id, status, amount, ordered)
SELECT 1 + (i * 7919) % 20000, (ARRAY['new','paid','paid','paid','shipped','shipped','lost'])[1 + i % 7]::sales.status,
       (i % 1000) + 0.5, date '2023-01-01' + i % 1000
FROM generate_series(1, 60000) i;
INSERT INTO "Odd Schema"."Odd ""Table" SELECT i, 'x' || i, i / 10 FROM generate_series(1, 3000) i;
INSERT INTO "Odd Schema"."child" SELECT i, 'y' || i % 5, i / 10, i FROM generate_series(1, 5000) i;
INSERT INTO sales.events (kind, level, at) SELECT i % 20, i % 20 / 2, timestamp '2024-01-01' + i * interval '1 min'
FROM generate_series(1, 50000) i;
"""

FILLED_VIEW = """
CREATE MATERIALIZED VIEW sales.per_country AS
SELECT country, name, count(*) AS n FROM sales.customers GROUP BY country, name;
CREATE INDEX per_country_n ON sales.per_country (n);
"""

QUERIES = """
SELECT * FROM sales.customers WHERE id = 77
SELECT * FROM sales.customers WHERE lower(email) = 'user5@example.org'
SELECT * FROM sales.customers WHERE tags @> ARRAY['t3']
SELECT * FROM sales.customers WHERE validity && int4range(100, 120)
SELECT count(*) FROM sales.customers WHERE country = 'DE' AND name < 'name 15'
SELECT * FROM sales.customers WHERE full_text @@ to_tsquery('simple', 'word5')
SELECT * FROM sales.customers WHERE created BETWEEN '2023-02-01Z' AND '2023-02-03Z'
SELECT * FROM sales.orders WHERE customer_id = 5
SELECT * FROM sales.orders WHERE ordered >= '2024-12-01' AND ordered < '2024-12-05' AND status = 'new'
SELECT * FROM sales.orders_2023 WHERE status = 'lost' ORDER BY amount LIMIT 5
SELECT c.name, sum(o.amount) FROM sales.orders o JOIN sales.customers c ON c.id = o.customer_id GROUP BY c.name
SELECT * FROM sales.paid WHERE amount > 900
SELECT * FROM "Odd Schema"."Odd ""Table" WHERE "Select" = 'y3' AND parent < 40
SELECT * FROM ONLY "Odd Schema"."Odd ""Table" WHERE id = 9
SELECT * FROM sales.events WHERE at BETWEEN '2024-01-10' AND '2024-01-11'
SELECT * FROM sales.events WHERE kind = 7 AND level = 3
SELECT * FROM sales.customers WHERE country = 'FR' AND name = 'name 5'
SELECT * FROM sales.orders_2023 WHERE status = 'new' AND amount = 0.5 AND ordered = '2023-01-01'
SELECT kind, level, count(*) FROM sales.events GROUP BY kind, level
SELECT * FROM sales.per_country WHERE n > 3
SELECT * FROM sales.never_analyzed WHERE a = 1
SELECT sales.half(id) FROM "Odd Schema"."child" WHERE id < sales.half(100)
UPDATE sales.events SET level = 1 WHERE id = 5
INSERT INTO sales.events (kind, level, at) VALUES (1, 2, now())
DELETE FROM sales.orders WHERE ordered = '2023-05-05' AND id = 5
"""


def statements():
    lines = [line for line in QUERIES.strip().splitlines() if line]
    return [(f"q{number}", Plannable(line)) for number, line in enumerate(lines, start=1)]


def fill(connection):
    """Create and analyze everything."""
    for text in (SCHEMA, ROWS, FILLED_VIEW):
        connection.execute(text)
    connection.execute("VACUUM ANALYZE")
    connection.execute("TRUNCATE sales.never_analyzed")


@contextmanager
def filled_database(pg):
    """The DSN of a new database of the server with everything in it."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(pg.database(name), autocommit=True) as connection:
            fill(connection)
        yield pg.database(name)
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def snapshot_of(dsn, password=None, **more):
    with open_session(dsn, password=password) as session:
        return capture(session, read_catalog(session), conninfo=dsn, password=password, **more)
