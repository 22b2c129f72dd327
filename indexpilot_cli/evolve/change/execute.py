"""``schema-evolve add-column`` and its sisters: shown first, and carried out when that is asked for."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName, split_table
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError
from indexpilot_cli.evolve import dependents, relation_facts
from indexpilot_cli.evolve.alter_table import SETTING
from indexpilot_cli.evolve.change import log, plan, run_steps, undo
from indexpilot_cli.evolve.change import online_operation as online
from indexpilot_cli.evolve.change.checks import error_of
from indexpilot_cli.evolve.change.log import ChangeLog
from indexpilot_cli.evolve.change.online.probe import by_trial
from indexpilot_cli.evolve.change.run_steps import locked, planned, tried
from indexpilot_cli.evolve.change.values import ChangeResult, ColumnChangeKind, SchemaChange, StepReport, Undo
from indexpilot_cli.evolve.impact import clear_impact_cache
from indexpilot_cli.evolve.relation import RelationFacts
from indexpilot_cli.evolve.requests import ChangeRequest
from indexpilot_cli.execute.context import ORPHAN, RunContext, RunLimits, StepRun, open_context
from indexpilot_cli.execute.signals import Stop, listening
from indexpilot_cli.execute.steps import lost
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards.context import PermitRequest, Verdict
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_reader

Confirm = Callable[[ChangeResult], bool]
COMMAND = "schema_evolve_change"


@dataclass(slots=True)
class ColumnChangeRun:
    """One change while it is carried out. ``before`` is the table as it was before the first step.

    ``undo`` becomes what it really takes as soon as the catalog shows what the change did; ``id`` is the newest row.
    """

    change: SchemaChange
    before: RelationFacts
    known: Mapping[str, object]
    op_id: str
    undo: Undo
    standing: frozenset[int] = frozenset()
    id: int | None = None
    reports: list[StepReport] = field(default_factory=list)


def run(request: ChangeRequest, progress: Progress, confirm: Confirm) -> Outcome[ChangeResult]:
    """The change shown (exit code 0, status findings) or carried out (0; 6 refused; 7 some steps stand; 8 unknown).

    Raises UsageError, RefusedError or PrerequisiteError for a change that cannot be made as asked.
    """
    if not request.execute:
        return preview(request, progress)
    clear_impact_cache()  # nothing is changed on what was true five minutes ago
    try:
        return _execute(request, progress, confirm)
    finally:
        clear_impact_cache()


def preview(request: ChangeRequest, progress: Progress) -> Outcome[ChangeResult]:
    """What would be done, what it touches and how it would be taken back; nothing is written but our own log."""
    with (
        bookkeeping(request.connection, MutationType.EXPLAIN, request.record, operation=request.kind) as note,
        open_reader(request.connection) as session,
    ):
        note.details(column=request.column, preview=True)
        server = look(session, metadata_schema=request.connection.metadata_schema).server
        prepared = plan.prepare(session, request, progress)
        change = prepared.change
        if change is None:
            raise error_of(prepared.problems)
        note.table(change.table.name, change.table.schema)
        waiting = _waiting(session, change.relid, {session.backend_pid})
    refused = bool(prepared.problems)
    result = ChangeResult(
        change,
        "refused" if refused else "planned",
        tuple(planned(s) for s in change.steps),
        change.undo,
        problems=prepared.problems,
        waiting=waiting,
    )
    code = min((p.exit_code for p in prepared.problems), default=0)
    status = "refused" if refused else "findings"
    return Outcome(COMMAND, result, status, code, server, note.warnings, () if refused else (_again(request),))


def _execute(request: ChangeRequest, progress: Progress, confirm: Confirm) -> Outcome[ChangeResult]:
    limits = RunLimits(request.lock_timeout, request.retries)
    with (
        bookkeeping(request.connection, ColumnChangeKind(request.kind).mutation, request.record) as note,
        open_context(request.connection, request.record, progress, Stop(), limits) as ctx,
    ):
        schema, table = split_table(request.table)
        note.table(table, schema, request.column)
        outcome = _with_context(ctx, request, confirm)
        note.elsewhere = True  # each step has its row
        return outcome


def _with_context(ctx: RunContext, request: ChangeRequest, confirm: Confirm) -> Outcome[ChangeResult]:
    server = look(ctx.look, metadata_schema=ctx.schema).server
    # The guards first: the trial that the plan asks for makes a temporary table already.
    permit(verdicts(ctx, request))
    doing = _change_run(ctx, request)
    waiting = _waiting(ctx.look, doing.change.relid, {ctx.log.backend_pid, ctx.look.backend_pid})
    shown = ChangeResult(
        doing.change,
        "planned",
        tuple(_report(doing, n) for n in range(len(doing.change.steps))),
        doing.undo,
        waiting=waiting,
        resumed=bool(doing.standing),
    )
    if not request.confirmed and not confirm(shown):
        raise RefusedError("nothing was done", code="declined")
    with listening(ctx.stop):
        if online.is_online(doing.change):
            result = online.perform(ctx, request, shown)
        else:
            result = _perform(ctx, request, doing, shown)
    status, code = _ENDS[result.outcome]
    back = () if result.id is None else (f"indexpilot schema-evolve rollback M-{result.id}",)
    return Outcome(COMMAND, result, status, code, server, _warnings(result), back if status == "ok" else ())


def _change_run(ctx: RunContext, request: ChangeRequest) -> ColumnChangeRun:
    """The change to carry out: one whose steps stand already, else a new one. Raises what is wrong with it."""
    with open_reader(request.connection) as session:
        table = named(ctx, session, request)
        found = None if table is None else _begun(ctx, request, *table)
        if found is not None:
            change, before = found.change, found.before
            return ColumnChangeRun(
                change, before, found.metadata, found.op_id, change.undo, found.done_steps, found.last.id
            )
        under_way = None
        if table is not None and request.kind == ColumnChangeKind.TYPE:
            under_way = online.open_change(ctx, table[0], request.column)
        if under_way is not None:
            return ColumnChangeRun(
                under_way, RelationFacts(under_way.table, under_way.relid, "r", 0), {}, "", under_way.undo
            )
        prepared = plan.prepare(session, request, ctx.progress, by_trial(ctx))
        change = plan.change_of(prepared)
        assert prepared.before is not None
        known = run_steps.known(session, change.table, change.column, ctx.schema)
    return ColumnChangeRun(change, prepared.before, known, str(uuid.uuid4()), change.undo)


def named(ctx: RunContext, session: Session, request: ChangeRequest) -> tuple[QualifiedName, int] | None:
    """The table that is meant and its oid."""
    schema, name = split_table(request.table)
    rows = relation_facts.find_relations(session, schema, name, own=ctx.schema)
    return (QualifiedName(rows[0].schema, rows[0].name), rows[0].relid) if rows else None


def _begun(ctx: RunContext, request: ChangeRequest, table: QualifiedName, relid: int) -> ChangeLog | None:
    """The same change, some of whose steps stand."""
    kind = ColumnChangeKind(request.kind).mutation
    found = log.begun(ctx, kind, table, request.column, plan.asked_of(request))
    return found if found is not None and found.before.relid == relid else None


def _perform(ctx: RunContext, request: ChangeRequest, doing: ColumnChangeRun, shown: ChangeResult) -> ChangeResult:
    # The server of a run that was killed may hold the lock until it notices that its client is gone.
    # https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
    patience = ORPHAN if doing.standing else 0.0
    with locked(ctx, doing.change, doing.op_id, patience=patience, pages=request.batch_pages) as run:
        # Every run of ours asks for the advisory lock first; people with psql do not, so the catalog is read again
        # under it.
        _unchanged(run.session, doing)
        if not doing.standing:
            doing.id = log.planned(ctx, doing.change, doing.op_id, doing.before, doing.known)
        error = _steps(run, doing)
    reports = (*doing.reports, *(_report(doing, n) for n in range(len(doing.reports), len(doing.change.steps))))
    result = replace(shown, steps=reports, undo=doing.undo, id=doing.id, op_id=doing.op_id, outcome="done")
    if error is None:
        return result
    stands = bool(doing.standing) or any(r.outcome == "done" for r in doing.reports)
    return replace(result, outcome="partial" if stands else "failed", error=error.text, error_code=error.code)


def _steps(run: StepRun, doing: ColumnChangeRun) -> IndexPilotError | None:
    """Run what does not stand yet; the error that ended it, which is in the log then."""
    for number, step in enumerate(doing.change.steps):
        if number in doing.standing:
            doing.reports.append(planned(step, "skipped"))
            continue
        report, error = tried(run, step, _tail(run, doing, number))
        if error is not None and lost(error):
            raise OutcomeUnknownError(
                "the connection was lost: the server knows what stands",
                detail=error.detail,
                hint="run the same command again: it goes on where it ended",
            ) from error
        doing.reports.append(report)
        # Missing statistics make plans worse until autovacuum analyzes the table; they undo nothing of the change.
        if error is not None and step.how != "analyze":
            state = log.INTERRUPTED if run.ctx.stop.requested else log.FAILED
            facts = {"step": number, "blockers": list(report.blockers)}
            doing.id = log.failed(run.ctx, doing.change, doing.op_id, error, state, **facts)
            return error
    return None


def _tail(run: StepRun, doing: ColumnChangeRun, number: int) -> Callable[[Session], None]:
    """What is written in the transaction of a step: our tables follow the first, and the last closes the change."""
    ctx, steps = run.ctx, doing.change.steps
    last = max(n for n, s in enumerate(steps) if s.how != "analyze")

    def write(session: Session) -> None:
        # The row of a transaction commits with its DDL, on the same session; that of a fill or a concurrent build is
        # written after it, and either of them finds what stands when it is run again.
        if number == 0:
            _learn(session, doing)
            run_steps.follow(session, doing.change, ctx.schema)
            if doing.change.kind is ColumnChangeKind.RENAME:
                log.renamed(ctx, session, doing.change.relid, doing.change.column, str(doing.change.new_name))
        if steps[number].how == "fill":
            log.write(ctx, log.filled(ctx, doing.change, doing.op_id, run.rows), session)
        details: dict[str, object] = {"step": number, "of": len(steps), "title": steps[number].title, "done": True}
        if number == last:
            details |= {"undo": log.packed(doing.undo), "loss": doing.undo.loss}
            row = log.row(
                ctx,
                doing.change,
                doing.op_id,
                log.DONE,
                details,
                definition_sql=";\n".join(doing.change.statements),
                undo_sql=doing.undo.script,
            )
            for more in log.consequences(ctx, doing.change, doing.op_id):
                log.write(ctx, more, session)
            # The last row of an operation is the one that says how it stands.
            doing.id = log.write(ctx, row, session)
        elif number < last:
            row = log.row(ctx, doing.change, doing.op_id, log.STEP, details)
            doing.id = log.write(ctx, row, session)

    return write


def _learn(session: Session, doing: ColumnChangeRun) -> None:
    """A type change shows only afterwards which indexes and constraints read differently now."""
    column = doing.before.column(doing.change.column)
    if doing.change.kind is not ColumnChangeKind.TYPE or column is None:
        return
    # Predicates and expressions gain casts when the type changes: the server prints them as it has rewritten them.
    after = relation_facts.reread(session, doing.before)
    if after is not None:
        settings = tuple(s for s in doing.change.statements if s.startswith(SETTING))
        back = undo.of_type(doing.before, column, after, settings=settings)
        doing.undo = replace(back, loss=doing.change.undo.loss)


def _unchanged(session: Session, doing: ColumnChangeRun) -> None:
    """Under the lock: is it still the table that was looked at? Raises RefusedError."""
    now = relation_facts.reread(session, doing.before)
    if now is not None and (doing.standing or now.steady == doing.before.steady):
        return
    raise RefusedError(
        f"{doing.change.table.short} was changed in the meantime", hint="run the command again", code="stale"
    )


def verdicts(ctx: RunContext, request: ChangeRequest) -> tuple[Verdict, ...]:
    """The guards of a schema change: switched off, the hour, a server that takes writes and is reached directly."""
    asked = PermitRequest(
        request.connection,
        window=request.window,
        safeguards=request.safeguards,
        bypass=request.bypass,
        origins=request.origins,
    )
    return guards.ask(ctx.log, asked, "bypass", "window", "direct_connection", "writable")


def permit(found: tuple[Verdict, ...]) -> None:
    """Raises RefusedError with the first no of the guards."""
    no = [v for v in found if not v.allowed]
    if no:
        raise RefusedError(f"refused: {no[0].reason}", detail=no[0].origin, code=no[0].guard)


def _waiting(session: Session, relid: int, own: set[int]) -> tuple[str, ...]:
    """Whom the change would wait for now, and the oldest transaction."""
    found = dependents.waits(session, relid, own)
    # Who holds a lock now is waited for; the oldest transaction is what a concurrent build waits for besides.
    # https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    holders = [f"{b} holds a lock on the table" for b, holds in found if holds]
    oldest = max((b for b, _ in found if b.seconds is not None), key=lambda b: b.seconds or 0.0, default=None)
    return (*holders, *((f"oldest transaction: {oldest}",) if oldest is not None else ()))


def _report(doing: ColumnChangeRun, number: int) -> StepReport:
    return planned(doing.change.steps[number], "skipped" if number in doing.standing else "planned")


def _warnings(result: ChangeResult) -> tuple[Warn, ...]:
    return tuple(
        Warn("step_failed", r.title, f"{r.title} failed; the change itself stands")
        for r in result.steps
        if r.outcome == "failed" and result.outcome == "done"
    )


def _again(request: ChangeRequest) -> str:
    """The command line that carries out what was shown."""
    words = [request.table, request.column, *((request.new_name,) if request.new_name else ())]
    for flag in ("type", "default", "comment", "references", "using", "save_to"):
        value = getattr(request, flag)
        words += [f"--{flag.replace('_', '-')}", value] if value is not None else []
    given = (flag for flag in ("not_null", "unique", "save", "force", "online") if getattr(request, flag))
    words += [f"--{flag.replace('_', '-')}" for flag in given]
    return f"indexpilot schema-evolve {ColumnChangeKind(request.kind).command} {shlex.join(words)} --execute"


_ENDS = {"planned": ("findings", 0), "done": ("ok", 0), "partial": ("partial", 7), "failed": ("failed", 7)}


def finish_change(request: ChangeRequest, progress: Progress, confirm: Confirm) -> Outcome[ChangeResult]:
    """What would go, or that it went; exit codes as for a change. Raises RefusedError when nothing is kept."""
    limits = RunLimits(request.lock_timeout, request.retries)
    kind = MutationType.ALTER_COLUMN if request.execute else MutationType.EXPLAIN
    with (
        bookkeeping(request.connection, kind, request.record, operation="finish", preview=not request.execute) as note,
        open_context(request.connection, request.record, progress, Stop(), limits) as ctx,
    ):
        note.table(request.table, None, request.column)
        server = look(ctx.look, metadata_schema=ctx.schema).server
        found = named(ctx, ctx.look, request)
        if found is None:
            raise RefusedError(f"there is no table {request.table}", code="table_missing")
        table = found[0]
        note.table(table.name, table.schema, request.column)
        result = online.finish(ctx, table, request.column, execute=False)
        if request.execute:
            # DROP COLUMN asks for ACCESS EXCLUSIVE, however briefly: it is no less bound to the window than the change
            # was.
            permit(verdicts(ctx, request))
            if not request.confirmed and not confirm(result):
                raise RefusedError("nothing was done", code="declined")
            with listening(ctx.stop):
                result = online.finish(ctx, table, request.column, execute=True)
            note.elsewhere = True
            clear_impact_cache()
    status, code = _ENDS[result.outcome]
    again = f"indexpilot schema-evolve finish {table} {request.column} --execute"
    return Outcome(COMMAND, result, status, code, server, (), () if request.execute else (again,))
