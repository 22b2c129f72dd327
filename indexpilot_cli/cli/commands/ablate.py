"""``indexpilot ablate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import (
    SERVER,
    command,
    planner_flags,
    recommend_request,
    table_filter,
    workload,
    workload_flags,
)
from indexpilot_cli.cli.commands.recommend import Budget, MaxIndexes, Queries, limit_flags
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

if TYPE_CHECKING:
    from indexpilot_cli.advise.ablate import AblationResult
    from indexpilot_cli.advise.values import RecommendRequest
    from indexpilot_cli.core.command import Outcome

Demo = Annotated[bool, option("--demo", "Of the demo that  demo --keep  left; both plans are built and measured.")]
EXAMPLES = """Examples:

  indexpilot ablate -d shop

  indexpilot ablate --source sql workload.sql --json

  indexpilot ablate --demo
"""


@command("ablate", *SERVER)
def ablate(
    session: CommandSession,
    *,
    files: opt.Files = None,
    budget: Budget = None,
    max_indexes: MaxIndexes = None,
    min_benefit: opt.MinBenefit = None,
    schema: opt.Schemas = None,
    table: opt.Tables = None,
    exclude_table: opt.ExcludeTables = None,
    query: Queries = None,
    source: opt.SourceOption = None,
    since: opt.Since = None,
    log_database: opt.LogDatabase = None,
    min_calls: opt.MinCalls = None,
    min_time: opt.MinTime = None,
    what_if: opt.WhatIfOption = None,
    workers: opt.Workers = None,
    snapshot: opt.Snapshot = None,
    demo: Demo = False,
) -> int:
    """Show what each algorithm changes of the plan. Nothing is changed."""
    limits = limit_flags(budget, max_indexes, None, min_benefit, None, None)
    session.load({**limits, **workload_flags(min_calls, min_time), **planner_flags(what_if, workers)})
    from indexpilot_cli.advise.ablate import run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.ablate import view

    statements = workload(session, source, files, query, since, log_database)
    tables = table_filter(session, schema, table, exclude_table)
    request = recommend_request(session, snapshot, statements, tables, cross_check=False)
    outcome = _on_demo(session, request) if demo else session.call(run, request)
    return finish(session, outcome, view(outcome.result))


def _on_demo(session: CommandSession, request: RecommendRequest) -> Outcome[AblationResult]:
    from indexpilot_cli.simulate.ablation import run
    from indexpilot_cli.simulate.proof import DemoRequest

    with session.progress() as progress:
        return run(request, DemoRequest(record=session.record()), progress)


COMMANDS = {"ablate": ablate}
