"""Building the tasks one after another: guards again before each, then its operations, then what belongs around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from indexpilot_cli.apply.build import perform
from indexpilot_cli.apply.outcome import log_no
from indexpilot_cli.apply.plan import Todo
from indexpilot_cli.apply.steps import Built, Task
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult
from indexpilot_cli.apply.verify.verify import open_verifier
from indexpilot_cli.core.operation import MutationReport, Operation
from indexpilot_cli.core.plan import Plan, Warn
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import OPEN, STANDING, is_usable
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.events import report
from indexpilot_cli.execute.reconcile import close_whole
from indexpilot_cli.execute.watch import StatementWatch, watched
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.context import refused
from indexpilot_cli.log import intents

GOOD = frozenset({"done", "already_done"})
_WELL = GOOD | {"reverted"}
_ENDS = frozenset({"locked"})  # refusals that end the run instead of one index


@dataclass(slots=True)
class ApplyRun:
    """A run under way: what was reported so far."""

    ctx: RunContext
    request: ApplyRequest
    todo: Todo
    reports: list[MutationReport] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    spent_bytes: int = 0


def build_all(run: ApplyRun) -> tuple[MutationReport, ...]:
    """The reports, in order, verified where asked for. Stops early at a guard's no, at a signal, and at a failure when
    asked to.

    Raises RefusedError when another run holds a table, OutcomeUnknownError.
    """
    with open_verifier(run.ctx, run.request) as verifier:
        for number, (plan, task) in enumerate(run.todo.tasks):
            stopped = _stopped(run, task)
            if stopped is not None:
                code, why = stopped
                rest = run.todo.tasks[number:]
                run.reports.extend(report(t.head, "skipped", error_code=code, error=why) for _, t in rest)
                break
            verifier.before(task.head)
            run.reports.append(_task(run, plan, task))
            done = run.reports[-1] = verifier.after(task.head, run.reports[-1])
            run.spent_bytes += done.size_bytes or 0
            if run.request.stop_on_error and done.outcome not in _WELL:
                break
        return verifier.final(run.reports)


def _stopped(run: ApplyRun, task: Task) -> tuple[str, str] | None:
    """Why nothing more is built, as a stable word and a clause; a guard's no is logged."""
    if run.ctx.stop.requested:
        return "stopped", "stopped by a signal"
    # An hour's build later the window may be over, a standby behind, or somebody in a long transaction.
    own = (run.ctx.log.backend_pid, run.ctx.look.backend_pid)
    verdicts = guards.recheck(run.ctx.look, run.request.permit(task.head, own_pids=own, spent_bytes=run.spent_bytes))
    # A guard looks once; perform() asks for the lock until its timeout, so a run that is just ending stops nothing.
    no = [v for v in refused(verdicts, force=run.request.force) if v.guard != "lock"]
    if not no:
        return None
    rest = ApplyResult(run.todo.plan_id, tuple(no), (report(task.head, "planned"),))
    log_no(run.ctx, rest, no, "skipped")
    return no[0].guard, f"{no[0].guard}: {no[0].reason}"


def _task(run: ApplyRun, plan: Plan, task: Task) -> MutationReport:
    context = events.context_of(task.recommendation, plan.statements, plan.cost_before, plan.cost_after)
    done = build_whole(run.ctx, task, lambda operation: _operation(run, operation, context))
    return _analyzed(run, task, done)


def _operation(run: ApplyRun, operation: Operation, context: Mapping[str, Any]) -> Built:
    try:
        return perform(run.ctx, operation, context)
    except RefusedError as error:
        if error.code in _ENDS:
            run.reports.append(_refusal(operation, error))
            raise
        return Built(_refusal(operation, error))
    except OutcomeUnknownError as error:
        run.reports.append(report(operation, "unknown", error_code=error.code, error=error.detail or error.message))
        raise


def _refusal(operation: Operation, error: RefusedError) -> MutationReport:
    notes = tuple(text for text in (error.detail, error.hint) if text)
    outcome = "skipped" if error.code in _ENDS else "conflict"
    return report(operation, outcome, error_code=error.code, error=error.message, notes=notes)


def _analyzed(run: ApplyRun, task: Task, done: MutationReport) -> MutationReport:
    """Statistics of expressions and of predicates exist only after an ANALYZE of the table."""
    definition = task.head.definition
    wants = definition.predicate is not None or any(key.expression is not None for key in definition.keys)
    if done.outcome != "done" or not wants or not run.request.analyze or run.ctx.stop.requested:
        return done
    why = _analyze(run, task)
    if why is None:
        return done
    run.warnings.append(Warn("analyze_skipped", str(task.head.table), f"ANALYZE {task.head.table}: {why}"))
    return replace(done, notes=(*done.notes, f"the table could not be analyzed: {why}"))


def _analyze(run: ApplyRun, task: Task) -> str | None:
    ctx, head = run.ctx, task.head
    try:
        with closing(ctx.builder(head.op_id)) as session:
            # ANALYZE takes SHARE UPDATE EXCLUSIVE and would queue behind a VACUUM; given up, it leaves nothing.
            build.set_lock_timeout(session, ctx.limits.lock)
            pid, _ = build.backend(session)
            watch = StatementWatch(pid, f"analyzing {head.table.short}", deadline=ctx.limits.deadline())
            ended = watched(ctx, session, f"ANALYZE {head.table}", watch)
            if ended.error is not None:
                return ended.error.detail or ended.error.message
            # Without the privilege ANALYZE warns (01000), skips the table, and succeeds.
            return build.skipped_analyze(session)
    except IndexPilotError as error:
        return error.detail or error.message


def build_whole(ctx: RunContext, task: Task, perform: Callable[[Operation], Built]) -> MutationReport:
    """The report of the index that the task is for; ends at the first operation that does not go well.

    Operations that an earlier, unfinished run has done are passed over. Raises what ``perform`` raises.
    """
    first: MutationReport | None = None
    wholes: dict[str, str] = {}
    for planned in task.operations:
        operation = replace(planned, part_of=wholes.get(planned.part_of or "", planned.part_of))
        built = perform(operation)
        first = first or built.report
        if operation.only and built.event is None:
            wholes[operation.op_id] = _recorded(ctx, operation)
        if built.report.outcome not in GOOD:
            return _failed(task, first, built.report)
    assert first is not None
    return _closed(ctx, task, first) if task.head.only else first


def _recorded(ctx: RunContext, operation: Operation) -> str:
    """The operation under which an unfinished run made this index of a partitioned table."""
    events_of_index = (e for e in intents.latest(ctx.log, schema=ctx.schema) if e.index == operation.index)
    return next((e.op_id for e in events_of_index if e.state in OPEN | STANDING), operation.op_id)


def _failed(task: Task, first: MutationReport, failed: MutationReport) -> MutationReport:
    """The report of the whole, with what stopped it."""
    if failed is first:
        return failed
    note = f"{failed.index}: {failed.error}; the same command again continues, rollback removes what is there"
    return replace(
        failed,
        id=first.id,
        index=task.head.name,
        table=task.head.table,
        sql=task.head.sql,
        undo_sql=task.head.undo_sql,
        summary=first.summary,
        notes=(note, *failed.notes),
    )


def _closed(ctx: RunContext, task: Task, first: MutationReport) -> MutationReport:
    """Close the operations of partitioned indexes that their last attachment has made valid, innermost first."""
    closed = first
    for operation in reversed([o for o in task.operations if o.only]):
        with closing(ctx.builder(operation.op_id)) as session:
            found = build.find_index(session, operation.index)
            if found is None or not is_usable(found):
                return replace(first, outcome="failed", error_code="not_valid", error="the index did not become valid")
            latest = intents.latest(ctx.log, schema=ctx.schema)
            for event in [e for e in latest if e.index == operation.index and e.state in OPEN]:
                written = close_whole(ctx, session, event, found)
                if operation is task.head:
                    closed = replace(closed, id=written.id, outcome="done")
    return closed
