"""A type change online, as one of the operations: carried out, gone on with, finished, taken back."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.evolve.change import log
from indexpilot_cli.evolve.change.online import online as online_change
from indexpilot_cli.evolve.change.online.texts import OnlinePlan, OnlineReport, OnlineRequest, kept_name
from indexpilot_cli.evolve.change.values import (
    ChangeResult,
    ColumnChangeKind,
    SchemaChange,
    Span,
    Step,
    StepReport,
    Undo,
    UndoResult,
)
from indexpilot_cli.evolve.relation import RelationFacts
from indexpilot_cli.evolve.requests import ChangeRequest
from indexpilot_cli.execute.context import Pace, RunContext

HOW = "shadow"
# The strongest lock of each; brief ones are asked for with a short lock_timeout, as those who come later wait behind.
# https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
_STEPS = (
    ("add a second column and a trigger that keeps it in step", Span.BRIEF, "ACCESS EXCLUSIVE"),
    ("fill it in batches", Span.ONLINE, "ROW EXCLUSIVE"),
    ("build its indexes and prove its constraints beside the writers", Span.ONLINE, "SHARE UPDATE EXCLUSIVE"),
    ("swap the two columns", Span.BRIEF, "ACCESS EXCLUSIVE"),
)
_OUTCOMES = {"done": "done", "already_done": "done", "finished": "done", "interrupted": "partial", "failed": "failed"}


def steps() -> tuple[Step, ...]:
    """What an online type change does, for people; its own log decides what is left to do."""
    return tuple(Step(title, (), how=HOW, span=span, lock=lock) for title, span, lock in _STEPS)


def way_back(column: str) -> Undo:
    """The old column is kept, so the way back is another swap."""
    return Undo(
        (),
        notes=(
            "the old column is kept and put back by  indexpilot schema-evolve rollback",
            f"indexpilot schema-evolve finish … {column} drops it; from then on there is no way back",
            "the new column is the last one: SELECT * and INSERT without a list see another order",
        ),
    )


def keeps_old(table: RelationFacts, column: str) -> bool:
    """Whether the table has the old column of an online change of that column."""
    old = table.column(kept_name(column))
    return old is not None and (old.comment or "").startswith("indexpilot:")


def is_online(change: SchemaChange) -> bool:
    """Whether the change is carried out online."""
    return any(step.how == HOW for step in change.steps)


def open_change(ctx: RunContext, table: QualifiedName, column: str) -> SchemaChange | None:
    """The online change of the column that is under way, so that nothing is checked that it has changed itself."""
    known = log.newest_open(ctx, table, column)
    return None if known is None else _as_change(known.plan)


def perform(ctx: RunContext, request: ChangeRequest, shown: ChangeResult) -> ChangeResult:
    """Begin or go on."""
    change = shown.change
    # The usual waits for locks, or shorter ones where those are asked for: writers stand behind each.
    pace = Pace(lock_ms=min(Pace().lock_ms, int(request.lock_timeout * 1000)))
    wanted = OnlineRequest(change.table, change.column, str(change.type), request.using, pace=pace)
    report = online_change.run_online(ctx, wanted)
    outcome = _OUTCOMES[report.outcome]
    return ChangeResult(
        replace(change, notes=tuple(dict.fromkeys((*change.notes, *report.notes)))),
        outcome,
        tuple(_step(step, report, outcome) for step in change.steps),
        way_back(change.column),
        id=report.mutation_id,
        op_id=report.op_id,
        error=report.error or (report.summary if outcome != "done" else None),
        error_code=report.error_code or (report.outcome if outcome != "done" else None),
        waiting=shown.waiting,
        resumed=report.resumed,
    )


def take_back(ctx: RunContext, plan: OnlinePlan, number: int, *, execute: bool) -> UndoResult:
    """The column as it was, or what that would take. Raises RefusedError where there is no way back."""
    column = quote_identifier(plan.column)
    steps = (
        StepReport(f"bring the old column of {column} up to date", "planned", (), Span.ONLINE.value, "ROW EXCLUSIVE"),
        StepReport("swap it back in", "planned", (), Span.BRIEF.value, "ACCESS EXCLUSIVE"),
    )
    shown = UndoResult(number, ColumnChangeKind.TYPE, plan.table, plan.column, "planned", Undo(()), steps)
    if not execute:
        return shown
    report = online_change.rollback_online(ctx, plan.table, plan.column)
    done = report.outcome == "reverted"
    outcome, took = ("done", report.seconds * 1000) if done else ("failed", None)
    return replace(
        shown,
        outcome=outcome,
        steps=tuple(replace(step, outcome=outcome, milliseconds=took, tries=1) for step in steps),
        id=report.mutation_id,
        error=report.error or (None if done else report.summary),
        error_code=report.error_code or (None if done else report.outcome),
        notes=report.notes,
    )


def finish(ctx: RunContext, table: QualifiedName, column: str, *, execute: bool) -> ChangeResult:
    """Drop the old column that was kept, or show that. Raises RefusedError when there is none."""
    change = open_change(ctx, table, column)
    if change is None:
        raise RefusedError(f"no online change of {table.short}.{column} is open", code="nothing_open")
    step = StepReport("drop the old column", "planned", (), Span.BRIEF.value, "ACCESS EXCLUSIVE")
    end = Undo((), loss=f"after that there is no way back to the old type of {column}")
    if not execute:
        return ChangeResult(change, "planned", (step,), end)
    report = online_change.finish_online(ctx, table, column)
    outcome = _OUTCOMES[report.outcome]
    done = replace(step, outcome="done" if outcome == "done" else "failed", tries=1)
    return ChangeResult(change, outcome, (done,), end, report.mutation_id, report.op_id, error=report.error)


def _as_change(plan: OnlinePlan) -> SchemaChange:
    return SchemaChange(
        ColumnChangeKind.TYPE,
        plan.table,
        plan.column,
        plan.relid,
        steps(),
        way_back(plan.column),
        bytes=plan.bytes,
        rows=plan.rows,
        type=plan.new_type,
        notes=plan.notes,
    )


def _step(step: Step, report: OnlineReport, outcome: str) -> StepReport:
    told = "done" if outcome == "done" else "failed"
    rows = report.rows_filled if "fill" in step.title else None
    return StepReport(step.title, told, step.statements, step.span.value, step.lock, tries=1, rows=rows)
