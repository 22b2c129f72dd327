"""``indexpilot lifecycle run`` and ``lifecycle status``: the same by the clock."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, planner, planner_flags, workload
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest
    from indexpilot_cli.lifecycle.schedules.timetable import JobKey


class JobChoice(StrEnum):
    """What ``run`` can be asked for."""

    DUE = "due"
    INTEGRITY = "integrity"
    COUNTERS = "counters"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TENANT = "tenant"


JobArgument = Annotated[
    JobChoice,
    typer.Argument(
        metavar="JOB",
        help="due (all that are), integrity, counters, weekly, monthly, or tenant and its ID.",
        show_default=False,
    ),
]
Tenant = Annotated[int | None, typer.Argument(metavar="ID", help="The tenant's number.", show_default=False)]
QueryFiles = Annotated[list[str] | None, option("--file FILE", "Recorded queries: logs or SQL (repeatable).")]
Standby = Annotated[list[str] | None, option("--standby DSN", "Count this standby's scans too (repeatable).")]
Plan = Annotated[bool, option("--plan", "Keep what is to be done as a plan for apply.")]
Reconcile = Annotated[bool, option("--reconcile", "Let integrity settle what runs left open.")]

RUN_EXAMPLES = """Examples:

  indexpilot lifecycle run weekly -d shop

  indexpilot lifecycle run due -d shop --plan --quiet

  indexpilot lifecycle run tenant 7 -d shop --exit-code
"""


@command("lifecycle run", *SERVER)
def run(
    session: CommandSession,
    *,
    job: JobArgument,
    tenant: Tenant = None,
    standby: Standby = None,
    with_files: QueryFiles = None,
    source: opt.SourceOption = None,
    log_database: opt.LogDatabase = None,
    what_if: opt.WhatIfOption = None,
    workers: opt.Workers = None,
    plan: Plan = False,
    reconcile: Reconcile = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Run a job of lifecycle now, or every job that is due. Nothing is changed: what is to be done becomes a plan."""
    session.load(planner_flags(what_if, workers))
    keys = _keys(job, tenant)
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.schedules.run import run as run_jobs
    from indexpilot_cli.render.views.lifecycle_schedules import run_view

    recorded = workload(session, source, with_files, log_database=log_database)
    request = schedule_request(session, keys, recorded, tuple(standby or ()), plan=plan, reconcile=reconcile)
    outcome = session.call(run_jobs, request)
    document = run_view(outcome.result, verbose=session.verbose)
    # cron sends mail for what is printed: a quiet run that found nothing prints nothing.
    return finish(session, outcome, document, exit_code=exit_code, news=outcome.status != "ok")


def _keys(job: JobChoice, tenant: int | None) -> tuple[JobKey, ...]:
    from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey

    if (job is JobChoice.TENANT) != (tenant is not None):
        text = "tenant needs the tenant's ID" if tenant is None else f"{job.value} takes no tenant"
        raise UsageError(text, hint="indexpilot lifecycle run tenant 7")
    return () if job is JobChoice.DUE else (JobKey(Job(job.value), tenant),)


def schedule_request(
    session: CommandSession, keys: tuple[JobKey, ...], recorded: Any, standbys: tuple[str, ...], **asked: bool
) -> ScheduleRunRequest:
    """The request; limits and days come from the settings."""
    from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest
    from indexpilot_cli.lifecycle.values import LifecycleRequest

    operational = session.settings.operational
    limits = operational.lifecycle
    report = LifecycleRequest(
        min_age=timedelta(seconds=limits.min_age),
        min_bytes=limits.min_size,
        standbys=standbys,
        max_slower=limits.max_slower,
        bloat_ratio=limits.bloat_ratio,
        workload=recorded,
        planner=planner(session),
    )
    return ScheduleRunRequest(
        session.connection(),
        keys,
        report,
        operational.maintenance,
        asked["plan"] or operational.maintenance.plan,
        asked["reconcile"] or operational.maintenance.reconcile,
        session.settings.production_safeguards.lock_manager.stale_lock_seconds,
        session.record(),
    )


STATUS_EXAMPLES = """Examples:

  indexpilot lifecycle status -d shop

  indexpilot lifecycle status -d shop --exit-code --quiet
"""


@command("lifecycle status", *SERVER)
def status(session: CommandSession, *, exit_code: opt.ExitCode = False) -> int:
    """Show when each job ran last, what came of it, and when it is due again."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.schedules.status import LifecycleStatusRequest
    from indexpilot_cli.lifecycle.schedules.status import run as look
    from indexpilot_cli.render.views.lifecycle_schedules import status_view

    request = LifecycleStatusRequest(session.connection(), session.settings.operational.maintenance, session.record())
    outcome = session.call(look, request)
    return finish(session, outcome, status_view(outcome.result), exit_code=exit_code)


COMMANDS = {"lifecycle run": run, "lifecycle status": status}
EXAMPLES = {"lifecycle run": RUN_EXAMPLES, "lifecycle status": STATUS_EXAMPLES}
