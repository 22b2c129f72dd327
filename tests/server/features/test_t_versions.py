"""Versions of indexes: a row for each definition, and the way back to one without a moment that has neither."""

import contextlib
import itertools
import os
import signal
import threading
from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli.core.ddl import drop_index
from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import PlanAction, ReplacedIndex
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.log import intents, plans
from tests.server import applying
from tests.server.applying import definition, keep_plan, outcomes, run_apply, run_rollback, sql
from tests.server.test_apply_kill import child, exit_code
from tests.servers import new_database

STATES = """
SELECT c.relname, x.indisvalid AND x.indisready AND x.indislive, pg_get_indexdef(c.oid) FROM pg_index x
JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = %s::regclass AND NOT x.indisprimary ORDER BY 1
"""
COLUMNS = "(id bigint, customer_id int NOT NULL, status text NOT NULL, note text)"
ROWS = "INSERT INTO %s SELECT i, i %% 997, 'done', md5(i::text) FROM generate_series(1, 3000) i"


@pytest.fixture(scope="module")
def shop(pg):
    """A database with our tables; each test makes a table of its own."""
    with new_database(pg) as dsn:
        applying.fill(dsn, 10)
        yield dsn


def table(dsn, name, schema="public", more=""):
    found = QualifiedName(schema, name)
    sql(dsn, f"CREATE TABLE {found} {COLUMNS} {more}")
    return found


def filled(dsn, name, schema="public"):
    found = table(dsn, name, schema)
    sql(dsn, ROWS % found)
    return found


def indexes(dsn, of):
    return {name: valid for name, valid, _ in sql(dsn, STATES, (str(of),))}


def replacing(dsn, new, *old):
    """A kept plan that builds ``new`` and then drops the indexes of these names."""
    plan = keep_plan(dsn, new)
    schema = new.table.schema
    gone = tuple(
        ReplacedIndex(name, definition(new.keys[0], table=new.table), drop_index(QualifiedName(schema, name)), "x", 1)
        for name in old
    )
    changed = replace(plan.recommendations[0], action=PlanAction.REPLACE, replaces=gone)
    with open_session(dsn, read_only=False) as session:
        plans.store(session, replace(plan, recommendations=(changed,)))
    return plan


def two_versions(dsn, of):
    """Version 1 on (customer_id), version 2 on (customer_id, status) in its place; their names."""
    first = run_apply(dsn, keep_plan(dsn, definition("customer_id", table=of)).id)
    old = first.result.mutations[0].index
    second = run_apply(dsn, replacing(dsn, definition("customer_id", "status", table=of), old).id)
    assert (outcomes(first), outcomes(second)) == (["done"], ["done", "done"]), [
        (m.error, m.notes) for m in (*first.result.mutations, *second.result.mutations)
    ]
    return old, second.result.mutations[0].index


def versions(dsn, of):
    """Version, name, whether it stands; the newest first."""
    return sql(
        dsn,
        "SELECT version, index_name, is_current FROM indexpilot.index_versions"
        " WHERE schema_name = %s AND table_name = %s AND NOT is_part ORDER BY id DESC",
        (of.schema, of.name),
    )


@contextlib.contextmanager
def watching(dsn, of, *names):
    """Looks at pg_index as fast as it can; gives the list of looks that found none of the indexes usable."""
    gaps, over = [], threading.Event()

    def watch():
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not over.wait(0.005):  # a build takes longer: three transactions and two passes over the rows
                try:
                    found = dict(row[:2] for row in connection.execute(STATES, (str(of),)).fetchall())
                except psycopg.errors.InternalError:  # pg_get_indexdef() of an index that went while we looked
                    continue
                if not any(found.get(name) for name in names):
                    gaps.append(found)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield gaps
    finally:
        over.set()
        thread.join()


def test_t8_back_to_a_version_without_a_gap(shop):
    schema = "T8 Sales"
    sql(shop, 'CREATE SCHEMA "T8 Sales"')
    of = filled(shop, 'Or"ders', schema)
    old, new = two_versions(shop, of)
    before = sql(shop, STATES, (str(of),))
    assert versions(shop, of) == [(2, new, True), (1, old, False)]
    target = str(QualifiedName(schema, new))
    dry = run_rollback(shop, target, to_version=1, dry_run=True)
    assert [(m.kind, m.index, m.outcome) for m in dry.result.mutations] == [
        ("create_index", old, "planned"),
        ("drop_index", new, "planned"),
    ]
    assert sql(shop, STATES, (str(of),)) == before
    with watching(shop, of, old, new) as gaps:
        back = run_rollback(shop, target, to_version=1)
        forth = run_rollback(shop, target, to_version=2)
        again = run_rollback(shop, target, to_version=1)
    assert [(b.exit_code, outcomes(b)) for b in (back, forth, again)] == [(0, ["done", "done"])] * 3, again
    assert gaps == []
    assert indexes(shop, of) == {old: True}
    assert versions(shop, of)[:3] == [(5, old, True), (4, new, False), (3, old, False)]
    idle = run_rollback(shop, target, to_version=3)
    assert (idle.exit_code, outcomes(idle), idle.result.skipped) == (0, ["already_done"], "nothing_to_undo")


def test_t8_killed_at_every_step_and_repaired_by_the_next(shop):
    of = filled(shop, "t8_killed")
    old, new = two_versions(shop, of)
    append, goals = intents.append, itertools.cycle([1, 2])
    for step in itertools.count(1):
        goal = next(goals)
        left = iter(range(step))

        def killing(*arguments, left=left, **more):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return append(*arguments, **more)

        def work(killing=killing, goal=goal):
            intents.append = killing
            run_rollback(shop, new, to_version=goal)

        with watching(shop, of, old, new) as gaps, child(work) as pid:
            ended = exit_code(pid)
            done = run_rollback(shop, new, to_version=goal, lock_timeout=60.0)
        assert (gaps, done.exit_code) == ([], 0), (step, done)
        assert indexes(shop, of) == {(old, new)[goal - 1]: True}, step
        if ended == 0:
            break
    assert step >= 8
    open_ones = (
        "SELECT state FROM (SELECT DISTINCT ON (op_id) op_id, state FROM indexpilot.mutation_log"
        " WHERE table_name = 't8_killed' ORDER BY op_id, id DESC) s"
    )
    assert {state for (state,) in sql(shop, open_ones)} <= {"VALID", "FAILED_CLEAN", "REVERTED"}


def test_t8_a_name_that_is_taken_is_given_back(shop):
    of = filled(shop, "t8_named")
    first = run_apply(shop, keep_plan(shop, definition("customer_id", table=of), names=("t8_one_name",)).id)
    run_rollback(shop, f"M-{first.result.mutations[0].id}")
    wider = definition("customer_id", IndexKey("status", descending=True), table=of)
    run_apply(shop, keep_plan(shop, wider, names=("t8_one_name",)).id)
    with watching(shop, of, "t8_one_name", "t8_one_name_v") as gaps:
        back = run_rollback(shop, "R-" + definition("customer_id", table=of).id[2:], to_version=1)
    assert (back.exit_code, outcomes(back), gaps) == (0, ["done", "done"], []), back
    ((name, valid, text),) = sql(shop, STATES, (str(of),))
    assert (name, valid, text.endswith("(customer_id)")) == ("t8_one_name", True, True)
    assert versions(shop, of)[0][1:] == ("t8_one_name", True)


def test_t8_an_index_of_others_that_ours_replaced_comes_back_as_it_was(shop):
    of = filled(shop, "t8_others")
    sql(shop, f'CREATE INDEX "By Hand" ON {of} (customer_id) WITH (fillfactor = 70)')
    sql(shop, "COMMENT ON INDEX \"By Hand\" IS 'mine'")
    before = sql(shop, STATES, (str(of),))
    run_apply(shop, replacing(shop, definition("customer_id", "status", table=of), "By Hand").id)
    assert [v[:2] for v in versions(shop, of)][1] == (1, "By Hand")
    done = run_rollback(shop, '"By Hand"', to_version=1)
    assert (done.exit_code, outcomes(done)) == (0, ["done", "done"]), done
    assert sql(shop, STATES, (str(of),)) == before
    assert sql(shop, "SELECT obj_description('\"By Hand\"'::regclass)") == [("mine",)]


def test_t8_of_a_partitioned_table(shop):
    of = table(shop, "t8_parts", more="PARTITION BY LIST (status)")
    sql(shop, "CREATE TABLE public.t8_parts_a PARTITION OF public.t8_parts FOR VALUES IN ('done')")
    sql(shop, "CREATE TABLE public.t8_parts_b PARTITION OF public.t8_parts DEFAULT")
    sql(shop, ROWS % of)
    old, new = two_versions(shop, of)
    sql(shop, "CREATE TABLE public.t8_parts_c PARTITION OF public.t8_parts FOR VALUES IN ('open')")
    with watching(shop, of, old, new) as gaps:
        done = run_rollback(shop, new, to_version=1)
    assert (done.exit_code, outcomes(done), gaps) == (0, ["done", "done"], []), done
    assert indexes(shop, of) == {old: True}
    assert [len(indexes(shop, QualifiedName("public", f"t8_parts_{p}"))) for p in "abc"] == [1, 1, 1]
    assert versions(shop, of) == [(3, old, True), (2, new, False), (1, old, False)]


def test_t8_what_cannot_be_is_refused_and_nothing_changes(shop):
    of = filled(shop, "t8_refused")
    old, new = two_versions(shop, of)
    for target, number in ((new, 9), ("nowhere_idx", 1)):
        with pytest.raises(UsageError):
            run_rollback(shop, target, to_version=number)
    sql(shop, f"ALTER TABLE {of} REPLICA IDENTITY FULL; CREATE UNIQUE INDEX t8_id ON {of} (id)")
    sql(shop, f"DROP INDEX {new}; CREATE INDEX {new} ON {of} (note)")  # somebody else's, of our name
    mine = run_rollback(shop, new, to_version=1)
    assert (mine.exit_code, outcomes(mine)) == (0, ["done"]), mine  # nothing of ours stands: it is only built
    assert set(indexes(shop, of)) == {old, new, "t8_id"}
    sql(shop, f"DROP INDEX {new}")
    run_rollback(shop, new, to_version=2)
    sql(shop, f"ALTER TABLE {of} DROP COLUMN status")  # takes version 2 along
    with pytest.raises(RefusedError, match="column status of it is gone"):
        run_rollback(shop, new, to_version=2)


def test_t8_a_unique_version_whose_rows_no_longer_fit_leaves_the_newer_one(shop):
    of = filled(shop, "t8_unique")
    first = run_apply(shop, keep_plan(shop, definition("id", unique=True, table=of)).id)
    old = first.result.mutations[0].index
    second = run_apply(shop, replacing(shop, definition("id", "note", table=of), old).id)
    new = second.result.mutations[0].index
    if outcomes(second) != ["done", "done"]:  # a plain index does not stand in the place of a unique one
        run_rollback(shop, f"M-{first.result.mutations[0].id}")
    sql(shop, f"INSERT INTO {of} SELECT 1, 1, 'x', 'x' FROM generate_series(1, 2)")
    done = run_rollback(shop, old, to_version=1)
    assert (done.exit_code, outcomes(done)[0]) == (7, "failed"), done
    assert indexes(shop, of) == {new: True}
