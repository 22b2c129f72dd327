"""What of a stranger's SQL may run on production, and what may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.sql.safe import reader
from indexpilot_cli.sql.safe.change import change
from indexpilot_cli.sql.safe.expression import expression
from indexpilot_cli.sql.safe.values import Scope

SCOPE = Scope(lambda schema, name, alias: f"(SELECT * FROM real.{name})", lambda schema, name: name == "citext")
NOWHERE = Scope(lambda schema, name, alias: None, lambda schema, name: False)

SAFE = """
lower(a) = 'x' AND b IN (1, 2)
a::varchar(10)
a::citext
coalesce(nullif(trim(a), ''), 'none')
CASE WHEN a ~ '^[0-9]+$' THEN a::integer ELSE NULL END
a BETWEEN 1 AND 2 OR a IS NOT DISTINCT FROM b
(a ->> 'x')::int > 3
date_trunc('month', a) AT TIME ZONE 'UTC'
extract(year FROM a) >= 2020
EXISTS (SELECT 1 FROM o WHERE o.id = t.id)
a = ANY ('{1,2}'::int[])
(SELECT count(*) FROM o)
row_number() OVER () = 1 IS NULL
substring(a FROM 2 FOR 3)
now() - interval '1 day' > a
""".strip().splitlines()
REFUSED = """
boom(a)
public.lower(a)
pg_sleep(1000) IS NULL
pg_read_file('/etc/passwd') = a
lo_import('/etc/passwd') = 1
repeat('x', 1000000000) = a
lpad(a, 1000000000)
a::char(100000000)
a ^ 1000000
a::mood
count(*)
sum(a) > 1
t.*
(SELECT x FROM o LIMIT 1)
(SELECT x FROM o FOR UPDATE)
EXISTS (SELECT 1 FROM generate_series(1, 1000000000))
(WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r)
EXISTS (SELECT 1 FROM o TABLESAMPLE SYSTEM (1))
nextval('s')
setval('s', 1)
set_config('role', 'postgres', false)
dblink('host=evil', 'x') = a
format('%1000000000s', a)
a OPERATOR(public.=) b
xmlparse(document a) IS NULL
concat(VARIADIC a)
query_to_xml('DROP TABLE x', true, true, '') IS NULL
current_setting('x')
replace(a, 'x', b)
a || a || a || a || a || a || a || a || a || a || a || a
1; DROP TABLE x
""".strip().splitlines()


@pytest.mark.parametrize("text", [t for t in SAFE if not t.startswith("row_number")])
def test_let_through(text):
    assert expression(text, SCOPE) is not None


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    assert expression(text, SCOPE) is None


def test_functions_are_those_of_the_server():
    found = expression("lower(a) || upper(b)", SCOPE)
    assert found.sql == "pg_catalog.lower(a) || pg_catalog.upper(b)"
    assert found.names == {"a", "b"} and found.growth == 2 and not found.subquery


def test_tables_are_replaced_and_keep_their_names():
    found = expression("EXISTS (SELECT 1 FROM s.o WHERE o.id = t.id)", SCOPE)
    assert found.sql == "EXISTS (SELECT 1 FROM (SELECT * FROM real.o) o WHERE o.id = t.id)" and found.subquery
    assert expression("EXISTS (SELECT 1 FROM o)", NOWHERE) is None


def test_the_token_of_a_table_cannot_be_forged():
    text = "EXISTS (SELECT 1 FROM o WHERE x = 'ip_source0_0_ ip_source1_0_')"
    assert "'ip_source0_0_ ip_source1_0_'" in expression(text, SCOPE).sql


def test_changes_in_parts():
    found = change("UPDATE t AS a SET b = lower(b), c = x.c FROM x WHERE a.id = x.id", SCOPE)
    assert (found.kind, found.table, found.alias) == ("update", "t", "a")
    assert found.assignments == (("b", "pg_catalog.lower(b)"), ("c", "x.c"))
    assert found.sources == "(SELECT * FROM real.x) x" and found.condition == "a.id = x.id"
    insert = change("INSERT INTO t VALUES (1, 'x'), (2, 'y') ON CONFLICT (id) DO NOTHING", SCOPE)
    assert (insert.query, insert.width, insert.values, insert.conflict) == (
        "VALUES (1, 'x'), (2, 'y')",
        2,
        True,
        ("id",),
    )
    ranked = change("WITH r AS (SELECT id FROM t) DELETE FROM t WHERE id IN (SELECT id FROM r)", SCOPE)
    assert ranked.prefix == "WITH r AS (SELECT id FROM (SELECT * FROM real.t) t) "
    assert ranked.condition == "id IN (SELECT id FROM r)"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = boom(a)",
        "UPDATE t SET (a, b) = (SELECT 1, 2)",
        "UPDATE t SET a = DEFAULT",
        "UPDATE t SET a[1] = 2",
        "UPDATE t SET a = count(*) OVER ()",
        "DELETE FROM t USING generate_series(1, 10) g",
        "DELETE FROM t WHERE CURRENT OF c",
        "INSERT INTO t VALUES (DEFAULT)",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1",
        "INSERT INTO t SELECT boom(a) FROM o",
        "WITH x AS (DELETE FROM o RETURNING id) DELETE FROM t WHERE id IN (SELECT id FROM x)",
        "SELECT 1",
    ],
)
def test_changes_that_cannot_be_foreseen(sql):
    assert change(sql, SCOPE) is None


def test_definitions():
    rule = reader.rule("FOREIGN KEY (a, b) REFERENCES s.p(x, y) MATCH FULL NOT VALID")
    assert (rule.kind, rule.columns, rule.references, rule.referenced_columns) == (
        "foreign_key",
        ("a", "b"),
        ("s", "p"),
        ("x", "y"),
    )
    assert rule.match_full
    assert reader.rule("CHECK ((a > 0))").expression == "a > 0"
    pairs = reader.rule('EXCLUDE USING gist (room WITH =, "During" WITH &&)').key
    assert (pairs.keys, pairs.operators) == (("room", '"During"'), ("=", "&&"))
    key = reader.unique_index('CREATE UNIQUE INDEX i ON s.t (lower(a), b COLLATE "C") WHERE c IS NULL')
    assert key.keys == ("(lower(a))", 'b COLLATE "C"') and key.columns == ("b",) and key.predicate == "c IS NULL"
    assert reader.unique_index("CREATE INDEX i ON t (a)") is None


def test_bounds_types_and_casts():
    ranged = reader.bound("ALTER TABLE a ATTACH PARTITION s.b FOR VALUES FROM ('x', MINVALUE) TO (1, MAXVALUE)")
    assert ranged.lower == ("'x'", None) and ranged.upper == ("1", None) and ranged.child == ("s", "b")
    listed = reader.bound("CREATE TABLE b PARTITION OF a FOR VALUES IN (1, NULL)")
    assert listed.values == ("1",) and listed.null and listed.parent == (None, "a")
    assert reader.bound("CREATE TABLE b PARTITION OF a DEFAULT").default
    assert reader.labels("CREATE TYPE m AS ENUM ('a', 'b')") == ("a", "b")
    assert reader.domain_checks("CREATE DOMAIN d AS int NOT NULL CHECK (VALUE > 1)") == (
        "value IS NOT NULL",
        "value > 1",
    )
    assert reader.uncast("lower(a)::m") == ("lower(a)", "m") and reader.uncast("a") == ("a", "")


def test_harmless_selects():
    assert reader.harmless("SELECT setval('s', max(id)) FROM t") and reader.harmless("SELECT 1")
    assert not reader.harmless("SELECT repair_everything()") and not reader.harmless("SELECT 1 INTO t")
    assert not reader.harmless("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x")


@given(st.text(alphabet="abt().,;'\"$*+-=<>:[]{}\\/%^~|& 01\n", max_size=60))
def test_any_text_is_read_or_refused(text):
    found = expression(text, NOWHERE)
    assert found is None or expression(found.sql, NOWHERE) is not None
