"""ANALYZE as part of a run: after an index that needs statistics, and of the tables that a plan names."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import replace

from indexpilot_cli.core.mutation import Mutation, MutationReport, MutationType, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.watch import StatementWatch, watched
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import DONE, FAILED


def analyze(ctx: RunContext, table: QualifiedName, op_id: str) -> str | None:
    """Why the table could not be analyzed, None when it was."""
    try:
        with closing(ctx.builder(op_id)) as session:
            # ANALYZE takes SHARE UPDATE EXCLUSIVE and would queue behind a VACUUM; given up, it leaves nothing.
            build.set_lock_timeout(session, ctx.limits.lock)
            pid, _ = build.backend(session)
            watch = StatementWatch(pid, f"analyzing {table.short}", deadline=ctx.limits.deadline())
            ended = watched(ctx, session, f"ANALYZE {table}", watch)
            if ended.error is not None:
                return ended.error.detail or ended.error.message
            # Without the privilege ANALYZE warns (01000), skips the table, and succeeds.
            return build.skipped_analyze(session)
    except IndexPilotError as error:
        return error.detail or error.message


def planned(table: QualifiedName) -> MutationReport:
    """The report of a table that is to be analyzed."""
    return MutationReport("planned", OperationKind.ANALYZE, table, "", f"ANALYZE {table}", "", summary=table.short)


def analyze_planned(ctx: RunContext, table: QualifiedName, plan: str | None) -> MutationReport:
    """Analyze a table that the plan names, and log it; a table that was skipped for want of a privilege has failed."""
    if ctx.stop.requested:
        return replace(planned(table), outcome="skipped", error_code="stopped", error="stopped by a signal")
    op_id = str(uuid.uuid4())
    why = analyze(ctx, table, op_id)
    details = {"action": "analyze", "plan": plan, "command": ctx.record.command, "actor": ctx.record.actor}
    row = Mutation(
        MutationType.LIFECYCLE_RUN,
        details,
        table_name=table.name,
        schema_name=table.schema,
        state=DONE if why is None else FAILED,
        actor=ctx.record.actor or None,
        error=why,
    )
    number = mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)
    if why is None:
        return replace(planned(table), outcome="done", id=number)
    return replace(planned(table), outcome="failed", id=number, error_code="analyze_skipped", error=why)
