"""EXPLAIN in its three modes on a real server: what is planned, what is refused, what never happens."""

import psycopg
import pytest

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.plans import (
    KnownIndex,
    PlanNames,
    constant_false,
    explain_analyze,
    explain_text,
    read_plan,
    relations,
    walk,
)
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import RefusedError, UnreachableError, UsageError
from tests.servers import new_database

T = QualifiedName("public", "t")
BOTH = [PlanMode.GENERIC, PlanMode.PREPARED]


@pytest.fixture(scope="module")
def plain(pg):
    """One database for the module; gives its DSN."""
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as filling:
            filling.execute("CREATE TABLE t (id int PRIMARY KEY, a int, name text)")
            filling.execute("INSERT INTO t SELECT i, i % 1000, 'n' || i FROM generate_series(1, 20000) i")
            filling.execute("CREATE INDEX t_a ON t (a)")
            filling.execute("ANALYZE t")
        yield dsn


@pytest.fixture
def server(plain):
    with psycopg.connect(plain, autocommit=True) as conn:
        yield conn


@pytest.fixture
def session(plain):
    with open_session(plain) as opened:
        yield opened


def by_name(names):
    return PlanNames(lambda relation, name: names.get(name), {"t": "public"})


def test_literal_plan(session):
    plan = explain_text(session, Plannable("SELECT * FROM t WHERE id = 5"), verbose=True)
    assert plan["Index Name"] == "t_pkey" and relations(plan) == {T}


@pytest.mark.parametrize(
    "text", ["SELECT * FROM t WHERE name LIKE '%x%'", "SELECT '%s %(a)s %' FROM t", "SELECT 7 % 4"]
)
def test_percent_signs_mean_themselves(session, text):
    assert explain_text(session, Plannable(text))["Node Type"]


@pytest.mark.parametrize("mode", BOTH)
def test_parameters_are_planned_as_unknown(session, mode):
    plan = explain_text(session, Plannable("SELECT * FROM t WHERE a = $1 AND name <> $2", mode, 2))
    assert not constant_false(plan)
    assert [n["Plan Rows"] for n in walk(plan) if n.get("Index Name") == "t_a"] == [20]
    assert any("$1" in n.get("Index Cond", "") for n in walk(plan))


def test_the_generic_plan_is_the_servers_own(session, server):
    if session.version < 160000:
        pytest.skip("EXPLAIN (GENERIC_PLAN) exists from 16 on")
    for text in (
        "SELECT count(*) FROM t x JOIN t y USING (id) WHERE x.a BETWEEN $1 AND $2 AND y.name = $3::text",
        "SELECT * FROM t WHERE a = $1 ORDER BY name LIMIT $2",
        "UPDATE t SET name = $1 WHERE a = ANY ($2)",
    ):
        served = server.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}").fetchone()[0][0]["Plan"]
        assert explain_text(session, Plannable(text, PlanMode.GENERIC)) == served


def test_a_prepared_statement_without_parameters(session):
    assert explain_text(session, Plannable("SELECT * FROM t WHERE id = 1", PlanMode.PREPARED, 0))["Plan Rows"] == 1


@pytest.mark.parametrize("mode", list(PlanMode))
@pytest.mark.parametrize("text", ["SELECT 1; DROP TABLE t", "SELECT 1 FROM t; SELECT 2", "COMMIT; DELETE FROM t"])
def test_two_statements_are_refused(session, server, mode, text):
    with pytest.raises((StatementError, UsageError)):
        explain_text(session, Plannable(text, mode))
    assert server.execute("SELECT count(*) FROM t").fetchone() == (20000,)


@pytest.mark.parametrize(
    "text",
    ["DROP TABLE t", "CREATE TABLE u AS SELECT 1", "ANALYZE t", "(ANALYZE) SELECT 1", "EXECUTE x", "BEGIN", "", "-- x"],
)
def test_only_queries_and_dml_are_planned(session, text):
    with pytest.raises(UsageError):
        explain_text(session, Plannable(text))


@pytest.mark.parametrize(
    "text", ["  /* a */ (SELECT 1)", "-- c\nWITH x AS (SELECT 1) TABLE x", "VALUES (1)", "SELECT 1;"]
)
def test_first_words(session, text):
    assert explain_text(session, Plannable(text))["Total Cost"] >= 0


@pytest.mark.parametrize("mode", list(PlanMode))
def test_dml_is_planned_and_not_done(session, server, mode):
    for text in ("DELETE FROM t", "UPDATE t SET a = 1", "INSERT INTO t VALUES (0)"):
        assert explain_text(session, Plannable(text, mode))["Node Type"] == "ModifyTable"
    assert server.execute("SELECT count(*), min(id) FROM t").fetchone() == (20000, 1)


@pytest.mark.parametrize("mode", list(PlanMode))
def test_a_writing_session_plans_read_only_too(plain, mode):
    """A function that the planner folds runs during planning: it must not write."""
    with open_session(plain, read_only=False) as writer:
        writer.execute("CREATE TABLE IF NOT EXISTS log (x int)")
        writer.execute(
            "CREATE OR REPLACE FUNCTION write(int) RETURNS int LANGUAGE sql"
            " AS 'INSERT INTO log VALUES ($1) RETURNING x'"
        )
        writer.execute(
            "CREATE OR REPLACE FUNCTION sly(int) RETURNS int LANGUAGE plpgsql IMMUTABLE"
            " AS 'BEGIN RETURN write($1); END'"
        )
        with pytest.raises(RefusedError) as caught:
            explain_text(writer, Plannable("SELECT * FROM t WHERE id = sly(5)", mode))
        assert caught.value.code == "read_only"
        assert writer.value("SELECT count(*) FROM log") == 0


def test_failures_leave_the_session_usable(session):
    for mode in PlanMode:
        with pytest.raises(StatementError):
            explain_text(session, Plannable("SELECT nope FROM t WHERE id = $1", mode, 1))
    assert session.rows("SELECT * FROM pg_prepared_statements") == []
    assert session.value("SELECT 1") == 1


def test_pruned_partitions_are_still_shown(session, server):
    server.execute("CREATE TABLE p (id int, at date NOT NULL) PARTITION BY RANGE (at)")
    for year in (2023, 2024):
        server.execute(f"CREATE TABLE p_{year} PARTITION OF p FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')")
    server.execute("CREATE INDEX ON p (id)")
    server.execute("INSERT INTO p SELECT i, date '2023-01-01' + i % 700 FROM generate_series(1, 5000) i")
    server.execute("ANALYZE p")
    for mode in BOTH:
        plan = explain_text(session, Plannable("SELECT * FROM p WHERE at = $1 AND id = $2", mode, 2))
        assert {n.get("Relation Name") for n in walk(plan)} - {None} == {"p_2023", "p_2024"}
        assert {n.get("Index Name") for n in walk(plan)} - {None} == {"p_2023_id_idx", "p_2024_id_idx"}


def test_a_condition_never_true_is_no_plan(session):
    for text in ("SELECT * FROM t WHERE a = NULL", "SELECT count(*) FROM t WHERE false", "DELETE FROM t WHERE 1 = 2"):
        answer = read_plan(explain_text(session, Plannable(text)), by_name({}))
        assert not answer.ok and answer.total_cost != answer.total_cost
    assert read_plan(explain_text(session, Plannable("SELECT now()")), by_name({})).ok
    halfway = "SELECT 1 FROM t WHERE id = 1 UNION ALL SELECT 2 FROM t WHERE false"
    assert read_plan(explain_text(session, Plannable(halfway)), by_name({})).ok


def test_the_shape_knows_structure_not_names(session, server):
    server.execute("CREATE TABLE s AS SELECT * FROM t")
    server.execute("CREATE INDEX t_a2 ON s (a)")
    server.execute("ANALYZE s")
    definition = IndexDefinition(QualifiedName("public", "s"), (IndexKey(column="a"),))
    statement = Plannable("SELECT * FROM s WHERE a = 5 ORDER BY name")
    known = {"t_a2": KnownIndex(definition, QualifiedName("public", "t_a2"))}
    before = read_plan(explain_text(session, statement), by_name(known))
    assert before.existing == {QualifiedName("public", "t_a2")} and before.rows == 20
    server.execute("ALTER INDEX t_a2 RENAME TO other")
    after = read_plan(explain_text(session, statement), by_name({"other": KnownIndex(definition)}))
    assert after.hypothetical == {definition} and after.shape == before.shape
    server.execute("DROP INDEX other")
    assert read_plan(explain_text(session, statement), by_name({})).shape != before.shape


def test_analyze_runs_queries_only(session, server):
    plan = explain_analyze(session, "SELECT count(*) FROM t WHERE name LIKE '%9'", 5000)
    assert plan["Actual Rows"] == 1 and "Shared Hit Blocks" in plan
    with pytest.raises(UsageError):
        explain_analyze(session, "DELETE FROM t", 5000)
    with pytest.raises(RefusedError) as refused:
        explain_analyze(session, "WITH gone AS (DELETE FROM t RETURNING 1) SELECT * FROM gone", 5000)
    assert refused.value.code == "read_only"
    with pytest.raises(StatementError):
        explain_analyze(session, "SELECT 1; COMMIT; DELETE FROM t", 5000)
    assert server.execute("SELECT count(*) FROM t").fetchone() == (20000,)


def test_analyze_stops_in_time(session):
    with pytest.raises(UnreachableError) as stopped:
        explain_analyze(session, "SELECT pg_sleep(30)", 50)
    assert stopped.value.code == "timeout"
    assert session.value("SHOW statement_timeout") == "5s"
