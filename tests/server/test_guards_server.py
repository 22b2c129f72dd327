"""Every guard with facts of a real server."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.db import locks
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards import context, rate, transactions
from indexpilot_cli.guards.context import GuardContext, PermitRequest, read_server, refused
from indexpilot_cli.guards.run import all_guards
from indexpilot_cli.log import mutations
from indexpilot_cli.settings.sections import (
    CpuThrottleSettings,
    MaintenanceWindowSettings,
    RateLimiterSettings,
    SafeguardSettings,
    WritePerformanceSettings,
)
from tests.server.guarding import CALM, busy, check, operation, other, recheck, request, said
from tests.server.test_postgres_pooler import pooled  # noqa: F401
from tests.waiting import eventually

GUARDS = {guard.name for guard in all_guards()}


def test_every_guard_answers_and_all_is_well(database, guarded, session):
    verdicts = check(session, [operation(guarded)], request(database), catalog=read_catalog(session))
    assert {v.guard for v in verdicts} == GUARDS
    assert refused(verdicts) == ()
    assert all(v.reason and v.origin for v in verdicts)


def test_the_recheck_is_a_part_of_the_check_and_works_read_only(database, guarded):
    with open_session(database) as reader:
        verdicts = recheck(reader, operation(guarded), request(database))
    assert {v.guard for v in verdicts} == {guard.name for guard in all_guards() if guard.each_index}
    assert GUARDS - {v.guard for v in verdicts} == {
        "approval", "plan_fresh", "direct_connection", "writable", "privileges",
    }  # fmt: skip
    assert refused(verdicts) == ()


def test_the_first_no_does_not_silence_the_others(database, guarded, session):
    asked = request(database, window="02:00-03:00 UTC", budget_bytes=1)
    verdicts = check(session, [operation(guarded)], asked, datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert {v.guard for v in refused(verdicts)} == {"window", "budget"}
    assert {v.guard for v in verdicts} == GUARDS
    assert refused(verdicts, force=True) == ()


# -- window


def test_configured_window_by_the_given_clock(database, guarded, session):
    safeguards = replace(CALM, maintenance_window=MaintenanceWindowSettings(enabled=True))
    asked, built = request(database, safeguards), operation(guarded)
    for hour, allowed in ((1, False), (2, True), (3, True), (6, False), (7, False), (12, False), (20, False)):
        now = datetime(2026, 11, 20, hour, tzinfo=UTC)
        (verdict,) = said(recheck(session, built, asked, now), "window")
        assert verdict.allowed is allowed, hour


def test_without_a_clock_the_server_s_is_used(database, guarded, session):
    now = read_server(session).now
    opens = now + timedelta(hours=2)
    text = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} UTC"
    (verdict,) = said(check(session, [operation(guarded)], request(database, window=text)), "window")
    assert not verdict.allowed
    assert abs(verdict.retry_at - opens) <= timedelta(minutes=1)


def test_a_wrong_zone_is_a_usage_error(database, guarded, session):
    with pytest.raises(UsageError) as raised:
        check(session, [operation(guarded)], request(database, window="02:00-03:00 Europe/Berln"))
    assert raised.value.hint == "did you mean Europe/Berlin?"


def test_a_big_build_does_not_start_at_the_end_of_the_window(database, guarded, session):
    asked = request(database, window="02:00-03:00 UTC")
    late = datetime(2026, 11, 20, 2, 59, 50, tzinfo=UTC)
    assert said(recheck(session, operation(guarded), asked, late), "window")[0].allowed
    refused = said(recheck(session, operation(guarded, size=10**9), asked, late), "window")[0]
    assert not refused.allowed and "starts only with 2 times that left" in refused.reason


# -- rate


def log_builds(session, count, table="orders"):
    for number in range(count):
        mutations.record(
            session,
            Mutation(MutationType.CREATE_INDEX, table_name=table, schema_name="public", index_name=f"i{number}"),
        )


_LOGGER = """
import sys, uuid
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.log import mutations
from indexpilot_cli.db.session import open_session
with open_session(sys.argv[1], read_only=False) as session:
    op = str(uuid.uuid4())
    for state in ("INTENT", "STARTED", "VALID"):
        mutations.record(session, Mutation(MutationType.CREATE_INDEX, table_name=sys.argv[2], schema_name="public",
                                           op_id=op, state=state, index_name="i"))
"""


def test_the_eleventh_build_in_an_hour_is_refused_across_processes(database, guarded, session):
    """Two other processes log a build each (three rows of the protocol are one build), this one eight more."""
    for table in ("t1", "t2"):
        subprocess.run([sys.executable, "-c", _LOGGER, database, table], check=True)
    log_builds(session, 7, "t3")
    before = said(recheck(session, operation(guarded), request(database)), "rate")[0]
    assert before.allowed
    log_builds(session, 1, "t4")
    found = guard_builds(session)
    assert len(found) == 10
    now = max(b.at for b in found)
    refused = said(recheck(session, operation(guarded), request(database), now), "rate")[0]
    assert not refused.allowed
    assert refused.origin.endswith("max_indexes_per_hour")
    assert not said(recheck(session, operation(guarded), request(database)), "rate")[0].allowed
    # As if all had been at one moment: a busy machine takes a while to write ten rows.
    later = rate.Bucket(10, rate.HOUR).tokens([now] * len(found), now + timedelta(minutes=30))
    assert later == pytest.approx(5, abs=0.1)
    half = said(recheck(session, operation(guarded), request(database), now + timedelta(minutes=30)), "rate")[0]
    assert half.allowed


def guard_builds(session):
    return rate.logged_builds(session, datetime.now(UTC) - timedelta(days=1))


def test_the_operation_itself_and_rows_of_commands_are_not_counted(database, guarded, session):
    built = operation(guarded)
    mutations.record(session, Mutation(MutationType.CREATE_INDEX, op_id=built.op_id, state="INTENT", index_name="i"))
    mutations.record(session, Mutation(MutationType.CREATE_INDEX, state="DONE"))
    mutations.record(session, Mutation(MutationType.DROP_INDEX, index_name="i"))
    safeguards = replace(CALM, rate_limiter=RateLimiterSettings(max_indexes_per_hour=1))
    assert said(recheck(session, built, request(database, safeguards)), "rate")[0].allowed
    assert not said(recheck(session, operation(guarded), request(database, safeguards)), "rate")[0].allowed


def test_one_table_alone(database, guarded, session):
    log_builds(session, 3)
    found = said(recheck(session, operation(guarded), request(database)), "rate")
    assert [(v.allowed, v.table is None) for v in found] == [(True, True), (False, False)]


def test_an_unreadable_log_refuses(database, guarded, session):
    guarded.execute("ALTER TABLE indexpilot.mutation_log RENAME TO gone")
    assert not said(recheck(session, operation(guarded), request(database)), "rate")[0].allowed


# -- CPU, disk


def test_a_local_server_is_measured_here(pg, database, guarded, session):
    if pg.local is None:
        pytest.skip("the server is not ours")
    found = GuardContext(session, PermitRequest()).host
    assert found.local
    assert found.cpu_percent is not None and 0 <= found.cpu_percent <= 100
    assert found.disk_path == str(pg.local.data)
    assert found.disk_free is not None and found.disk_free > 0
    safeguards = SafeguardSettings(cpu_throttle=CpuThrottleSettings(cpu_threshold=1))
    with busy(database, "SELECT sum(g) FROM generate_series(1, 1000000000) g"):
        refused = eventually(
            lambda: [
                v
                for v in said(recheck(session, operation(guarded), request(database, safeguards)), "cpu")
                if not v.allowed
            ]
        )
    assert "above 1 %" in refused[0].reason


def test_a_server_reached_by_name_is_not_taken_for_this_host(session):
    facts = read_server(session)
    found = context.measure("db.example.org", facts.backend_pid, facts.backend_start, None)
    assert not found.local and found.cpu_percent is None and found.disk_free is None


def test_a_process_that_began_at_another_time_is_not_the_backend(session):
    facts = read_server(session)
    early = facts.backend_start - timedelta(minutes=1)
    assert not context.measure(facts.host, facts.backend_pid, early, None).local
    assert context.measure(facts.host, facts.backend_pid, facts.backend_start, None, cpu=False).local


def test_a_role_that_may_not_know_the_data_directory_is_told(database, guarded):
    guarded.execute("DO $$ BEGIN CREATE ROLE nobody_special LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    plain = psycopg.conninfo.make_conninfo(database, user="nobody_special")
    with open_session(plain) as reader:
        (verdict,) = said(recheck(reader, operation(guarded), request(database)), "disk")
    assert verdict.allowed and "may not know the data directory" in verdict.reason


def test_more_than_the_disk_holds(pg, database, guarded, session):
    if pg.local is None:
        pytest.skip("the server is not ours")
    (verdict,) = said(recheck(session, operation(guarded, size=10**15), request(database)), "disk")
    assert not verdict.allowed
    (budget,) = said(recheck(session, operation(guarded), request(database, budget_bytes=8192)), "budget")
    assert budget.allowed
    spent = recheck(session, operation(guarded), request(database, budget_bytes=8192), spent_bytes=1)
    assert not said(spent, "budget")[0].allowed


# -- transactions, locks, vacuum


def test_an_open_transaction_is_named(database, guarded, session):
    with other(database, application_name="nightly report") as blocker:
        blocker.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        blocker.execute("SELECT count(*) FROM public.orders")
        pid = blocker.info.backend_pid
        found = transactions.read(GuardContext(session, PermitRequest(operations=(operation(guarded),))))
        assert [(t.pid, t.application, t.state) for t in found] == [(pid, "nightly report", "idle in transaction")]
        now = said(recheck(session, operation(guarded), request(database)), "transactions")[0]
        assert now.allowed
        mine = recheck(session, operation(guarded), request(database), own_pids=[pid])
        assert "no transactions" in said(mine, "transactions")[0].reason


def test_a_writer_of_the_table_is_waited_for_and_one_of_another_table_is_not(database, guarded, session):
    guarded.execute("CREATE TABLE public.other (a int)")
    with other(database) as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO public.other VALUES (1)")
        assert transactions.read(GuardContext(session, PermitRequest(operations=(operation(guarded),)))) == ()
        writer.execute("INSERT INTO public.orders VALUES (9999)")
        (found,) = transactions.read(GuardContext(session, PermitRequest(operations=(operation(guarded),))))
        assert found.relid == operation(guarded).relid


def test_somebody_else_s_build_is_named_and_ours_too(database, guarded, session):
    built = operation(guarded)
    with other(database) as writer:
        writer.execute("BEGIN")
        writer.execute("UPDATE public.orders SET b = 1 WHERE a = 1")
        building = "CREATE INDEX CONCURRENTLY elsewhere ON public.orders (c)"
        with busy(database, building, application_name="psql") as builder:

            def told():  # a moment before, it holds the lock only
                reasons = [v.reason for v in said(recheck(session, built, request(database)), "lock") if not v.allowed]
                return [reason for reason in reasons if "building an index on orders" in reason]

            assert f"pid {builder.info.backend_pid}" in eventually(told)[0]
    guarded.execute("DROP INDEX IF EXISTS public.elsewhere")
    with open_session(database, application_name="cron job 7", read_only=False) as run:
        assert locks.try_lock(run, built.relid)
        verdict = said(recheck(session, built, request(database)), "lock")[0]
        assert not verdict.allowed
        assert f"another run (pid {run.backend_pid}" in verdict.reason and "cron job 7" in verdict.reason
        own = recheck(session, built, request(database), own_pids=[run.backend_pid])
        assert said(own, "lock")[0].allowed
    with other(database, application_name="application") as stranger:
        stranger.execute("SELECT pg_advisory_lock(1, %s::int), pg_advisory_lock(%s)", [built.relid, built.relid])
        assert said(recheck(session, built, request(database)), "lock")[0].allowed


def test_a_running_vacuum_is_named(database, guarded, session):
    guarded.execute("INSERT INTO public.orders SELECT g, g, 'y' FROM generate_series(10000, 40000) g")
    guarded.execute("DELETE FROM public.orders WHERE a % 2 = 0")
    with busy(database, "VACUUM public.orders", options="-c vacuum_cost_delay=100 -c vacuum_cost_limit=1") as vacuum:
        verdict = eventually(
            lambda: [
                v for v in said(recheck(session, operation(guarded), request(database)), "vacuum") if not v.allowed
            ]
        )[0]
        assert f"VACUUM (pid {vacuum.info.backend_pid}" in verdict.reason
        held = said(recheck(session, operation(guarded), request(database)), "lock")
        assert all(v.allowed for v in held), "a VACUUM is told by its own guard"


# -- replication, wraparound, privileges, writes


def test_no_standby_and_young_ids(database, guarded, session):
    verdicts = recheck(session, operation(guarded), request(database))
    assert said(verdicts, "replication")[0].reason == "no standby is connected"
    (age,) = guarded.execute("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()").fetchone()
    assert read_server(session).xid_age == pytest.approx(age, abs=50)


def test_privileges(database, guarded):
    guarded.execute("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    built = operation(guarded)
    with open_session(psycopg.conninfo.make_conninfo(database, user="stranger"), read_only=False) as session:
        refused = said(check(session, [built], request(database)), "privileges")
        assert not any(v.allowed for v in refused)
        assert any("stranger does not own orders" in v.reason for v in refused)
        guarded.execute("ALTER TABLE public.orders OWNER TO stranger; GRANT CREATE ON SCHEMA public TO stranger")
        assert said(check(session, [built], request(database)), "privileges")[0].allowed
        guarded.execute("REVOKE CREATE ON SCHEMA public FROM stranger, public")
        refused = said(check(session, [built], request(database)), "privileges")
        assert [v.reason for v in refused] == ["no CREATE on schema public; GRANT CREATE ON SCHEMA public TO stranger;"]
        guarded.execute("DROP TABLE public.orders")
        assert "not there any more" in said(check(session, [built], request(database)), "privileges")[0].reason


def test_a_role_that_may_not_read_the_metadata_is_stopped(database, guarded):
    guarded.execute("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    with open_session(psycopg.conninfo.make_conninfo(database, user="stranger")) as session:
        verdicts = recheck(session, operation(guarded), request(database))
    assert {v.guard for v in refused(verdicts)} == {"bypass", "rate"}


def test_a_pooler_is_refused(pooled, database, guarded):  # noqa: F811
    with open_session(pooled, read_only=False) as session:
        (verdict,) = said(check(session, [operation(guarded)], request(database)), "direct_connection")
    assert not verdict.allowed and "pooler" in verdict.reason


def test_read_only_database(database, guarded):
    guarded.execute(f'ALTER DATABASE "{guarded.info.dbname}" SET default_transaction_read_only = on')
    with open_session(database, read_only=False) as session:
        (verdict,) = said(check(session, [operation(guarded)], request(database)), "writable")
    assert not verdict.allowed and "read-only" in verdict.reason


def test_the_eleventh_index_of_a_table(database, guarded, session):
    for number in range(9):
        guarded.execute(f"CREATE INDEX i{number} ON public.orders (b)")
    assert not said(recheck(session, operation(guarded), request(database)), "write_performance")[0].allowed
    roomy = replace(CALM, write_performance=WritePerformanceSettings(max_indexes_per_table=11))
    (verdict,) = said(recheck(session, operation(guarded), request(database, roomy)), "write_performance")
    assert verdict.allowed and verdict.warning


def test_the_overhead_comes_from_rows_the_server_counted(database, guarded, session):
    guarded.execute("DELETE FROM public.orders")
    guarded.execute("INSERT INTO public.orders SELECT g, g, 'x' FROM generate_series(1, 2000) g")

    strict = SafeguardSettings(write_performance=WritePerformanceSettings(write_overhead_threshold=0.001))

    def overhead():
        guarded.execute("SELECT pg_stat_clear_snapshot()")
        asked = request(database, strict)
        found = check(session, [operation(guarded, column="c")], asked, catalog=read_catalog(session))
        return [v for v in said(found, "write_performance") if "4,000 rows written" in v.reason]

    (verdict,) = eventually(overhead)
    assert verdict.allowed and verdict.warning
    assert "pg_stat_user_tables" in verdict.reason


def test_before_init_nothing_is_written_and_the_log_is_missed(database, connection):
    connection.execute("CREATE TABLE public.orders (a int, b int)")
    with open_session(database, read_only=False) as session:
        verdicts = check(session, [operation(connection)], request(database))
    assert {v.guard for v in refused(verdicts)} == {"rate"}
    assert Connection(database).metadata_schema == "indexpilot"
