"""``lifecycle status``: of every job when it ran last, what came of it, and when it runs next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.lifecycle.schedules.run import KnownJobs, look_at_jobs
from indexpilot_cli.lifecycle.schedules.store import JobRunState, PastRun
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey, enabled
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.settings.sections import MaintenanceSettings

_PATIENCE = timedelta(hours=2)  # an hourly unit comes within one; the other is for its run


class JobHealth(StrEnum):
    """What is true of a job now. OVERDUE: it has waited for a run for over two hours. OFF: the clock never runs it."""

    OK = "ok"
    NEVER = "never"
    DUE = "due"
    RUNNING = "running"
    OVERDUE = "overdue"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    DIED = "died"
    OFF = "off"

    @property
    def bad(self) -> bool:
        """Whether somebody should look."""
        return self in (JobHealth.OVERDUE, JobHealth.FAILED, JobHealth.DIED)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job, its newest run, and when the next is due."""

    job: Job
    tenant: int | None
    health: JobHealth
    schedule: str
    next_due: Annotated[datetime | None, "in the past: it waits for a run; null: the clock never runs it"]
    last: Annotated[PastRun | None, "null: it never ran"] = None


@dataclass(frozen=True, slots=True)
class LifecycleStatusRequest(CommandRequest):
    """``maintenance`` are the settings that say when jobs are due."""

    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)


@dataclass(frozen=True, slots=True)
class LifecycleStatusResult:
    """Every job.

    ``zone`` is that of the timetable.
    """

    zone: str
    now: Annotated[datetime, "the server's clock"]
    jobs: tuple[JobStatus, ...]


def run(request: LifecycleStatusRequest, progress: Progress) -> Outcome[LifecycleStatusResult]:
    """The jobs as they stand; a read-only session will do. Raises PrerequisiteError before ``init``."""
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the runs")
        known = look_at_jobs(request.connection, request.maintenance)
        result = LifecycleStatusResult(known.table.zone, known.now, tuple(_jobs(known, request.maintenance)))
        note.details(jobs={str(JobKey(one.job, one.tenant)): one.health.value for one in result.jobs})
        note.idle = "status"  # a monitor asks every few minutes: a row for each would fill the log
    bad = any(job.health.bad for job in result.jobs)
    waits = any(job.health in (JobHealth.DUE, JobHealth.OVERDUE, JobHealth.DIED) for job in result.jobs)
    return Outcome(
        "lifecycle_status",
        result,
        "findings" if bad else "ok",
        server=known.server,
        warnings=note.warnings,
        next=("indexpilot lifecycle run due",) if waits else (),
    )


def _jobs(known: KnownJobs, maintenance: MaintenanceSettings) -> Iterator[JobStatus]:
    tenants = {*known.policies, *(key.tenant for key in known.last if key.tenant is not None)}
    keys = [JobKey(job) for job in Job if job is not Job.TENANT]
    for key in (*keys, *(JobKey(Job.TENANT, tenant) for tenant in sorted(tenants))):
        rhythm, last = known.rhythm(key), known.last.get(key)
        if rhythm is None or not enabled(key, maintenance):
            running = last is not None and last.state is JobRunState.RUNNING
            health = JobHealth.RUNNING if running else JobHealth.OFF
            yield JobStatus(key.job, key.tenant, health, "by hand", None, last)
            continue
        due = known.due(key)
        following = last.waits(known.now) if last is not None else None
        next_due = due or following or known.table.following(rhythm, known.now)
        health = _health(last, due)
        if health is JobHealth.DUE and last is not None and last.done_at is not None:
            missed = known.table.following(rhythm, last.done_at)
            health = JobHealth.OVERDUE if known.now - missed > _PATIENCE else health
        yield JobStatus(key.job, key.tenant, health, known.table.text(rhythm), next_due, last)


def _health(last: PastRun | None, due: datetime | None) -> JobHealth:
    if last is None:
        return JobHealth.NEVER
    if last.state is not JobRunState.DONE:
        return JobHealth(last.state.value.lower())
    return JobHealth.OK if due is None else JobHealth.DUE
