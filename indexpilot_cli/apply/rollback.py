"""``rollback``: takes back what our log says we did, newest first; what was dropped is built again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from indexpilot_cli.apply.build import GOOD
from indexpilot_cli.apply.extended import drop_extended
from indexpilot_cli.apply.outcome import outcome, refused_outcome, skipped_outcome, tell
from indexpilot_cli.apply.undo import bring_back, standby_warning, take_back
from indexpilot_cli.apply.undo_steps import UndoStep, choose
from indexpilot_cli.apply.values import ApplyResult, RollbackRequest
from indexpilot_cli.apply.versions import choose_version, name_back, stands
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationReport, MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError
from indexpilot_cli.execute.context import RunContext, RunLimits, open_context, take_run
from indexpilot_cli.execute.extended import is_statistics
from indexpilot_cli.execute.reconcile import parts_of, reconcile
from indexpilot_cli.execute.signals import Stop, listening
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.context import PermitRequest, Verdict, refused
from indexpilot_cli.log.bookkeeping import bookkeeping

Confirm = Callable[[ApplyResult], bool]


def run(
    request: RollbackRequest, progress: Progress, confirm: Confirm, stop: Stop | None = None
) -> Outcome[ApplyResult]:
    """Undo the targets and tell how each ended; exit codes as for apply, also after a signal.

    Raises UsageError (unknown id, nothing named), UnreachableError, PrerequisiteError (before ``init``).
    """
    limits = RunLimits(request.lock_timeout, request.retries)
    with (
        bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note,
        open_context(request.connection, request.record, progress, stop or Stop(), limits) as ctx,
    ):
        done = _run(ctx, request, confirm)
        tell(note, done)
        return done


def _run(ctx: RunContext, request: RollbackRequest, confirm: Confirm) -> Outcome[ApplyResult]:
    server = look(ctx.look, metadata_schema=ctx.schema).server
    verdicts = _verdicts(ctx, request)
    no = refused(verdicts)
    reconciled = () if request.dry_run or no else _reconciled(ctx)
    # After reconciling, which may find that an open operation stands, or that there is nothing left of it to undo.
    steps = choose_version(ctx, request) if request.to_version is not None else choose(ctx, request)
    warnings = _warnings(ctx, steps)
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
        return refused_outcome(ctx, replace(planned, skipped=no[0].guard), no, server, command="rollback")
    if not request.confirmed and not confirm(planned):
        return refused_outcome(ctx, replace(planned, skipped="declined"), (), server, command="rollback")
    reports: list[MutationReport] = []
    with listening(ctx.stop, ends=False):
        error = _undo(ctx, request, steps, reports)
    result = replace(planned, mutations=tuple(reports))
    return outcome(
        result,
        server,
        command="rollback",
        error=error,
        warnings=warnings,
        stopped_by=ctx.stop.signal,
    )


def _reconciled(ctx: RunContext) -> tuple[MutationReport, ...]:
    with listening(ctx.stop):
        return reconcile(ctx)


def _undo(
    ctx: RunContext, request: RollbackRequest, steps: tuple[UndoStep, ...], reports: list[MutationReport]
) -> IndexPilotError | None:
    """Fill the reports; the error that ended the run early, or None."""
    try:
        take_run(ctx)
    except RefusedError as error:
        reports.extend(replace(s.report, outcome="skipped", error_code=error.code) for s in steps)
        return error
    for step in steps:
        if step.report.outcome != "planned":
            reports.append(step.report)
            continue
        if ctx.stop.requested:
            reports.append(replace(step.report, outcome="skipped", error="stopped by a signal"))
            continue
        try:
            done = _one(ctx, step, force=request.force)
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
    reports[:] = [_named(ctx, s, r) for s, r in zip(steps, reports, strict=True)]
    return None


def _named(ctx: RunContext, step: UndoStep, done: MutationReport) -> MutationReport:
    ended = step.named is not None and done.outcome in GOOD
    return name_back(ctx, step, done) if ended else done


def _one(ctx: RunContext, step: UndoStep, *, force: bool) -> MutationReport:
    """Undo one operation, and with the index of a partitioned table everything that was made for it."""
    if is_statistics(step.event):
        return drop_extended(ctx, step.event)
    if not step.drops:
        return bring_back(ctx, step.event)
    if step.instead is not None and not stands(ctx, step.instead):
        why = f"{step.instead.index.short} does not stand in its place"
        return replace(step.report, outcome="skipped", error_code="not_replaced", error=why)
    done = take_back(ctx, step.event, force=force, leaves=step.leaves)
    if done.outcome not in GOOD:
        return done
    # Attached indexes went with their parent; what an unfinished run built and never attached is still there.
    for part in parts_of(ctx, step.event.op_id):
        below = take_back(ctx, part, force=force)
        if below.outcome not in GOOD:
            return replace(below, notes=(f"part of {step.event.index}", *below.notes))
    return done


def _verdicts(ctx: RunContext, request: RollbackRequest) -> tuple[Verdict, ...]:
    """A rollback waits for no window, but for a server that may be written to and for whoever switched us off."""
    asked = PermitRequest(request.connection, bypass=request.bypass)
    return guards.ask(ctx.log, asked, "bypass", "direct_connection", "writable")


def _warnings(ctx: RunContext, steps: tuple[UndoStep, ...]) -> tuple[Warn, ...]:
    """What to know before the question is answered."""
    drops = any(s.drops and s.report.outcome == "planned" and not is_statistics(s.event) for s in steps)
    warning = standby_warning(ctx) if drops else None
    return () if warning is None else (warning,)


def _plan(request: RollbackRequest) -> str | None:
    plans = [t for t in request.targets if t.upper().startswith("P-")]
    return plans[0] if len(plans) == 1 and len(request.targets) == 1 else None
