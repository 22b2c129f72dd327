"""One step of a change of a column, handed to the engine in its manner, and how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.change.values import ColumnChangeKind, SchemaChange, Step, StepReport
from indexpilot_cli.execute.backfill import BackfillWork
from indexpilot_cli.execute.context import Pace, RunContext, StepRun, take_lock
from indexpilot_cli.execute.signals import StopRequested
from indexpilot_cli.execute.steps import DatabaseStep, StepManner, perform
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey, GenomeField, ProfileRow, discover


@contextmanager
def locked(
    ctx: RunContext, change: SchemaChange, op_id: str, *, patience: float = 0.0, pages: int = 1
) -> Iterator[StepRun]:
    """Steps on the change's table under its advisory lock, as patient as the user said; batches have so many pages."""
    pace = Pace(lock_ms=round(ctx.limits.lock * 1000), tries=ctx.limits.retries + 1, pages=pages)
    with closing(ctx.builder(op_id)) as session:
        take_lock(ctx, session, change.relid, change.table.short, patience)
        session.rows("session/unseen")  # what we write ourselves is no workload of the application's
        # Rows that a policy hides from an UPDATE are an error, not a gap.
        # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-ROW-SECURITY
        session.execute("SET row_security = off")
        yield StepRun(ctx, session, change.table, change.relid, pace)


def planned(step: Step, outcome: str = "planned") -> StepReport:
    """A step that was not tried."""
    return StepReport(step.title, outcome, step.statements, step.span.value, step.lock)


def tried(
    run: StepRun, step: Step, record: Callable[[Session], None] = lambda _session: None
) -> tuple[StepReport, IndexPilotError | None]:
    """How the step went, with the error when it failed. ``record`` writes in its transaction, or after it."""
    run.tries, run.rows, run.blockers = 0, 0, ()
    began, failed = time.monotonic(), None
    try:
        perform(run, _engine_step(run, step, record))
    except IndexPilotError as error:
        failed = error
    except StopRequested as stopped:
        what = "backfill" if step.how == "fill" else "change"
        text = f"the {what} was stopped; run the same command again to go on"
        cause = stopped.__cause__
        failed = cause if isinstance(cause, IndexPilotError) else StatementError(text, code="interrupted")
    report = StepReport(
        step.title,
        "done" if failed is None else "failed",
        step.statements,
        step.span.value,
        step.lock,
        (time.monotonic() - began) * 1000,
        run.tries,
        run.rows if step.how == "fill" else None,
        tuple(map(str, run.blockers)),
    )
    return report, failed


def _engine_step(run: StepRun, step: Step, record: Callable[[Session], None]) -> DatabaseStep:
    """The step as the engine takes it; ``record`` is called behind work that is not one transaction."""
    what, _, made = step.makes.partition(":")
    if step.how == "transaction":
        # Behind a request for ACCESS EXCLUSIVE all readers queue, so who holds the table for long is looked for before
        # it.
        strong = (run.table,) if step.lock == "ACCESS EXCLUSIVE" else ()
        return DatabaseStep(step.title, step.statements, waits_for=strong, record=record)
    if step.how == "fill" and step.table is not None:
        # A row that has no value yet is found by that, so it does not matter where a run ended.
        column = quote_identifier(made)
        work = BackfillWork(step.table, column, "DEFAULT", f"{column} IS NULL", settles=True, title=step.title)

        def told(_page: int) -> None:
            run.ctx.progress.say(f"{step.title}: {run.rows:,} rows")

        return DatabaseStep(step.title, manner=StepManner.BATCHED, fill=work, told=told, record=record)
    index = QualifiedName(step.table.schema, made) if what == "index" and step.table is not None else None
    manner = StepManner.PATIENT if index is None else StepManner.ALONE
    return DatabaseStep(step.title, step.statements, manner, index=index, record=record)


def known(session: Session, table: QualifiedName, column: str, schema: str) -> dict[str, object]:
    """What our tables say of the column now, as JSON; empty when they do not know it."""
    key = FieldKey(table, column)
    fields = [f for f in genome.fields(session, table.name, table.schema, schema=schema) if f.key == key]
    if not fields:
        return {}
    # A tenant without a row has the default: only those that chose otherwise must be brought back.
    rows = genome.profile_rows(session, key, schema=schema)
    odd = [to_json(row) for row in rows if row.enabled != fields[0].default_expression]
    return {"field": to_json(fields[0]), "profiles": odd}


def follow(session: Session, change: SchemaChange, schema: str) -> None:
    """Bring our tables in step with the change that this transaction makes."""
    key = FieldKey(change.table, change.column)
    match change.kind:
        case ColumnChangeKind.RENAME:
            genome.rename(session, key, FieldKey(change.table, str(change.new_name)), schema=schema)
        case ColumnChangeKind.DROP:
            genome.remove(session, (key,), schema=schema)
        case _:
            _refresh(session, key, schema)


def unfollow(session: Session, change: SchemaChange, before: Mapping[str, Any], schema: str) -> None:
    """Bring our tables in step with the way back; ``before`` is what ``known`` gave."""
    key = FieldKey(change.table, change.column)
    match change.kind:
        case ColumnChangeKind.RENAME:
            genome.rename(session, FieldKey(change.table, str(change.new_name)), key, schema=schema)
        case ColumnChangeKind.ADD:
            genome.remove(session, (key,), schema=schema)
        case ColumnChangeKind.TYPE:
            _refresh(session, key, schema)
        case ColumnChangeKind.DROP:
            _bring_back(session, before, schema)


def _refresh(session: Session, key: FieldKey, schema: str) -> None:
    """A field as the database has it now; only of a table that the catalog knows."""
    # A column alone of a table that nobody discovered would look like all of the table.
    if not genome.fields(session, key.table.name, key.table.schema, schema=schema):
        return
    found = [d for d in discover(session, schemas=[key.table.schema], schema=schema) if d.field.key == key]
    for item in found:
        # By name the field is known already where only its type changed.
        field = item.field
        if not genome.add(session, (field,), schema=schema):
            values = {"type": field.type, "required": field.required, "indexable": field.indexable}
            genome.update(session, key, **values, schema=schema)  # type: ignore[arg-type]
    genome.save_identities(session, found, schema=schema)


def _bring_back(session: Session, before: Mapping[str, Any], schema: str) -> None:
    if not before.get("field"):
        return
    genome.add(session, (from_json(GenomeField, before["field"]),), schema=schema)
    for data in before.get("profiles", ()):
        row = from_json(ProfileRow, data)
        genome.set_enabled(session, row.tenant_id, row.key, row.enabled, schema=schema)
