"""Taking an online type change back, before and after the swap, and letting go of the old column."""

from __future__ import annotations

from indexpilot_cli.core.mutation import OperationState
from indexpilot_cli.errors import IndexPilotError, RefusedError
from indexpilot_cli.evolve.change import log
from indexpilot_cli.evolve.change.online import ddl, texts
from indexpilot_cli.evolve.change.online.texts import OnlineStage, Side, column_name
from indexpilot_cli.evolve.change.online.work import (
    OnlineRun,
    brief,
    bring_up,
    drop_indexes,
    harmless,
    stage_of,
    swap_in,
    whereabouts,
    work_of,
)
from indexpilot_cli.execute import backfill
from indexpilot_cli.execute.backfill import BackfillWork, left


def take_away(run: OnlineRun) -> None:
    """Trigger, function, indexes, constraints and the new column go; the old column must be the one in use."""
    plan = run.plan
    found = whereabouts(run)
    name = column_name(plan, Side.NEW)
    stage = texts.stage(plan, found.original, found.columns)
    if stage is OnlineStage.BARE and not found.following:
        return
    if stage not in (OnlineStage.FILLING, OnlineStage.BARE) or (name in found.columns and name not in found.tagged):
        raise RefusedError(f"column {name} of {plan.table.short} is not ours to remove", code="strange_columns")
    # Foreign keys of other tables hold the unique index; indexes go CONCURRENTLY, which no transaction block allows;
    # the rest is brief and goes at once, so that no write ever meets the trigger without its column.
    log.tell(run.ctx, plan, OperationState.STARTED, "undo")
    let_go(run, Side.NEW)
    drop_indexes(run, Side.NEW)
    statements = (
        *ddl.unfollow(plan, run.ctx.schema),
        *ddl.retired_constraints(plan, Side.NEW),
        *ddl.retired_statistics(plan, Side.NEW),
        *ddl.drop_column(plan, Side.NEW),
    )
    brief(run, statements, f"removing {name}", exclusive=ddl.locked_tables(plan))


def let_go(run: OnlineRun, side: Side) -> None:
    """Other tables' foreign keys to the side's column go first: they hold its index."""
    plan = run.plan
    there = whereabouts(run).inbound
    if any(ddl.inbound_mark(key, side) in there for key in plan.inbound):
        statements = ddl.retired_inbound(plan, side)
        brief(run, statements, "removing foreign keys", exclusive=ddl.locked_tables(plan))


def drop_old(run: OnlineRun) -> None:
    """The old column goes, with what is left on it; the new one must be in use."""
    plan = run.plan
    name = column_name(plan, Side.OLD)
    if stage_of(run) is not OnlineStage.SWAPPED or name not in whereabouts(run).tagged:
        raise RefusedError(f"column {name} of {plan.table.short} is not ours to remove", code="strange_columns")
    drop_indexes(run, Side.OLD)
    statements = (
        *ddl.unfollow(plan, run.ctx.schema),
        *ddl.retired_statistics(plan, Side.OLD),
        *ddl.drop_column(plan, Side.OLD),
    )
    brief(run, statements, f"removing {name}", exclusive=(plan.table,))


def back_in_use(run: OnlineRun, page: int) -> None:
    """The kept old column brought up to date and swapped in again.

    Raises RefusedError when a row holds what the old type cannot: then the new column stays in use.
    """
    plan = run.plan
    name = column_name(plan, Side.OLD)
    if name not in whereabouts(run).tagged:
        raise RefusedError(f"column {name} of {plan.table.short} is not ours", code="strange_columns")
    # Before the trigger: with it, a value that the old type cannot hold would fail the application's own write.
    _possible(run)
    try:
        bring_up(run, Side.OLD, page)
        _loses_nothing(run)
        swap_in(run, Side.OLD)
    except IndexPilotError as error:
        if not run.session.closed and not harmless(error):
            # The new column stays in use: a trigger or a constraint that stays on the old one would refuse new values
            # for its sake.
            let_go(run, Side.OLD)
            statements = (*ddl.unfollow(plan, run.ctx.schema), *ddl.retired_constraints(plan, Side.OLD))
            brief(run, statements, "stopping the rollback", exclusive=ddl.locked_tables(plan))
        raise


def _possible(run: OnlineRun) -> None:
    """Every row's old value is worked out once before a trigger does it for everybody."""
    plan = run.plan
    backfill.prepare(run.session, plan.pins)
    work = work_of(run, Side.OLD)
    try:
        changed = left(run, work)
    except IndexPilotError as error:
        if run.session.closed or harmless(error):
            raise
        raise RefusedError(
            f"a value of {plan.column} does not fit {plan.old_type} any more: {error.detail or error.message}",
            hint="mend those rows first, or start a change with --using that says what becomes of them",
            code="loses_data",
        ) from error
    if changed and plan.reverse is None:
        raise RefusedError(
            f"{changed} rows have changed since, and there is no cast from {plan.new_type} to {plan.old_type}",
            hint="schema-evolve finish lets the old column go; alter-type with --using then says the way back",
            code="no_way_back",
        )


def _loses_nothing(run: OnlineRun) -> None:
    work = work_of(run, Side.OLD)
    # After the filling: only now does every row have the old value that would come into use.
    condition = texts.lost(run.plan)
    lossy = left(run, BackfillWork(work.table, work.target, work.value, condition))
    if lossy:
        raise RefusedError(
            f"{lossy} rows would not be the same as {run.plan.old_type}",
            detail="their values were written after the change and hold more than the old type can",
            code="loses_data",
        )
