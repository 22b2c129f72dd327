"""The operations of one index one after another: a single one, or the parent, its parts and their attachment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from indexpilot_cli.apply.preflight import Built
from indexpilot_cli.apply.steps import Task
from indexpilot_cli.core.operation import MutationReport, Operation
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.decide import OPEN, STANDING, is_usable
from indexpilot_cli.execute.reconcile import close_whole
from indexpilot_cli.log import intents

GOOD = frozenset({"done", "already_done"})


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
        open_ones = [
            e for e in intents.latest(ctx.log, schema=ctx.schema) if e.index == operation.index and e.state in OPEN
        ]
        for event in open_ones:
            written = close_whole(ctx, event, found)
            if operation is task.head:
                closed = replace(closed, id=written.id, outcome="done")
    return closed
