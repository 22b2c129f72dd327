"""The virtual table is what the real one becomes: random small tables, random statements, both compared row by row."""

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve.review.probes.probes import probes
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.evolve.review.probes.virtual import emptied
from indexpilot_cli.sql.ddl.action import Act
from tests.server import probing
from tests.servers import new_database

T = QualifiedName("public", "t")
CONDITIONS = (
    "a > 2",
    "b IS NULL",
    "c LIKE 'x%'",
    "a = b OR c IS NULL",
    "b <> 1",
    "a IN (SELECT k FROM u)",
    "EXISTS (SELECT 1 FROM u WHERE u.k = t.b AND u.w <> t.c)",
    "NOT (a < 3 AND b > 0)",
    "b NOT IN (SELECT k FROM u WHERE k IS NOT NULL)",
    "ctid IN (SELECT min(ctid) FROM t GROUP BY b)",
)
SETS = (
    "a = coalesce(b, 0)",
    "b = NULL",
    "c = upper(c) || a",
    "b = a + 1, a = b",
    "c = CASE WHEN a > 2 THEN 'x' ELSE c END",
    "b = (SELECT max(k) FROM u WHERE k < t.a)",
)
PLAIN = (
    "DELETE FROM t USING t o WHERE t.b = o.b AND t.id > o.id",
    "UPDATE t SET c = u.w FROM u WHERE u.k = t.a",
    "WITH r AS (SELECT id, row_number() OVER (PARTITION BY b ORDER BY id) AS n FROM t) "
    "DELETE FROM t WHERE id IN (SELECT id FROM r WHERE n > 1)",
    "INSERT INTO t (id, a, b, c) SELECT id + 100, b, a, 'new' FROM t WHERE a > 1",
    "INSERT INTO t VALUES (900, 1, NULL, 'x1'), (901, 2, 2, NULL)",
    "INSERT INTO u SELECT a, c FROM t WHERE a > 3",
    "TRUNCATE t",
)
STATEMENTS = st.one_of(
    st.builds("UPDATE t SET {} WHERE {}".format, st.sampled_from(SETS), st.sampled_from(CONDITIONS)),
    st.builds("UPDATE t SET {}".format, st.sampled_from(SETS)),
    st.builds("DELETE FROM t WHERE {}".format, st.sampled_from(CONDITIONS)),
    st.sampled_from(PLAIN),
)
NUMBER = st.one_of(st.none(), st.integers(0, 5))
ROWS = st.lists(st.tuples(NUMBER, NUMBER, st.sampled_from([None, "x1", "y", "", "x2"])), max_size=6)


@pytest.fixture(scope="module")
def small(pg):
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text)")
        connection.execute("CREATE TABLE u (k int, w text)")
        with open_session(dsn) as session:
            yield connection, read_catalog(session)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, others=ROWS, statements=st.lists(STATEMENTS, min_size=1, max_size=3))
def test_the_table_is_foreseen(small, rows, others, statements):
    # An UPDATE gives rows new places: which of several equal rows a ctid means after it is not foreseen.
    updated = [number for number, text in enumerate(statements) if text.startswith("UPDATE")]
    assume(not any("ctid" in text for text in statements[updated[0] + 1 :]) if updated else True)
    connection, catalog = small
    tables = Tables(catalog)
    migration = probing.migration(*statements)
    for statement in migration.statements:
        for action in statement.actions:
            if action.kind is Act.TRUNCATE:
                tables.put(emptied(tables.get(T)))
            else:
                tables.number = statement.number
                assert tables.apply(action) is not None, action.sql
    with connection.transaction(force_rollback=True):
        keys = {row[0]: row for row in others if row[0] is not None}.values()  # one match each: no arbitrary choice
        connection.cursor().executemany("INSERT INTO u VALUES (%s, %s)", [(k, w) for k, _, w in keys])
        given_rows = [(number, *row) for number, row in enumerate(rows)]
        connection.cursor().executemany("INSERT INTO t VALUES (%s, %s, %s, %s)", given_rows)
        foreseen = connection.execute(f"SELECT id, a, b, c FROM {tables.get(T).item()} AS t").fetchall()
        try:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)
        except psycopg.errors.UniqueViolation:
            return
        real = connection.execute("SELECT id, a, b, c FROM t").fetchall()
        assert sorted(foreseen, key=repr) == sorted(real, key=repr)


def test_a_guard_is_asked_as_it_stands(small):
    _, catalog = small
    body = """
    DO $$
    DECLARE n int;
    BEGIN
        SELECT count(*) INTO n FROM t WHERE a IS NULL;
        IF n > 0 THEN RAISE EXCEPTION 'dirty'; END IF;
        IF NOT EXISTS (SELECT 1 FROM u) THEN RAISE EXCEPTION 'empty'; END IF;
        IF n > 5 THEN RAISE NOTICE 'many'; END IF;
    END $$
    """
    read = probing.migration(body)
    found = probes(read, probing.rules(read), catalog)
    assert [p.sqlstate for p in found] == ["P0001", "P0001"]
    assert "FROM public.t" in found[0].sql and "count(*)" in found[0].sql and "NOT EXISTS" in found[1].sql
