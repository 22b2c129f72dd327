"""What a plan does beside indexes: statistics, their targets, VACUUM, ANALYZE; ANALYZE after builds that need it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from indexpilot_cli.apply import extended
from indexpilot_cli.core.mutation import Mutation, MutationReport, MutationType, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, RefusedError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.watch import retried
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import DONE, FAILED

_NO_RIGHT = "the role is neither the table's owner nor the database's"


@dataclass(frozen=True, slots=True)
class UpkeepStep:
    """One step on a table; ``statistics`` are to be made or set. ``first``: before any index is built."""

    kind: OperationKind
    table: QualifiedName
    sql: str
    statistics: ExtendedStatistics | StatisticsTarget | None = None
    first: bool = False


def upkeep_of(plan: Plan) -> Iterator[UpkeepStep]:
    """The plan's steps in their order: what is made, then what fills it. VACUUM (ANALYZE) leaves nothing to analyze.

    Where indexes were chosen by what a planner would expect with these statistics, they come first.
    """
    first = bool(plan.templates)
    for wanted in plan.statistics:
        yield UpkeepStep(OperationKind.STATISTICS, wanted.table, wanted.ddl, wanted, first)
    for target in plan.targets:
        yield UpkeepStep(OperationKind.STATISTICS_TARGET, target.table, target.ddl, target, first)
    for vacuum in plan.vacuum:
        yield UpkeepStep(OperationKind.VACUUM, vacuum.table, vacuum.sql)
    vacuumed = {vacuum.table for vacuum in plan.vacuum}
    for table in plan.analyze:
        if table not in vacuumed:
            yield UpkeepStep(OperationKind.ANALYZE, table, f"ANALYZE {table}", first=first)


def planned(step: UpkeepStep) -> MutationReport:
    """The report of a step that is to be done."""
    if step.statistics is not None:
        return extended.planned(step.statistics)
    return MutationReport("planned", step.kind, step.table, "", step.sql, "", summary=step.table.short)


def carried_out(ctx: RunContext, step: UpkeepStep, plan: str | None) -> MutationReport:
    """Do it and log it; a table that was skipped for want of a privilege has failed."""
    if ctx.stop.requested:
        return replace(planned(step), outcome="skipped", error_code="stopped", error="stopped by a signal")
    if step.statistics is not None:
        try:
            if isinstance(step.statistics, StatisticsTarget):
                return extended.set_target(ctx, step.statistics, plan)
            return extended.create_extended(ctx, step.statistics, plan)
        except RefusedError as error:
            why = error.detail or error.message
            return replace(planned(step), outcome="skipped", error_code=error.code, error=why)
    op_id = str(uuid.uuid4())
    failed = _run(ctx, step, op_id)
    details = {"action": step.kind.value, "plan": plan, "command": ctx.record.command, "actor": ctx.record.actor}
    row = Mutation(
        MutationType.LIFECYCLE_RUN,
        details,
        table_name=step.table.name,
        schema_name=step.table.schema,
        state=DONE if failed is None else FAILED,
        actor=ctx.record.actor or None,
        error=failed,
    )
    number = mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)
    if failed is None:
        return replace(planned(step), outcome="done", id=number)
    return replace(planned(step), outcome="failed", id=number, error_code=f"{step.kind.value}_skipped", error=failed)


def analyze(ctx: RunContext, table: QualifiedName, op_id: str) -> str | None:
    """Why the table could not be analyzed, None when it was."""
    return _run(ctx, UpkeepStep(OperationKind.ANALYZE, table, f"ANALYZE {table}"), op_id)


def _run(ctx: RunContext, step: UpkeepStep, op_id: str) -> str | None:
    """Why it could not be done, None when it was."""
    try:
        with closing(ctx.builder(op_id)) as session:
            if step.kind is OperationKind.VACUUM and not _may_vacuum(session, step.table):
                return _NO_RIGHT
            doing = "vacuuming" if step.kind is OperationKind.VACUUM else "analyzing"
            # Both take SHARE UPDATE EXCLUSIVE and would queue behind each other; given up, they leave nothing wrong.
            ended = retried(ctx, session, step.sql, f"{doing} {step.table.short}")
            # Without the privilege both warn (01000), skip the table, and succeed.
            return ended.why or build.skipped_table(session, vacuum=step.kind is OperationKind.VACUUM)
    except IndexPilotError as error:
        return error.detail or error.message


def _may_vacuum(session: Session, table: QualifiedName) -> bool:
    """Asked beforehand too: the server's warning is in its own language."""
    found = build.relation_kind(session, table)
    return found is None or bool(session.value("execute/may_vacuum", {"relid": found[0]}))
