"""HypoPG as a cost estimator: hypothetical plans on a real server that nothing is written to."""

import itertools

import psycopg
import pytest

from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.planner.hypopg import HypoPGEstimator, open_hypopg
from tests.waiting import eventually


def on(table, *columns, schema="public", **more):
    return IndexDefinition(QualifiedName(schema, table), tuple(IndexKey(column=c) for c in columns), **more)


A, B, AB = on("t", "a"), on("t", "b"), on("t", "a", "b")
OTHER = on("T", "a", schema="Odd")
BY_A = Plannable("SELECT * FROM t WHERE a = $1", PlanMode.PREPARED, 1)
BY_AB = Plannable("SELECT b FROM t WHERE a = 5 AND b < 10 ORDER BY b LIMIT 3")


@pytest.fixture(scope="module")
def full(pg):
    """A database with HypoPG in a schema of its own; gives its DSN."""
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'").fetchone():
            pytest.skip("HypoPG is not on this server")
        admin.execute("CREATE DATABASE hypopg_looks")
        with psycopg.connect(pg.database("hypopg_looks"), autocommit=True) as filling:
            filling.execute(
                'CREATE SCHEMA ext; CREATE SCHEMA "Odd"; CREATE EXTENSION hypopg SCHEMA ext;'
                "CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text);"
                "INSERT INTO t SELECT i, i % 500, i % 700, 'c' || i FROM generate_series(1, 30000) i;"
                'CREATE TABLE "Odd"."T" (a int); INSERT INTO "Odd"."T" SELECT generate_series(1, 20000);'
                "CREATE TABLE p (id int, at date NOT NULL) PARTITION BY RANGE (at);"
                "CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');"
                "CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
                "INSERT INTO p SELECT i, date '2023-01-01' + i % 700 FROM generate_series(1, 20000) i;"
                "CREATE INDEX p_1_at ON p_1 (at)"
            )
            filling.execute("ANALYZE")
        yield pg.database("hypopg_looks")
        admin.execute("DROP DATABASE hypopg_looks WITH (FORCE)")


@pytest.fixture
def catalog(full):
    with open_session(full) as session:
        return read_catalog(session)


@pytest.fixture
def estimator(full, catalog):
    with open_hypopg(full, catalog, workers=2) as opened:
        yield opened


def test_plans_use_the_index_that_is_asked_for(estimator):
    without, with_a, with_both, again = estimator.plan(
        [WhatIf(BY_A), WhatIf(BY_A, frozenset({A})), WhatIf(BY_AB, frozenset({A, AB})), WhatIf(BY_A)]
    )
    assert without.ok and without.hypothetical == frozenset() and again == without
    assert with_a.hypothetical == {A} and with_a.total_cost < without.total_cost / 3
    assert with_both.hypothetical == {AB} and with_both.shape != with_a.shape


def test_a_session_of_the_estimator_cannot_write(estimator, full):
    estimator.plan([WhatIf(BY_A, frozenset({A}))])
    with psycopg.connect(full, autocommit=True) as conn:
        states = (
            "SELECT application_name, backend_xid FROM pg_stat_activity"
            " WHERE datname = 'hypopg_looks' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        # The one that filled the database leaves it in its own time.
        eventually(lambda: set(conn.execute(states).fetchall()) == {("indexpilot", None)})
    with open_session(full) as session:
        assert session.value("SHOW transaction_read_only") == "on"
        assert session.value("SELECT indexrelid FROM ext.hypopg_create_index('CREATE INDEX ON t (a)')") > 0


def test_the_hypothetical_plan_is_the_real_plan(estimator, full, catalog):
    """The shape of a pretended plan equals that of the built index; so does the cost up to the size estimate."""
    statement = Plannable("SELECT c FROM t WHERE b = 5 AND a > 3")
    (pretended,) = estimator.plan([WhatIf(statement, frozenset({B}))])
    with psycopg.connect(full, autocommit=True) as conn:
        conn.execute(create_index(B, "real_b", concurrently=False))
        try:
            with open_session(full) as session, HypoPGEstimator(session, read_catalog(session), workers=1) as fresh:
                (real,) = fresh.plan([WhatIf(statement)])
        finally:
            conn.execute("DROP INDEX real_b")
    assert real.existing == {QualifiedName("public", "real_b")} and real.hypothetical == frozenset()
    assert real.shape == pretended.shape
    assert real.total_cost == pytest.approx(pretended.total_cost, rel=0.1)


def test_answers_do_not_depend_on_order_or_company(estimator, full, catalog):
    pool = [A, B, AB, on("t", "b", "a"), on("t", "c"), on("t", "a", method="hash"), OTHER]
    statements = [
        BY_A,
        BY_AB,
        Plannable("SELECT * FROM t WHERE b = 3 AND c > 'c2'"),
        Plannable('SELECT * FROM "Odd"."T" WHERE a = 1'),
    ]
    questions = [WhatIf(s, frozenset(p)) for s in statements for p in itertools.combinations(pool, 2)]
    together = dict(zip(questions, estimator.plan(questions), strict=True))
    for question in questions[::9]:
        with open_hypopg(full, catalog, workers=1) as alone:
            assert alone.plan([question]) == (together[question],)


def test_of_equal_indexes_the_same_is_used_whatever_was_asked_before(full, catalog):
    equal = [on("t", "a", "b"), on("t", "a", "id")]
    text = Plannable("SELECT * FROM t WHERE a = 7")
    answers = set()
    for first in equal:
        with open_hypopg(full, catalog, workers=1) as estimator:
            estimator.plan([WhatIf(text, frozenset({first}))])
            answers |= {p.hypothetical for p in estimator.plan([WhatIf(text, frozenset(equal))])}
    assert len(answers) == 1


def test_each_distinct_question_is_asked_once(estimator):
    estimator.plan([WhatIf(BY_A, frozenset({A}))])
    before = estimator.calls
    estimator.plan([WhatIf(BY_A, frozenset({A})), WhatIf(BY_A, frozenset({A, OTHER}))] * 50)
    assert estimator.calls == before
    estimator.plan([WhatIf(BY_A, frozenset({A, B}))])
    assert estimator.calls == before + 1


def test_the_tree_comes_only_when_asked_for(estimator):
    bare, whole = estimator.plan([WhatIf(BY_A), WhatIf(BY_A, keep_tree=True)])
    assert bare.tree is None and whole.tree["Total Cost"] == bare.total_cost
    assert estimator.plan([WhatIf(BY_A, keep_tree=True)])[0].tree is not None


def test_a_statement_that_cannot_be_planned_is_an_answer(estimator):
    answers = estimator.plan(
        [WhatIf(Plannable(t)) for t in ("SELEC 1", "SELECT * FROM nope", "DROP TABLE t", "SELECT * FROM t WHERE false")]
        + [WhatIf(BY_A)]
    )
    assert [a.ok for a in answers] == [False, False, False, False, True]
    assert 'relation "nope" does not exist' in answers[1].error


def test_what_hypopg_refuses(estimator):
    assert estimator.refuses(A) is None and estimator.refuses(on("t", "id", method="brin")) is None
    assert "gin" in estimator.refuses(on("t", "c", method="gin"))
    assert "nope" in estimator.refuses(on("t", "nope"))
    assert "gone" in estimator.refuses(on("gone", "x"))
    assert estimator.plan([WhatIf(BY_A, frozenset({A}))])[0].hypothetical == {A}


def test_one_refused_index_fails_only_its_own_question(estimator):
    bad = on("t", "nope")
    answers = estimator.plan([WhatIf(BY_A, frozenset({bad})), WhatIf(BY_A, frozenset({A}))])
    assert not answers[0].ok and answers[1].hypothetical == {A}


def test_sizes_are_hypopgs(estimator):
    assert 8192 * 50 < estimator.size(A) < estimator.size(AB) < 8192 * 200
    assert estimator.size(on("t", "c", method="gin")) == 0


def test_an_index_on_a_partitioned_table_is_one_on_every_leaf(estimator):
    parent = on("p", "id")
    statement = Plannable("SELECT * FROM p WHERE id = $1", PlanMode.PREPARED, 1)
    before, after = estimator.plan([WhatIf(statement), WhatIf(statement, frozenset({parent}))])
    assert after.hypothetical == {parent} and after.total_cost < before.total_cost / 5
    assert estimator.size(parent) > 8192 * 20


def test_hiding_is_refused_where_it_cannot_be(estimator):
    hidden = frozenset({QualifiedName("public", "p_1_at")})
    statement = Plannable("SELECT * FROM p_1 WHERE at = '2023-03-03'")
    shown, answer, other = estimator.plan(
        [WhatIf(statement), WhatIf(statement, hidden=hidden), WhatIf(BY_A, hidden=hidden)]
    )
    assert shown.existing == hidden and other.ok
    if estimator.hides:
        assert answer.ok and answer.existing == frozenset()
    else:
        assert "cannot hide" in answer.error


def test_a_terminated_backend_is_replaced(estimator, full):
    (before,) = estimator.plan([WhatIf(BY_A, frozenset({A}))])
    with psycopg.connect(full, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'hypopg_looks' AND pid <> pg_backend_pid()"
        )
    after = estimator.plan([WhatIf(BY_A, frozenset({A, B})), WhatIf(BY_AB, frozenset({AB}))])
    assert after[0].total_cost == before.total_cost and after[1].hypothetical == {AB}


def test_without_the_extension(database):
    with open_session(database) as session:
        catalog = read_catalog(session)
    with pytest.raises(PrerequisiteError) as missing:
        open_hypopg(database, catalog)
    assert missing.value.code == "hypopg_missing"
