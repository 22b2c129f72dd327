"""What the jobs of ``lifecycle`` answer, for the tests of views and schemas."""

from datetime import UTC, datetime, timedelta

from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.lifecycle.integrity import IntegrityResult, OpenOperation, SettledOperation, StaleLock
from indexpilot_cli.lifecycle.partitions import StatisticsPart
from indexpilot_cli.lifecycle.query_stats import StatisticsAction, StatisticsResult, StatisticsStep
from indexpilot_cli.lifecycle.schedules.policies import PolicyResult, TenantPolicy
from indexpilot_cli.lifecycle.schedules.run import JobRun, RunOutcome, ScheduleRunResult
from indexpilot_cli.lifecycle.schedules.status import JobHealth, JobStatus, LifecycleStatusResult
from indexpilot_cli.lifecycle.schedules.store import JobRunState, PastRun
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey
from indexpilot_cli.lifecycle.schedules.units import UnitKind, UnitRequest, units
from indexpilot_cli.lifecycle.schedules.watch import WatchResult
from indexpilot_cli.lifecycle.values import LifecycleAction, LifecycleFinding, LifecycleSeverity, LifecycleState

NOW = datetime(2026, 11, 20, 2, 0, 7, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
ORDERS = QualifiedName("public", "orders")
LEFT = IntegrityResult(
    (OpenOperation(97, "items_k", "an invalid index was left behind", "indexpilot doctor --reconcile", False),),
    (StaleLock(4711, "orders", 640.0, "SELECT pg_terminate_backend(4711);"),),
    (SettledOperation(96, "public.items_v", "failed", ("left open by an earlier run",)),),
)
FOUND = LifecycleFinding(
    LifecycleState.UNUSED,
    LifecycleSeverity.WARNING,
    LifecycleAction.DROP,
    ORDERS,
    QualifiedName("public", "orders_note_idx"),
    evidence=(Reason("no_scan", "no scan here since 2026-08-28 02:00Z", "pg_stat_user_indexes"),),
)
WEEKLY = JobRun(
    Job.WEEKLY,
    None,
    RunOutcome.DONE,
    LATER,
    118,
    NOW,
    NOW,
    NOW + timedelta(seconds=3),
    (117,),
    ("unused", "invalid"),
    (FOUND,),
    plan="P-7c1e",
    notes=("a note",),
)
RUN = ScheduleRunResult(
    (
        WEEKLY,
        JobRun(Job.INTEGRITY, None, RunOutcome.DONE, LATER, 119, None, NOW, LATER, integrity=LEFT),
        JobRun(Job.COUNTERS, None, RunOutcome.BUSY, LATER),
        JobRun(Job.MONTHLY, None, RunOutcome.FAILED, LATER, error="no right to read it"),
        JobRun(Job.TENANT, 7, RunOutcome.OFF, None),
    ),
    NOW,
)
IDLE = ScheduleRunResult((), NOW, ("nothing is due",))
DETAILS = {"findings": {"unused": 2}, "open_operations": 1}
DONE = PastRun(JobKey(Job.WEEKLY), 118, JobRunState.DONE, NOW, NOW, LATER, NOW, "dba", "P-7c1e", None, DETAILS)
DEAD = PastRun(
    JobKey(Job.TENANT, 7), 119, JobRunState.DIED, None, NOW, None, None, error="the run ended without a word"
)
STATUS = LifecycleStatusResult(
    "UTC",
    NOW,
    (
        JobStatus(Job.INTEGRITY, None, JobHealth.NEVER, "every hour", NOW),
        JobStatus(Job.WEEKLY, None, JobHealth.OK, "Sunday 03:00 UTC", LATER, DONE),
        JobStatus(Job.TENANT, 7, JobHealth.DIED, "by hand", None, DEAD),
    ),
)
WATCHED = WatchResult(NOW, LATER, 2880, 60, 2, "the connection was lost", 1, "SIGTERM")
UNITS = [units(UnitRequest(kind, "/usr/bin/indexpilot", "dbname=shop", ("password",))) for kind in UnitKind]
POLICIES = (
    PolicyResult((), False),
    PolicyResult((TenantPolicy(7, "monthly", ("unused",), timedelta(days=60)), TenantPolicy(8, "weekly")), True),
)

STATISTICS = (
    StatisticsResult(
        False,
        (StatisticsPart("query_stats", True, False, None, None, 5_000_000, 800_000_000),),
        30.0,
        (
            StatisticsStep(
                StatisticsAction.DELETE, "query_stats", "rows before 2026-10-30 03:00Z, in batches of 10,000", 4_200_000
            ),
            StatisticsStep(
                StatisticsAction.CONVERT,
                "query_stats",
                "becomes the first part of a table partitioned by day, for rows before 2026-11-30",
                None,
                ("ALTER TABLE indexpilot.query_stats RENAME TO query_stats_until_20261130",),
            ),
        ),
        False,
    ),
    StatisticsResult(
        True,
        (
            StatisticsPart("query_stats_until_20261130", False, False, None, NOW, None, 8192),
            StatisticsPart("query_stats_p20261130", False, False, NOW, NOW + timedelta(days=1), 0, 8192),
            StatisticsPart("query_stats_default", False, True, None, None, 0, 8192),
        ),
        None,
        (
            StatisticsStep(
                StatisticsAction.DROP,
                "query_stats_p20261101",
                "all its rows are too old",
                1,
                ("DROP TABLE indexpilot.query_stats_p20261101",),
            ),
        ),
        True,
        ("query_stats stays partitioned by day",),
    ),
    StatisticsResult(False, (), None, (), False),
)
