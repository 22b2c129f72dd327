"""Migrations really run on the clone, statement by statement, as psql would run them."""

import itertools
from dataclasses import replace

import pytest

from indexpilot_cli.core.catalog import Extension
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import ChangeKind, LockMode, RunState, WorkKind
from indexpilot_cli.db import observe_session
from indexpilot_cli.evolve.review.migration import read_migration
from tests.server.cloning import fresh, observe, open_clone, snapshot_from
from tests.servers import binaries

SCHEMA = """
CREATE TABLE p (id bigint PRIMARY KEY, name varchar(10) NOT NULL);
CREATE TABLE c (id int PRIMARY KEY, p_id bigint REFERENCES p, code varchar(5), n int CHECK (n > 0), at timestamp);
CREATE INDEX c_code ON c (code);
CREATE INDEX c_n ON c (n, code);
CREATE VIEW v AS SELECT id, name FROM p;
CREATE ROLE app;
ALTER TABLE p ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON p TO app USING (name = 'x');
"""
C, P = QualifiedName("public", "c"), QualifiedName("public", "p")


@pytest.fixture(scope="module")
def clone(twin_place):
    """The clone of a snapshot that does not tell the server's roles, with an extension this machine does not have."""
    snapshot = snapshot_from(binaries(), SCHEMA)
    extensions = (*snapshot.catalog.extensions, Extension("nothing_of_that_name", None, "1.0"))
    snapshot = replace(snapshot, roles=(), catalog=replace(snapshot.catalog, extensions=extensions))
    with open_clone(snapshot, cache_dir=twin_place) as opened:
        yield opened


@pytest.fixture
def clean(clone):
    with fresh(clone):
        yield clone


def states(observation):
    return [statement.state for statement in observation.statements]


def held(statement):
    return {lock.relation.name.name: lock.mode for lock in statement.held if lock.relation.kind in "rpm"}


def work(statement):
    return {(w.kind, w.relation.name.name, w.index) for w in statement.work}


def test_a_rewrite_and_what_it_rebuilds(clean):
    seen = observe(clean, "ALTER TABLE c ALTER id TYPE bigint").statements[0]
    assert held(seen) == {"c": LockMode.ACCESS_EXCLUSIVE}
    built = {(WorkKind.BUILD_INDEX, "c", index) for index in ("c_pkey", "c_code", "c_n")}
    assert work(seen) == {(WorkKind.REWRITE, "c", None), *built}
    assert all(w.rebuilt for w in seen.work if w.index)
    assert [(c.kind, c.object.path) for c in seen.changes] == [(ChangeKind.CHANGED, ("public", "c", "id"))]


def test_statements_that_refuse_a_transaction_run_alone(clean):
    first, second = observe(clean, "CREATE INDEX CONCURRENTLY c_at ON c (at)", "VACUUM FULL c").statements
    assert first.outside_transaction and second.outside_transaction
    assert held(first) == {"c": LockMode.SHARE_UPDATE_EXCLUSIVE} and first.work[0].online
    assert held(second) == {"c": LockMode.ACCESS_EXCLUSIVE}
    assert (WorkKind.REWRITE, "c", None) in work(second)


def test_locks_add_up_in_a_transaction(clean):
    seen = observe(clean, "BEGIN", "ALTER TABLE c ADD x int", "UPDATE p SET name = 'y'", "COMMIT", "SELECT 1")
    alter, update, commit, after = seen.statements[1:]
    assert held(update) == {"c": LockMode.ACCESS_EXCLUSIVE, "p": LockMode.ROW_EXCLUSIVE}
    assert [lock.relation.name for lock in update.locks if lock.relation.kind == "r"] == [P]
    assert alter.transaction == update.transaction == commit.transaction != after.transaction
    assert work(update) == {(WorkKind.MODIFY, "p", None)}


def test_one_transaction_for_the_file(clean):
    seen = observe(clean, "ALTER TABLE c ADD x int", "ALTER TABLE p ADD y int", one_transaction=True)
    assert {s.transaction for s in seen.statements} == {1} and len(seen.changes) == 2
    assert held(seen.statements[1]) == {"c": LockMode.ACCESS_EXCLUSIVE, "p": LockMode.ACCESS_EXCLUSIVE}


def test_the_file_goes_on_behind_an_error_as_if_it_were_not_there(clean):
    seen = observe(clean, "ALTER TABLE c ADD x int", "ALTER TABLE p DROP COLUMN name", "SELECT 1")
    assert states(seen) == [RunState.RAN, RunState.FAILED, RunState.BEHIND]
    assert seen.statements[1].error.sqlstate == "2BP01" and len(seen.changes) == 1
    seen = observe(clean, "BEGIN", "ALTER TABLE c ADD z int", "SELECT a", "COMMIT")
    assert states(seen)[1:] == [RunState.RAN, RunState.FAILED, RunState.BEHIND] and len(seen.changes) == 1
    assert seen.statements[2].error.position == 8


def test_files_run_one_after_another_until_a_reset(clean):
    observe(clean, "ALTER TABLE c ADD x int")
    assert states(observe(clean, "ALTER TABLE c DROP x")) == [RunState.RAN]
    assert states(observe(clean, "ALTER TABLE c DROP x")) == [RunState.FAILED]
    observe(clean, "ALTER TABLE c ADD x int")
    clean.reset()
    assert states(observe(clean, "ALTER TABLE c DROP x")) == [RunState.FAILED]


def test_what_goes_silently(clean):
    seen = observe(clean, "ALTER TABLE c DROP COLUMN code").statements[0]
    gone = {(change.object.path[-1], change.silent) for change in seen.changes}
    assert gone == {("code", False), ("c_code", True), ("c_n", True)}
    assert {change.table for change in seen.changes} == {C}


def test_roles_that_a_file_names_exist(clean):
    seen = observe(clean, "GRANT SELECT ON p TO reader", "ALTER TABLE c OWNER TO app", "GRANT SELECT ON c TO reader")
    assert states(seen)[:1] == [RunState.RAN] and any("reader" in note for note in seen.notes)


def test_what_the_sandbox_refuses_is_not_run_and_the_rest_goes_on(clean):
    seen = observe(clean, "BEGIN", "COPY c TO PROGRAM 'id'", "ALTER TABLE c ADD x int", "COMMIT")
    assert states(seen) == [RunState.RAN, RunState.NOT_RUN, RunState.RAN, RunState.RAN]
    assert len(seen.changes) == 1


def test_a_policy_holds_its_column_back(clean):
    seen = observe(clean, "DROP VIEW v", "ALTER TABLE p DROP COLUMN name")
    assert seen.statements[1].error.sqlstate == "2BP01"


def test_an_open_transaction_at_the_end(clean):
    seen = observe(clean, "BEGIN", "ALTER TABLE c ADD x int")
    assert seen.open_transaction and seen.changes == ()


def test_copy_from_the_file_takes_no_rows(clean):
    text = "COPY c FROM STDIN;\n1\t1\tx\t1\t\\N\n\\.\nSELECT count(*) FROM c;\n"
    seen = clean.run(read_migration("m.sql", text)).statements
    assert [s.state for s in seen] == [RunState.RAN, RunState.RAN] and seen[0].rows == 0
    assert held(seen[0]) == {"c": LockMode.ROW_EXCLUSIVE}


def test_what_an_unrun_statement_would_have_made_is_not_missed(clean):
    seen = observe(
        clean, "CREATE EXTENSION nothing_of_that_name", "ALTER TABLE c ADD x thing", "ALTER TABLE c ADD y int"
    )
    assert states(seen) == [RunState.NOT_RUN, RunState.NOT_RUN, RunState.RAN]
    assert states(observe(clean, "ALTER TABLE c ADD z thing")) == [RunState.NOT_RUN]
    clean.reset()
    assert states(observe(clean, "ALTER TABLE c ADD z thing")) == [RunState.FAILED]


def test_settings_and_roles_act_as_in_a_session(clean):
    seen = observe(
        clean,
        "SET search_path = nowhere",
        "ALTER TABLE c ADD x int",
    )
    assert states(seen) == [RunState.RAN, RunState.FAILED] and seen.statements[1].error.sqlstate == "42P01"
    seen = observe(clean, "SET ROLE reporting", "CREATE TABLE mine (id int)", "RESET ROLE", "DROP TABLE mine")
    assert states(seen) == [RunState.RAN] * 4
    seen = observe(clean, "BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT 1", "COMMIT")
    assert states(seen) == [RunState.RAN] * 4


def test_savepoints_take_back_what_came_after_them(clean):
    seen = observe(
        clean, "BEGIN", "ALTER TABLE c ADD x int", "SAVEPOINT s", "ALTER TABLE c ADD y int", "ROLLBACK TO s", "COMMIT"
    )
    assert states(seen) == [RunState.RAN] * 6
    assert [change.object.path[-1] for change in seen.changes] == ["x"]


def test_an_index_made_again_is_the_same_index(clean):
    seen = observe(clean, "REINDEX TABLE CONCURRENTLY c", "ALTER TABLE c ALTER n TYPE bigint")
    assert [(c.object.kind, c.object.path[-1]) for c in seen.changes] == [("column", "n")]


def test_time_without_a_processor_is_none_of_a_statement(clean, monkeypatch):
    """On a busy machine a brief statement would be taken for one that holds its locks for long."""
    assert observe(clean, "SELECT pg_sleep(0.2)").statements[0].milliseconds > 0
    delays = itertools.count(step=1000)
    monkeypatch.setattr(observe_session, "_run_delay", lambda path: next(delays))
    assert observe(clean, "SELECT pg_sleep(0.2)").statements[0].milliseconds == 0
