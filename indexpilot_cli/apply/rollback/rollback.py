"""``rollback``: takes back what our log says we did, newest first; what was dropped is built again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from indexpilot_cli.apply.outcome import outcome, refused_outcome, skipped_outcome
from indexpilot_cli.apply.rollback.choose import Step, choose
from indexpilot_cli.apply.rollback.drop import standby_warning, take_back
from indexpilot_cli.apply.rollback.restore import bring_back
from indexpilot_cli.apply.rows import failure_told, tell_idle
from indexpilot_cli.apply.values import RollbackRequest
from indexpilot_cli.core.operation import ApplyResult, MutationReport
from indexpilot_cli.core.outcome import Outcome
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.progress import Progress
from indexpilot_cli.core.verdict import Verdict
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError
from indexpilot_cli.execute.context import Desk, Limits, open_desk, take_run
from indexpilot_cli.execute.reconcile import parts_of, reconcile
from indexpilot_cli.execute.signals import Stop, listening
from indexpilot_cli.guards import read as guard_facts
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.values import ApplyRequest

Confirm = Callable[[ApplyResult], bool]


def run(request: RollbackRequest, progress: Progress, confirm: Confirm) -> Outcome[ApplyResult]:
    """Undo the targets and tell how each ended; exit codes as for apply, also after a signal.

    Raises UsageError (unknown id, nothing named), UnreachableError, PrerequisiteError (before ``init``).
    """
    limits = Limits(request.lock_timeout, request.retries)
    with open_desk(request.connection, request.record, progress, Stop(), limits) as desk:
        with failure_told(desk, "rollback"):
            done = _run(desk, request, confirm)
        tell_idle(desk, done)
        return done


def _run(desk: Desk, request: RollbackRequest, confirm: Confirm) -> Outcome[ApplyResult]:
    server = look(desk.look, metadata_schema=desk.schema).server
    verdicts = _verdicts(desk, request)
    no = guards.refused(verdicts, force=False)
    reconciled = () if request.dry_run or no else _reconciled(desk)
    steps = choose(desk, request)
    warnings = _warnings(desk, steps)
    planned = ApplyResult(
        _plan(request),
        verdicts,
        tuple(s.report for s in steps),
        request.dry_run,
        reconciled=reconciled,
        warnings=warnings,
    )
    if request.dry_run:
        return outcome(planned, server, command="rollback", warnings=warnings)
    if not any(s.report.outcome == "planned" for s in steps):
        return skipped_outcome(replace(planned, skipped="nothing_to_undo"), server, command="rollback")
    if no:
        return refused_outcome(desk, replace(planned, skipped=no[0].guard), no, server, command="rollback")
    if not request.confirmed and not confirm(planned):
        return refused_outcome(desk, replace(planned, skipped="declined"), (), server, command="rollback")
    reports: list[MutationReport] = []
    with listening(desk.stop, ends=False):
        error = _undo(desk, request, steps, reports)
    result = replace(planned, mutations=tuple(reports))
    return outcome(
        result,
        server,
        command="rollback",
        error=error,
        warnings=warnings,
        stopped_by=desk.stop.signal,
    )


def _reconciled(desk: Desk) -> tuple[MutationReport, ...]:
    with listening(desk.stop):
        return reconcile(desk)


def _undo(
    desk: Desk, request: RollbackRequest, steps: tuple[Step, ...], reports: list[MutationReport]
) -> IndexPilotError | None:
    """Fill the reports; the error that ended the run early, or None."""
    try:
        take_run(desk)
    except RefusedError as error:
        reports.extend(replace(s.report, outcome="skipped", error_code=error.code) for s in steps)
        return error
    for step in steps:
        if step.report.outcome != "planned":
            reports.append(step.report)
            continue
        if desk.stop.requested:
            reports.append(replace(step.report, outcome="skipped", error="stopped by a signal"))
            continue
        try:
            done = _one(desk, step, force=request.force)
            reports.append(replace(done, slower_templates=step.report.slower_templates))
        except RefusedError as error:
            ends = error.code == "locked"
            notes = tuple(text for text in (error.detail, error.hint) if text)
            reports.append(
                replace(step.report, outcome="skipped", error_code=error.code, error=error.message, notes=notes)
            )
            if ends:
                return error
        except OutcomeUnknownError as error:
            reports.append(replace(step.report, outcome="unknown", error_code=error.code, error=error.message))
            return error
    return None


def _one(desk: Desk, step: Step, *, force: bool) -> MutationReport:
    """Undo one operation, and with the index of a partitioned table everything that was made for it."""
    if not step.drops:
        return bring_back(desk, step.event)
    done = take_back(desk, step.event, force=force)
    if done.outcome not in ("done", "already_done"):
        return done
    for part in parts_of(desk, step.event.op_id):
        below = take_back(desk, part, force=force)
        if below.outcome not in ("done", "already_done"):
            return replace(below, notes=(f"part of {step.event.index}", *below.notes))
    return done


def _verdicts(desk: Desk, request: RollbackRequest) -> tuple[Verdict, ...]:
    """A rollback waits for no window, but for a server that may be written to and for whoever switched us off."""
    from indexpilot_cli.guards import server

    facts = guard_facts.server_facts(desk.log)
    asked = ApplyRequest(connection=request.connection, bypass=request.bypass)
    return (
        guards.bypass_verdict(desk.look, asked),
        server.direct_connection(facts),
        server.writable(facts),
    )


def _warnings(desk: Desk, steps: tuple[Step, ...]) -> tuple[Warn, ...]:
    """What to know before the question is answered."""
    drops = any(step.drops and step.report.outcome == "planned" for step in steps)
    warning = standby_warning(desk) if drops else None
    return () if warning is None else (warning,)


def _plan(request: RollbackRequest) -> str | None:
    plans = [t for t in request.targets if t.upper().startswith("P-")]
    return plans[0] if len(plans) == 1 and len(request.targets) == 1 else None
