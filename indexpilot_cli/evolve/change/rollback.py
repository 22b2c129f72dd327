"""``schema-evolve rollback``: takes a schema change back by the plan that the log keeps."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.ddl import Update
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import OutcomeUnknownError, RefusedError, UsageError
from indexpilot_cli.evolve import relation_facts
from indexpilot_cli.evolve.alter_table import SETTING, by_rules
from indexpilot_cli.evolve.change import log, run_steps, waits
from indexpilot_cli.evolve.change import online_operation as online
from indexpilot_cli.evolve.change.checks import Findings, read_expression
from indexpilot_cli.evolve.change.execute import permit
from indexpilot_cli.evolve.change.log import ChangeLog
from indexpilot_cli.evolve.change.online.texts import OnlinePlan
from indexpilot_cli.evolve.change.plan import type_change
from indexpilot_cli.evolve.change.run_steps import locked, planned, tried
from indexpilot_cli.evolve.change.undo import quietly
from indexpilot_cli.evolve.change.values import (
    ColumnChangeKind,
    ExpectedWait,
    SchemaChange,
    Span,
    Step,
    TypeWork,
    Undo,
    UndoResult,
)
from indexpilot_cli.evolve.impact import AskedColumn, clear_impact_cache, objects_of
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts
from indexpilot_cli.evolve.requests import SMALL_BYTES, ChangeUndoRequest
from indexpilot_cli.execute.context import RunContext, RunLimits, open_context
from indexpilot_cli.execute.signals import Stop, listening
from indexpilot_cli.execute.steps import lost
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.context import PermitRequest
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import Note, bookkeeping

Confirm = Callable[[UndoResult], bool]
COMMAND = "schema_evolve_rollback"
_NO_VALUE = ("rows have no value for the NOT NULL column: give one with --fill",)
_TARGET = re.compile(r"[Mm]-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class ColumnUndo:
    """One change to take back: its log, what was planned, the statements that will run."""

    log: ChangeLog
    change: SchemaChange
    before: RelationFacts
    undo: Undo
    waits: tuple[ExpectedWait, ...] = ()

    @property
    def number(self) -> int:
        """The number behind M- of the change."""
        return self.log.id


def run(request: ChangeUndoRequest, progress: Progress, confirm: Confirm) -> Outcome[UndoResult]:
    """The way back shown, or gone; exit codes as for a change.

    Raises UsageError (unknown id), RefusedError (something depends on what would go, or was changed since).
    """
    limits = RunLimits(request.lock_timeout, request.retries)
    # Which column it is about is known only after the change is found.
    kind = MutationType.ALTER_TABLE if request.execute else MutationType.EXPLAIN
    with (
        bookkeeping(
            request.connection, kind, request.record, operation="rollback", preview=not request.execute
        ) as note,
        open_context(request.connection, request.record, progress, Stop(), limits) as ctx,
    ):
        note.details(target=request.target or "the last change")
        clear_impact_cache()  # nothing is taken back on what was true five minutes ago
        server = look(ctx.look, metadata_schema=ctx.schema).server
        shown, go = _way_back(ctx, request, note)
        if shown.outcome == "already_done":
            return _outcome(shown, server)
        if not request.execute:
            again = f"indexpilot schema-evolve rollback M-{shown.reverts} --execute"
            return Outcome(COMMAND, shown, "findings", 0, server, (), (again,))
        asked = PermitRequest(request.connection, bypass=request.bypass, origins=request.origins)
        permit(guards.ask(ctx.log, asked, "bypass", "direct_connection", "writable"))
        if not request.confirmed and not confirm(shown):
            raise RefusedError("nothing was done", code="declined")
        try:
            with listening(ctx.stop):
                done = go()
            note.elsewhere = True
            return _outcome(done, server)
        finally:
            clear_impact_cache()


def _way_back(ctx: RunContext, request: ChangeUndoRequest, note: Note) -> tuple[UndoResult, Callable[[], UndoResult]]:
    """What taking back would be, and what does it. Raises RefusedError where it cannot be done."""
    open_online = _open_online(ctx, request)
    if open_online is not None:
        plan, _ = open_online
        _about(note, request, plan.table, plan.column, ColumnChangeKind.TYPE)
        return online.take_back(ctx, *open_online, execute=False), lambda: online.take_back(
            ctx, *open_online, execute=True
        )
    taking = _undo_of(ctx, request)
    _about(note, request, taking.change.table, taking.change.column, taking.change.kind)
    if taking.log.state == log.REVERTED:
        shown = _result(taking, "already_done")
    else:
        now = check(ctx, taking, request)
        if taking.undo.saved is not None and max(now.bytes, taking.change.bytes) > request.small_bytes:
            told = waits.of_rollback(ctx.look, now, taking.before, taking.change.column)
            taking = replace(taking, waits=told)
        shown = _result(taking, "planned", request.small_bytes)
    return shown, lambda: _go(ctx, taking, request)


def _about(note: Note, request: ChangeUndoRequest, table: QualifiedName, column: str, kind: ColumnChangeKind) -> None:
    note.table(table.name, table.schema, column)
    if request.execute:
        note.type(kind.mutation)


def _open_online(ctx: RunContext, request: ChangeUndoRequest) -> tuple[OnlinePlan, int] | None:
    """The online type change that is meant, with its newest row; None when it is another kind of change."""
    known = log.online_changes(ctx)
    if request.target is not None:
        op_id = _operation(ctx, request.target)
        meant = [s for s in known if s.plan.op_id == op_id]
    else:
        meant = [s for s in known if s.open]
        others = [s for s in log.changes(ctx.look, ctx.schema) if s.state != log.REVERTED]
        # Without a name the newest change is meant, whichever of the two kinds it is.
        newest = max((s.id for s in others), default=0)
        meant = [s for s in meant if s.id > newest]
    return (meant[0].plan, meant[0].id) if meant else None


def _undo_of(ctx: RunContext, request: ChangeUndoRequest) -> ColumnUndo:
    found = _change_log(ctx, request.target)
    undo = found.undo
    if request.fill is not None:
        undo = _filled(found.change, found.before, undo, request.fill)
    return ColumnUndo(found, found.change, found.before, undo)


def _change_log(ctx: RunContext, target: str | None) -> ChangeLog:
    found = log.changes(ctx.look, ctx.schema)
    if target is None:
        standing = [s for s in found if s.state == log.DONE or (s.state != log.REVERTED and s.done_steps)]
        if not standing:
            raise UsageError("there is no schema change to take back", hint="indexpilot history", code="nothing_named")
        return standing[0]
    op_id = _operation(ctx, target)
    meant = next((s for s in found if s.op_id == op_id), None)
    if meant is None:
        hint = "indexpilot history lists them; indexes are taken back by  indexpilot rollback"
        raise UsageError(f"no schema change {target} in the log", hint=hint, code="unknown_id")
    if meant.state not in (log.DONE, log.REVERTED) and not meant.done_steps:
        raise UsageError(f"{target} failed at the time: there is nothing to take back", code="nothing_to_undo")
    return meant


def _operation(ctx: RunContext, target: str) -> str | None:
    """The operation that the row ``M-…`` belongs to; None where there is none."""
    found = _TARGET.fullmatch(target)
    row = mutations.find(ctx.look, int(found[1]), schema=ctx.schema) if found else None
    return None if row is None else row.op_id


def _filled(change: SchemaChange, before: RelationFacts, undo: Undo, text: str) -> Undo:
    """The way back of a drop, with a value for the rows whose own is lost."""
    found = Findings()
    value = read_expression(text, "--fill", found)
    if value is None or change.kind is not ColumnChangeKind.DROP or undo.saved is not None:
        why = "--fill is for a column that was dropped without --save"
        raise UsageError(found.problems[0].message if found.problems else why, code="bad_fill")
    first, *rest = undo.statements
    quoted = quote_identifier(change.column)
    # Right behind ADD COLUMN: NOT NULL and the constraints are added afterwards and read these values.
    filled = quietly(before, Update(change.table, f"{quoted} = {value}"))
    return replace(undo, statements=(first, *filled, *rest))


def check(ctx: RunContext, taking: ColumnUndo, request: ChangeUndoRequest) -> RelationFacts:
    """The table as it is.

    Raises RefusedError when it is another, the column not as we left it, or something came to need it.
    """
    session, change = ctx.look, taking.change
    found = relation_facts.find_relations(session, change.table.schema, change.table.name, own=ctx.schema)
    # The statements name the table; another one may have that name by now.
    if not found or found[0].relid != change.relid:
        raise RefusedError(f"{change.table.short} is not the table that was changed", code="stale")
    table = relation_facts.read_relation(session, found[0])
    name = change.new_name if change.kind is ColumnChangeKind.RENAME else change.column
    column = table.column(str(name))
    if change.kind is ColumnChangeKind.DROP:
        if column is not None:
            raise RefusedError(f"there is a new column {change.column} by now", code="stale")
        return table
    if column is None:
        raise RefusedError(f"{change.table.short} has no column {name} any more", code="stale")
    if change.kind is ColumnChangeKind.RENAME and table.column(change.column) is not None:
        raise RefusedError(f"there is a new column {change.column} by now", code="stale")
    if change.kind is ColumnChangeKind.ADD:
        _check_add(ctx, table, column, request)
    if change.kind is ColumnChangeKind.TYPE and table.bytes > request.small_bytes and not request.force:
        _check_type(session, taking, table, column)
    return table


def _check_type(session: Session, taking: ColumnUndo, table: RelationFacts, column: ColumnFacts) -> None:
    """A change that wrote nothing may have a way back that writes everything: not under a lock, unasked."""
    old = taking.before.column(column.name)
    if old is None:
        return
    with session.transaction():
        for statement in taking.undo.statements:
            if statement.startswith(SETTING):
                session.execute(statement)
        found = by_rules(type_change(session, table, column, old.type, None))
    if found.work in (TypeWork.REWRITE, TypeWork.REBUILD):
        words = shlex.join([f"{table.name.schema}.{table.name.name}", column.name, "--type", old.type])
        hint = f"indexpilot schema-evolve alter-type {words} --online"
        raise RefusedError(
            f"the way back would block {table.name.short} for long: {found.reason}",
            hint=f"{hint}, or --force",
            code="blocks",
        )


def _check_add(ctx: RunContext, table: RelationFacts, column: ColumnFacts, request: ChangeUndoRequest) -> None:
    """What somebody built on the new column since: views stop us, indexes only without --force."""
    objects = objects_of(AskedColumn(ctx.look, request.connection, ColumnChangeKind.DROP, table, column))
    stops = [f"{o.kind} {o.name}" for o in objects if o.effect == "blocks"]
    if stops:
        raise RefusedError(f"{', '.join(stops)} came to need the column", hint="drop it first", code="dependents")
    ours = {a.name for a in table.mentioning(column.name) if set(a.columns) == {column.name}}
    strangers = [a for a in table.mentioning(column.name) if a.name not in ours]
    if strangers and not request.force:
        names = ", ".join(f"{a.word} {a.name.name}" for a in strangers)
        raise RefusedError(f"{names} would go with the column", hint="--force if that is meant", code="takes_along")


def _steps(taking: ColumnUndo, small_bytes: int) -> tuple[Step, ...]:
    gone = () if taking.undo.saved is None else (f"DROP TABLE {taking.undo.saved}",)
    title = f"take back {taking.change.kind.command} {taking.change.column}"
    later = tuple(
        Step("analyze", (text,), how="analyze", span=Span.NOBODY, lock="SHARE UPDATE EXCLUSIVE")
        for text in taking.undo.after
    )
    # Indexes and keys that went with the column are built in the transaction, under the ACCESS EXCLUSIVE of ADD COLUMN.
    heavy = taking.change.kind is ColumnChangeKind.DROP and (taking.change.bytes > small_bytes or taking.waits)
    span = Span.READS if heavy else Span.BRIEF
    return (Step(title, (*taking.undo.statements, *gone), span=span), *later)


def _go(ctx: RunContext, taking: ColumnUndo, request: ChangeUndoRequest) -> UndoResult:
    first, *later = _steps(taking, request.small_bytes)
    number = 0

    def close(session: Session) -> None:
        nonlocal number
        run_steps.unfollow(session, taking.change, taking.log.metadata, ctx.schema)
        if taking.change.kind is ColumnChangeKind.RENAME:
            log.renamed(ctx, session, taking.change.relid, str(taking.change.new_name), taking.change.column)
        saved = taking.undo.saved
        for more in log.put_back(ctx, taking.change, taking.log.op_id, saved) if saved is not None else ():
            log.write(ctx, more, session)
        details = {"reverts": taking.number, "loss": taking.undo.loss, "forced": request.force}
        row = log.row(ctx, taking.change, taking.log.op_id, log.REVERTED, details, definition_sql=taking.undo.script)
        number = log.write(ctx, row, session)

    with locked(ctx, taking.change, taking.log.op_id) as run:
        report, error = tried(run, first, close)
        if error is not None and lost(error):
            raise OutcomeUnknownError("the connection was lost: the log says whether it is taken back") from error
        if error is not None:
            number = log.failed(ctx, taking.change, taking.log.op_id, error, reverts=taking.number)
            return replace(
                _result(taking, "failed"),
                id=number,
                steps=(report,),
                error=error.text,
                error_code=error.code,
                notes=_NO_VALUE if sqlstate(error) == "23502" and taking.change.kind is ColumnChangeKind.DROP else (),
            )
        reports = (report, *(tried(run, step)[0] for step in later))
    return replace(_result(taking, "done"), id=number, steps=reports)


def _result(taking: ColumnUndo, outcome: str, small_bytes: int = SMALL_BYTES) -> UndoResult:
    steps = tuple(
        planned(step, "planned" if outcome == "planned" else "skipped") for step in _steps(taking, small_bytes)
    )
    return UndoResult(
        taking.number,
        taking.change.kind,
        taking.change.table,
        taking.change.column,
        outcome,
        taking.undo,
        steps,
        notes=taking.undo.notes,
        waits=taking.waits,
    )


def _outcome(result: UndoResult, server: Server | None) -> Outcome[UndoResult]:
    status, code = {"done": ("ok", 0), "already_done": ("skipped", 0), "failed": ("failed", 7)}[result.outcome]
    return Outcome(COMMAND, result, status, code, server)
