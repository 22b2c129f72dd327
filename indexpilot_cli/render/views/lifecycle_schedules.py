"""What the jobs of ``lifecycle`` did, and when they run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from indexpilot_cli.core.codec import Amount, Count, DocumentShape, From
from indexpilot_cli.core.units import DASH, seconds
from indexpilot_cli.lifecycle.integrity import IntegrityResult, StaleLock
from indexpilot_cli.lifecycle.schedules.policies import PolicyResult
from indexpilot_cli.lifecycle.schedules.run import JobRun, RunOutcome, ScheduleRunResult
from indexpilot_cli.lifecycle.schedules.status import JobStatus, LifecycleStatusResult
from indexpilot_cli.lifecycle.schedules.store import PastRun
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey
from indexpilot_cli.lifecycle.schedules.units import UnitFile, UnitKind, UnitsResult
from indexpilot_cli.lifecycle.schedules.watch import WatchResult, WatchRound
from indexpilot_cli.render.document import Block, Code, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.envelope import as_yaml
from indexpilot_cli.render.units import notes, one_line, plural, stamp
from indexpilot_cli.render.views.lifecycle import LifecycleFindingDocument


class OpenOperationDocument(DocumentShape):
    """An operation that no run closed."""

    mutation: Annotated[str, From(lambda o: f"M-{o.mutation}")]
    index: str
    text: str
    fix: str
    running: Annotated[bool, "somebody still works on its table"]


class SettledOperationDocument(DocumentShape):
    """An open operation, and how it was closed."""

    mutation: Annotated[str | None, From(lambda o: None if o.mutation is None else f"M-{o.mutation}")]
    index: str
    outcome: str
    notes: tuple[str, ...]


class IntegrityDocument(DocumentShape):
    """What runs left behind."""

    operations: tuple[OpenOperationDocument, ...]
    locks: tuple[StaleLock, ...]
    settled: tuple[SettledOperationDocument, ...]


class JobRunDocument(DocumentShape):
    """One job and its run."""

    job: Job
    tenant: int | None
    outcome: Annotated[RunOutcome, "busy: another session runs it; off: nothing of it is switched on"]
    id: Annotated[Count | None, "of the run; null: none was begun"]
    due_at: Annotated[datetime | None, "the moment it was due; null: it was asked for by hand"]
    started_at: datetime | None
    finished_at: datetime | None
    next_due: Annotated[datetime | None, "null: the clock never runs it"]
    died: Annotated[tuple[Count, ...], "earlier runs that ended without a word"]
    components: tuple[str, ...]
    findings: tuple[LifecycleFindingDocument, ...]
    integrity: IntegrityDocument | None
    plan: Annotated[str | None, "id of the plan that was kept"]
    error: str | None
    notes: tuple[str, ...]


class ScheduleRunDocument(DocumentShape):
    """The jobs that were asked for, or that were due."""

    runs: tuple[JobRunDocument, ...]
    notes: tuple[str, ...]


def _unit_text(file: UnitFile) -> str:
    """The file as it is written."""
    if not file.document:
        return file.text
    return "".join(f"# {line}\n" for line in file.comments) + as_yaml(file.document)


class UnitFileDocument(DocumentShape):
    """A file to write."""

    path: Annotated[str, "where it belongs"]
    text: Annotated[str, From(_unit_text)]


class LifecycleInstallDocument(DocumentShape):
    """What runs the jobs, and what is left to do."""

    kind: UnitKind
    files: tuple[UnitFileDocument, ...]
    notes: tuple[str, ...]


class TenantPolicyDocument(DocumentShape):
    """When the clock runs a tenant's own job, and what it looks for."""

    tenant: int
    schedule: Literal["weekly", "monthly", "off"]
    components: Annotated[tuple[str, ...] | None, "null: all"]
    min_age_seconds: Annotated[
        Amount | None, "null: that of the settings", From(lambda p: p.min_age.total_seconds() if p.min_age else None)
    ]


class LifecyclePolicyDocument(DocumentShape):
    """The tenants' policies."""

    policies: tuple[TenantPolicyDocument, ...]
    changed: bool


_RUNS = columns("job|short", "outcome|state", "took|number", "next|short", "what|text")
_FOUND = columns("id|short", "state|short", "index", "what|text")
_JOBS = columns("job|short", "health|state", "schedule|short", "last|short", "result|text", "next|short")


def run_view(result: ScheduleRunResult, *, verbose: bool = False) -> Document:
    """One line for each job; below, what was found and what was left behind."""
    rows = tuple(_run(one) for one in result.runs)
    blocks: list[Block] = [TableBlock(_RUNS, rows)] if rows else []
    for one in result.runs:
        blocks += _details(one, verbose)
    blocks += notes(result.notes) if rows else [Lines(result.notes)]
    return Document(tuple(blocks), result, ScheduleRunDocument)


def _run(one: JobRun) -> tuple[str, ...]:
    took = DASH
    if one.started_at is not None and one.finished_at is not None:
        took = seconds((one.finished_at - one.started_at).total_seconds())
    return str(JobKey(one.job, one.tenant)), one.outcome.value, took, stamp(one.next_due), "; ".join(_told(one))


def _told(one: JobRun) -> Iterator[str]:
    if one.error is not None:
        yield one_line(one.error)
    if one.died:
        yield f"{plural(len(one.died), 'earlier run')} died and {'was' if len(one.died) == 1 else 'were'} given up"
    if one.outcome is RunOutcome.BUSY:
        yield "another session runs it"
    if one.outcome is not RunOutcome.DONE:
        return
    counts = Counter(finding.state.value for finding in one.findings)
    yield ", ".join(f"{number} {state}" for state, number in counts.items()) or "nothing found"
    if one.integrity is not None:
        yield from _left(one.integrity)
    if one.plan is not None:
        yield f"kept as plan {one.plan}"


def _left(found: IntegrityResult) -> Iterator[str]:
    if found.settled:
        yield f"{plural(len(found.settled), 'open operation')} settled"
    if found.operations:
        yield plural(len(found.operations), "open operation")
    if found.locks:
        yield plural(len(found.locks), "stale lock")


def _details(one: JobRun, verbose: bool) -> Iterator[Block]:
    rows = []
    for finding in one.findings:
        facts = finding.evidence if verbose else finding.evidence[:1]
        text = "; ".join(one_line(reason.text) for reason in facts)
        name = (finding.index or finding.table).short
        rows.append((finding.id, finding.state.value, name, f"{text} -> {finding.action.value}"))
    if rows:
        yield TableBlock(_FOUND, tuple(rows), title=str(JobKey(one.job, one.tenant)))
    if one.integrity is not None:
        lines = [(f"M-{o.mutation}", f"{o.index}: {o.text} -> {o.fix}") for o in one.integrity.operations]
        lines += [("settled", f"{s.index}: {', '.join((s.outcome, *s.notes))}") for s in one.integrity.settled]
        lines += [
            (
                "lock",
                f"pid {lock.pid} holds {lock.table} and did nothing for {seconds(lock.idle_seconds)} -> {lock.fix}",
            )
            for lock in one.integrity.locks
        ]
        if lines:
            yield Facts(tuple(lines))
    yield from notes(one.notes)


def status_view(result: LifecycleStatusResult) -> Document:
    """One line for each job."""
    rows = tuple(_status(one, result.now) for one in result.jobs)
    return Document((TableBlock(_JOBS, rows),), result, LifecycleStatusResult)


def units_view(result: UnitsResult) -> Document:
    """The files, one after the other; notes as comments, so that the whole can be given on as it is."""
    several = len(result.files) > 1
    blocks: list[Block] = []
    for file in result.files:
        head = f"# {file.path}\n" if several else ""
        blocks.append(Code(head + _unit_text(file), "yaml" if file.document else ""))
    if result.notes:
        blocks.append(Code("".join(f"# {note}\n" for note in result.notes), ""))
    return Document(tuple(blocks), result, LifecycleInstallDocument)


def watch_view(result: WatchResult) -> Document:
    """One line."""
    lasted = seconds((result.stopped_at - result.started_at).total_seconds())
    text = f"watched for {lasted}: {plural(result.rounds, 'look')}, {plural(result.runs, 'job')} run"
    failed = f", {plural(result.failures, 'look')} failed" if result.failures else ""
    return Document((Lines((text + failed,)),), result, WatchResult)


def round_lines(one: WatchRound) -> Iterator[tuple[str, str]]:
    """A label (status or error) and a sentence for each job of the round, and for what kept it from any."""
    moment = f"{one.at:%Y-%m-%d %H:%M:%S}Z"
    for ran in one.runs:
        told = "; ".join(_told(ran)) or ran.outcome.value
        label = "error" if ran.outcome is RunOutcome.FAILED else "status"
        yield label, f"{moment} {JobKey(ran.job, ran.tenant)}: {told}"
    if one.error is not None and not one.runs:
        yield "error", f"{moment} {one.error}"


def health_text(one: WatchRound) -> str:
    """The round as a JSON object on one line, for probes."""
    facts = {"at": f"{one.at:%Y-%m-%dT%H:%M:%SZ}", "healthy": one.healthy, "round": one.number, "error": one.error}
    return json.dumps(facts) + "\n"


_POLICIES = columns("tenant|short", "schedule|short", "looks for|text", "unread|short")


def policy_view(result: PolicyResult) -> Document:
    """One line for each tenant."""
    rows = []
    for one in result.policies:
        age = seconds(one.min_age.total_seconds()) if one.min_age is not None else DASH
        rows.append((str(one.tenant), one.schedule, ", ".join(one.components or ("everything",)), age))
    empty = Lines(("no tenant has a policy: their own jobs run by hand only",))
    return Document((TableBlock(_POLICIES, tuple(rows)) if rows else empty,), result, LifecyclePolicyDocument)


def _status(one: JobStatus, now: datetime) -> tuple[str, ...]:
    last = stamp(one.last.started_at) if one.last is not None else DASH
    next_due = stamp(one.next_due)
    if one.next_due is not None and one.next_due <= now:
        next_due = "now"
    told = _result(one.last) if one.last is not None else DASH
    return str(JobKey(one.job, one.tenant)), one.health.value, one.schedule, last, told, next_due


def _result(last: PastRun) -> str:
    if last.error is not None:
        return one_line(last.error)
    found = last.details.get("findings") or {}
    parts = [f"{number} {state}" for state, number in found.items()]
    for name, word in (("open_operations", "open operation"), ("stale_locks", "stale lock")):
        if last.details.get(name):
            parts.append(plural(last.details[name], word))
    if last.plan is not None:
        parts.append(f"plan {last.plan}")
    if last.finished_at is None:
        return "running"
    return ", ".join(parts) or "nothing found"
