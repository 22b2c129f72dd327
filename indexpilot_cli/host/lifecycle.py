"""The jobs of ``lifecycle`` from a host application: run now, run by the clock, and how they stand.

The same jobs, tables and locks as ``indexpilot lifecycle run``: a host and a cron line beside it run nothing twice.
Every function works on the database of the process's pool, by the settings of files and environment. Nothing is
changed: what is to be done is told, and with ``dry_run=False`` kept as a plan, which ``indexpilot apply`` carries out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import PlannerRequest, Silent
from indexpilot_cli.host import place
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey
from indexpilot_cli.lifecycle.values import LifecycleRequest

# What runs the jobs is imported when one is run: it brings planners and findings along, and a host that only counts
# its queries need not wait for them.
if TYPE_CHECKING:
    from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest
    from indexpilot_cli.lifecycle.schedules.watch import WatchRound

Result = dict[str, Any]


def perform_weekly_lifecycle(*, dry_run: bool = True) -> Result:
    """Run the weekly job now: its ``findings``, and with ``dry_run=False`` the ``plan`` they are kept as.

    Raises PrerequisiteError before our tables are there, RefusedError when another session runs the job.
    """
    return _perform("perform_weekly_lifecycle", JobKey(Job.WEEKLY), dry_run)


def perform_monthly_lifecycle(*, dry_run: bool = True) -> Result:
    """Run the monthly job now, which also looks at how tables and indexes are laid out; as the weekly one."""
    return _perform("perform_monthly_lifecycle", JobKey(Job.MONTHLY), dry_run)


def perform_per_tenant_lifecycle(tenant_id: int, *, dry_run: bool = True) -> Result:
    """Run the job of one tenant now: the tables its profile uses, by its policy. Raises UsageError for one unknown."""
    return _perform("perform_per_tenant_lifecycle", JobKey(Job.TENANT, tenant_id), dry_run)


def run_lifecycle_scheduler(
    *,
    interval: float = 60.0,
    stop: threading.Event | None = None,
    rounds: int | None = None,
    dry_run: bool = True,
    on_round: Callable[[Result], None] | None = None,
) -> Result:
    """Run every job when it is due, the hourly integrity check included, until ``stop`` is set or after ``rounds``.

    It blocks: give it a thread. ``on_round`` is told of every look (``runs``, ``error``); errors after the first look
    end nothing. The result is that of ``indexpilot schema lifecycle_watch``.
    """
    from indexpilot_cli.lifecycle.schedules.watch import WatchRequest, watch

    request = _request("run_lifecycle_scheduler", (), dry_run)
    told = _teller(on_round) if on_round is not None else lambda _one: None
    outcome = watch(WatchRequest(request.connection, request, interval, rounds), Silent(), told, stop)
    if outcome.exit_code:  # a signal ended it: what a host does about one is its own affair
        raise KeyboardInterrupt if outcome.result.stopped_by == "SIGINT" else SystemExit(outcome.exit_code)
    found: Result = to_json(outcome.result)
    return found


def get_lifecycle_status() -> Result:
    """Every job: when it ran last, what came of it, when it is due again."""
    from indexpilot_cli.lifecycle.schedules.status import LifecycleStatusRequest, run

    request = _request("get_lifecycle_status", (), True)
    asked = LifecycleStatusRequest(request.connection, request.maintenance, record=request.record)
    found: Result = to_json(run(asked, Silent()).result)
    return found


def _teller(on_round: Callable[[Result], None]) -> Callable[[WatchRound], None]:
    return lambda one: on_round(to_json(one))


def _perform(function: str, key: JobKey, dry_run: bool) -> Result:
    from indexpilot_cli.lifecycle.schedules.run import run

    outcome = run(_request(function, (key,), dry_run), Silent())
    found: Result = to_json(outcome.result.runs[0]) if outcome.result.runs else {"notes": list(outcome.result.notes)}
    return found


def _request(function: str, keys: tuple[JobKey, ...], dry_run: bool) -> ScheduleRunRequest:
    from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest

    settings = place.current_settings()
    report = replace(
        LifecycleRequest.by(settings),
        connection=place.connection(),
        planner=PlannerRequest(settings.advisor.what_if, workers=settings.advisor.workers),
        record=place.record_of(function, settings),
    )
    return ScheduleRunRequest.by(settings, report, keys, plan=not dry_run, reconcile=False)
