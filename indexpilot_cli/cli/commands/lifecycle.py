"""``indexpilot lifecycle``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, lifecycle_request, table_filter, workload
from indexpilot_cli.cli.commands import lifecycle_schedules
from indexpilot_cli.cli.commands.lifecycle_builds import BUILDS_EXAMPLES, builds
from indexpilot_cli.cli.commands.lifecycle_metrics import METRICS_EXAMPLES, metrics
from indexpilot_cli.cli.commands.lifecycle_query_stats import QUERY_STATS_EXAMPLES, query_stats
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.values import LifecycleState

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
