"""``indexpilot recommend``."""

from __future__ import annotations

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import advice
from indexpilot_cli.cli.options import common as opt
from indexpilot_cli.cli.requests import planner_flags, recommend_request, table_filter, workload, workload_flags
from indexpilot_cli.cli.session import Session

EXAMPLES = """Examples:

  indexpilot recommend -d shop --budget 5GB --show-rejected

  indexpilot recommend --source sql workload.sql --min-benefit 10% --exit-code --json

  indexpilot recommend --format sql > proposal.sql
"""


@command("recommend", *SERVER, sql=True, also=("sarif",))
def recommend(
    session: Session,
    *,
    files: opt.Files = None,
    budget: advice.Budget = None,
    max_indexes: advice.MaxIndexes = None,
    max_per_table: advice.MaxPerTable = None,
    min_benefit: opt.MinBenefit = None,
    schema: opt.Schemas = None,
    table: opt.Tables = None,
    exclude_table: opt.ExcludeTables = None,
    query: advice.Queries = None,
    source: opt.SourceOption = None,
    since: opt.Since = None,
    min_calls: opt.MinCalls = None,
    min_time: opt.MinTime = None,
    what_if: opt.WhatIfOption = None,
    cross_check: advice.CrossCheck = False,
    workers: opt.Workers = None,
    max_calls: advice.MaxCalls = None,
    max_seconds: advice.MaxSeconds = None,
    show_rejected: advice.ShowRejected = False,
    snapshot: opt.Snapshot = None,
    exit_code: opt.ExitCode = False,
) -> int:
    """Find the few indexes that pay, each proved by the planner. Nothing is created."""
    limits = advice.limit_flags(budget, max_indexes, max_per_table, min_benefit, max_calls, max_seconds)
    session.load({**limits, **workload_flags(min_calls, min_time), **planner_flags(what_if, workers)})
    from indexpilot_cli.advise.recommend import run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.recommend import view

    statements = workload(session, source, files, query, since)
    tables = table_filter(session, schema, table, exclude_table)
    request = recommend_request(session, snapshot, statements, tables, cross_check=cross_check)
    outcome = session.call(run, request)
    sources = (*(files or ()), *([snapshot] if snapshot else []))
    document = view(outcome.result, show_rejected=show_rejected, verbose=session.verbose, sources=sources)
    return finish(session, outcome, document, exit_code=exit_code)


COMMANDS = {"recommend": recommend}
