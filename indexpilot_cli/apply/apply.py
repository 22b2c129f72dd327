"""``apply``: builds what a plan says, one index at a time, crash-safe, and reads every outcome from the catalog."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from indexpilot_cli.algorithms.xgboost.model import table_facts
from indexpilot_cli.apply.build import GOOD, build_whole, perform
from indexpilot_cli.apply.existing import drop_planned, rebuild
from indexpilot_cli.apply.outcome import log_no, outcome, refused_outcome, skipped_outcome, tell
from indexpilot_cli.apply.plan import NO_PLAN, Todo, plan_work
from indexpilot_cli.apply.steps import Built, Task
from indexpilot_cli.apply.upkeep import analyze, carried_out
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult, VerificationRequest
from indexpilot_cli.apply.verify.verify import STATISTICS, Verifier, look_again, open_verifier
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import MutationReport, MutationType, Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan, Recommendation, Warn
from indexpilot_cli.errors import OutcomeUnknownError, RefusedError, UsageError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import STANDING, is_usable
from indexpilot_cli.execute.context import RunContext, RunLimits, open_context, take_run
from indexpilot_cli.execute.events import report
from indexpilot_cli.execute.reconcile import newest_build, reconcile
from indexpilot_cli.execute.signals import Stop, listening
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.context import PermitRequest, Verdict, refused
from indexpilot_cli.guards.window import window_of
from indexpilot_cli.log.bookkeeping import bookkeeping, is_writable
from indexpilot_cli.methods.existing import same_structure
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_source

Confirm = Callable[[ApplyResult], bool]
_WELL = GOOD | {"reverted"}
_NOT_ANALYZED = "analyze_skipped"
_MOST = 40  # templates of one index that its row tells of, heaviest first; the row stays small
_ENDS = frozenset({"locked"})  # refusals that end the run instead of one index


def run(request: ApplyRequest, progress: Progress, confirm: Confirm, stop: Stop | None = None) -> Outcome[ApplyResult]:
    """Build the targets (none: the latest plan) and tell how each ended.

    ``confirm`` is asked once, with what will be built and what the guards say, unless the request is confirmed.
    Exit codes of the outcome: 0 done, nothing to do, dry run, or skipped by ``cron``; 6 a guard, the user or another
    run said no; 7 something failed; 8 an outcome is unknown or not recorded; 9 verification took an index back;
    128 and its number when a signal stopped the building, after clean-up. A signal before that is raised again.
    ``stop``: by which others than a signal may ask to stop.
    Raises UsageError (unknown target), UnreachableError, PrerequisiteError (before ``init``).
    """
    limits = RunLimits(request.lock_timeout, request.retries, request.build_timeout)
    with (
        bookkeeping(request.connection, MutationType.RECOMMEND_INDEX, request.record) as note,
        open_context(request.connection, request.record, progress, stop or Stop(), limits) as ctx,
    ):
        done = _run(ctx, request, confirm)
        tell(note, done, cron=request.cron)
        return done


def _run(ctx: RunContext, request: ApplyRequest, confirm: Confirm) -> Outcome[ApplyResult]:
    asked, after = request.permit(), request.verification()
    reconciled = () if request.dry_run else _reconciled(ctx, asked, after)
    with open_source(SourceRequest(ctx.connection), ctx.progress) as source:
        assert source.session is not None
        try:
            todo = plan_work(
                source,
                source.session,
                request.targets,
                adopt=request.adopt,
                again=request.force,
                most=request.max_builds,
            )
        except UsageError as error:
            if not (request.cron and error.code == NO_PLAN):
                raise
            # A timer that is set up before the first recommendation would send a mail each night.
            return skipped_outcome(ApplyResult(None, (), (), skipped=NO_PLAN, reconciled=reconciled), source.server)
        verdicts = _verdicts(source, source.session.backend_pid, todo, asked, ctx)
    planned = ApplyResult(todo.plan_id, verdicts, todo.reports, request.dry_run, reconciled=reconciled)
    no = refused(verdicts, force=request.force)
    if request.dry_run:
        return outcome(replace(planned, skipped=None if todo.tasks or todo.upkeep else todo.idle), source.server)
    if not todo.tasks and not todo.upkeep:
        return skipped_outcome(replace(planned, skipped=todo.idle), source.server)
    if no:
        return _stopped(ctx, planned, no, source, cron=request.cron)
    if not request.confirmed and not confirm(planned):
        return refused_outcome(ctx, replace(planned, skipped="declined"), (), source.server)
    return _build(ctx, request, asked, todo, planned, source)


def _reconciled(ctx: RunContext, asked: PermitRequest, after: VerificationRequest) -> tuple[MutationReport, ...]:
    """What earlier runs left open or under observation, settled; nothing where we may not write or are switched off."""
    # Behind a transaction-mode pooler an advisory lock stays with a backend that is lent to somebody else next, and a
    # standby grants advisory locks although it takes no write (25006): nothing is settled from either.
    if ctx.log.pooled or not is_writable(ctx.log, ctx.schema):
        return ()
    if refused(guards.ask(ctx.look, asked, "bypass")):
        return ()
    with listening(ctx.stop):
        looked = look_again(ctx, auto_revert=after.auto_revert) if after.method == STATISTICS else ()
        return (*reconcile(ctx), *looked)


def _verdicts(source: Source, reader: int, todo: Todo, asked: PermitRequest, ctx: RunContext) -> tuple[Verdict, ...]:
    found: dict[Verdict, None] = {}
    # Without them the guards would find this run's own sessions among those whose locks and snapshots are in the way.
    own = frozenset((ctx.log.backend_pid, ctx.look.backend_pid, reader))
    for plan, operations in todo.by_plan:
        wanted = replace(asked, operations=operations, own_pids=own, plan=plan, catalog=source.catalog)
        found.update(dict.fromkeys(guards.check(ctx.look, wanted)))
    return tuple(found)


def _stopped(
    ctx: RunContext, planned: ApplyResult, no: tuple[Verdict, ...], source: Source, *, cron: bool
) -> Outcome[ApplyResult]:
    """A closed window is no failure for cron; every other no is a refusal."""
    window = next((v for v in no if v.guard == "window"), None)
    opening = window.retry_at if window is not None else None
    if cron and window is not None:
        return skipped_outcome(replace(planned, skipped="window", next_opening=opening), source.server)
    return refused_outcome(ctx, replace(planned, next_opening=opening, skipped=no[0].guard), no, source.server)


def _build(
    ctx: RunContext, request: ApplyRequest, asked: PermitRequest, todo: Todo, planned: ApplyResult, source: Source
) -> Outcome[ApplyResult]:
    run = ApplyRun(ctx, request, asked, todo, source.catalog, overruled=_overruled(planned.verdicts))
    if request.window_hard:
        run.ctx = replace(ctx, limits=replace(ctx.limits, end=_window_end(run)))
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


def _overruled(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    return tuple(f"{v.guard}: {v.reason}" for v in verdicts if not v.allowed and v.forceable)


def _window_end(run: ApplyRun) -> float | None:
    """The moment of time.monotonic at which the window closes; None without a window."""
    window, _ = window_of(run.asked)
    if window is None:
        return None
    # Whether the window is open is a matter of the server's clock; how long it stays so is counted in monotonic time,
    # which nobody sets back during a build.
    now = run.ctx.look.value("SELECT clock_timestamp()")
    return time.monotonic() + window.time_left(now).total_seconds()


@dataclass(slots=True)
class ApplyRun:
    """A run under way: what was reported so far; ``overruled`` is what guards said against it, where --force won."""

    ctx: RunContext
    request: ApplyRequest
    asked: PermitRequest
    todo: Todo
    catalog: Catalog
    reports: list[MutationReport] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    spent_bytes: int = 0
    overruled: tuple[str, ...] = ()


def build_all(run: ApplyRun) -> tuple[MutationReport, ...]:
    """The reports, in order, verified where asked for. Stops early at a guard's no, at a signal, and at a failure when
    asked to.

    Raises RefusedError when another run holds a table, OutcomeUnknownError.
    """
    for step in run.todo.before:
        run.reports.append(carried_out(run.ctx, step, run.todo.plan_id))
        if run.request.stop_on_error and run.reports[-1].outcome not in _WELL:
            return tuple(run.reports)
    with open_verifier(run.ctx, run.request.verification()) as verifier:
        for number, (plan, task) in enumerate(run.todo.tasks):
            stopped = _ended(run, task)
            if stopped is not None:
                code, why = stopped
                rest = run.todo.tasks[number:]
                run.reports.extend(report(t.head, "skipped", error_code=code, error=why) for _, t in rest)
                break
            done = _carried_out(run, plan, task, verifier)
            if run.request.stop_on_error and done.outcome not in _WELL:
                break
        reports = verifier.final(run.reports)
    ended = any(r.outcome == "skipped" for r in reports)  # a guard's no, or a signal
    for step in () if ended else run.todo.after:
        reports = (*reports, carried_out(run.ctx, step, run.todo.plan_id))
        run.reports = [*reports]
    return reports


def _carried_out(run: ApplyRun, plan: Plan, task: Task, verifier: Verifier) -> MutationReport:
    """The report of the task, which is the run's last one then; what is built is verified too."""
    missing = _missing(run, plan, task)
    if missing is not None:
        why = f"it can go once {missing} is there"
        run.reports.append(report(task.head, "skipped", error_code="needs_build", error=why))
        return run.reports[-1]
    created = task.recommendation.action.builds
    if created:
        verifier.before(task.head)
    run.reports.append(_build_task(run, plan, task))
    if created:
        run.reports[-1] = verifier.after(task.head, run.reports[-1])
        run.spent_bytes += run.reports[-1].size_bytes or 0
    built = run.reports[-1]
    for drop in task.drops:
        if run.reports[-1].outcome not in _WELL:
            break
        run.reports.append(_replaced(run, plan, built, drop))
    return run.reports[-1]


def _missing(run: ApplyRun, plan: Plan, task: Task) -> str | None:
    """The build that a drop counts on and that is not there, None where there is no such."""
    needed = (r for r in plan.recommendations if r.id in task.recommendation.needs)
    return next((r.id for r in needed if not _is_built(run.ctx, r.definition)), None)


def _is_built(ctx: RunContext, wanted: IndexDefinition) -> bool:
    table = build.relation_kind(ctx.look, wanted.table)
    usable = filter(is_usable, build.indexes_of(ctx.look, table[0]) if table is not None else ())
    return any(i.definition is not None and same_structure(i.definition, wanted) for i in usable)


def _replaced(run: ApplyRun, plan: Plan, built: MutationReport, drop: Operation) -> MutationReport:
    """The drop of an index in whose place the built one stands; nothing is dropped unless that is there to stay."""
    if run.ctx.stop.requested:
        return report(drop, "skipped", error_code="stopped", error="stopped by a signal; the same command continues")
    if built.outcome not in GOOD:
        return report(drop, "skipped", error_code="not_replaced", error=f"{built.index} does not take its place")
    if any(w.code == _NOT_ANALYZED and w.object == str(drop.table) for w in run.warnings):
        # The planner knows the expression's values by the statistics of the old index until the new one has its own.
        return report(drop, "skipped", error_code=_NOT_ANALYZED, error=f"{built.index} has no statistics yet")
    context = {"reason": f"{built.index} does its work", "estimated_bytes": drop.size_bytes, "plan": plan.id}
    instead = QualifiedName(drop.table.schema, built.index)
    made = newest_build(run.ctx, instead, STANDING)
    if made is not None:
        context["replaced_by"] = made.op_id
    return _operation(run, replace(drop, instead=instead), context).report


def _ended(run: ApplyRun, task: Task) -> tuple[str, str] | None:
    """Why nothing more is built, as a stable word and a clause; a guard's no is logged."""
    if run.ctx.stop.requested:
        return "stopped", "stopped by a signal"
    # An hour's build later the window may be over, a standby behind, or somebody in a long transaction.
    own = frozenset((run.ctx.log.backend_pid, run.ctx.look.backend_pid))
    asked = replace(run.asked, operations=(task.head,), own_pids=own, spent_bytes=run.spent_bytes)
    verdicts = guards.recheck(run.ctx.look, asked)
    # A guard looks once; perform() asks for the lock until its timeout, so a run that is just ending stops nothing.
    no = [v for v in refused(verdicts, force=run.request.force) if v.guard != "lock"]
    run.overruled = tuple(dict.fromkeys((*run.overruled, *_overruled(verdicts))))
    if not no:
        return None
    rest = ApplyResult(run.todo.plan_id, tuple(no), (report(task.head, "planned"),))
    log_no(run.ctx, rest, no, "skipped")
    return no[0].guard, f"{no[0].guard}: {no[0].reason}"


def _build_task(run: ApplyRun, plan: Plan, task: Task) -> MutationReport:
    context = events.context_of(task.recommendation, plan.statements, plan.cost_before, plan.cost_after)
    context |= _expected(task.recommendation, plan, run.catalog)
    if task.drops:
        context["replaces"] = [drop.name for drop in task.drops]
    if run.overruled:
        context["forced"] = list(run.overruled)
    done = build_whole(run.ctx, task, lambda operation: _operation(run, operation, context))
    return _analyzed(run, task, done)


def _expected(recommendation: Recommendation, plan: Plan, catalog: Catalog) -> dict[str, Any]:
    """What was known and expected before it was built, for what learns from the row of its build.

    ``effects``: the planner's costs of each template that it alone serves; ``table_facts`` and ``table_bytes``.
    """
    definition = recommendation.definition
    table = catalog.table(definition.table)
    served = Counter(e.template for e in chain.from_iterable(r.templates for r in plan.advised))
    heaviest = sorted(recommendation.templates, key=lambda e: -e.share)[:_MOST]
    # What several indexes do to a template together says nothing of one of them.
    alone = [e for e in heaviest if served[e.template] == 1]
    facts = table_facts(definition, table, catalog.settings)
    return {
        "effects": [{"template": e.template, "before": e.before, "after": e.after} for e in alone],
        "table_facts": {name: round(value, 3) for name, value in facts.items()},
        "table_bytes": table.size_bytes if table is not None else None,
    }


def _operation(run: ApplyRun, operation: Operation, context: Mapping[str, Any]) -> Built:
    try:
        if operation.kind is OperationKind.DROP:
            return Built(drop_planned(run.ctx, operation, context))
        if operation.kind is OperationKind.REINDEX:
            return rebuild(run.ctx, operation, context)
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
    created = task.recommendation.action.builds
    if done.outcome != "done" or not created or not wants or not run.request.analyze or run.ctx.stop.requested:
        return done
    why = analyze(run.ctx, task.head.table, task.head.op_id)
    if why is None:
        return done
    run.warnings.append(Warn(_NOT_ANALYZED, str(task.head.table), f"ANALYZE {task.head.table}: {why}"))
    return replace(done, notes=(*done.notes, f"the table could not be analyzed: {why}"))
