"""``indexpilot recommend``."""

from __future__ import annotations

from functools import partial
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
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.core.index import DropChoice

if TYPE_CHECKING:
    from indexpilot_cli.cli.options import Flags

Budget = Annotated[str | None, option("--budget SIZE", "Storage for new indexes: 5GB.")]
MaxIndexes = Annotated[int | None, option("--max-indexes N", "At most so many indexes.")]
MaxPerTable = Annotated[int | None, option("--max-per-table N", "At most so many on one table.")]
Queries = Annotated[list[str] | None, option("--query SQL", "Advise on this statement (repeatable).")]
CrossCheck = Annotated[bool, option("--cross-check", "Ask HypoPG and the twin, compare.")]
MaxCalls = Annotated[int | None, option("--max-calls N", "Most planner calls.")]
MaxSeconds = Annotated[str | None, option("--max-seconds TIME", "Longest search.")]
Risk = Annotated[str | None, option("--risk LEVEL", "What may get slower: low, normal, high.")]
TimeModelOption = Annotated[
    str | None, option("--time-model WHEN", "Fit constants to measured times: off; auto, where proved better.")
]
Drops = Annotated[
    DropChoice | None, option("--drops WHICH", "Indexes that may go: none, proven (unread, redundant), all.")
]
MinAge = Annotated[str | None, option("--min-age TIME", "How long unread is unused: 30d.")]
Tenants = Annotated[list[str] | None, option("--tenant ID", "Advise for this tenant's share alone (repeatable).")]
TenantBudget = Annotated[str | None, option("--tenant-budget SIZE", "Storage for indexes of one tenant's own: 50MB.")]
Without = Annotated[list[str] | None, option("--without ALGORITHM", "Leave this algorithm out (repeatable).")]
ShowRejected = Annotated[bool, option("--show-rejected", "List what was rejected and why.")]


def limit_flags(
    budget: str | None,
    max_indexes: int | None,
    max_per_table: int | None,
    min_benefit: str | None,
    max_calls: int | None,
    max_seconds: str | None,
) -> Flags:
    """The limits, as flags of their settings."""
    return {
        "advisor.budget": ("--budget", budget),
        "advisor.max_indexes": ("--max-indexes", max_indexes),
        "advisor.max_per_table": ("--max-per-table", max_per_table),
        "advisor.min_benefit": ("--min-benefit", min_benefit),
        "advisor.max_calls": ("--max-calls", max_calls),
        "advisor.max_seconds": ("--max-seconds", max_seconds),
    }


def choice_flags(
    risk: str | None, time_model: str | None, drops: DropChoice | None, min_age: str | None, tenant_budget: str | None
) -> Flags:
    """What may get slower, what prices, what may go and what is for one tenant, as flags of their settings."""
    return {
        "advisor.risk": ("--risk", risk),
        "advisor.time_model": ("--time-model", time_model),
        "advisor.drops": ("--drops", drops),
        "advisor.tenant_budget": ("--tenant-budget", tenant_budget),
        "operational.lifecycle.min_age": ("--min-age", opt.with_unit("--min-age", min_age)),
    }


EXAMPLES = """Examples:

  indexpilot recommend -d shop --budget 5GB --show-rejected

  indexpilot recommend --source sql workload.sql --min-benefit 10% --exit-code --json

  indexpilot recommend --format sql > proposal.sql
"""


@command("recommend", *SERVER, sql=True, also=("sarif",))
def recommend(
    session: CommandSession,
    *,
    files: opt.Files = None,
    budget: Budget = None,
    max_indexes: MaxIndexes = None,
    max_per_table: MaxPerTable = None,
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
    cross_check: CrossCheck = False,
    workers: opt.Workers = None,
    max_calls: MaxCalls = None,
    max_seconds: MaxSeconds = None,
    risk: Risk = None,
    time_model: TimeModelOption = None,
    drops: Drops = None,
    min_age: MinAge = None,
    standby: opt.Standbys = None,
    tenant: Tenants = None,
    tenant_budget: TenantBudget = None,
    without: Without = None,
    show_rejected: ShowRejected = False,
    snapshot: opt.Snapshot = None,
    exit_code: opt.ExitCode = False,
) -> int:
    """Find the few indexes that pay and those that do not, each proved by the planner. Nothing is changed."""
    limits = limit_flags(budget, max_indexes, max_per_table, min_benefit, max_calls, max_seconds)
    risks = choice_flags(risk, time_model, drops, min_age, tenant_budget)
    session.load({**limits, **risks, **workload_flags(min_calls, min_time), **planner_flags(what_if, workers)})
    from indexpilot_cli.advise.recommend import run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.spare import SpareRequest
    from indexpilot_cli.render.views.recommend import view

    work = workload(session, source, files, query, since, log_database)
    only = table_filter(session, schema, table, exclude_table)
    request = recommend_request(session, snapshot, work, only, cross_check=cross_check, tenants=tenant, without=without)
    outcome = session.call(partial(run, spare_of=SpareRequest.by(session.settings, request, standby or ())), request)
    sources = (*(files or ()), *([snapshot] if snapshot else []))
    document = view(outcome.result, show_rejected=show_rejected, verbose=session.verbose, sources=sources)
    return finish(session, outcome, document, exit_code=exit_code)


COMMANDS = {"recommend": recommend}
