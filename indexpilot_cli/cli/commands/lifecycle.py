"""``indexpilot lifecycle``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, lifecycle_request, seconds_of, table_filter, workload
from indexpilot_cli.cli.commands import lifecycle_schedules
from indexpilot_cli.cli.options import RUN, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.values import LifecycleState

QUERY_STATS_EXAMPLES = """Examples:

  indexpilot lifecycle query-stats -d shop

  indexpilot lifecycle query-stats -d shop --keep 30 --write

  indexpilot lifecycle query-stats -d shop --partition-by day --write

Partitioning moves no row: the table becomes the first part of a new one of
its name. Readers and writers wait for that moment only. The daily job of
lifecycle run due keeps to the settings, but never partitions by itself.
"""
Keep = Annotated[float | None, option("--keep DAYS", "Delete what is older.", min=0, max=36_500)]
PartitionBy = Annotated[str | None, option("--partition-by PERIOD", "In parts by day, week or month; none.")]
Write = Annotated[bool, option("--write", "Carry the steps out.", panel=RUN)]


@command("lifecycle query-stats", *SERVER)
def query_stats(
    session: CommandSession,
    *,
    keep: Keep = None,
    partition_by: PartitionBy = None,
    write: Write = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Show how recorded statistics are kept; with --write, delete old ones, and make parts for new ones."""
    section = "operational.query_stats"
    kept = None if keep is None else str(keep)
    asked = {"retention_days": ("--keep", kept), "partition_by": ("--partition-by", partition_by)}
    session.load(flags={f"{section}.{name}": given for name, given in asked.items()})
    from indexpilot_cli.lifecycle.query_stats import StatisticsRequest, run
    from indexpilot_cli.render.views.lifecycle import statistics_view

    wanted = session.settings.operational.query_stats
    request = StatisticsRequest(keep_days=wanted.retention_days, partition_by=wanted.partition_by, write=write)
    return answer(session, run, request, statistics_view, exit_code=exit_code)


BUILDS_EXAMPLES = """Examples:

  indexpilot lifecycle builds -d shop

  indexpilot lifecycle builds -d shop --watch

  indexpilot lifecycle builds -d shop --sample 30s --json

Builds of everybody are shown: CREATE INDEX, REINDEX, and keys that
ALTER TABLE adds. Progress is looked at four times within --sample; the end
is given between the fastest and the slowest pace that was seen.
"""
Watch = Annotated[bool, option("--watch", "Go on until nothing is being built.")]
Sample = Annotated[str | None, option("--sample TIME", "How long to look at progress: 2s.")]


@command("lifecycle builds", *SERVER)
def builds(
    session: CommandSession, *, watch: Watch = False, sample: Sample = None, exit_code: opt.ExitCode = False
) -> int:
    """Show running index builds, whom they wait for and when they may end, and what builds left behind."""
    session.load()
    length = seconds_of("--sample", sample)
    from indexpilot_cli.lifecycle.builds import BuildsRequest, run
    from indexpilot_cli.render.views.builds import builds_view

    request = BuildsRequest(seconds=2.0 if length is None else length, watch=watch)
    return answer(session, run, request, builds_view, exit_code=exit_code)


METRICS_EXAMPLES = """Examples:

  indexpilot lifecycle metrics -d shop

  indexpilot lifecycle metrics -d shop --quiet --textfile indexpilot.prom

The file is written beside and renamed. With the database down it says
indexpilot_up 0, and the exit code is 4. Findings are those of the last run
of lifecycle that looked at everything; the largest indexes have series of
their own, the others are counted.
"""
Textfile = Annotated[str | None, option("--textfile PATH", "Write there, for node_exporter's collector.")]
MaxSeries = Annotated[int, option("--max-series N", "At most so many series.", min=100, max=1_000_000)]


@command("lifecycle metrics", *SERVER)
def metrics(session: CommandSession, *, textfile: Textfile = None, max_series: MaxSeries = 2000) -> int:
    """Print refusals, throttles, findings, sizes, scans, builds and runs as Prometheus text."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.metrics import MetricsRequest, run
    from indexpilot_cli.render.prometheus import metrics_view, write_textfile

    outcome = session.call(run, session.signed(MetricsRequest(most=max_series)))
    if textfile is not None:
        write_textfile(outcome.result.families, textfile)
    return finish(session, outcome, metrics_view(outcome.result, textfile), news=textfile is None)


REPORT_EXAMPLES = """Examples:

  indexpilot lifecycle -d shop --check unused --check redundant --min-age 60d

  indexpilot lifecycle -d shop --standby "host=db2" --exit-code --json

  indexpilot lifecycle -d shop --format sql > to_do.sql
"""
Check = Annotated[list[LifecycleState] | None, option("--check STATE", "Only this, such as unused (repeatable).")]


@dataclass(frozen=True, slots=True)
class LifecycleLimits(opt.SettingOptions):
    """From when on something is told, and what a drop may cost."""

    sets = opt.settings_of("operational.lifecycle", "min_age", "min_size", "max_slower")

    min_age: opt.MinAge = None
    min_size: Annotated[str | None, option("--min-size SIZE", "Leave out smaller indexes.")] = None
    max_slower: Annotated[str | None, option("--max-slower SHARE", "What a drop may cost a statement: 10%.")] = None


@command("lifecycle", *SERVER, sql=True)
def lifecycle(
    session: CommandSession,
    *,
    check: Check = None,
    limits: LifecycleLimits,
    tables: opt.TableOptions,
    standby: opt.Standbys = None,
    with_files: opt.QueryFiles = None,
    source: opt.SourceOption = None,
    log_database: opt.LogDatabase = None,
    asked: opt.PlannerOptions,
    snapshot: opt.Snapshot = None,
    plan: opt.Plan = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Find what no longer pays, what decays and what is missing, each with its evidence. Nothing is changed."""
    session.load(limits, asked)
    if plan and snapshot:
        raise UsageError("--plan needs the server: a plan is made for a database as it is")
    from indexpilot_cli.lifecycle.lifecycle import run
    from indexpilot_cli.render.views.lifecycle import lifecycle_view

    recorded = workload(session, opt.StatementOptions(source, log_database=log_database), with_files)
    request = replace(
        lifecycle_request(session, recorded, standby, snapshot),
        plan=plan,
        filter=table_filter(session, tables),
        states=tuple(check or ()),
    )
    return answer(session, run, request, partial(lifecycle_view, verbose=session.verbose), exit_code=exit_code)


SNAPSHOT_EXAMPLES = """Examples:

  indexpilot lifecycle snapshot -d shop --quiet

  indexpilot lifecycle snapshot -d shop --standby "host=db2"
"""


@command("lifecycle snapshot", *SERVER)
def snapshot(session: CommandSession, *, standby: opt.Standbys = None) -> int:
    """Keep the counters of now, by which later runs know since when an index is unread."""
    session.load()
    from indexpilot_cli.lifecycle.snapshots import CounterSnapshotRequest, run
    from indexpilot_cli.render.views.lifecycle import snapshot_view

    return answer(session, run, CounterSnapshotRequest(standbys=tuple(standby or ())), snapshot_view)


COMMANDS = {
    "lifecycle": lifecycle,
    "lifecycle snapshot": snapshot,
    "lifecycle builds": builds,
    **lifecycle_schedules.COMMANDS,
    "lifecycle metrics": metrics,
    "lifecycle query-stats": query_stats,
}
EXAMPLES = {
    "lifecycle": REPORT_EXAMPLES,
    "lifecycle snapshot": SNAPSHOT_EXAMPLES,
    "lifecycle builds": BUILDS_EXAMPLES,
    **lifecycle_schedules.EXAMPLES,
    "lifecycle metrics": METRICS_EXAMPLES,
    "lifecycle query-stats": QUERY_STATS_EXAMPLES,
}
