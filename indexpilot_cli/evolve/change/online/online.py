"""A column's type changed while everybody works: second column, trigger, batches, indexes, one short swap.

Killed at any moment, the next run finds in the catalog where things stand and goes on; ``rollback_online`` takes
everything away before the swap, and puts the old column back after it. The order of columns is the price: the new
column is the last one. Every step is a row of the mutation log before it happens.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from indexpilot_cli.core.mutation import OperationState
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.errors import IndexPilotError, RefusedError, UnreachableError
from indexpilot_cli.evolve import relation_facts
from indexpilot_cli.evolve.change import log
from indexpilot_cli.evolve.change.online import ddl, texts
from indexpilot_cli.evolve.change.online.back import back_in_use, drop_old, take_away
from indexpilot_cli.evolve.change.online.plan import make_plan
from indexpilot_cli.evolve.change.online.texts import OnlineReport, OnlineRequest, OnlineStage, Side
from indexpilot_cli.evolve.change.online.work import (
    OnlineRun,
    brief,
    bring_up,
    drop_indexes,
    harmless,
    stage_of,
    swap_in,
    whereabouts,
)
from indexpilot_cli.execute import backfill
from indexpilot_cli.execute.context import ORPHAN, Pace, RunContext, take_lock
from indexpilot_cli.execute.signals import StopRequested
from indexpilot_cli.execute.steps import through
from indexpilot_cli.log.metadata import question

_AGAIN = "run the same command again: it goes on where it stopped; schema-evolve rollback takes the change back"

_LEFT = "the change could not be taken back yet: indexpilot schema-evolve rollback does it"


def run_online(ctx: RunContext, wanted: OnlineRequest) -> OnlineReport:
    """The column has the new type afterwards, or the report says why not; an open run of the same change goes on.

    Outcomes: done, already_done, interrupted (goes on when run again) and failed. A failure that trying again cannot
    mend (a value that cannot be converted, a duplicate) takes back what was done. Raises UsageError, RefusedError
    before anything is changed, UnreachableError, OutcomeUnknownError.
    """
    # The type's name may mean something else by now, and a plan made half-way would see our own second column: an open
    # change goes on by the plan that its log keeps.
    known = log.newest_open(ctx, wanted.table, wanted.column)
    op_id = known.plan.op_id if known is not None else str(uuid.uuid4())
    with closing(ctx.builder(op_id)) as session:
        plan = known.plan if known is not None else make_plan(session, wanted, op_id)
        run = OnlineRun.of(ctx, session, plan, wanted.pace)
        if known is not None:
            _same_change(known, wanted)
        elif (plan.old_type, plan.old_collation) == (plan.new_type, plan.new_collation) and wanted.using is None:
            return _report(run, "already_done", summary=f"{wanted.column} is {plan.new_type} already")
        return _guarded(run, lambda: _forward(run, wanted), resumed=known is not None)


def finish_online(ctx: RunContext, table: QualifiedName, column: str, pace: Pace | None = None) -> OnlineReport:
    """The kept old column goes; from then on there is no way back. Raises RefusedError when there is none."""
    return _on_open(ctx, table, column, pace, _finish)


def rollback_online(ctx: RunContext, table: QualifiedName, column: str, pace: Pace | None = None) -> OnlineReport:
    """The column as it was. Before the swap everything added is removed; after it the old column is brought up to
    date, with all that belonged to it, and swapped back in.

    Raises RefusedError with code ``nothing_open``, ``old_column_gone``, ``no_way_back`` or ``loses_data``.
    """
    return _on_open(ctx, table, column, pace, _back)


def _on_open(
    ctx: RunContext, table: QualifiedName, column: str, pace: Pace | None, work: Callable[[OnlineRun], OnlineReport]
) -> OnlineReport:
    known = log.newest_open(ctx, table, column)
    if known is None:
        raise RefusedError(
            f"no online change of {table.short}.{quote_identifier(column)} is open",
            hint="indexpilot history --type ALTER_COLUMN",
            code="nothing_open",
        )
    with closing(ctx.builder(known.plan.op_id)) as session:
        run = OnlineRun.of(ctx, session, known.plan, pace or Pace())
        return _guarded(run, lambda: work(run))


def _same_change(known: log.OnlineLog, wanted: OnlineRequest) -> None:
    """Raises RefusedError when the open change is another one."""
    first = known.rows[0].details
    asked = (first.get("type"), first.get("using"))
    if asked == (wanted.type, wanted.using) or (known.plan.new_type, first.get("using")) == (wanted.type, wanted.using):
        return
    raise RefusedError(
        f"another change of {wanted.table.short}.{quote_identifier(wanted.column)} is open",
        detail=f"to {known.plan.new_type}, operation {known.plan.op_id}",
        hint="schema-evolve rollback takes it back; the same command as before goes on with it",
        code="other_change_open",
    )


def _guarded(run: OnlineRun, work: Callable[[], OnlineReport], *, resumed: bool = False) -> OnlineReport:
    """The work under the table's lock; being asked to stop is an outcome."""
    try:
        _take_table(run)
        # Autovacuum gives its lock up when a session that waits for it looks for deadlocks, which is after
        # deadlock_timeout.
        # https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT
        run.early = backfill.look_early(run.session)
        return replace(work(), resumed=resumed)
    except StopRequested:
        return _report(run, "interrupted", summary=_AGAIN)


def _take_table(run: OnlineRun) -> None:
    try:
        take_lock(run.ctx, run.session, run.relid, run.table.short, ORPHAN)
    except RefusedError:
        run.check()
        raise


def _forward(run: OnlineRun, wanted: OnlineRequest) -> OnlineReport:
    known = log.newest_open(run.ctx, wanted.table, wanted.column)  # again, now that nobody else works on it
    if known is not None and known.plan.op_id != run.plan.op_id:
        _same_change(known, wanted)
        run.adopt(known.plan)
    if known is None:
        _still_bare(run)
        # Before the intent is written and before the first lock: a value that cannot be converted costs nobody anything
        # yet.
        _tried_on_all_rows(run)
        log.intend(run.ctx, run.plan, wanted.type, wanted.using)
    elif stage_of(run) in (OnlineStage.BARE, OnlineStage.FILLING):
        _again(run, wanted)
    now = stage_of(run)
    if now is OnlineStage.STRANGE:
        raise _strange(run)
    if now in (OnlineStage.BARE, OnlineStage.FILLING):
        try:
            bring_up(run, Side.NEW, 0 if known is None else known.page(Side.NEW))
            swap_in(run, Side.NEW)
        except IndexPilotError as error:
            return _failed(run, error)
    return _after_swap(run)


def _still_bare(run: OnlineRun) -> None:
    """Raises RefusedError when the column is not as planned any more, or the names we need are taken."""
    found = whereabouts(run)
    taken = {texts.column_name(run.plan, side) for side in Side} & found.columns
    if taken:
        raise RefusedError(
            f"{run.plan.table.short} has a column {', '.join(sorted(taken))} that is in the way",
            hint="rename or drop it first",
            code="name_taken",
        )
    column = next(
        (c for c in relation_facts.read_columns(run.session, run.plan.relid) if c.name == run.plan.column), None
    )
    if column is None or (column.number, column.type) != (run.plan.attnum, run.plan.old_type):
        raise RefusedError(
            f"{run.plan.table.short} has changed meanwhile", hint="run the same command again", code="stale_plan"
        )


def _again(run: OnlineRun, wanted: OnlineRequest) -> None:
    """The plan as the table is now: indexes, defaults and privileges may have come and gone since the change began."""
    fresh = replace(make_plan(run.session, wanted, run.plan.op_id), columns=run.plan.columns)
    if fresh.relid != run.plan.relid:
        raise RefusedError(
            f"{wanted.table.short} is another table now",
            detail="the one the change began on was renamed or dropped",
            hint="put the name back and run the same command again",
            code="stale_plan",
        )
    if replace(fresh, bytes=run.plan.bytes, rows=run.plan.rows, notes=run.plan.notes, pins=run.plan.pins) != run.plan:
        run.adopt(replace(fresh, pins=run.plan.pins))
        log.intend(run.ctx, run.plan, wanted.type, wanted.using)


def _tried_on_all_rows(run: OnlineRun) -> None:
    """Every value is converted once before anything changes. Raises RefusedError with the server's words."""
    limit = run.pace.check_ms
    if not limit:
        return
    # Only ACCESS SHARE is held, but the snapshot keeps VACUUM from removing dead rows while it is read: so it has an
    # end.
    backfill.prepare(run.session, run.plan.pins)
    try:
        with run.session.transaction():
            run.session.value("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (f"{limit}ms",))
            through(run, texts.trial(run.plan), f"reading every row of {run.plan.table.short}")
    except UnreachableError as error:
        if error.code != "timeout":
            raise
        run.notes.append(f"not all values were tried beforehand: reading them took longer than {limit / 1000:.0f} s")
    except IndexPilotError as error:
        raise RefusedError(
            f"a value of {run.plan.column} cannot become {run.plan.new_type}: {error.detail or error.message}",
            detail=f"SQLSTATE {sqlstate(error)}; nothing was changed",
            hint="mend the values, or say with --using what becomes of them",
            code="bad_values",
        ) from error


def _failed(run: OnlineRun, error: IndexPilotError) -> OnlineReport:
    """What can be tried again is left as it is; anything else is taken back."""
    # Whether the last transaction was committed is not known without a connection: the next run asks the catalog.
    if run.session.closed or (isinstance(error, UnreachableError) and error.code != "timeout"):
        raise error
    if harmless(error):
        row = log.tell(run.ctx, run.plan, OperationState.STARTED, "waiting", error=error)
        return _report(run, "failed", summary=_AGAIN, error=error, row=row)
    # A second column that is left would cost every write its trigger, and keep failing for the same reason.
    run.ctx.progress.say(f"taking the change back: {error.detail or error.message}")
    try:
        take_away(run)
    except RefusedError as stuck:
        row = log.tell(run.ctx, run.plan, OperationState.FAILED_LEFTOVER, "undo", error=stuck)
        return _report(run, "failed", summary=_LEFT, error=error, row=row)
    row = log.tell(run.ctx, run.plan, OperationState.FAILED_CLEAN, "undone", error=error)
    return _report(run, "failed", summary="nothing is left of the change", error=error, row=row)


def _after_swap(run: OnlineRun) -> OnlineReport:
    """The new column is in use: its row is closed and the old one's indexes go; the column is kept."""
    plan = run.plan
    known = log.newest_open(run.ctx, plan.table, plan.column)
    swapped_before = known is not None and known.last.state == OperationState.VALID
    if stage_of(run) is OnlineStage.FINISHED:
        row = log.tell(run.ctx, plan, OperationState.KEPT, "finish")
        return _report(run, "already_done", summary="the old column is gone", row=row)
    # The trigger would go on to write the old column, and fail the application's writes where the value does not fit
    # it.
    if whereabouts(run).following:  # a rollback that stopped half-way
        brief(run, ddl.unfollow(run.plan, run.ctx.schema), "the trigger", exclusive=(plan.table,))
    _follow_genome(run)
    old = quote_identifier(texts.column_name(plan, Side.OLD))
    undo = f"indexpilot schema-evolve rollback: swaps {old} back"
    row = log.tell(run.ctx, plan, OperationState.VALID, "swap", undo=undo, lock_seconds=round(run.lock_seconds, 3))
    # They are of no use to a query, which sees the other column now, but each write would have to maintain them.
    drop_indexes(run, Side.OLD)
    outcome = "already_done" if swapped_before and not run.rows else "done"
    return _report(run, outcome, summary=f"the old values are kept as {old} until it is finished", row=row)


def _finish(run: OnlineRun) -> OnlineReport:
    stage = stage_of(run)
    if stage not in (OnlineStage.SWAPPED, OnlineStage.FINISHED):
        raise RefusedError("the change is not carried out yet", hint=_AGAIN, code="not_swapped")
    if stage is OnlineStage.SWAPPED:
        # Before the drop, so that the log knows of it even when this program ends before it can say how it went.
        log.tell(run.ctx, run.plan, OperationState.STARTED, "finish")
        drop_old(run)
    row = log.tell(run.ctx, run.plan, OperationState.KEPT, "finish")
    return _report(run, "finished", summary="the old column is gone", row=row)


def _back(run: OnlineRun) -> OnlineReport:
    stage = stage_of(run)
    if stage is OnlineStage.FINISHED:
        raise RefusedError(
            "the old column is gone",
            hint=f"change the type back: schema-evolve alter-type … {run.plan.old_type}",
            code="old_column_gone",
        )
    if stage is OnlineStage.STRANGE:
        raise _strange(run)
    if stage is OnlineStage.SWAPPED:
        known = log.newest_open(run.ctx, run.plan.table, run.plan.column)
        # No trigger has kept the old column since the swap: what was written in between is worked out again first.
        back_in_use(run, 0 if known is None else known.page(Side.OLD))
    take_away(run)
    _follow_genome(run)
    row = log.tell(run.ctx, run.plan, OperationState.REVERTED, "undone")
    return _report(run, "reverted", summary="the column is as it was", row=row)


def _strange(run: OnlineRun) -> RefusedError:
    return RefusedError(
        f"the columns of {run.plan.table.short} are not what the operation left",
        detail="somebody renamed or dropped one of them",
        hint="put the names back, or remove the column, its trigger and its indexes by hand",
        code="strange_columns",
    )


def _follow_genome(run: OnlineRun) -> None:
    """The genome knows fields by number: the name stands for another number now."""
    plan = run.plan
    names = {"schema_name": plan.table.schema, "table_name": plan.table.name, "field_name": plan.column}
    run.ctx.log.execute(question(run.ctx.log, "online/log_identity", run.ctx.schema), names | {"relid": plan.relid})


def _report(
    run: OnlineRun, outcome: str, *, summary: str, error: IndexPilotError | None = None, row: int | None = None
) -> OnlineReport:
    return OnlineReport(
        outcome,
        run.plan.table,
        run.plan.column,
        run.plan.op_id,
        summary,
        notes=tuple(run.notes),
        rows_filled=run.rows,
        seconds=time.monotonic() - run.began,
        lock_seconds=run.lock_seconds,
        error_code=None if error is None else error.code,
        error=None if error is None else error.detail or error.message,
        mutation_id=row,
    )
