"""``recommend``: the few indexes that pay, and why not the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from indexpilot_cli.advise import planfile
from indexpilot_cli.advise.pipeline import make_plan
from indexpilot_cli.advise.tenants import TenantWorkload
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Connection, Outcome, Progress, Record, next_line
from indexpilot_cli.core.index import SpareIndex
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import split_table
from indexpilot_cli.core.plan import Plan, Warn
from indexpilot_cli.core.workload import (
    UNPLANNED,
    FoldedWorkload,
    Stage,
    not_looked_at,
    reasons_of,
)
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UsageError
from indexpilot_cli.guards.bypass import require_on
from indexpilot_cli.log import explains
from indexpilot_cli.log.bookkeeping import bookkeeping, is_writable, writer
from indexpilot_cli.planner.open import TwinAhead
from indexpilot_cli.snapshot.source import SchemaGrouping, Source, SourceRequest, open_source
from indexpilot_cli.workload.templates import fold_read, read_workload, touching


@dataclass(frozen=True, slots=True)
class SpareIndexes:
    """Indexes that are there and may go, and what is to be said of those about which not enough is known."""

    items: tuple[SpareIndex, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[Warn, ...] = ()


SpareOf = Callable[[Source, FoldedWorkload, Progress], SpareIndexes]


def keep_all(_source: Source, _folded: FoldedWorkload, _progress: Progress) -> SpareIndexes:
    """Nothing that is there may go."""
    return SpareIndexes()


def run(request: RecommendRequest, progress: Progress, spare_of: SpareOf = keep_all) -> Outcome[Plan]:
    """The plan; kept for this user and, where the metadata tables exist, in the database.

    ``spare_of`` says which of the indexes that are there may go: they enter the same choice.

    Raises RefusedError when advice is switched off, UsageError for an empty workload, PrerequisiteError when no
    statement of it could be planned.
    """
    checks = request.bypass.features.expression_checks.enabled
    looked_at = SourceRequest(request.connection, request.snapshot, checks, _grouping(request))
    require_advice = partial(require_on, request.bypass, "advice")
    require_advice()  # before anything is read
    with (
        bookkeeping(
            request.connection, MutationType.RECOMMEND_INDEX, request.record, offline=bool(request.snapshot)
        ) as note,
        open_source(looked_at, progress) as source,
        TwinAhead(source, request.planner, progress) as ahead,
    ):
        require_advice(session=source.session, schema=source.connection.metadata_schema)
        folded = folded_for(source, request, progress, ahead)
        spare = _of_single_schemas(spare_of(source, folded, progress), source)
        with ahead.estimator() as estimator:
            plan = make_plan(source, folded, estimator, by_schemas(request, source.catalog), progress, spare.items)
        plan = replace(plan, notes=(*plan.notes, *spare.notes))
        # Before the error below: what rests on nothing counts, too.
        _counted(plan, source, request.record)
        _looked_at_something(plan)
        kept = keep_plan(plan, source, request.record)
        note.details(**_details(plan))
    status = "findings" if plan.recommendations or plan.upkeep else "ok"
    # A log that cannot be written is told once, whether the counters or the run's own row were to go there.
    warnings = tuple(dict.fromkeys((*source.warnings, *plan.warnings, *spare.warnings, *kept, *note.warnings)))
    after = _next(plan, request, buildable=source.session is not None and request.record.enabled and not kept)
    return Outcome("recommend", plan, status, 0, source.server, warnings, next=after)


def _grouping(request: RecommendRequest) -> SchemaGrouping:
    """A schema that is asked for by name stands for itself."""
    asked = request.filter
    named = (split_table(text)[0] for text in (*asked.tables, *asked.exclude))
    return SchemaGrouping(request.tenant_schemas, frozenset((*asked.schemas, *filter(None, named), *request.tenants)))


def by_schemas(request: RecommendRequest, catalog: Catalog) -> RecommendRequest:
    """The request, with tenants that are schemas as a part of its filter."""
    if not request.tenants or not {*request.tenants} <= {t.name.schema for t in catalog.tables}:
        return request
    return replace(request, filter=replace(request.filter, schemas=request.tenants), tenants=())


def folded_for(
    source: Source, request: RecommendRequest, progress: Progress, ahead: TwinAhead | None = None
) -> FoldedWorkload:
    """The workload that the request is about, of the tenants asked for where there are some.

    ``ahead`` opens the planner meanwhile. Raises UsageError when there is no statement.
    """
    asked = by_schemas(request, source.catalog)
    workloads = read_workload(source, asked.workload, progress)
    if ahead is not None:
        ahead.begin()
    progress.stage("folding statements into templates")
    everything = folded = fold_read(workloads, source.catalog, asked.workload)
    guessed = False
    if ahead is not None:
        ahead.settled()
    share = TenantWorkload(source, asked.workload, request.tenants, workloads, everything)
    if asked.tenants:
        folded, guessed = share.folded()
    folded = touching(folded, source.catalog, asked.filter)
    if request.tenants:
        folded = replace(folded, notes=(share.note(folded, guessed=guessed), *folded.notes))
    _not_empty(folded)
    return folded


def _of_single_schemas(spare: SpareIndexes, source: Source) -> SpareIndexes:
    """Without indexes of a schema that stands for others: what nothing reads in one of them may be read in another."""
    if source.siblings is None:
        return spare
    kept = tuple(s for s in spare.items if not source.siblings.tables(s.definition.table))
    return replace(spare, items=kept)


def _not_empty(folded: FoldedWorkload) -> None:
    if folded.templates:
        return
    reasons = ", ".join(sorted({s.reason for s in folded.skipped}))
    left_out = (f"left out: {len(folded.skipped)} ({reasons})",) if folded.skipped else ()
    raise UsageError(
        "the workload is empty: there is no statement to advise on",
        detail="; ".join((*folded.notes, *left_out)) or None,
        hint="indexpilot analyze shows what was read; or give SQL or log files as arguments",
        code="empty_workload",
    )


def _looked_at_something(plan: Plan) -> None:
    """A plan that rests on no statement at all says nothing about indexes."""
    if _seen(plan) > 0:
        return
    unseen = not_looked_at(plan.skipped)
    share = sum(s.share for s in unseen)
    raise PrerequisiteError(
        f"no statement could be planned ({share:.0%} of the workload): {reasons_of(unseen)}",
        hint="indexpilot doctor shows what the role may not read, indexpilot analyze what was read",
        code="nothing_planned",
    )


def _seen(plan: Plan) -> int:
    """How many templates a planner has seen."""
    return plan.templates - sum(s.reason == UNPLANNED and s.stage is Stage.PRICE for s in plan.skipped)


def _counted(plan: Plan, source: Source, record: Record) -> None:
    """Tell ``explain_statistics`` how much of the workload the planner has seen."""
    if record.enabled and source.is_initialised:
        explains.add(source.connection, "recommend", _seen(plan), len(not_looked_at(plan.skipped)), plan.seconds)


def keep_plan(plan: Plan, source: Source, record: Record) -> tuple[Warn, ...]:
    """Keep the plan in the state directory and in the database; failing to is a warning, the advice stands."""
    if not record.enabled:
        return ()
    try:
        planfile.keep(plan)
    except OSError as error:
        return (Warn("not_kept", plan.id, f"the plan could not be kept for explain: {error.strerror}"),)
    return _stored(plan, source.connection) if source.is_initialised else ()


def _stored(plan: Plan, connection: Connection) -> tuple[Warn, ...]:
    from indexpilot_cli.log import plans

    schema = connection.metadata_schema
    try:
        with writer(connection) as session:
            if is_writable(session, schema):
                plans.store(session, plan, schema=schema)
    except IndexPilotError as error:
        return (Warn("not_kept", plan.id, f"the plan could not be stored in the database: {error.message}"),)
    return ()


def _details(plan: Plan) -> dict[str, object]:
    before = plan.cost_before or 1.0
    return {
        "plan": plan.id,
        "estimator": plan.estimator,
        "queries_analyzed": plan.templates,
        "cost_benefit_ratio": (plan.cost_before - plan.cost_after) / before,
        "recommendations": [
            {"id": r.id, "sql": r.ddl, "rollback_sql": r.undo, "reason": "; ".join(x.text for x in r.reasons)}
            for r in plan.advised
        ],
    }


def _next(plan: Plan, request: RecommendRequest, *, buildable: bool) -> tuple[str, ...]:
    again = partial(next_line, "recommend", request.snapshot)
    files = [name for name in request.workload.files if name != "-"] if request.snapshot else []
    if not plan.recommendations and not plan.upkeep:
        return (again("--show-rejected", *files),) if plan.rejections else ()
    build = f"indexpilot apply {plan.id} --dry-run" if buildable else again("--format", "sql", *files)
    return (*(f"indexpilot explain {r.id}" for r in plan.recommendations[:1]), build)
