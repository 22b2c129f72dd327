"""The long part of an online type change, a plan of steps that each look whether they are done already."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from indexpilot_cli.core.mutation import OperationState
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import is_busy
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, RefusedError
from indexpilot_cli.evolve import relation_facts
from indexpilot_cli.evolve.change import log
from indexpilot_cli.evolve.change.online import ddl, texts
from indexpilot_cli.evolve.change.online.probe import index_body
from indexpilot_cli.evolve.change.online.texts import OnlineIndex, OnlinePlan, OnlineStage, Side, aside, column_name
from indexpilot_cli.execute import backfill, events
from indexpilot_cli.execute.backfill import BackfillWork, left
from indexpilot_cli.execute.context import Pace, RunContext, StepRun
from indexpilot_cli.execute.steps import DatabaseStep, StepManner, long_lockers, perform


@dataclass(slots=True)
class OnlineRun(StepRun):
    """An online change under way."""

    plan: OnlinePlan = field(kw_only=True)
    notes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @staticmethod
    def of(ctx: RunContext, session: Session, plan: OnlinePlan, pace: Pace) -> OnlineRun:
        """The run of that plan."""
        return OnlineRun(ctx, session, plan.table, plan.relid, pace, plan=plan, notes=list(plan.notes))

    def adopt(self, plan: OnlinePlan) -> None:
        """Go on by another plan of the same change."""
        self.plan, self.table, self.relid = plan, plan.table, plan.relid


def brief(
    run: OnlineRun,
    statements: Sequence[str],
    what: str,
    *,
    exclusive: Sequence[QualifiedName] = (),
    before: Callable[[], None] | None = None,
) -> None:
    """The statements in one short transaction. Raises RefusedError when the locks were never free."""
    try:
        perform(run, DatabaseStep(what, tuple(statements), exclusive=tuple(exclusive), check=before))
    except IndexPilotError as error:
        if not is_busy(error):
            raise
        raise RefusedError(
            f"{what}: the table's lock was not free in {run.pace.tries} tries",
            detail="; ".join(map(str, long_lockers(run, exclusive))) or None,
            hint="end the transaction in the way and run the same command again: it goes on where it stopped",
            code="lock_timeout",
        ) from error


def patient(run: OnlineRun, statement: str, what: str) -> None:
    """A statement that may work for long once it has its lock, which does not keep anybody from reading or writing."""
    perform(run, DatabaseStep(what, (statement,), StepManner.PATIENT, waits_for=(run.plan.table,)))


def whereabouts(run: OnlineRun) -> OnlineState:
    """The change's footprints now. Raises RefusedError when the table is gone."""
    plan = run.plan
    asked = {"relid": plan.relid, "attnum": plan.attnum, "trigger": texts.trigger_name(plan), "tag": texts.tag(plan)}
    row = run.session.one("online/where", asked)
    if row is None:
        raise RefusedError(f"{plan.table.short} is not there any more", code="table_missing")
    found = row._asdict().items()
    state: dict[str, Any] = {name: frozenset(value) if isinstance(value, list) else value for name, value in found}
    return OnlineState(**state)


def stage_of(run: OnlineRun) -> OnlineStage:
    """Where the columns stand."""
    found = whereabouts(run)
    return texts.stage(run.plan, found.original, found.columns)


def bring_up(run: OnlineRun, side: Side, page: int) -> None:
    """The side's column filled, in step, and with all that belongs to it: ready to be swapped in."""
    # The trigger before the first batch: from its commit on no new row version is out of step, so one pass over the old
    # ones is enough.
    page = _following(run, side, page)
    _filled(run, side, page)
    # After the filling: an index that is there already would be written to by every batch, and no update could be a HOT
    # one.
    # https://www.postgresql.org/docs/current/storage-hot.html
    for index in run.plan.indexes:
        _indexed(run, index, side)
    # Extended statistics before ANALYZE, which fills them.
    _statistics(run, side)
    _constrained(run, side)
    _not_null(run, side)
    # After the indexes: a foreign key may refer to a unique index that no constraint has yet, but there must be one.
    # https://www.postgresql.org/docs/current/sql-createtable.html
    _referred_to(run, side)
    log.tell(run.ctx, run.plan, OperationState.STARTED, "analyze", side=side.value)
    # A new column has no statistics, nor has the expression of a new index: without them the first plans after the swap
    # would be made from the planner's default guesses. SHARE UPDATE EXCLUSIVE.
    # https://www.postgresql.org/docs/current/sql-analyze.html
    patient(run, f"ANALYZE {run.plan.table}", f"ANALYZE {run.plan.table.short}")


def swap_in(run: OnlineRun, side: Side) -> None:
    """The side's column takes the place of the one in use, if a last look finds it in step."""
    plan = run.plan
    run.ctx.progress.stage(f"checking every row of {plan.table.short}")
    # Reading every row is done before the lock is asked for: from here to the swap the trigger keeps rows in step, and
    # that it is still there is looked at under the lock.
    work = work_of(run, side)
    if left(run, work):
        raise RefusedError("rows are out of step again", hint="run the same command again", code="not_in_step")
    log.tell(run.ctx, plan, OperationState.STARTED, "swap", side=side.value)
    name = not_null_name(run.session, plan.relid, column_name(plan, side))
    statements = ddl.swap(plan, side, run.ctx.schema, name)
    run.ctx.progress.stage("swapping the columns")
    tables = ddl.locked_tables(plan)
    brief(run, statements, "swapping the columns", exclusive=tables, before=lambda: _as_planned(run, side))


def _as_planned(run: OnlineRun, side: Side) -> None:
    """Under the swap's lock: nothing has come to hang on the column that the plan does not know."""
    plan = run.plan
    column = next((c for c in relation_facts.read_columns(run.session, plan.relid) if c.name == plan.column), None)
    if column is None:
        raise _changed_meanwhile(plan, side, f"column {plan.column} is gone")
    # What came to the column since would stay on the old one; what went would be missed by a statement of the swap.
    different = plan.names ^ followers(run.session, plan.relid, column.number)
    if different or (column.default is None) != (plan.default is None):
        raise _changed_meanwhile(plan, side, ", ".join(sorted(different)) or "its default")
    if not whereabouts(run).following:
        raise RefusedError("the trigger was gone", hint="run the same command again", code="not_in_step")
    others = obstacles(run.session, plan.relid, column.number)
    if others:
        raise RefusedError(f"{plan.column} cannot be swapped: {'; '.join(others)} depends on it", code="stale_plan")


def _changed_meanwhile(plan: OnlinePlan, side: Side, what: str) -> RefusedError:
    again = "run the same command again: it takes the new state into account"
    before = "put it back as it was after the change and run the same command again"
    return RefusedError(
        f"{plan.table.short} has changed since the change began",
        detail=what,
        hint=again if side is Side.NEW else before,
        code="stale_plan",
    )


def work_of(run: OnlineRun, side: Side) -> BackfillWork:
    """What a batch does."""
    plan = run.plan
    target = quote_identifier(column_name(plan, side))
    value, condition = texts.assigned_value(plan, side), texts.out_of_step(plan, side)
    return BackfillWork(plan.table, target, value, condition, plan.quiet)


def _following(run: OnlineRun, side: Side, page: int) -> int:
    """Column and trigger are there; the page to begin with."""
    plan, found = run.plan, whereabouts(run)
    name = column_name(plan, side)
    missing = name not in found.columns
    if not missing and name not in found.tagged:
        raise RefusedError(f"{plan.table.short} has a column {name} that is not ours", code="name_taken")
    if found.following and not missing:
        return page
    if missing and side is Side.OLD:
        raise RefusedError(f"{name} is not there any more", code="old_column_gone")
    # Column and trigger in one transaction: no row can be inserted that has the column and not its value.
    statements = (ddl.add_column(plan) if missing else ()) + ddl.follow(plan, side, run.ctx.schema)
    log.tell(run.ctx, plan, OperationState.STARTED, "follow", side=side.value, sql=list(statements))
    run.ctx.progress.stage(f"adding {name}")
    brief(run, statements, f"adding {name}", exclusive=(plan.table,))
    # Rows that were written while there was no trigger may be on any page: what was filled before counts for nothing.
    return 0


def _filled(run: OnlineRun, side: Side, page: int) -> None:
    plan = run.plan
    if ddl.dress(plan, side):
        brief(run, ddl.dress(plan, side), "settings of the column")
    # The batches compute by the same settings as the trigger's function.
    backfill.prepare(run.session, plan.pins)

    def told(at: int) -> None:
        log.tell(run.ctx, plan, OperationState.STARTED, "fill", side=side.value, page=at, rows=run.rows)

    work = work_of(run, side)
    perform(run, DatabaseStep(f"filling {work.target}", manner=StepManner.BATCHED, fill=work, page=page, told=told))


def index_row(run: OnlineRun, name: str) -> Row | None:
    """The index of that name on our table, or None."""
    rows = relation_facts.index_rows(run.session, run.plan.relid)
    return next((row for row in rows if row.name == name), None)


def _indexed(run: OnlineRun, index: OnlineIndex, side: Side) -> None:
    """The side's index is there and usable; an invalid one that is ours is removed and built again."""
    plan, name = run.plan, aside(index.name, side)
    qualified = QualifiedName(plan.table.schema, name)
    statement = ddl.create_index(plan, index, side)
    found = index_row(run, name)
    if found is None or not found.usable:
        log.tell(run.ctx, plan, OperationState.STARTED, "index", side=side.value, index=name, sql=statement)
    step = DatabaseStep(
        f"building {name}",
        (statement,),
        StepManner.ALONE,
        index=qualified,
        ours=lambda: _is_ours(run, name, index, side),
        tablespace=index.tablespace or "",
    )
    perform(run, step)
    # An index's own target is for the values of its expressions; it must be there before ANALYZE. SHARE UPDATE
    # EXCLUSIVE.
    for number, target in index.targets:
        patient(run, f"ALTER INDEX {qualified} ALTER COLUMN {number} SET STATISTICS {target}", f"index {name}")


def _is_ours(run: OnlineRun, name: str, index: OnlineIndex, side: Side) -> bool:
    """Whether the index is what we would build; a definition has schemas in it or not by the search path."""
    with run.session.transaction():
        run.session.value("SELECT pg_catalog.set_config('search_path', '', true)")
        again = index_row(run, name)
    return again is not None and index_body(again) == ddl.body_of(run.plan, index, side)


def _statistics(run: OnlineRun, side: Side) -> None:
    there = whereabouts(run).statistics
    for one, (schema, name, statement) in zip(run.plan.statistics, ddl.add_statistics(run.plan, side), strict=True):
        if f"{schema}.{name}" in there:
            continue
        more = (
            (f"ALTER STATISTICS {QualifiedName(schema, name)} SET STATISTICS {one.target}",) if one.target >= 0 else ()
        )
        brief(run, (statement, *more), f"statistics {name}")


def _constrained(run: OnlineRun, side: Side) -> None:
    """CHECKs and foreign keys: for new rows first, then all rows are looked at while everybody works on."""
    plan = run.plan
    for one in plan.constraints:
        name, found = aside(one.name, side), whereabouts(run)
        if name not in found.valid | found.unvalidated:
            statement = ddl.add_constraint(plan, plan.table, one, side)
            log.tell(run.ctx, plan, OperationState.STARTED, "constraint", side=side.value, sql=statement)
            # Only ADD CHECK needs ACCESS EXCLUSIVE; asking for it before a foreign key would keep readers out for
            # nothing.
            brief(run, (statement,), f"constraint {name}", exclusive=(plan.table,) if one.kind == "c" else ())
        # One that was NOT VALID stays so: rows that break it may be there, and the change is not to fail because of
        # them.
        if one.validated and one.enforced and name not in whereabouts(run).valid:
            patient(run, ddl.validate(plan.table, name), f"validating {name}")


def _not_null(run: OnlineRun, side: Side) -> None:
    plan, name = run.plan, column_name(run.plan, side)
    check = texts.check_name(plan)
    found = whereabouts(run)
    if not plan.not_null or name in found.not_null:
        return
    log.tell(run.ctx, plan, OperationState.STARTED, "not_null", side=side.value)
    # Three transactions, so that the two strong locks are held for a moment and the reading is done under the weak one.
    # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    if check not in found.valid | found.unvalidated:
        statement = ddl.add_not_null_check(plan, side)
        brief(run, (statement,), f"NOT NULL of {name}", exclusive=(plan.table,))
    if check not in whereabouts(run).valid:
        patient(run, ddl.validate(plan.table, check), f"validating NOT NULL of {name}")
    brief(run, ddl.set_not_null(plan, side), f"NOT NULL of {name}", exclusive=(plan.table,))


def _referred_to(run: OnlineRun, side: Side) -> None:
    """Other tables' foreign keys, on the side's column as well."""
    for key in run.plan.inbound:
        mark = ddl.inbound_mark(key, side)
        if mark not in whereabouts(run).inbound:
            statement = ddl.add_constraint(run.plan, key.table, key, side)
            log.tell(run.ctx, run.plan, OperationState.STARTED, "constraint", side=side.value, sql=statement)
            brief(run, (statement,), f"foreign key {key.name} of {key.table.short}")
        if key.validated and key.enforced and mark not in whereabouts(run).inbound_valid:
            patient(run, ddl.validate(key.table, aside(key.name, side)), f"validating {key.name} of {key.table.short}")


def drop_indexes(run: OnlineRun, side: Side) -> None:
    """The indexes on the side's column, which is not in use, away without keeping anybody waiting."""
    for index in run.plan.indexes:
        name = QualifiedName(run.plan.table.schema, aside(index.name, side))
        found = index_row(run, name.name)
        # An index that backs a constraint cannot be dropped by itself (2BP01): it goes with the constraint, or with the
        # column.
        if found is None or found.constraint_kind or not _is_ours(run, name.name, index, side):
            continue
        # SHARE UPDATE EXCLUSIVE: it waits for transactions that may still use the index; no reader or writer waits
        # behind it.
        # https://www.postgresql.org/docs/current/sql-dropindex.html
        patient(run, f"DROP INDEX CONCURRENTLY IF EXISTS {name}", f"removing index {name.name}")
        events.tell_drop(run.ctx, run.plan.table, name, "online type change", op_id=run.plan.op_id)


def harmless(error: IndexPilotError) -> bool:
    """Whether trying again later may succeed, so that nothing has to be taken back."""
    return (
        (
            isinstance(error, RefusedError)
            and error.code in ("lock_timeout", "rows_locked", "busy", "not_in_step", "stale_plan")
        )
        or is_busy(error)
        # Who cancelled a statement may have meant only this moment: nothing is wrong with the values.
        or sqlstate(error) == "57014"
    )


@dataclass(frozen=True, slots=True)
class OnlineState:
    """How far a change has come. ``original`` is the name of the column that was there first, None when it is gone.

    ``valid`` and ``unvalidated`` are names of constraints, ``inbound`` foreign keys of others as schema.table.name,
    ``not_null`` of columns, ``tagged`` of columns that carry the change's comment; ``statistics`` are schema.name.
    ``following``: the trigger is there.
    """

    original: str | None
    columns: frozenset[str]
    valid: frozenset[str]
    unvalidated: frozenset[str]
    inbound: frozenset[str]
    inbound_valid: frozenset[str]
    not_null: frozenset[str]
    tagged: frozenset[str]
    statistics: frozenset[str]
    following: bool


def obstacles(session: Session, relid: int, attnum: int) -> tuple[str, ...]:
    """Descriptions of what refers to the column and cannot follow it."""
    return tuple(row.what for row in session.rows("online/obstacles", {"relid": relid, "attnum": attnum}))


def followers(session: Session, relid: int, attnum: int) -> frozenset[str]:
    """Names of the indexes, constraints and statistics objects that hang on the column."""
    return frozenset(row.name for row in session.rows("online/followers", {"relid": relid, "attnum": attnum}))


def not_null_name(session: Session, relid: int, column: str) -> str | None:
    """The name of the column's NOT NULL constraint, None where the server has none (before 18)."""
    found: str | None = session.value("online/not_null_name", {"relid": relid, "name": column})
    return found
