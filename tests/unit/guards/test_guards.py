"""Guards without a server: facts in, verdicts out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.core.facts import (
    Build,
    HostFacts,
    LockFacts,
    ServerFacts,
    StandbyFacts,
    TableFacts,
    Target,
    TransactionFacts,
    VacuumFacts,
)
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.guards import cpu as load
from indexpilot_cli.guards import host, server, space, tables
from indexpilot_cli.guards import write_performance as writes
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
    verdict = load.judge(CpuThrottleSettings(), replace(HERE, cpu_percent=percent), SERVER, (), NOW)
    assert verdict.allowed is allowed
    assert verdict.retry_at == (None if allowed else NOW + timedelta(seconds=30))


def test_a_remote_server_is_judged_by_what_it_shows_and_the_client_is_not_measured():
    busy_client = HostFacts(False, "elsewhere", cpu_percent=100.0, cores=4)
    quiet = load.judge(CpuThrottleSettings(), busy_client, SERVER, (), NOW)
    assert quiet.allowed and not quiet.warning
    assert "only this client's host could be measured" in quiet.reason
    busy = replace(SERVER, running=7, parallel_workers=8)
    assert load.judge(CpuThrottleSettings(), AWAY, busy, (), NOW).warning
    flooded = load.judge(CpuThrottleSettings(), AWAY, replace(busy, running=14), (), NOW)
    assert not flooded.allowed and "14 backends running" in flooded.reason


def test_pause_between_builds():
    settings = CpuThrottleSettings(min_delay_seconds=60)
    builds = [Build(ORDERS, NOW - timedelta(seconds=s)) for s in (300, 20)]
    verdict = load.judge(settings, HERE, SERVER, builds, NOW)
    assert not verdict.allowed
    assert verdict.retry_at == NOW + timedelta(seconds=40)
    assert load.judge(settings, HERE, SERVER, builds, NOW + timedelta(seconds=40)).allowed


def test_throttle_off():
    assert load.judge(CpuThrottleSettings(enabled=False), replace(HERE, cpu_percent=100), SERVER, (), NOW).allowed


def test_a_server_on_another_host_is_not_measured():
    assert not host.measure(replace(SERVER, host="db.example.org")).local


def test_a_process_of_another_name_is_not_the_server():
    """A forwarded port: the number of the server's process is somebody else's here."""
    import os

    assert not host.measure(replace(SERVER, host="localhost", backend_pid=os.getpid())).local


# -- writes


@pytest.mark.parametrize(
    ("existing", "planned", "allowed", "warning"),
    [(5, 1, True, False), (6, 1, True, True), (9, 1, True, True), (9, 2, True, True), (10, 1, False, False)],
)
def test_indexes_per_table(existing, planned, allowed, warning):
    (verdict,) = writes.judge(WritePerformanceSettings(), (TableLoad(ORDERS, existing, planned),))
    assert (verdict.allowed, verdict.warning) == (allowed, warning)


def test_the_overhead_has_a_source_and_warns():
    (verdict,) = writes.judge(WritePerformanceSettings(), (TableLoad(ORDERS, 1, 1, 0.35, "12,000 rows"),))
    assert verdict.allowed and verdict.warning
    assert "+35%" in verdict.reason and "12,000 rows" in verdict.reason
    assert verdict.origin.endswith("write_overhead_threshold")
    assert not writes.judge(WritePerformanceSettings(), (TableLoad(ORDERS, 1, 1, 0.2),))[0].warning


def test_writes_guard_off():
    assert writes.judge(WritePerformanceSettings(enabled=False), (TableLoad(ORDERS, 50, 1),))[0].allowed


# -- space


def target(size):
    return Target(ORDERS, 7, size)


def test_disk_counts_all_indexes_the_sort_and_the_reserve():
    free = replace(HERE, disk_free=10 * GIB)
    assert space.disk(free, [target(3 * GIB), target(3 * GIB)]).allowed
    full = space.disk(free, [target(4 * GIB), target(3 * GIB)])
    assert not full.allowed
    assert "10.0 GB free, 11.0 GB needed" in full.reason
    assert not space.disk(replace(HERE, disk_free=0), [target(0)]).allowed


def test_disk_that_cannot_be_seen_says_so():
    assert "cannot be seen from here" in space.disk(AWAY, [target(8192)]).reason
    assert space.disk(AWAY, [target(4 * GIB)]).warning
    hidden = space.disk(replace(HERE, disk_free=None), [target(8192)])
    assert hidden.allowed and "may not know the data directory" in hidden.reason


def test_budget():
    assert space.budget(None, [target(GIB)]).allowed
    assert space.budget(GIB, [target(GIB)]).allowed
    assert not space.budget(GIB, [target(GIB)], spent_bytes=1).allowed
    refused = space.budget(1 << 20, [target(2 << 20)])
    assert not refused.allowed and "2.0 MB of 1.0 MB" in refused.reason
    assert not space.budget(0, [target(8192)]).allowed


# -- server


def test_pooler_standby_read_only():
    assert server.direct_connection(SERVER).allowed
    assert not server.direct_connection(replace(SERVER, pooled=True)).allowed
    assert server.writable(SERVER).allowed
    assert "standby" in server.writable(replace(SERVER, in_recovery=True)).reason
    assert not server.writable(replace(SERVER, read_only=True)).allowed


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
    verdict = server.replication(standbys)
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
    verdict = server.wraparound(facts, [replace(TABLE, xid_age=table)])
    assert (verdict.allowed, verdict.warning) == (allowed, warning)


# -- tables


def test_privileges_name_the_grant():
    assert tables.privileges(SERVER, [TABLE], [target(0)])[0].allowed
    facts = replace(TABLE, owned=False, may_create=False, owner="Boss")
    reasons = [v.reason for v in tables.privileges(SERVER, [facts], [target(0)])]
    assert any('GRANT "Boss" TO app;' in r for r in reasons)
    assert any("GRANT CREATE ON SCHEMA public TO app;" in r for r in reasons)
    assert not tables.privileges(SERVER, [replace(TABLE, kind="f")], [target(0)])[0].allowed
    assert "not there any more" in tables.privileges(SERVER, [], [target(0)])[0].reason
    space_verdict = tables.privileges(replace(SERVER, may_use_tablespace=False, tablespace="fast"), [TABLE], [])
    assert "tablespace fast" in space_verdict[0].reason


def test_locks_are_told_once_per_session_with_the_worst():
    settings = LockManagerSettings()
    ours = LockFacts(7, 10, "ExclusiveLock", "dba", "indexpilot/42", ours=True)
    again = replace(ours, mode="ShareUpdateExclusiveLock", ours=False, building=True)
    (verdict,) = tables.lock(settings, [again, ours], NAMES)
    assert not verdict.allowed and "another run (pid 10, dba, indexpilot/42)" in verdict.reason
    stale = tables.lock(settings, [replace(ours, idle_seconds=301.0)], NAMES)[0]
    assert "pg_terminate_backend(10)" in stale.reason and not stale.allowed
    other = LockFacts(7, 11, "ShareUpdateExclusiveLock", "bob", "psql", building=True)
    assert "building an index on orders" in tables.lock(settings, [other], NAMES)[0].reason
    short = tables.lock(settings, [LockFacts(7, 12, "AccessExclusiveLock", "bob", "psql")], NAMES)[0]
    assert short.allowed and short.warning
    assert tables.lock(LockManagerSettings(enabled=False), [ours], NAMES)[0].allowed


@pytest.mark.parametrize(
    ("seconds", "allowed", "warning"), [(0.1, True, False), (5.0, True, True), (59.0, True, True), (60.0, False, False)]
)
def test_long_transactions(seconds, allowed, warning):
    fact = TransactionFacts(99, seconds, "bob", "psql", "idle in transaction", 7)
    verdict = tables.transactions([fact, TransactionFacts(98, 0.0)], NAMES, NOW)
    assert (verdict.allowed, verdict.warning) == (allowed, warning)
    if not allowed:
        assert "pid 99 (60 s old, bob, psql, idle in transaction, has locked orders)" in verdict.reason


def test_hidden_and_prepared_transactions():
    hidden = tables.transactions([TransactionFacts(99, None, "bob")], NAMES, NOW)
    assert hidden.allowed and hidden.warning and "hidden age" in hidden.reason
    prepared = tables.transactions([TransactionFacts(None, 1.0, "bob", prepared="x'y", relid=7)], NAMES, NOW)
    assert not prepared.allowed and "'x''y'" in prepared.reason


def test_vacuum():
    assert tables.vacuum([TABLE])[0].allowed
    manual = tables.vacuum([replace(TABLE, vacuum=VacuumFacts(5, phase="scanning heap", seconds=12.0))])[0]
    assert not manual.allowed and "VACUUM (pid 5, scanning heap, 12 s so far)" in manual.reason
    automatic = tables.vacuum([replace(TABLE, vacuum=VacuumFacts(5, automatic=True))])[0]
    assert automatic.allowed and automatic.warning
    assert not tables.vacuum([replace(TABLE, vacuum=VacuumFacts(5, automatic=True, wraparound=True))])[0].allowed
