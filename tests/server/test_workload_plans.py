"""Texts as pg_stat_statements 15 shows them, planned on every server of this machine that matters."""

import psycopg
import pytest

from indexpilot_cli.core.workload import ObservedStatement, PlanMode, SourceKind, Workload
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.sql.parser import parse
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.plannable import scenarios
from indexpilot_cli.workload.predicates.blocks import relation_uses
from tests.servers import SETTINGS

pytestmark = pytest.mark.server

SCHEMA = """
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE TYPE place AS (street text, zip int);
CREATE TABLE users (
    id bigint PRIMARY KEY, email varchar(200) NOT NULL, name text, org_id int, created timestamptz DEFAULT now(),
    born date, active boolean DEFAULT true, feeling mood, prefs jsonb, tags text[], scores int[],
    home place
);
CREATE TABLE orders (
    id bigint PRIMARY KEY, user_id bigint REFERENCES users, status text, total numeric(10, 2), placed timestamp,
    due date, doc tsvector, period tstzrange, uid uuid
);
CREATE TABLE items (
    order_id bigint, line int, product text, qty int, price numeric(10, 2), PRIMARY KEY (order_id, line)
);
CREATE VIEW open_orders AS SELECT id, user_id, total FROM orders WHERE status = 'open';
"""
ROWS = """
INSERT INTO users SELECT i, 'u' || i || '@x.org', 'name ' || i % 50, i % 10, now() - i * interval '1 hour'
FROM generate_series(1, 2000) i;
INSERT INTO orders (id, user_id, status, total, placed)
SELECT i, i % 2000 + 1, CASE WHEN i % 10 = 0 THEN 'open' ELSE 'closed' END, i % 100, now() - i * interval '1 minute'
FROM generate_series(1, 5000) i;
UPDATE users SET home = ROW('s' || id, id);
ANALYZE;
"""
TEXTS = """
DELETE FROM items USING orders WHERE orders.id = items.order_id AND orders.placed < now() - interval $1
INSERT INTO items (order_id, line, product, qty, price) VALUES ($1, $2, $3, $4, $5), ($6, $7, $8, $9, $10) ON CONFLICT (order_id, line) DO UPDATE SET qty = items.qty + $11 WHERE items.qty < $12
MERGE INTO items i USING orders o ON i.order_id = o.id WHEN MATCHED AND o.status = $1 THEN UPDATE SET qty = $2 WHEN NOT MATCHED THEN INSERT (order_id, line, product) VALUES (o.id, $3, $4)
SELECT * FROM (SELECT id, $1 AS kind FROM users WHERE id < $2 UNION ALL SELECT id, $3 FROM orders WHERE id < $4) x ORDER BY id LIMIT $5
SELECT * FROM open_orders WHERE user_id = $1 AND total > $2
SELECT * FROM orders WHERE (user_id, id) > ($1, $2) ORDER BY user_id, id LIMIT $3
SELECT * FROM orders WHERE doc @@ to_tsquery($1, $2) ORDER BY ts_rank(doc, to_tsquery($3, $4)) DESC LIMIT $5
SELECT * FROM orders WHERE period && tstzrange(now() - interval $1, now()) AND uid = $2
SELECT * FROM orders WHERE placed > $1::timestamp - interval $2 * $3
SELECT * FROM orders WHERE to_tsvector($1, status) @@ plainto_tsquery($2, $3)
SELECT * FROM users TABLESAMPLE bernoulli ($1) WHERE org_id = $2
SELECT * FROM users WHERE (CASE WHEN active THEN $1 ELSE $2 END) = $3 AND nullif(name, $4) IS NOT NULL
SELECT * FROM users WHERE born BETWEEN current_date - $1 AND current_date + $2
SELECT * FROM users WHERE email = $1
SELECT * FROM users WHERE home = ROW($1, $2)::place AND (org_id, name) = ($3, $4)
SELECT * FROM users WHERE id = ANY ($1::bigint[]) AND feeling = $2
SELECT * FROM users WHERE id = ANY (ARRAY[$1, $2, $3])
SELECT * FROM users WHERE lower(email) LIKE $1 AND name ILIKE $2
SELECT * FROM users WHERE org_id IN (SELECT org_id FROM users WHERE email = $1) AND coalesce(name, $2) = $3
SELECT * FROM users WHERE prefs->>$1 = $2 AND prefs @> $3 AND prefs ? $4
SELECT * FROM users WHERE scores @> ARRAY[$1, $2] AND $3 = ANY (scores)
SELECT * FROM users WHERE tags && ARRAY[$1, $2] OR tags @> ARRAY[$3]
SELECT * FROM users u WHERE EXISTS (SELECT $1 FROM orders o WHERE o.user_id = u.id AND o.status = $2 AND o.placed > now() - interval $3)
SELECT count(*) FROM orders WHERE placed >= date $1 AND placed < date $2 + interval $3
SELECT count(DISTINCT user_id) FILTER (WHERE total > $1), string_agg(status, $2 ORDER BY id) FROM orders WHERE id > $3
SELECT created AT TIME ZONE $1, to_char(created, $2) FROM users WHERE to_char(created, $3) = $4
SELECT d::date FROM generate_series($1::date, $2::date, interval $3) d LEFT JOIN orders ON due = d::date
SELECT date_trunc($1, placed), sum(total) FROM orders WHERE status = $2 GROUP BY 1 ORDER BY 1
SELECT extract($1 FROM placed), count(*) FROM orders WHERE extract($2 FROM placed) = $3 GROUP BY extract(year FROM placed)
SELECT g, count(o.id) FROM generate_series($1, $2) g LEFT JOIN orders o ON o.user_id = g GROUP BY g
SELECT greatest(total, $1), least(total, $2), abs($3) FROM orders WHERE mod(id, $4) = $5 AND id % $6 = $7
SELECT id FROM users WHERE name SIMILAR TO $1 OR name ~ $2 OR email NOT LIKE $3
SELECT id, name FROM users WHERE org_id IN ($1, $2, $3) AND active ORDER BY created DESC LIMIT $4 OFFSET $5
SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY placed), ntile($1) OVER (ORDER BY total), lag(total, $2, $3) OVER (ORDER BY id) FROM orders WHERE user_id = $4
SELECT jsonb_path_exists(prefs, $1), prefs #>> $2, prefs->$3->>$4 FROM users WHERE id = $5
SELECT name || $1 || email || $2, round(total, $3), total * $4 FROM users JOIN orders ON user_id = users.id WHERE orders.id = $5
SELECT percentile_cont($1) WITHIN GROUP (ORDER BY total) FROM orders WHERE status = $2
SELECT substring(email FROM $1 FOR $2), position($3 IN email), trim(both $4 FROM name), left(name, $5) || $6 || right(name, $7) FROM users WHERE id = $8
SELECT sum(CASE WHEN status = $1 THEN $2 ELSE $3 END), avg(CASE WHEN status <> $4 THEN total ELSE $5 END) FROM orders WHERE user_id = $6
SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE o.total BETWEEN $1 AND $2 AND u.born > $3
SELECT user_id, count(*) FROM orders GROUP BY user_id HAVING count(*) > $1 AND sum(total) > $2
SELECT mode() WITHIN GROUP (ORDER BY status), percentile_disc(ARRAY[$1, $2]) WITHIN GROUP (ORDER BY total) FROM orders WHERE user_id = $3
UPDATE items SET price = price - $1 FROM orders o WHERE o.id = items.order_id AND o.status = $2
UPDATE orders SET status = $1, total = total * $2 WHERE id = $3 RETURNING id
WITH RECURSIVE t(id, born, depth) AS (SELECT id, $1, $2 FROM users WHERE id = $3 UNION ALL SELECT u.id, u.born, depth + $4 FROM t JOIN users u ON u.org_id = t.id WHERE depth < $5) SELECT * FROM t
WITH recent AS (SELECT user_id, max(placed) AS last FROM orders WHERE placed > $1 GROUP BY user_id) SELECT * FROM recent JOIN users ON users.id = recent.user_id WHERE recent.last < now() - $2::interval
""".strip().splitlines()  # noqa: E501


def plan(connection, statement):
    """The server's plan of a Plannable, given the way its mode asks for."""
    if statement.mode is PlanMode.LITERAL:
        return connection.execute(f"EXPLAIN (FORMAT JSON) {statement.sql}").fetchone()[0]
    if statement.mode is PlanMode.GENERIC:
        return connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement.sql}").fetchone()[0]
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE ours AS {statement.sql}")
    nulls = ", ".join(["NULL"] * statement.parameters)
    try:
        return connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE ours({nulls})").fetchone()[0]
    finally:
        connection.execute("DEALLOCATE ours")


def observed(dsn):
    with open_session(dsn) as session:
        catalog = read_catalog(session)
    workload = Workload(SourceKind.STATEMENTS, tuple(ObservedStatement(t, 1, 1.0) for t in TEXTS))
    return fold((workload,), catalog), catalog


def failures(dsn):
    """(texts that could not be planned, number of scenarios, modes used)."""
    folded, catalog = observed(dsn)
    assert len(folded.templates) + len(folded.skipped) == len(TEXTS)
    failed, modes = [], []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for template in folded.templates:
            for scenario in scenarios(template, catalog):
                modes.append(scenario.statement.mode)
                try:
                    plan(connection, scenario.statement)
                except psycopg.Error as error:
                    failed.append((str(error).splitlines()[0], scenario.statement.sql))
    return failed, len(modes), set(modes)


@pytest.mark.parametrize(("major", "mode"), [(15, PlanMode.PREPARED), (18, PlanMode.GENERIC)])
def test_normalised_texts_plan(major, mode):
    """Without any statistics to take values from, too."""
    found = [b for b in installed() if b.major == major]
    if not found:
        pytest.skip(f"no PostgreSQL {major} on this machine")
    with LocalServer(found[0], new_home(), SETTINGS) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(SCHEMA)
        failed, count, modes = failures(server.dsn())
    assert count >= 40
    assert mode in modes
    assert failed == [], count


def test_values_from_statistics_plan(database):
    """With statistics most scenarios have literals, and all plan; common and rare values get different estimates."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute(ROWS)
    failed, count, modes = failures(database)
    assert failed == [], count
    assert PlanMode.LITERAL in modes
    folded, catalog = observed(database)
    template = next(t for t in folded.templates if "FROM open_orders" not in t.text and "avg(CASE" in t.text)
    assert scenarios(template, catalog)
    with psycopg.connect(database, autocommit=True) as connection:
        workload = Workload(SourceKind.SQL, (ObservedStatement("SELECT * FROM orders WHERE status = $1"),))
        classes = scenarios(fold((workload,), catalog).templates[0], catalog)
        rows = {s.label: plan(connection, s.statement)[0]["Plan"]["Plan Rows"] for s in classes}
    assert {s.label for s in classes} == {"common", "rare"}
    assert rows["common"] > 5 * rows["rare"]


EXPRESSIONS = """
lower(email) = 'x'
(prefs ->> 'a')::int > 5
prefs -> 'a' ->> 'b' = 'x'
coalesce(name, '') = 'x'
date_trunc('day', born::timestamp) = '2024-01-01'
extract(year from born) = 2024
substring(name from 1 for 3) = 'abc'
name || email = 'x'
org_id + 1 = 5
name COLLATE "C" = 'x'
to_tsvector('english', name) @@ to_tsquery('a')
(CASE WHEN active THEN 1 ELSE 2 END) = 1
tags[1] = 'a'
NULLIF(name, '') IS NULL
born AT TIME ZONE 'utc' > '2024-01-01'
""".strip().splitlines()


def test_expressions_and_predicates_are_what_create_index_takes(database):
    """The server accepts expression and conjunct as deparsed, or refuses for volatility only."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
        with open_session(database) as session:
            catalog = read_catalog(session)
        for condition in EXPRESSIONS:
            atom = relation_uses(parse(f"SELECT 1 FROM users WHERE {condition}"), catalog)[0].atoms[0]
            assert atom.expression is not None, condition
            method = "gin" if "to_tsvector" in atom.expression else "btree"
            made(connection, f"CREATE INDEX ON users USING {method} (({atom.expression}))")
            made(connection, f"CREATE INDEX ON users (id) WHERE {atom.sql}")


def made(connection, ddl):
    try:
        connection.execute(ddl)
    except psycopg.errors.InvalidObjectDefinition as error:
        assert "IMMUTABLE" in str(error)
