"""The jobs of ``lifecycle`` by the clock: kept, run once, given up when they died; and the line Q of the features."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.apply import bypass
from indexpilot_cli.apply.bypass import BypassRequest
from indexpilot_cli.core.command import Connection, PlannerRequest, Record, Silent
from indexpilot_cli.core.mutation import Event, MutationType, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import locks
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import RefusedError, UnreachableError, UsageError
from indexpilot_cli.genome import table as genome
from indexpilot_cli.lifecycle.schedules import policies, run, status, store, watch
from indexpilot_cli.lifecycle.schedules.policies import TenantPolicy
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey, Timetable
from indexpilot_cli.lifecycle.values import LifecycleRequest
from indexpilot_cli.log import intents
from indexpilot_cli.settings.sections import (
    BypassFeatures,
    BypassSettings,
    FeatureSwitch,
    MaintenanceComponents,
    MaintenanceSettings,
)
from tests.server.applying import definition, keep_plan, run_apply
from tests.server.test_apply_faults import BUILDER, SNAPSHOT, alongside, holding, seen
from tests.server.test_apply_kill import child, exit_code
from tests.waiting import eventually

pytestmark = [pytest.mark.rows(5_000), pytest.mark.usefixtures("own_places")]
RECORD = Record("tester", "1", "lifecycle run")
WEEKLY, INTEGRITY = JobKey(Job.WEEKLY), JobKey(Job.INTEGRITY)
AT_ONCE = LifecycleRequest(min_age=timedelta(0), planner=PlannerRequest(workers=1))
# Only what reads the catalog, so that a run takes a moment.
QUICK = MaintenanceSettings(components=MaintenanceComponents(unused=False, redundant=False, bloat=False))


@pytest.fixture(autouse=True)
def half_past(monkeypatch):
    """All moments at which jobs are due moved by as many minutes as put the test in the middle between two of them:
    else one of them would come while it runs, once in a hundred hours.
    """
    now, around = datetime.now(UTC), Timetable._around
    moved = timedelta(minutes=now.minute - 30, seconds=now.second)
    monkeypatch.setattr(Timetable, "_around", lambda *given: [m + moved for m in around(*given[:2], given[2] - moved)])


def sql(dsn, text, *values):
    # The role of these servers is called as our schema is, so that "$user" would lead there.
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=public") as connection:
        cursor = connection.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []


def ask(dsn, *keys, maintenance=QUICK, report=AT_ONCE, **more):
    request = run.ScheduleRunRequest(Connection(dsn), keys, report, maintenance, record=RECORD, **more)
    return run.run(request, Silent())


def shown(dsn, maintenance=QUICK):
    outcome = status.run(status.LifecycleStatusRequest(Connection(dsn), maintenance, record=RECORD), Silent())
    return {str(JobKey(j.job, j.tenant)): j for j in outcome.result.jobs}


def outcomes(outcome):
    return {str(JobKey(one.job, one.tenant)): one.outcome.value for one in outcome.result.runs}


def kept(dsn):
    return sql(dsn, "SELECT job, state FROM indexpilot.lifecycle_runs ORDER BY id")


def age(dsn, days):
    """Let all runs have been so many days ago."""
    sql(dsn, "UPDATE indexpilot.lifecycle_runs SET started_at = started_at - %s * interval '1 day',"
             " finished_at = finished_at - %s * interval '1 day'", days, days)  # fmt: skip


def die_within(dsn, key):
    """A process that begins the job and is killed before it ends."""

    def begin():
        with store.claimed(Connection(dsn), key, RECORD):
            os.kill(os.getpid(), signal.SIGKILL)

    with child(begin) as pid:
        assert exit_code(pid) == -signal.SIGKILL


def test_q3_schedules_are_kept_and_told_by_another_process(shop):
    assert {j.health.value for j in shown(shop).values()} == {"never"}
    first = ask(shop)
    assert outcomes(first) == dict.fromkeys(("integrity", "counters", "weekly", "monthly"), "done")
    with child(lambda: _all_is_well(shop)) as pid:
        assert exit_code(pid) == 0
    again = ask(shop)
    assert (again.status, again.result.runs, len(kept(shop))) == ("skipped", (), 4)
    age(shop, 8)
    late = shown(shop)
    assert {name: j.health.value for name, j in late.items() if name != "monthly"} == dict.fromkeys(
        ("integrity", "counters", "weekly"), "overdue"
    )
    assert {"integrity", "counters", "weekly"} <= set(outcomes(ask(shop)))
    age(shop, 32)
    assert shown(shop)["monthly"].health == "overdue"


def _all_is_well(dsn):
    for job in shown(dsn).values():
        assert (job.health, job.last.state) == ("ok", "DONE")
        assert job.last.started_at < job.next_due


def test_two_schedulers_do_not_run_a_job_twice(shop):
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda _: outcomes(ask(shop)), range(4)))
    assert sorted(kept(shop)) == [(job, "DONE") for job in ("counters", "integrity", "monthly", "weekly")]
    began = [job for one in ran for job, outcome in one.items() if outcome == "done"]
    assert sorted(began) == ["counters", "integrity", "monthly", "weekly"]
    with store.claimed(Connection(shop), WEEKLY, RECORD):
        age(shop, 8)
        assert shown(shop)["weekly"].health == "running"
        assert outcomes(ask(shop))["weekly"] == "busy"
        with pytest.raises(RefusedError, match="weekly is being run since"):
            ask(shop, WEEKLY)


def test_a_run_that_died_is_told_and_the_job_is_due_again(shop):
    ask(shop)
    age(shop, 8)
    die_within(shop, WEEKLY)
    assert kept(shop)[-1] == ("weekly", "RUNNING")
    told = shown(shop)["weekly"]
    assert (told.health, told.last.error) == ("died", "the run ended without a word")
    assert told.next_due < told.last.started_at
    again = {one.job: one for one in ask(shop).result.runs}[Job.WEEKLY]
    assert (again.outcome, len(again.died)) == ("done", 1)
    assert [state for job, state in kept(shop) if job == "weekly"] == ["DONE", "DIED", "DONE"]
    assert shown(shop)["weekly"].health == "ok"


def test_a_failed_or_interrupted_run_is_recorded_and_does_not_keep_others_from_theirs(shop):
    sql(shop, "ALTER TABLE indexpilot.counter_snapshots ADD CONSTRAINT no_room CHECK (kind = 'x') NOT VALID")
    ran = ask(shop)
    assert (ran.status, ran.exit_code) == ("partial", 7)
    assert outcomes(ran)["counters"] == "failed"
    assert [one.error for one in ran.result.runs if one.error]
    sql(shop, "ALTER TABLE indexpilot.counter_snapshots DROP CONSTRAINT no_room")
    assert shown(shop)["counters"].health == "failed"
    assert "counters" not in outcomes(ask(shop))  # not before an hour
    with pytest.raises(KeyboardInterrupt), store.claimed(Connection(shop), WEEKLY, RECORD):
        raise KeyboardInterrupt
    assert kept(shop)[-1] == ("weekly", "INTERRUPTED")


def test_tables_of_an_earlier_version_ask_for_the_upgrade(shop):
    sql(shop, "DROP TABLE indexpilot.lifecycle_runs, indexpilot.lifecycle_policies")
    sql(shop, "DELETE FROM indexpilot.schema_version WHERE version >= 6")
    with pytest.raises(Exception, match="schedules need 6") as raised:
        ask(shop)
    assert raised.value.hint == "indexpilot init --upgrade"


Q4 = """
CREATE TABLE rows_gone (id int, k int) WITH (autovacuum_enabled = off);
INSERT INTO rows_gone SELECT g, g FROM generate_series(1, 60000) g;
CREATE INDEX rows_gone_k ON rows_gone (k);
CREATE INDEX orders_note ON orders (note);
CREATE INDEX orders_status ON orders (status);
CREATE INDEX orders_status_again ON orders (status);
CREATE UNIQUE INDEX orders_id_once ON orders (id, note);
CREATE TABLE never (a int);
INSERT INTO never SELECT generate_series(1, 3000);
"""


def test_q4_the_weekly_run_finds_what_is_to_be_done_and_only_plans_it(shop):
    sql(shop, Q4)
    sql(shop, "DELETE FROM rows_gone WHERE id % 20 > 0")
    sql(shop, "VACUUM ANALYZE rows_gone")
    sql(shop, "SELECT count(*) FROM rows_gone WHERE k = 20")  # in use, so it is not unused
    before = sql(shop, "SELECT indexrelid::regclass::text FROM pg_index ORDER BY 1")
    dry = ask(shop, WEEKLY, maintenance=MaintenanceSettings())
    (one,) = dry.result.runs
    found = {(f.index or f.table).name: (f.state.value, f.action.value) for f in one.findings}
    assert found["orders_note"] == ("unused", "drop")
    assert found["orders_status_again"] == ("duplicate", "drop")
    assert found["rows_gone_k"][0] == "bloated"
    assert found["never"] == ("never_analyzed", "analyze")
    assert "orders_id_once" not in found
    assert (one.plan, dry.status, dry.next) == (None, "findings", ())
    planned = ask(shop, WEEKLY, maintenance=MaintenanceSettings(), plan=True)
    plan = planned.result.runs[0].plan
    assert planned.next == (f"indexpilot apply {plan} --dry-run",)
    assert sql(shop, "SELECT indexrelid::regclass::text FROM pg_index ORDER BY 1") == before
    assert shown(shop)["weekly"].last.plan == plan
    done = run_apply(shop, plan)
    assert done.exit_code == 0
    assert sql(shop, "SELECT to_regclass('orders_note'), to_regclass('orders_status_again')") == [(None, None)]


def test_q1_metadata_and_catalog_are_compared(shop):
    plan = keep_plan(shop, definition("customer_id"))
    made = run_apply(shop, plan.id).result.mutations[0].index
    sql(shop, f"DROP INDEX {made}")  # logged and missing
    sql(shop, "CREATE INDEX stray ON orders (status)")
    sql(shop, "COMMENT ON INDEX stray IS 'indexpilot:00000000-0000-4000-8000-000000000000'")  # ours, and not logged
    with pytest.raises(psycopg.Error):
        sql(shop, "CREATE UNIQUE INDEX CONCURRENTLY broken ON orders (status)")  # invalid
    with open_session(shop, read_only=False) as session:
        intents.append(session, _begun("gone_half_way"))  # an open operation
    sql(shop, "INSERT INTO indexpilot.expression_profile (tenant_id, table_name, field_name) VALUES (7, 'orders', 'x')")
    told = ask(shop, INTEGRITY)
    (one,) = told.result.runs
    found = {(f.index or f.table).name: f.evidence[0].code for f in one.findings}
    assert found == {made: "logged_missing", "stray": "not_logged", "broken": "invalid", "orders": "orphaned_profile"}
    assert [(o.index, o.running, o.fix) for o in one.integrity.operations] == [
        ("gone_half_way", False, "indexpilot doctor --reconcile")
    ]
    assert told.status == "findings"
    # Told again and not removed: removal is for a plan, or for reconcile.
    assert ask(shop, INTEGRITY).result.runs[0].findings == one.findings


def _begun(name):
    return Event(
        "11111111-1111-4111-8111-111111111111",
        MutationType.CREATE_INDEX,
        OperationState.STARTED,
        QualifiedName("public", "orders"),
        QualifiedName("public", name),
        0,
        details={"kind": "create_index"},
    )


THEIRS = "SELECT pid FROM pg_stat_progress_create_index WHERE index_relid = to_regclass('public.theirs')"


def test_q2_only_what_is_ours_and_dead_is_removed_and_only_when_asked(shop):
    plan = keep_plan(shop, definition("customer_id"))
    name = plan.recommendations[0].name
    with holding(shop, *SNAPSHOT), child(lambda: run_apply(shop, plan.id, force=True)) as pid:
        builder = seen(shop, BUILDER)
        told = ask(shop, INTEGRITY, reconcile=True).result.runs[0]  # it is being built: told, and left alone
        assert [(o.running, o.index) for o in told.integrity.operations] == [(True, name)]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sql(shop, "SELECT pg_terminate_backend(%s, 60000)", builder)
    with pytest.raises(psycopg.Error):
        sql(shop, "CREATE UNIQUE INDEX CONCURRENTLY not_ours ON orders (status)")
    sql(shop, "CREATE TABLE other AS SELECT 1 AS a")
    with holding(shop, *SNAPSHOT) as held, alongside(sql, shop, "CREATE INDEX CONCURRENTLY theirs ON other (a)"):
        seen(shop, THEIRS)
        dry = ask(shop, INTEGRITY).result.runs[0]
        assert [(o.running, o.index) for o in dry.integrity.operations] == [(False, name)]
        actions = {f.index.name: f.action.value for f in dry.findings}
        assert actions == {name: "report", "not_ours": "drop", "theirs": "report"}
        done = ask(shop, INTEGRITY, reconcile=True).result.runs[0]
        assert [s.index for s in done.integrity.settled] == [name]
        assert done.integrity.operations == ()
        assert {f.index.name for f in done.findings} == {"not_ours", "theirs"}
        assert sql(shop, f"SELECT to_regclass('{name}')") == [(None,)]
        held.rollback()
    assert sql(shop, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'theirs'::regclass") == [(True,)]


def test_reconcile_settles_nothing_while_a_switch_stops_changes(shop):
    with open_session(shop, read_only=False) as session:
        intents.append(session, _begun("gone_half_way"))
    off = BypassSettings(BypassFeatures(auto_indexing=FeatureSwitch(False, "audit")))
    (stopped,) = ask(shop, INTEGRITY, reconcile=True, bypass=off).result.runs
    assert (stopped.outcome.value, stopped.integrity.settled) == ("done", ())
    assert stopped.notes == ("not settled: settling is switched off (bypass.features.auto_indexing)",)
    switch = BypassRequest("disable", Connection(shop), "release", record=RECORD)
    bypass.run(switch, Silent())
    (stopped,) = ask(shop, INTEGRITY, reconcile=True).result.runs
    assert [o.index for o in stopped.integrity.operations] == ["gone_half_way"]
    bypass.run(replace(switch, action="enable"), Silent())
    (done,) = ask(shop, INTEGRITY, reconcile=True).result.runs
    assert ([s.index for s in done.integrity.settled], done.integrity.operations) == (["gone_half_way"], ())


def test_q2_a_session_of_ours_that_holds_a_table_and_does_nothing_is_told(shop):
    relid = sql(shop, "SELECT 'orders'::regclass::oid::int")[0][0]
    with psycopg.connect(shop, autocommit=True) as idle:
        idle.execute("SELECT pg_advisory_lock(%s, %s)", (locks.SPACE, relid))
        told = ask(shop, INTEGRITY, stale_seconds=0.0)
        assert [(lock.pid, lock.table) for lock in told.result.runs[0].integrity.locks] == [
            (idle.info.backend_pid, "orders")
        ]
        assert (told.status, ask(shop, INTEGRITY).result.runs[0].integrity.locks) == ("findings", ())


def test_q5_each_new_index_has_its_version(shop):
    for column in ("customer_id", "status"):
        run_apply(shop, keep_plan(shop, definition(column)).id)
    versions = sql(shop, "SELECT index_name, version, is_current FROM indexpilot.index_versions ORDER BY id")
    assert len(versions) == 2
    assert {version[1:] for version in versions} == {(1, True)}


def test_q6_what_is_switched_off_is_neither_run_nor_due(shop):
    components = MaintenanceComponents(counters=False, query_stats=False, redundant=False)
    off = MaintenanceSettings(monthly=False, components=components)
    sql(shop, "CREATE INDEX orders_a ON orders (status)")
    sql(shop, "CREATE INDEX orders_b ON orders (status)")
    ran = ask(shop, maintenance=off)
    assert set(outcomes(ran)) == {"integrity", "weekly"}
    assert "duplicate" not in {f.state for f in ran.result.runs[1].findings}
    assert {name for name, job in shown(shop, off).items() if job.health == "off"} == {"counters", "monthly"}
    nothing = MaintenanceSettings(components=MaintenanceComponents(*[False] * len(fields(MaintenanceComponents))))
    assert outcomes(ask(shop, WEEKLY, maintenance=nothing)) == {"weekly": "off"}


def policy(dsn, tenant, **asked):
    (found,) = policies.run(
        policies.PolicyRequest(Connection(dsn), tenant, **asked, record=RECORD), Silent()
    ).result.policies
    return found


def test_a_tenants_run_looks_at_its_tables_by_its_policy(shop):
    sql(shop, "CREATE TABLE elsewhere AS SELECT g AS a FROM generate_series(1, 100) g")
    for table in ("orders", "elsewhere"):
        sql(shop, f"CREATE INDEX {table}_1 ON {table} ({'status' if table == 'orders' else 'a'})")
        sql(shop, f"CREATE INDEX {table}_2 ON {table} ({'status' if table == 'orders' else 'a'})")
    sql(shop, "INSERT INTO indexpilot.genome_catalog (table_name, field_name, field_type)"
              " VALUES ('orders', 'status', 'text'), ('elsewhere', 'a', 'integer')")  # fmt: skip
    seven = JobKey(Job.TENANT, 7)
    with pytest.raises(UsageError, match="tenant 7 has no expression profile"):
        ask(shop, seven)
    assert kept(shop) == []
    with open_session(shop, read_only=False) as session:
        genome.initialize(session, 7)
        sql(shop, "UPDATE indexpilot.expression_profile SET is_enabled = false WHERE table_name = 'elsewhere'")
        (one,) = ask(shop, seven, maintenance=MaintenanceSettings()).result.runs
        assert {f.table.name for f in one.findings if f.state == "duplicate"} == {"orders"}
        assert "tenant 7" not in outcomes(ask(shop))  # no policy says that the clock runs it
    with pytest.raises(UsageError, match="tenant 8 has no expression profile"):
        policy(shop, 8, schedule="weekly")
    assert policy(shop, 7, components=("invalid",)) == TenantPolicy(7, "weekly", ("invalid",))
    assert policy(shop, 7, schedule="monthly") == TenantPolicy(7, "monthly", ("invalid",)) == policy(shop, 7)
    age(shop, 40)
    (one,) = [one for one in ask(shop).result.runs if one.job == "tenant"]
    assert (one.components, one.findings) == (("invalid",), ())
    assert shown(shop)["tenant 7"].schedule.startswith("day 1 of the month")


def test_a_watch_runs_what_is_due_and_a_signal_ends_it_in_order(shop):
    told = []
    request = watch.WatchRequest(Connection(shop), _schedule(), interval=1.0, rounds=2)
    ended = watch.watch(request, Silent(), told.append)
    assert (ended.result.rounds, ended.result.runs, ended.exit_code) == (2, 4, 0)
    assert [len(one.runs) for one in told] == [4, 0]
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        age(shop, 8)
        done = len([1 for _, state in kept(shop) if state == "DONE"])

        def work():
            raise SystemExit(watch.watch(watch.WatchRequest(Connection(shop), _schedule()), Silent()).exit_code)

        with child(work) as pid:
            eventually(lambda done=done: len([1 for _, state in kept(shop) if state == "DONE"]) >= done + 3)
            os.kill(pid, number)
            assert exit_code(pid) == code
    assert {state for _, state in kept(shop)} <= {"DONE", "INTERRUPTED"}


def test_a_watch_outlives_a_server_that_goes_away_but_not_a_bad_beginning(shop):
    with pytest.raises(UnreachableError):
        watch.watch(watch.WatchRequest(Connection("host=/nowhere"), _schedule(), rounds=3), Silent())
    rounds, stop = [], threading.Event()

    def told(one):
        rounds.append(one)
        if len(rounds) == 1:
            sql(shop, "ALTER TABLE indexpilot.lifecycle_runs RENAME TO gone")
        elif len(rounds) == 2:
            sql(shop, "ALTER TABLE indexpilot.gone RENAME TO lifecycle_runs")
        else:
            stop.set()

    request = watch.WatchRequest(Connection(shop), _schedule(), interval=0.01)
    ended = watch.watch(request, Silent(), told, stop)
    assert [one.healthy for one in rounds] == [True, False, True]
    assert (ended.result.failures, ended.result.error, ended.status) == (1, None, "ok")


def _schedule():
    return run.ScheduleRunRequest(report=AT_ONCE, maintenance=QUICK, record=RECORD)


@pytest.fixture
def pooled(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "indexpilot.yaml").write_text("operational: {lifecycle: {min_age: 0s}}\nadvisor: {workers: 1}\n")
    host.init_connection_pool(shop, 1, 2)
    yield shop
    host.close_connection_pool()


def test_q4_the_hosts_functions_are_the_same_jobs(pooled):
    sql(pooled, Q4)
    weekly = host.perform_weekly_lifecycle()
    assert {"orders_note", "orders_status_again"} <= {f["index"]["name"] for f in weekly["findings"] if f["index"]}
    assert (weekly["outcome"], weekly["plan"]) == ("done", None)
    monthly = host.perform_monthly_lifecycle(dry_run=False)
    assert monthly["plan"].startswith("P-")
    assert set(weekly["components"]) < set(monthly["components"])
    with pytest.raises(UsageError, match="tenant 7"):
        host.perform_per_tenant_lifecycle(7)
    sql(
        pooled,
        "INSERT INTO indexpilot.genome_catalog (table_name, field_name, field_type) VALUES ('orders', 'note', 'text')",
    )
    host.initialize_tenant_expression(7, known=True)
    assert {f["table"]["name"] for f in host.perform_per_tenant_lifecycle(7)["findings"]} == {"orders"}
    looks = []
    ended = host.run_lifecycle_scheduler(rounds=1, on_round=looks.append)
    assert (ended["rounds"], [one["job"] for one in looks[0]["runs"]]) == (1, ["integrity", "counters"])
    stands = {job["job"]: job for job in host.get_lifecycle_status()["jobs"]}
    assert (stands["weekly"]["health"], stands["tenant"]["tenant"]) == ("ok", 7)
    assert stands["monthly"]["last"]["plan"] == monthly["plan"]
    commands = {row[0] for row in sql(pooled, "SELECT details_json->>'command' FROM indexpilot.mutation_log")}
    assert {"host perform_weekly_lifecycle", "host perform_monthly_lifecycle"} <= commands
