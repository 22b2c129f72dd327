"""``indexpilot lifecycle``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, lifecycle_request, planner_flags, table_filter, workload
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
MinAge = Annotated[str | None, option("--min-age TIME", "How long unread is unused: 30d.")]
MinSize = Annotated[str | None, option("--min-size SIZE", "Leave out smaller indexes.")]
MaxSlower = Annotated[str | None, option("--max-slower SHARE", "What a drop may cost a statement: 10%.")]


@command("lifecycle", *SERVER, sql=True)
def lifecycle(
    session: CommandSession,
    *,
    check: Check = None,
    min_age: MinAge = None,
    min_size: MinSize = None,
    max_slower: MaxSlower = None,
    schema: opt.Schemas = None,
    table: opt.Tables = None,
    exclude_table: opt.ExcludeTables = None,
    standby: opt.Standbys = None,
    with_files: opt.QueryFiles = None,
    source: opt.SourceOption = None,
    log_database: opt.LogDatabase = None,
    what_if: opt.WhatIfOption = None,
    workers: opt.Workers = None,
    snapshot: opt.Snapshot = None,
    plan: opt.Plan = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Find what no longer pays, what decays and what is missing, each with its evidence. Nothing is changed."""
    session.load({**_limits(min_age, min_size, max_slower), **planner_flags(what_if, workers)})
    if plan and snapshot:
        raise UsageError("--plan needs the server: a plan is made for a database as it is")
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.lifecycle import run
    from indexpilot_cli.render.views.lifecycle import lifecycle_view

    recorded = workload(session, source, with_files, log_database=log_database)
    request = replace(
        lifecycle_request(session, recorded, standby, snapshot),
        plan=plan,
        filter=table_filter(session, schema, table, exclude_table),
        states=tuple(check or ()),
    )
    outcome = session.call(run, request)
    document = lifecycle_view(outcome.result, verbose=session.verbose)
    return finish(session, outcome, document, exit_code=exit_code)


def _limits(min_age: str | None, min_size: str | None, max_slower: str | None) -> opt.Flags:
    section = "operational.lifecycle"
    return {
        f"{section}.min_age": ("--min-age", opt.with_unit("--min-age", min_age)),
        f"{section}.min_size": ("--min-size", min_size),
        f"{section}.max_slower": ("--max-slower", max_slower),
    }


SNAPSHOT_EXAMPLES = """Examples:

  indexpilot lifecycle snapshot -d shop --quiet

  indexpilot lifecycle snapshot -d shop --standby "host=db2"
"""


@command("lifecycle snapshot", *SERVER)
def snapshot(session: CommandSession, *, standby: opt.Standbys = None) -> int:
    """Keep the counters of now, by which later runs know since when an index is unread."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.snapshots import CounterSnapshotRequest, run
    from indexpilot_cli.render.views.lifecycle import snapshot_view

    outcome = session.call(run, CounterSnapshotRequest(session.connection(), tuple(standby or ()), session.record()))
    return finish(session, outcome, snapshot_view(outcome.result))


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
