"""Guards without a server: facts in, verdicts out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.mutation import Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.guards import (
    budget,
    context,
    cpu,
    direct_connection,
    disk,
    lock,
    privileges,
    replication,
    transactions,
    vacuum,
    wraparound,
    writable,
    write_performance,
)
from indexpilot_cli.guards.context import HostFacts, ServerFacts, TableFacts
from indexpilot_cli.guards.lock import LockFacts
from indexpilot_cli.guards.replication import StandbyFacts
from indexpilot_cli.guards.transactions import TransactionFacts
from indexpilot_cli.guards.vacuum import VacuumFacts
from indexpilot_cli.guards.write_performance import TableLoad
from indexpilot_cli.settings.sections import CpuThrottleSettings, LockManagerSettings, WritePerformanceSettings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORDERS = QualifiedName("public", "orders")
NAMES = {7: ORDERS}
GIB = 1 << 30
SERVER = ServerFacts(NOW, "app", "shop", False, False, False, 4711, NOW, "/run/postgresql")
HERE = HostFacts(True, "a process here", 10.0, 4, "/data", 100 * GIB)
AWAY = HostFacts(False, "elsewhere")
TABLE = TableFacts(ORDERS, 7, bytes=GIB, indexes=2, owner="owner")


# -- CPU


@pytest.mark.parametrize(("percent", "allowed"), [(0.0, True), (80.0, True), (80.1, False), (100.0, False)])
def test_cpu_threshold_and_cool_down(percent, allowed):
    verdict = cpu.judge(CpuThrottleSettings(), replace(HERE, cpu_percent=percent), SERVER, (), NOW)
    assert verdict.allowed is allowed
    assert verdict.retry_at == (None if allowed else NOW + timedelta(seconds=30))


def test_a_remote_server_is_judged_by_what_it_shows_and_the_client_is_not_measured():
    busy_client = HostFacts(False, "elsewhere", cpu_percent=100.0, cores=4)
    quiet = cpu.judge(CpuThrottleSettings(), busy_client, SERVER, (), NOW)
    assert quiet.allowed and not quiet.warning
    assert "only this client's host could be measured" in quiet.reason
    busy = replace(SERVER, running=7, parallel_workers=8)
    assert cpu.judge(CpuThrottleSettings(), AWAY, busy, (), NOW).warning
    flooded = cpu.judge(CpuThrottleSettings(), AWAY, replace(busy, running=14), (), NOW)
    assert not flooded.allowed and "14 backends running" in flooded.reason


def test_pause_between_builds():
    settings = CpuThrottleSettings(min_delay_seconds=60)
    builds = [NOW - timedelta(seconds=s) for s in (300, 20)]
    verdict = cpu.judge(settings, HERE, SERVER, builds, NOW)
    assert not verdict.allowed
    assert verdict.retry_at == NOW + timedelta(seconds=40)
    assert cpu.judge(settings, HERE, SERVER, builds, NOW + timedelta(seconds=40)).allowed


def test_throttle_off():
    assert cpu.judge(CpuThrottleSettings(enabled=False), replace(HERE, cpu_percent=100), SERVER, (), NOW).allowed


def test_a_server_on_another_host_is_not_measured():
    assert not context.measure("db.example.org", 4711, NOW, "/data").local


def test_a_process_of_another_name_is_not_the_server():
    """A forwarded port: the number of the server's process is somebody else's here."""
    import os

    assert not context.measure("localhost", os.getpid(), NOW, "/data").local


# -- writes


@pytest.mark.parametrize(
    ("existing", "planned", "allowed", "warning"),
    [(5, 1, True, False), (6, 1, True, True), (9, 1, True, True), (9, 2, True, True), (10, 1, False, False)],
)
def test_indexes_per_table(existing, planned, allowed, warning):
    (verdict,) = write_performance.judge(WritePerformanceSettings(), (TableLoad(ORDERS, existing, planned),))
    assert (verdict.allowed, verdict.warning) == (allowed, warning)


def test_the_overhead_has_a_source_and_warns():
    (verdict,) = write_performance.judge(WritePerformanceSettings(), (TableLoad(ORDERS, 1, 1, 0.35, "12,000 rows"),))
    assert verdict.allowed and verdict.warning
    assert "+35%" in verdict.reason and "12,000 rows" in verdict.reason
    assert verdict.origin.endswith("write_overhead_threshold")
    assert not write_performance.judge(WritePerformanceSettings(), (TableLoad(ORDERS, 1, 1, 0.2),))[0].warning


def test_writes_guard_off():
    assert write_performance.judge(WritePerformanceSettings(enabled=False), (TableLoad(ORDERS, 50, 1),))[0].allowed


# -- space


def built(relid=7):
    definition = IndexDefinition(ORDERS, (IndexKey("b"),))
    return Operation("op", OperationKind.CREATE, ORDERS, "orders_b_idx", definition, "", "", relid, "")


def test_disk_counts_all_indexes_the_sort_and_the_reserve():
    free = replace(HERE, disk_free=10 * GIB)
    assert disk.judge(free, [3 * GIB, 3 * GIB]).allowed
    full = disk.judge(free, [4 * GIB, 3 * GIB])
    assert not full.allowed
    assert "10.0 GB free, 11.0 GB needed" in full.reason
    assert not disk.judge(replace(HERE, disk_free=0), [0]).allowed


def test_disk_that_cannot_be_seen_says_so():
    assert "cannot be seen from here" in disk.judge(AWAY, [8192]).reason
    assert disk.judge(AWAY, [4 * GIB]).warning
    hidden = disk.judge(replace(HERE, disk_free=None), [8192])
    assert hidden.allowed and "may not know the data directory" in hidden.reason


def test_budget():
    assert budget.judge(None, [GIB]).allowed
    assert budget.judge(GIB, [GIB]).allowed
    assert not budget.judge(GIB, [GIB], spent_bytes=1).allowed
    refused = budget.judge(1 << 20, [2 << 20])
    assert not refused.allowed and "2.0 MB of 1.0 MB" in refused.reason
    assert not budget.judge(0, [8192]).allowed


# -- server


def test_pooler_standby_read_only():
    assert direct_connection.judge(SERVER).allowed
    assert not direct_connection.judge(replace(SERVER, pooled=True)).allowed
    assert writable.judge(SERVER).allowed
    assert "standby" in writable.judge(replace(SERVER, in_recovery=True)).reason
    assert not writable.judge(replace(SERVER, read_only=True)).allowed


@pytest.mark.parametrize(
    ("standbys", "allowed", "warning"),
    [
        ([], True, False),
        ([StandbyFacts("a", seconds=0.3, bytes=100)], True, False),
        ([StandbyFacts("a", seconds=0.3), StandbyFacts("b", seconds=11.0)], True, True),
        ([StandbyFacts("a", seconds=0.3), StandbyFacts("b", seconds=61.0)], False, False),
        ([StandbyFacts("a", bytes=3 * GIB)], False, False),
        ([StandbyFacts("a")], True, True),
        ([StandbyFacts("a"), StandbyFacts("b", seconds=61.0)], False, False),
    ],
)
def test_replication_lag(standbys, allowed, warning):
    verdict = replication.judge(standbys)
    assert (verdict.allowed, verdict.warning) == (allowed, warning)


@pytest.mark.parametrize(
    ("xid", "multixact", "table", "allowed", "warning"),
    [
        (150_000_000, 0, 0, True, False),
        (1_100_000_000, 0, 0, True, True),
        (1_500_000_000, 0, 0, False, False),
        (0, 1_600_000_000, 0, False, False),
        (0, 0, 1_600_000_000, False, False),
    ],
)
def test_wraparound(xid, multixact, table, allowed, warning):
    facts = replace(SERVER, xid_age=xid, multixact_age=multixact)
    verdict = wraparound.judge(facts, [replace(TABLE, xid_age=table)])
    assert (verdict.allowed, verdict.warning) == (allowed, warning)


# -- tables


def test_a_superuser_is_never_to_be_granted():
    facts = replace(TABLE, owned=False, owner="postgres", superuser_owns=True)
    (verdict,) = privileges.judge(SERVER, [facts], [built()])
    assert "GRANT" not in verdict.reason and f"ALTER TABLE {TABLE.table} OWNER TO" in verdict.reason


def test_privileges_name_the_grant():
    assert privileges.judge(SERVER, [TABLE], [built()])[0].allowed
    facts = replace(TABLE, owned=False, may_create=False, owner="Boss")
    reasons = [v.reason for v in privileges.judge(SERVER, [facts], [built()])]
    assert any('GRANT "Boss" TO app;' in r for r in reasons)
    assert any("GRANT CREATE ON SCHEMA public TO app;" in r for r in reasons)
    assert not privileges.judge(SERVER, [replace(TABLE, kind="f")], [built()])[0].allowed
    assert "not there any more" in privileges.judge(SERVER, [], [built()])[0].reason
    space_verdict = privileges.judge(replace(SERVER, may_use_tablespace=False, tablespace="fast"), [TABLE], [])
    assert "tablespace fast" in space_verdict[0].reason


def test_locks_are_told_once_per_session_with_the_worst():
    settings = LockManagerSettings()
    ours = LockFacts(7, 10, "ExclusiveLock", "dba", "indexpilot/42", ours=True)
    again = replace(ours, mode="ShareUpdateExclusiveLock", ours=False, building=True)
    (verdict,) = lock.judge(settings, [again, ours], NAMES)
    assert not verdict.allowed and "another run (pid 10, dba, indexpilot/42)" in verdict.reason
    stale = lock.judge(settings, [replace(ours, idle_seconds=301.0)], NAMES)[0]
    assert "pg_terminate_backend(10)" in stale.reason and not stale.allowed
    other = LockFacts(7, 11, "ShareUpdateExclusiveLock", "bob", "psql", building=True)
    assert "building an index on orders" in lock.judge(settings, [other], NAMES)[0].reason
    short = lock.judge(settings, [LockFacts(7, 12, "AccessExclusiveLock", "bob", "psql")], NAMES)[0]
    assert short.allowed and short.warning
    assert lock.judge(LockManagerSettings(enabled=False), [ours], NAMES)[0].allowed


@pytest.mark.parametrize(
    ("seconds", "allowed", "warning"), [(0.1, True, False), (5.0, True, True), (59.0, True, True), (60.0, False, False)]
)
def test_long_transactions(seconds, allowed, warning):
    fact = TransactionFacts(99, seconds, "bob", "psql", "idle in transaction", 7)
    verdict = transactions.judge([fact, TransactionFacts(98, 0.0)], NAMES, NOW)
    assert (verdict.allowed, verdict.warning) == (allowed, warning)
    if not allowed:
        assert "pid 99 (60 s old, bob, psql, idle in transaction, has locked orders)" in verdict.reason


def test_hidden_and_prepared_transactions():
    hidden = transactions.judge([TransactionFacts(99, None, "bob")], NAMES, NOW)
    assert hidden.allowed and hidden.warning and "hidden age" in hidden.reason
    prepared = transactions.judge([TransactionFacts(None, 1.0, "bob", prepared="x'y", relid=7)], NAMES, NOW)
    assert not prepared.allowed and "'x''y'" in prepared.reason


def test_vacuum():
    assert vacuum.judge([])[0].allowed
    manual = vacuum.judge([(ORDERS, VacuumFacts(5, phase="scanning heap", seconds=12.0))])[0]
    assert not manual.allowed and "VACUUM (pid 5, scanning heap, 12 s so far)" in manual.reason
    automatic = vacuum.judge([(ORDERS, VacuumFacts(5, automatic=True))])[0]
    assert automatic.allowed and automatic.warning
    assert not vacuum.judge([(ORDERS, VacuumFacts(5, automatic=True, wraparound=True))])[0].allowed
