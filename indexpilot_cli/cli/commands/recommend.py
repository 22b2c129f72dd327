"""``indexpilot recommend``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, recommend_request, table_filter, workload
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.core.index import DropChoice

Queries = Annotated[list[str] | None, option("--query SQL", "Advise on this statement (repeatable).")]
CrossCheck = Annotated[bool, option("--cross-check", "Ask HypoPG and the twin, compare.")]
MaxIndexes = Annotated[int | None, option("--max-indexes N", "At most so many indexes.")]
Tenants = Annotated[list[str] | None, option("--tenant ID", "Advise for this tenant's share alone (repeatable).")]
Without = Annotated[list[str] | None, option("--without ALGORITHM", "Leave this algorithm out (repeatable).")]
ShowRejected = Annotated[bool, option("--show-rejected", "List what was rejected and why.")]


@dataclass(frozen=True, slots=True)
class LimitOptions(opt.SettingOptions):
    """How many indexes there may be, how large, and what they must save."""

    sets = opt.settings_of("advisor", "budget", "max_indexes", "max_per_table", "min_benefit")

    budget: opt.Budget = None
    max_indexes: MaxIndexes = None
    max_per_table: Annotated[int | None, option("--max-per-table N", "At most so many on one table.")] = None
    min_benefit: opt.MinBenefit = None


@dataclass(frozen=True, slots=True)
class SearchOptions(opt.SettingOptions):
    """How long is searched, by what is judged, and which indexes may go."""

    sets = opt.settings_of("advisor", "max_calls", "max_seconds", "risk", "time_model", "drops")
    sets |= opt.settings_of("operational.lifecycle", "min_age")

    max_calls: Annotated[int | None, option("--max-calls N", "Most planner calls.")] = None
    max_seconds: Annotated[str | None, option("--max-seconds TIME", "Longest search.")] = None
    risk: Annotated[str | None, option("--risk LEVEL", "What may get slower: low, normal, high.")] = None
    time_model: Annotated[
        str | None, option("--time-model WHEN", "Fit constants to measured times: off; auto, where proved better.")
    ] = None
    drops: Annotated[
        DropChoice | None, option("--drops WHICH", "Indexes that may go: none, proven (unread, redundant), all.")
    ] = None
    min_age: opt.MinAge = None


@dataclass(frozen=True, slots=True)
class TenantOptions(opt.SettingOptions):
    """Whose share is advised on, and what indexes of one tenant's own may take."""

    sets = opt.settings_of("advisor", "tenant_budget")

    tenant: Tenants = None
    tenant_budget: Annotated[
        str | None, option("--tenant-budget SIZE", "Storage for indexes of one tenant's own: 50MB.")
    ] = None


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
    limits: LimitOptions,
    tables: opt.TableOptions,
    query: Queries = None,
    statements: opt.StatementOptions,
    what_if: opt.WhatIfOption = None,
    cross_check: CrossCheck = False,
    workers: opt.Workers = None,
    search: SearchOptions,
    standby: opt.Standbys = None,
    tenants: TenantOptions,
    without: Without = None,
    show_rejected: ShowRejected = False,
    snapshot: opt.Snapshot = None,
    exit_code: opt.ExitCode = False,
) -> int:
    """Find the few indexes that pay and those that do not, each proved by the planner. Nothing is changed."""
    session.load(limits, statements, opt.PlannerOptions(what_if, workers), search, tenants)
    from indexpilot_cli.advise.recommend import run
    from indexpilot_cli.lifecycle.spare import SpareRequest
    from indexpilot_cli.render.views.recommend import view

    work, only = workload(session, statements, files, query), table_filter(session, tables)
    request = recommend_request(
        session, snapshot, work, only, cross_check=cross_check, tenants=tenants.tenant, without=without
    )
    spare = SpareRequest.by(session.settings, request, standby or ())
    sources = (*(files or ()), *([snapshot] if snapshot else []))
    shown = partial(view, show_rejected=show_rejected, verbose=session.verbose, sources=sources)
    return answer(session, partial(run, spare_of=spare), request, shown, exit_code=exit_code)


COMMANDS = {"recommend": recommend}
