"""The tool dies, is interrupted, or loses its server in the middle of an apply; the next run puts it right."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from indexpilot_cli.apply import apply
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.execute import build
from indexpilot_cli.execute import context as apply_context
from indexpilot_cli.planner.twin.server import LocalServer, new_home, server_user
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.test_apply_faults import BUILDER, SNAPSHOT, alongside, holding, seen
from tests.servers import SETTINGS, binaries, new_database
from tests.waiting import LIMIT

MOMENTS = 20
PARTITIONS = (
    "CREATE TABLE public.events (id bigint, day date, kind text) PARTITION BY RANGE (day)",
    "CREATE TABLE public.events_a PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
    "CREATE TABLE public.events_b PARTITION OF public.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')"
    " PARTITION BY LIST (kind)",
    "CREATE TABLE public.events_b1 PARTITION OF public.events_b FOR VALUES IN ('x')",
    "CREATE TABLE public.events_b2 PARTITION OF public.events_b DEFAULT",
    "INSERT INTO public.events SELECT i, date '2026-01-01' + i % 59, CASE WHEN i % 2 = 0 THEN 'x' ELSE 'y' END"
    " FROM generate_series(1, 10000) AS i",
    "ANALYZE public.events",
)
PLAN = (
    definition("note", "status"),
    definition("status", predicate="status = 'open'"),
    definition("customer_id", "created_at"),
)


@contextlib.contextmanager
def child(work):
    """A process of its own that does the work and exits 0, or 99 with an exception; gives its id."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            try:
                for number in (signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, lambda n, _: (_ for _ in ()).throw(SystemExit(128 + n)))
                work()
                code = 0
            except SystemExit as ended:
                code = ended.code
        except KeyboardInterrupt:  # also a second one, that comes when the first has just ended the work
            code = 130
        finally:
            os._exit(code)
    try:
        yield pid
    finally:
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def to_its_end(dsn, plan, **more):
    """The work of a child that ends with the run's exit code."""
    sys.exit(run_apply(dsn, plan.id, force=True, **more).exit_code)


def exit_code(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def consistent(dsn):
    """No invalid index, no index that the log does not call standing, no standing operation without its index."""
    world = look(dsn)
    assert world.invalid == []
    newest = {}
    for row in world.log:
        newest[row.op_id] = row
    standing = sorted(r.index_name for r in newest.values() if r.state == "VALID" and r.mutation_type == "CREATE_INDEX")
    assert standing == sorted(world.indexes)
    assert not {r.state for r in newest.values()} & {"INTENT", "STARTED", "UNKNOWN", "FAILED_LEFTOVER"}


pytestmark = pytest.mark.rows(20_000)


def copy_of(pg, dsn):
    """A new database as that one is now: a tenth of the processor time of the run that would bring it back there."""
    return new_database(pg, psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])


@pytest.mark.slow
def test_f11_killed_at_twenty_random_moments(pg, shop):
    plan = keep_plan(shop, *PLAN)
    chance = random.Random(20261120)
    started = time.monotonic()
    with copy_of(pg, shop) as dsn, child(lambda: run_apply(dsn, plan.id)) as pid:
        assert exit_code(pid) == 0
    whole = time.monotonic() - started
    for moment in range(MOMENTS):
        with copy_of(pg, shop) as dsn:
            with child(lambda dsn=dsn: run_apply(dsn, plan.id)) as pid:
                time.sleep(whole * (moment + chance.random()) / MOMENTS)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            done = run_apply(dsn, plan.id, lock_timeout=60.0)
            assert done.exit_code == 0, (moment, done)
            consistent(dsn)
            if moment % 4 == 0:
                undone = run_rollback(dsn, plan.id)
                assert undone.exit_code == 0, (moment, undone)
                assert look(dsn).indexes == {}
    with holding(shop, *SNAPSHOT), child(lambda: run_apply(shop, plan.id, force=True)) as pid:
        seen(shop, BUILDER)  # this one is certain to be in the middle, however fast or slow the machine was
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert look(shop).states()[-1] in ("INTENT", "STARTED")
    assert run_apply(shop, plan.id, lock_timeout=60.0).exit_code == 0
    consistent(shop)


@pytest.mark.slow
def test_f23_a_partitioned_build_and_its_rollback_killed_at_random_moments(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        for statement in PARTITIONS:
            connection.execute(statement)
    plan = keep_plan(shop, definition("day", "kind", table=QualifiedName("public", "events")))
    chance = random.Random(20261121)
    for _ in range(6):
        for work in (run_apply, run_rollback):
            with child(lambda work=work: work(shop, plan.id)) as pid:
                time.sleep(chance.uniform(0.1, 1.2))
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            done = work(shop, plan.id, lock_timeout=60.0)
            assert done.exit_code == 0, done
            world = look(shop)
            assert (len(world.indexes), world.invalid) == (5 if work is run_apply else 0, [])
            newest = {row.op_id: row.state for row in world.log}
            assert set(newest.values()) <= {"VALID", "FAILED_CLEAN", "REVERTED"}


def test_two_operators_at_the_same_moment(shop):
    plan = keep_plan(shop, *PLAN)

    def work():
        sys.exit(run_apply(shop, plan.id, lock_timeout=1.0).exit_code)

    with child(work) as one, child(work) as two:
        codes = [exit_code(one), exit_code(two)]
    assert sorted(codes) in ([0, 6], [0, 0])  # or the second came when all was done
    world = look(shop)
    assert (len(world.indexes), world.invalid) == (3, [])
    assert world.states().count("VALID") == 3
    consistent(shop)


def test_f11_two_signals_at_once_end_the_run(shop):
    plan = keep_plan(shop, *PLAN)
    with holding(shop, *SNAPSHOT), child(lambda: to_its_end(shop, plan)) as pid:
        seen(shop, BUILDER)
        os.kill(pid, signal.SIGINT)
        time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        assert exit_code(pid) == 130
    assert run_apply(shop, plan.id, lock_timeout=60.0).exit_code == 0
    consistent(shop)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_f11_a_signal_cleans_up_and_closes_the_row(shop, number, code):
    plan = keep_plan(shop, *PLAN)
    with holding(shop, *SNAPSHOT), child(lambda: to_its_end(shop, plan)) as pid:
        seen(shop, BUILDER)
        os.kill(pid, number)
        assert exit_code(pid) == code
    world = look(shop)
    assert world.indexes == {}
    assert (world.states()[-1], world.log[-1].error) == ("FAILED_CLEAN", "stopped by a signal")


def test_f11_the_second_signal_ends_at_once_and_the_next_run_repairs(shop):
    plan = keep_plan(shop, *PLAN)
    with holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1"):
        with child(lambda: to_its_end(shop, plan, lock_timeout=30.0)) as pid:
            seen(shop, BUILDER)
            os.kill(pid, signal.SIGINT)
            seen(shop, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP %INDEX%'")
            os.kill(pid, signal.SIGINT)
            assert exit_code(pid) == 130
        assert len(look(shop).invalid) == 1
    done = run_apply(shop, plan.id, lock_timeout=60.0)
    assert done.exit_code == 0
    consistent(shop)


def test_a_rollback_killed_half_way_is_finished_by_the_next(shop):
    plan = keep_plan(shop, definition("customer_id"))
    run_apply(shop, plan.id)
    with (
        holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1"),
        child(lambda: run_rollback(shop, plan.id, lock_timeout=30.0)) as pid,
    ):
        seen(shop, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP %INDEX%'")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert run_rollback(shop, plan.id, lock_timeout=60.0).exit_code == 0
    assert look(shop).indexes == {}
    assert look(shop).states()[-1] == "REVERTED"


@pytest.fixture
def own_server():
    with LocalServer(binaries(), new_home(), SETTINGS | {"max_connections": "20"}) as server:
        applying.fill(server.dsn(), 20_000)
        yield server


def restart(server, mode):
    account = server_user()
    subprocess.run(
        [
            server.binaries.program("pg_ctl"),
            "-w",
            "-t",
            "300",
            "-D",
            str(server.data),
            "-m",
            mode,
            "-l",
            str(server.log),
            "restart",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}),
    )


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_f12_the_server_restarts_during_a_build(own_server, mode, monkeypatch):
    monkeypatch.setattr(apply_context, "_RETURN", LIMIT)
    dsn = own_server.dsn()
    plan = keep_plan(dsn, PLAN[0])
    with contextlib.suppress(psycopg.Error), holding(dsn, *SNAPSHOT):
        with alongside(run_apply, dsn, plan.id, force=True, retries=0) as results:
            seen(dsn, BUILDER)
            restart(own_server, mode)
        (done,) = results
    assert not isinstance(done, Exception), done
    assert done.exit_code == 7, done
    world = look(dsn)
    assert (world.indexes, world.states()[-1]) == ({}, "FAILED_CLEAN")
    assert run_apply(dsn, plan.id).exit_code == 0
    consistent(dsn)


def test_f12_a_server_that_stays_away_is_an_unknown_outcome(own_server, monkeypatch):
    monkeypatch.setattr(apply_context, "_RETURN", 1.0)
    dsn = own_server.dsn()
    plan = keep_plan(dsn, PLAN[0])
    with contextlib.suppress(psycopg.Error), holding(dsn, *SNAPSHOT):
        with alongside(run_apply, dsn, plan.id, force=True, retries=0) as results:
            seen(dsn, BUILDER)
            own_server.stop("immediate")
        (done,) = results
    assert not isinstance(done, Exception), done
    assert (done.exit_code, outcomes(done), done.next) == (8, ["unknown"], ("indexpilot doctor --reconcile",))
    own_server.start()
    again = run_apply(dsn, plan.id)
    assert (again.exit_code, [m.outcome for m in again.result.reconciled]) == (0, ["failed"])
    consistent(dsn)


def test_f16_disk_full(own_server):
    dsn = own_server.dsn()
    place = new_home()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no small file system can be mounted here")
    account = server_user()
    try:
        os.chown(place, account.pw_uid, account.pw_gid)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE tight LOCATION '{place}'")
            connection.execute("ALTER DATABASE postgres SET default_tablespace = tight")
        refused = run_apply(dsn, keep_plan(dsn, PLAN[0]).id)
        assert refused.exit_code == 6
        assert "disk" in {v.guard for v in refused.result.verdicts if not v.allowed}
        built = applying.build_one(dsn, applying.operation(dsn, PLAN[0]))
        assert (built.report.outcome, built.report.error_code) == ("failed", "out_of_resource")
        world = look(dsn)
        assert (world.indexes, world.states()[-1], world.log[-1].sqlstate) == ({}, "FAILED_CLEAN", "53100")
    finally:
        own_server.stop("immediate")
        subprocess.run(["umount", place], check=True)


def test_a_workflow_outside_the_main_thread_installs_no_signals(shop):
    plan = keep_plan(shop, definition("customer_id"))
    before = signal.getsignal(signal.SIGINT)
    with alongside(run_apply, shop, plan.id) as results:
        pass
    assert outcomes(results[0]) == ["done"]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_answer_of_no_changes_nothing(shop):
    plan = keep_plan(shop, definition("customer_id"))
    done = apply.run(applying.request(shop, plan.id, confirmed=False), Silent(), lambda planned: False)
    assert (done.status, done.exit_code, done.result.skipped) == ("refused", 6, "declined")
    assert look(shop).indexes == {}


def test_a_partitioned_index_whose_run_died_before_its_tag_can_be_taken_back(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        for statement in PARTITIONS:
            connection.execute(statement)
    plan = keep_plan(shop, definition("day", "kind", table=QualifiedName("public", "events")))

    def die_at_the_tag():
        build.comment_on = lambda *_: os._exit(9)
        run_apply(shop, plan.id)

    with child(die_at_the_tag) as pid:
        assert exit_code(pid) == 9
    assert run_apply(shop, plan.id, lock_timeout=60.0).exit_code == 0
    undone = run_rollback(shop, plan.id, lock_timeout=60.0)
    assert undone.exit_code == 0, [(m.outcome, m.error) for m in undone.result.mutations]
    assert look(shop).indexes == {}
