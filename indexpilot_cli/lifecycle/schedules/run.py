"""``lifecycle run``: one job now, or every job that is due, each recorded with what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain
from types import MappingProxyType

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import CommandRequest, Connection, Outcome, Progress, TableFilter
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.capabilities import look as look_at_server
from indexpilot_cli.errors import IndexPilotError, RefusedError, UnreachableError
from indexpilot_cli.lifecycle import lifecycle, query_stats, snapshots
from indexpilot_cli.lifecycle.integrity import IntegrityResult, SettledOperation, check_integrity, settle
from indexpilot_cli.lifecycle.query_stats import StatisticsRequest
from indexpilot_cli.lifecycle.schedules import store
from indexpilot_cli.lifecycle.schedules.policies import TenantPolicy, policies, require_tenant, tables_of
from indexpilot_cli.lifecycle.schedules.store import Claim, NoClaim, PastRun
from indexpilot_cli.lifecycle.schedules.timetable import (
    RETRY,
    Job,
    JobKey,
    Timetable,
    components,
    enabled,
    states,
    timetable,
)
from indexpilot_cli.lifecycle.snapshots import CounterSnapshotRequest
from indexpilot_cli.lifecycle.values import LifecycleFinding, LifecycleRequest, LifecycleState
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.settings.sections import BypassSettings, MaintenanceSettings, QueryStatsSettings, Settings
from indexpilot_cli.snapshot.source import open_reader

_PARTLY = 7
_SOUND = "sound"  # the word under which hourly checks are counted that found nothing


class RunOutcome(StrEnum):
    """What became of a job. BUSY: another scheduler runs it now. OFF: nothing of it is switched on."""

    DONE = "done"
    FAILED = "failed"
    BUSY = "busy"
    NOT_DUE = "not_due"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ScheduleRunRequest(CommandRequest):
    """``keys`` empty: what is due. ``report`` is what a run of ``lifecycle`` is asked beside the states to look for.

    ``plan`` keeps findings as a plan; ``reconcile`` lets the integrity check settle what was left open, unless a switch
    of ``bypass`` is off that stops changes.
    ``stale_seconds``: a lock whose session did nothing for so long is told.
    """

    keys: tuple[JobKey, ...] = ()
    report: LifecycleRequest = field(default_factory=LifecycleRequest)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    plan: bool = False
    reconcile: bool = False
    stale_seconds: float = 300.0
    bypass: BypassSettings = field(default_factory=BypassSettings)
    query_stats: QueryStatsSettings = field(default_factory=QueryStatsSettings)

    @classmethod
    def by(
        cls, settings: Settings, report: LifecycleRequest, keys: tuple[JobKey, ...], *, plan: bool, reconcile: bool
    ) -> ScheduleRunRequest:
        """A request by the settings, which can ask for a plan and for settling too. The report says where and who."""
        maintenance = settings.operational.maintenance
        return cls(
            report.connection,
            keys,
            report,
            maintenance,
            plan or maintenance.plan,
            reconcile or maintenance.reconcile,
            settings.production_safeguards.lock_manager.stale_lock_seconds,
            settings.bypass,
            settings.operational.query_stats,
            record=report.record,
        )


@dataclass(frozen=True, slots=True)
class JobRun:
    """One job: its run, if there was one, and when it is due again. ``died`` are earlier runs that were found dead."""

    job: Job
    tenant: int | None
    outcome: RunOutcome
    next_due: datetime | None
    id: int | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    died: tuple[int, ...] = ()
    components: tuple[str, ...] = ()
    findings: tuple[LifecycleFinding, ...] = ()
    integrity: IntegrityResult | None = None
    plan: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there is something to act on."""
        return bool(self.findings) or (self.integrity is not None and not self.integrity.sound)


@dataclass(frozen=True, slots=True)
class ScheduleRunResult:
    """One entry for each job that was asked for, or that was due."""

    runs: tuple[JobRun, ...]
    now: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownJobs:
    """What is asked before any job is begun."""

    server: Server
    now: datetime
    last: Mapping[JobKey, PastRun]
    policies: Mapping[int, TenantPolicy]
    table: Timetable

    def rhythm(self, key: JobKey) -> Job | None:
        """The job whose days and hours count for this one; None: the clock runs it never."""
        policy = self.policies.get(key.tenant) if key.tenant is not None else None
        return key.job if key.tenant is None else policy.rhythm if policy is not None else None

    def due(self, key: JobKey) -> datetime | None:
        """The moment that waits for a run of the job, None when it is not due or must wait after a failure."""
        rhythm, last = self.rhythm(key), self.last.get(key)
        if rhythm is None or (last is not None and last.waits(self.now) is not None):
            return None
        return self.table.due(rhythm, last.done_at if last is not None else None, self.now)


def run(request: ScheduleRunRequest, progress: Progress) -> Outcome[ScheduleRunResult]:
    """Run the jobs. A job that fails does not keep others from being run where several are due.

    Raises PrerequisiteError before ``init``, RefusedError when a named job runs already or nothing can be recorded,
    and what the one named job raises.
    """
    with bookkeeping(request.connection, MutationType.LIFECYCLE_RUN, request.record) as note:
        warnings: tuple[Warn, ...] = ()
        known = look_at_jobs(request.connection, request.maintenance, request.keys)
        if known.server.in_recovery:
            note.idle = "standby"
            text = "a standby: schedules run on the primary, where their runs are kept"
            result = ScheduleRunResult((), known.now, (text,))
        else:
            runs, warnings = _all(request, known, progress)
            result = ScheduleRunResult(runs, known.now, () if runs else ("nothing is due",))
            _noted(note, request, result)
    return _outcome(result, known.server, (*warnings, *note.warnings))


def look_at_jobs(connection: Connection, maintenance: MaintenanceSettings, named: Iterable[JobKey] = ()) -> KnownJobs:
    """What the tables and the server's clock say.

    Raises PrerequisiteError before ``init``, UsageError when a named job is that of a tenant nobody knows.
    """
    schema = connection.metadata_schema
    with open_reader(connection) as session:
        server = look_at_server(session, metadata_schema=schema).server
        store.require(session, schema)
        for tenant in (key.tenant for key in named if key.tenant is not None):
            require_tenant(session, tenant, schema)
        now = session.value("SELECT clock_timestamp()")
        last, found = store.settled(session, schema), policies(session, schema)
    return KnownJobs(server, now, MappingProxyType(last), MappingProxyType(found), timetable(maintenance))


def clock_jobs(known: KnownJobs, maintenance: MaintenanceSettings) -> tuple[JobKey, ...]:
    """The jobs that the clock runs, in the order in which they are when several are due."""
    alone = [JobKey(job) for job in Job if job is not Job.TENANT]
    tenants = [JobKey(Job.TENANT, tenant) for tenant, policy in known.policies.items() if policy.rhythm is not None]
    return tuple(key for key in (*alone, *tenants) if enabled(key, maintenance))


def _all(
    request: ScheduleRunRequest, known: KnownJobs, progress: Progress
) -> tuple[tuple[JobRun, ...], tuple[Warn, ...]]:
    if request.keys:
        runs = [_named(key, request, known, progress) for key in request.keys]
    else:
        due = [key for key in clock_jobs(known, request.maintenance) if known.due(key) is not None]
        runs = [_by_clock(key, request, known, progress) for key in due]
    return tuple(one for one, _ in runs), tuple(dict.fromkeys(chain.from_iterable(warnings for _, warnings in runs)))


_Ran = tuple[JobRun, tuple[Warn, ...]]


def _named(key: JobKey, request: ScheduleRunRequest, known: KnownJobs, progress: Progress) -> _Ran:
    """The job now, due or not."""
    with store.claimed(request.connection, key, request.record) as claim:
        if isinstance(claim, NoClaim):
            since = f" since {claim.last.started_at:%Y-%m-%d %H:%M}Z" if claim.last is not None else ""
            raise RefusedError(
                f"{key} is being run{since} by another session", hint="indexpilot lifecycle status", code="locked"
            )
        ran, warnings = _work(key, request, known, claim, progress)
    return replace(ran, finished_at=claim.finished_at), warnings


def _by_clock(key: JobKey, request: ScheduleRunRequest, known: KnownJobs, progress: Progress) -> _Ran:
    """The job when it is still due, and nobody else is at it."""
    rhythm = known.rhythm(key)
    assert rhythm is not None  # it was due a moment ago
    bare = JobRun(key.job, key.tenant, RunOutcome.NOT_DUE, known.table.following(rhythm, known.now))
    try:
        with store.claimed(request.connection, key, request.record, (known.table, rhythm)) as claim:
            if isinstance(claim, NoClaim):
                return replace(bare, outcome=RunOutcome.BUSY if claim.running else RunOutcome.NOT_DUE), ()
            ran, warnings = _work(key, request, known, claim, progress)
        return replace(ran, finished_at=claim.finished_at), warnings
    except (UnreachableError, RefusedError):
        raise  # the next job would meet the same
    except IndexPilotError as error:
        text = error.message + (f" ({error.detail})" if error.detail else "")
        return replace(bare, outcome=RunOutcome.FAILED, error=text, next_due=known.now + RETRY), ()


def _work(key: JobKey, request: ScheduleRunRequest, known: KnownJobs, claim: Claim, progress: Progress) -> _Ran:
    rhythm = known.rhythm(key)
    policy = known.policies.get(key.tenant) if key.tenant is not None else None
    parts = components(key.job, request.maintenance.components)
    parts = policy.parts(parts) if policy is not None else parts
    ran = JobRun(
        key.job,
        key.tenant,
        RunOutcome.DONE if parts else RunOutcome.OFF,
        known.table.following(rhythm, known.now) if rhythm is not None else None,
        claim.id,
        claim.due_at,
        claim.started_at,
        died=claim.died,
        components=parts,
    )
    progress.stage(f"lifecycle {key}")
    warnings: tuple[Warn, ...] = ()
    if parts and key.job is Job.COUNTERS:
        ran, warnings = _daily(ran, request, progress)
    elif parts:
        ran, warnings = _looked(ran, request, policy, progress)
    claim.plan = ran.plan
    claim.details = _facts(ran)
    return ran, warnings


def _daily(ran: JobRun, request: ScheduleRunRequest, progress: Progress) -> _Ran:
    """The run with the counters kept and the recorded statistics maintained, which has a row in the log of its own."""
    notes: list[str] = []
    warnings: list[Warn] = []
    if "counters" in ran.components:
        asked = CounterSnapshotRequest(request.connection, request.report.standbys, record=request.record)
        kept = snapshots.run(asked, progress)
        notes += kept.result.notes
        warnings += kept.warnings
    if "query_stats" in ran.components and request.record.enabled:
        found = query_stats.run(
            StatisticsRequest(
                request.connection,
                request.query_stats.retention_days,
                request.query_stats.partition_by,
                convert=False,  # an existing table becomes another one by a command, not behind anybody's back
                write=True,
                record=request.record,
            ),
            progress,
        )
        notes += (*(f"{step.action} {step.part}: {step.text}" for step in found.result.steps), *found.result.notes)
        warnings += found.warnings
    return replace(ran, notes=tuple(notes)), tuple(warnings)


def _looked(ran: JobRun, request: ScheduleRunRequest, policy: TenantPolicy | None, progress: Progress) -> _Ran:
    """The run with its findings, and what runs of ours left behind where that belongs to it."""
    left: IntegrityResult | None = None
    off: tuple[str, ...] = ()
    if ran.job is Job.INTEGRITY:
        settled, off = _settled(request, progress) if request.reconcile else ((), ())
        left = check_integrity(request.connection, request.stale_seconds, progress, settled)
    wanted = (*states(ran.components), *((LifecycleState.INVALID,) if ran.job is Job.INTEGRITY else ()))
    report = replace(
        request.report,
        connection=request.connection,
        states=wanted,
        plan=request.plan,
        record=request.record,
        idle=_SOUND if ran.job is Job.INTEGRITY else None,
    )
    if ran.tenant is not None:
        tables = _tenant_tables(request.connection, ran.tenant)
        if not tables.tables:
            return replace(ran, notes=(f"tenant {ran.tenant} uses no table: every field is switched off for it",)), ()
        age = policy.min_age if policy is not None and policy.min_age is not None else report.min_age
        report = replace(report, filter=tables, min_age=age)
    found = lifecycle.run(report, progress)
    result = found.result
    told = result.notes if LifecycleState.UNUSED in wanted else ()  # they are about what is called unused
    ran = replace(ran, findings=result.findings, integrity=left, plan=result.plan, notes=(*off, *told))
    return ran, found.warnings


def _settled(request: ScheduleRunRequest, progress: Progress) -> tuple[tuple[SettledOperation, ...], tuple[str, ...]]:
    """What was settled, or a note why nothing was."""
    try:
        return settle(request.connection, request.record, request.bypass, progress), ()
    except RefusedError as error:
        if error.code != "bypassed":
            raise
        # The check itself, and the jobs that are due after it, change nothing: no switch stops them.
        return (), (f"not settled: {error.message}",)


def _tenant_tables(connection: Connection, tenant: int) -> TableFilter:
    with open_reader(connection) as session:
        return tables_of(session, tenant, connection.metadata_schema)


def _facts(ran: JobRun) -> dict[str, object]:
    """What is kept of a run: counts, not what was found, which the next run finds again."""
    counts = Counter(finding.state.value for finding in ran.findings)
    facts: dict[str, object] = {"components": list(ran.components), "findings": dict(counts)}
    if ran.integrity is not None:
        facts["open_operations"] = len(ran.integrity.operations)
        facts["stale_locks"] = len(ran.integrity.locks)
        facts["settled"] = len(ran.integrity.settled)
    return facts


def _noted(note: Note, request: ScheduleRunRequest, result: ScheduleRunResult) -> None:
    ended = {f"{JobKey(one.job, one.tenant)}": one.outcome.value for one in result.runs}
    died = sum(len(one.died) for one in result.runs)
    note.details(jobs=ended, **({"died": died} if died else {}))
    began = [one for one in result.runs if one.outcome not in (RunOutcome.NOT_DUE, RunOutcome.BUSY)]
    if not request.keys and not began:
        note.idle = "not_due"
    elif not died and all(one.job is Job.INTEGRITY and not one.found for one in began):
        note.idle = _SOUND


def _outcome(result: ScheduleRunResult, server: Server, warnings: tuple[Warn, ...]) -> Outcome[ScheduleRunResult]:
    failed = any(one.outcome is RunOutcome.FAILED for one in result.runs)
    began = [one for one in result.runs if one.outcome in (RunOutcome.DONE, RunOutcome.FAILED)]
    status = "partial" if failed else "findings" if any(one.found for one in result.runs) else "ok"
    plans = tuple(f"indexpilot apply {one.plan} --dry-run" for one in result.runs if one.plan is not None)
    return Outcome(
        "lifecycle_run",
        result,
        status if began else "skipped",
        _PARTLY if failed else 0,
        server,
        warnings,
        plans or (("indexpilot lifecycle status",) if failed else ()),
    )
