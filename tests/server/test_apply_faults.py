"""Faults of operations.md, provoked on a real server; the end state is read from the catalog and from the log."""

import threading
from contextlib import contextmanager

import psycopg
import pytest

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.db.session import open_session
from indexpilot_cli.execute import build, reconcile
from indexpilot_cli.execute.context import RunLimits, open_context
from indexpilot_cli.execute.signals import Stop
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.waiting import eventually

SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")  # a build waits for it at its end
SLOW = definition("note", "status", "customer_id")


pytestmark = pytest.mark.rows(60_000)


@contextmanager
def holding(dsn, *statements):
    """An open transaction that has run the statements."""
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


@contextmanager
def alongside(action, *arguments, **named):
    """The action in a thread; its result (or exception) is the last item of the list given."""
    results = []

    def work():
        try:
            results.append(action(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - handed to the test
            results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield results
    thread.join(120)
    assert not thread.is_alive()


def seen(dsn, question):
    """The first true answer of the database to the question."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return eventually(lambda: (connection.execute(question).fetchone() or (None,))[0])


BUILDER = (
    "SELECT p.pid FROM pg_stat_progress_create_index p JOIN pg_stat_activity a ON a.pid = p.pid"
    " WHERE a.application_name LIKE 'indexpilot/%' AND p.datname = current_database() AND p.index_relid <> 0"
)
WAITING = BUILDER + " AND p.phase LIKE 'waiting for%'"


class Moment(float):
    """A moment of time.monotonic that comes as soon as the database has a true answer to the question."""

    def __new__(cls, dsn, question):
        moment = super().__new__(cls, "inf")
        moment.asked = dsn, question
        return moment

    def __le__(self, now):
        dsn, question = self.asked
        with psycopg.connect(dsn, autocommit=True) as connection:
            return any(connection.execute(question).fetchone() or ())


def test_f01_f02_a_lock_that_is_not_free_leaves_nothing_and_nobody_queues(shop):
    plan = keep_plan(shop, definition("customer_id"))
    with holding(shop, "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE"):
        done = run_apply(shop, plan.id, retries=1, force=True)
    (failed,) = done.result.mutations
    assert (done.exit_code, failed.outcome, failed.error_code, failed.tries) == (7, "failed", "lock_timeout", 2)
    assert any("pid" in note for note in failed.notes)
    world = look(shop)
    assert world.indexes == {}
    assert world.states()[0] == "INTENT" and world.states()[-1] == "FAILED_CLEAN"
    assert world.log[-1].sqlstate == "55P03"
    assert world.log[-1].mutation_type == "INDEX_CREATION_FAILED"


def test_f02_deadline_with_a_writer_in_the_way_leaves_a_named_leftover_that_the_next_run_repairs(shop, monkeypatch):
    plan = keep_plan(shop, SLOW)
    name = plan.recommendations[0].name
    with holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1"), monkeypatch.context() as patch:
        patch.setattr(RunLimits, "deadline", lambda _: Moment(shop, WAITING))
        done = run_apply(shop, plan.id, lock_timeout=0.2)
        (failed,) = done.result.mutations
        assert (done.exit_code, failed.outcome, failed.error_code) == (7, "leftover", "deadline")
        assert done.next == ("indexpilot doctor --reconcile",)
        world = look(shop)
        assert world.invalid == [name]
        assert (world.states()[-1], world.log[-1].leftover) == ("FAILED_LEFTOVER", f"public.{name}")
        with open_session(shop) as session:
            (item,) = reconcile.pending(session, "indexpilot")
        assert (item.verdict.value, item.fix) == ("leftover", "indexpilot doctor --reconcile")
    again = run_apply(shop, plan.id)
    assert (again.exit_code, outcomes(again)) == (0, ["done"])
    assert [m.outcome for m in again.result.reconciled] == ["failed"]
    world = look(shop)
    assert (world.indexes, world.states()[-1]) == ({name: True}, "VALID")


@pytest.mark.parametrize("stop", ["pg_cancel_backend", "pg_terminate_backend"])
def test_f03_cancelled_or_terminated(shop, stop):
    plan = keep_plan(shop, SLOW)
    with holding(shop, *SNAPSHOT), alongside(run_apply, shop, plan.id, force=True) as results:
        pid = seen(shop, BUILDER)
        with psycopg.connect(shop, autocommit=True) as connection:
            connection.execute(f"SELECT {stop}({pid})")
        eventually(lambda: results)
    (done,) = results
    assert (done.exit_code, outcomes(done)) == (7, ["failed"]), done
    world = look(shop)
    assert world.indexes == {}
    assert world.states()[-1] == "FAILED_CLEAN"
    assert world.log[-1].sqlstate == {"pg_cancel_backend": "57014", "pg_terminate_backend": "57P01"}[stop]


def test_f03_f04_timeouts_of_the_database_do_not_reach_the_build(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        name = connection.info.dbname
        settings = ["statement_timeout", "lock_timeout"]
        if connection.info.server_version >= 170000:
            settings.append("transaction_timeout")
        for setting in settings:
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '100ms'")
    plan = keep_plan(shop, SLOW)
    done = run_apply(shop, plan.id)
    assert (done.exit_code, outcomes(done), look(shop).invalid) == (0, ["done"], [])


def test_f05_failing_again_and_again_adds_no_second_index(shop):
    plan = keep_plan(shop, SLOW)
    with holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1"):
        for _ in range(3):
            run_apply(shop, plan.id, build_timeout=0.3, lock_timeout=0.1, retries=0)
            assert len(look(shop).indexes) <= 1
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    assert list(look(shop).indexes.values()) == [True]


def test_f06_a_name_that_is_taken_is_left_alone(shop):
    plan = keep_plan(shop, definition("customer_id"), definition("status"))
    first, second = (r.name for r in plan.recommendations)
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(f"CREATE INDEX {first} ON orders (created_at)")
        connection.execute(f"CREATE INDEX {second} ON orders (status)")
        connection.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.{second}'::regclass")
    done = run_apply(shop, plan.id)
    assert [m.error_code for m in done.result.mutations] == ["name_taken", "invalid_index"]
    assert (done.exit_code, outcomes(done)) == (6, ["conflict", "conflict"])
    assert look(shop).indexes == {first: True, second: False}
    assert look(shop).log == []


def test_f07_duplicates_under_a_unique_index(shop):
    plan = keep_plan(shop, definition("customer_id", unique=True))
    done = run_apply(shop, plan.id)
    (failed,) = done.result.mutations
    assert (done.exit_code, failed.outcome) == (7, "failed")
    assert "duplicate" in failed.error or "could not create unique index" in failed.error
    world = look(shop)
    assert (world.indexes, world.states()[-1], world.log[-1].sqlstate) == ({}, "FAILED_CLEAN", "23505")


def test_f09_another_build_on_the_table(shop):
    plan = keep_plan(shop, definition("customer_id"))
    foreign = psycopg.connect(shop, autocommit=True)
    with (
        holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1") as blocker,
        alongside(foreign.execute, "CREATE INDEX CONCURRENTLY mine ON orders (status)") as results,
    ):
        seen(shop, "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE datname = current_database()")
        done = run_apply(shop, plan.id, retries=0)
        assert (done.exit_code, done.result.skipped) == (6, "lock")
        forced = run_apply(shop, plan.id, retries=0, force=True)
        assert forced.exit_code == 6
        assert results == []
        blocker.rollback()
    foreign.close()
    assert run_apply(shop, plan.id).exit_code == 0
    assert look(shop).invalid == []


def test_f10_two_operators_with_one_plan(shop):
    plan = keep_plan(shop, SLOW)
    name = plan.recommendations[0].name
    with holding(shop, *SNAPSHOT) as blocker:
        with alongside(run_apply, shop, plan.id, force=True, lock_timeout=5.0) as first:
            pid = seen(shop, BUILDER)
            second = run_apply(shop, plan.id, force=True, lock_timeout=0.3)
            assert second.exit_code == 6
            told = " ".join([*(v.reason for v in second.result.verdicts if not v.allowed), str(second.warnings)])
            assert str(pid) in told
            blocker.rollback()
        assert outcomes(first[0]) == ["done"]
    world = look(shop)
    assert world.indexes == {name: True}
    assert world.states() == ["INTENT", "STARTED", "VALID"]


def test_f17_a_read_only_database_is_refused(shop):
    plan = keep_plan(shop, definition("customer_id"))
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on")
    done = run_apply(shop, plan.id)
    assert done.exit_code == 6
    assert "writable" in {v.guard for v in done.result.verdicts if not v.allowed}
    assert look(shop).indexes == {}


def test_f19_an_analyze_that_only_warns_is_noticed(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE ROLE looker_f19")
        connection.execute("GRANT SELECT ON orders TO looker_f19")
    try:
        with open_session(shop, read_only=False) as session:
            session.execute("SET ROLE looker_f19")
            session.drain_notices()
            session.execute("ANALYZE public.orders")
            assert "orders" in (build.skipped_table(session) or "")
            session.execute("RESET ROLE")
            session.execute("ANALYZE public.orders")
            assert build.skipped_table(session) is None
    finally:
        with psycopg.connect(shop, autocommit=True) as connection:
            connection.execute("DROP OWNED BY looker_f19")
            connection.execute("DROP ROLE looker_f19")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE orders RENAME TO old_orders; CREATE TABLE public.orders (LIKE old_orders)",
        "ALTER TABLE orders RENAME COLUMN customer_id TO client_id",
        "ALTER TABLE orders ALTER COLUMN customer_id TYPE bigint",
    ],
)
def test_f20_a_table_that_changed_is_refused(shop, change):
    plan = keep_plan(shop, definition("customer_id"))
    with psycopg.connect(shop, autocommit=True) as connection:
        for statement in change.split(";"):
            connection.execute(statement)
    done = run_apply(shop, plan.id)
    assert done.exit_code == 6
    assert "plan_fresh" in {v.guard for v in done.result.verdicts if not v.allowed}
    assert (look(shop).indexes, look(shop).log) == ({}, [])


def test_f21_a_drop_that_stops_half_way_goes_on_later(shop):
    plan = keep_plan(shop, definition("customer_id"))
    run_apply(shop, plan.id)
    name = plan.recommendations[0].name
    with holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1"):
        half = run_rollback(shop, plan.id, lock_timeout=0.2, retries=0)
        assert (half.exit_code, outcomes(half)) == (7, ["leftover"])
        assert look(shop).invalid == [name]
        assert look(shop).states()[-1] == "FAILED_LEFTOVER"
    again = run_rollback(shop, plan.id)
    assert again.exit_code == 0
    assert [m.outcome for m in again.result.reconciled] == ["done"]
    assert look(shop).indexes == {}
    assert look(shop).states()[-2:] == ["VALID", "REVERTED"]


def test_f24_a_log_that_fails_after_a_good_build(shop):
    plan = keep_plan(shop, definition("customer_id"))
    name = plan.recommendations[0].name
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE indexpilot.mutation_log ADD CONSTRAINT no_more CHECK (state <> 'VALID') NOT VALID"
        )
        done = run_apply(shop, plan.id)
        assert (done.exit_code, outcomes(done)) == (8, ["unknown"])
        assert look(shop).indexes == {name: True}
        connection.execute("ALTER TABLE indexpilot.mutation_log DROP CONSTRAINT no_more")
    again = run_apply(shop, plan.id)
    assert (again.exit_code, outcomes(again)) == (0, ["already_done"])
    assert [m.outcome for m in again.result.reconciled] == ["done"]
    assert look(shop).states() == ["INTENT", "STARTED", "VALID"]


def test_f24_nothing_is_done_when_the_intent_cannot_be_written(shop):
    plan = keep_plan(shop, definition("customer_id"))
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("ALTER TABLE indexpilot.mutation_log ADD CONSTRAINT closed CHECK (false) NOT VALID")
    with pytest.raises(Exception, match="refused a statement"):
        run_apply(shop, plan.id)
    assert look(shop).indexes == {}


def test_f26_an_orphan_that_still_builds_is_left_to_finish(shop):
    plan = keep_plan(shop, SLOW)
    name = plan.recommendations[0].name
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE indexpilot.mutation_log ADD CONSTRAINT no_more CHECK (state <> 'VALID') NOT VALID"
        )
        assert run_apply(shop, plan.id).exit_code == 8  # leaves the operation open
        connection.execute("ALTER TABLE indexpilot.mutation_log DROP CONSTRAINT no_more")
        connection.execute(f"DROP INDEX {name}")
    orphan = psycopg.connect(shop, autocommit=True)
    with (
        holding(shop, *SNAPSHOT) as blocker,
        alongside(orphan.execute, plan.recommendations[0].ddl),
    ):
        seen(shop, "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE index_relid <> 0")
        with open_context(
            Connection(shop), Record("tester", "1", "doctor"), Silent(), Stop(), RunLimits(lock=0.2)
        ) as ctx:
            (left,) = reconcile.reconcile(ctx)
        assert left.outcome == "skipped"
        assert look(shop).invalid == [name]
        blocker.rollback()
    orphan.close()
    with open_context(Connection(shop), Record("tester", "1", "doctor"), Silent(), Stop()) as ctx:
        (closed,) = reconcile.reconcile(ctx)
    assert (closed.outcome, look(shop).indexes) == ("done", {name: True})


def test_a_conflict_is_left_alone(shop):
    plan = keep_plan(shop, definition("customer_id"))
    name = plan.recommendations[0].name
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE indexpilot.mutation_log ADD CONSTRAINT no_more CHECK (state <> 'VALID') NOT VALID"
        )
        run_apply(shop, plan.id)
        connection.execute("ALTER TABLE indexpilot.mutation_log DROP CONSTRAINT no_more")
        connection.execute(f"DROP INDEX {name}")
        connection.execute(f"CREATE INDEX {name} ON orders (created_at)")
    done = run_apply(shop, plan.id)
    assert [m.outcome for m in done.result.reconciled] == ["conflict"]
    assert outcomes(done) == ["conflict"]
    assert look(shop).indexes == {name: True}
    assert look(shop).states()[-1] == "CONFLICT"
