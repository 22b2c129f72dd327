"""``apply``: builds what a plan says, one index at a time, crash-safe, and reads every outcome from the catalog."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from indexpilot_cli.apply.outcome import failure_told, outcome, refused_outcome, skipped_outcome, tell_idle
from indexpilot_cli.apply.plan import Todo, plan_work
from indexpilot_cli.apply.task import ApplyRun, build_all
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult
from indexpilot_cli.apply.verify.verify import STATISTICS, look_again
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.operation import MutationReport
from indexpilot_cli.errors import OutcomeUnknownError, RefusedError
from indexpilot_cli.execute.context import RunContext, RunLimits, open_context, take_run
from indexpilot_cli.execute.reconcile import reconcile
from indexpilot_cli.execute.signals import Stop, listening
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.context import Verdict, refused
from indexpilot_cli.guards.window import window_of
from indexpilot_cli.log import migrations
from indexpilot_cli.log.bookkeeping import is_writable
from indexpilot_cli.snapshot.source import Source, open_source

if TYPE_CHECKING:
    from indexpilot_cli.db.session import Session

Confirm = Callable[[ApplyResult], bool]


def run(request: ApplyRequest, progress: Progress, confirm: Confirm) -> Outcome[ApplyResult]:
    """Build the targets (none: the latest plan) and tell how each ended.

    ``confirm`` is asked once, with what will be built and what the guards say, unless the request is confirmed.
    Exit codes of the outcome: 0 done, nothing to do, dry run, or skipped by ``cron``; 6 a guard, the user or another
    run said no; 7 something failed; 8 an outcome is unknown or not recorded; 9 verification took an index back;
    128 and its number when a signal stopped the building, after clean-up. A signal before that is raised again.
    Raises UsageError (unknown target), UnreachableError, PrerequisiteError (before ``init``).
    """
    limits = RunLimits(request.lock_timeout, request.retries, request.build_timeout)
    with open_context(request.connection, request.record, progress, Stop(), limits) as ctx:
        with failure_told(ctx, "apply"):
            done = _run(ctx, request, confirm)
        tell_idle(ctx, done)
        return done


def _run(ctx: RunContext, request: ApplyRequest, confirm: Confirm) -> Outcome[ApplyResult]:
    reconciled = () if request.dry_run else _reconciled(ctx, request)
    with open_source(request.connection, None, ctx.progress) as source:
        assert source.session is not None
        migrations.require(source.session, request.connection.metadata_schema)
        todo = plan_work(source, source.session, request)
        verdicts = _verdicts(source, source.session, todo, request, ctx)
    planned = ApplyResult(todo.plan_id, verdicts, todo.reports, request.dry_run, reconciled=reconciled)
    no = refused(verdicts, force=request.force)
    if request.dry_run:
        return outcome(replace(planned, skipped=None if todo.tasks else todo.idle), source.server)
    if not todo.tasks:
        return skipped_outcome(replace(planned, skipped=todo.idle), source.server)
    if no:
        return _stopped(ctx, planned, no, request, source)
    if not request.confirmed and not confirm(planned):
        return refused_outcome(ctx, replace(planned, skipped="declined"), (), source.server)
    return _build(ctx, request, todo, planned, source)


def _reconciled(ctx: RunContext, request: ApplyRequest) -> tuple[MutationReport, ...]:
    """What earlier runs left open or under observation, settled; nothing where we may not write or are switched off."""
    # Behind a transaction-mode pooler an advisory lock stays with a backend that is lent to somebody else next, and a
    # standby grants advisory locks although it takes no write (25006): nothing is settled from either.
    if ctx.log.pooled or not is_writable(ctx.log, ctx.schema):
        return ()
    if refused(guards.ask(ctx.look, request.permit(), "bypass")):
        return ()
    with listening(ctx.stop):
        looked = look_again(ctx, request) if request.verify == STATISTICS else ()
        return (*reconcile(ctx), *looked)


def _verdicts(
    source: Source, session: Session, todo: Todo, request: ApplyRequest, ctx: RunContext
) -> tuple[Verdict, ...]:
    found: dict[Verdict, None] = {}
    # Without them the guards would find this run's own sessions among those whose locks and snapshots are in the way.
    own = (ctx.log.backend_pid, ctx.look.backend_pid, session.backend_pid)
    for plan, operations in todo.by_plan:
        asked = replace(request.permit(*operations, own_pids=own), plan=plan, catalog=source.catalog)
        found.update(dict.fromkeys(guards.check(session, asked)))
    return tuple(found)


def _stopped(
    ctx: RunContext, planned: ApplyResult, no: tuple[Verdict, ...], request: ApplyRequest, source: Source
) -> Outcome[ApplyResult]:
    """A closed window is no failure for cron; every other no is a refusal."""
    window = next((v for v in no if v.guard == "window"), None)
    opening = window.retry_at if window is not None else None
    if request.cron and window is not None:
        return skipped_outcome(replace(planned, skipped="window", next_opening=opening), source.server, ctx, no)
    return refused_outcome(ctx, replace(planned, next_opening=opening, skipped=no[0].guard), no, source.server)


def _build(
    ctx: RunContext, request: ApplyRequest, todo: Todo, planned: ApplyResult, source: Source
) -> Outcome[ApplyResult]:
    bounded = replace(ctx, limits=replace(ctx.limits, end=_window_end(ctx, request)))
    run = ApplyRun(bounded, request, todo)
    try:
        # A signal raised again here would end the process before the result is told; the exit code carries it instead.
        with listening(ctx.stop, ends=False):
            take_run(ctx)  # one run at a time in the database: two builds on one table deadlock (40P01)
            reports = build_all(run)
    except (OutcomeUnknownError, RefusedError) as error:
        result = replace(planned, mutations=(*todo.done, *run.reports))
        warnings = tuple(run.warnings)
        return outcome(result, source.server, error=error, warnings=warnings, stopped_by=ctx.stop.signal)
    result = replace(planned, mutations=(*todo.done, *reports))
    return outcome(result, source.server, warnings=tuple(run.warnings), stopped_by=ctx.stop.signal, cron=request.cron)


def _window_end(ctx: RunContext, request: ApplyRequest) -> float | None:
    """The moment of time.monotonic at which a hard window closes."""
    if not request.window_hard:
        return None
    window, _ = window_of(request.permit())
    if window is None:
        return None
    # Whether the window is open is a matter of the server's clock; how long it stays so is counted in monotonic time,
    # which nobody sets back during a build.
    now = ctx.look.value("SELECT clock_timestamp()")
    return time.monotonic() + window.time_left(now).total_seconds()
