"""One step of a change: tried until the lock is free, watched while it waits, recorded when it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.errors import StatementError, sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.change.values import Step, StepReport
from indexpilot_cli.execute import build, ddl_run
from indexpilot_cli.execute.context import RunContext

T = TypeVar("T")

_CANCELLED = "57014"
_AGAIN = frozenset({"55P03", "40P01", "40001"})
_PAGES = "SELECT pg_catalog.pg_relation_size(%s::regclass) / pg_catalog.current_setting('block_size')::int + 1"
_PASSES = 5  # how often a backfill starts over for rows that moved while it ran


@dataclass(slots=True)
class Trial:
    """What is known of a step that is being tried."""

    step: Step
    tries: int = 0
    rows: int | None = None
    blockers: tuple[Blocker, ...] = ()
    began: float = field(default_factory=time.monotonic)

    def report(self, outcome: str) -> StepReport:
        """The step as it stands."""
        step = self.step
        milliseconds = (time.monotonic() - self.began) * 1000
        return StepReport(
            step.title,
            outcome,
            step.statements,
            step.span.value,
            step.lock,
            milliseconds,
            self.tries,
            self.rows,
            tuple(str(b) for b in self.blockers),
        )


def planned(step: Step, outcome: str = "planned") -> StepReport:
    """A step that was not tried."""
    return StepReport(step.title, outcome, step.statements, step.span.value, step.lock)


def carry_out(ctx: RunContext, session: Session, trial: Trial, tail: Callable[[Session], None], pages: int) -> None:
    """Run the step; ``tail`` runs in its transaction, or after it where it has none of its own.

    Raises RefusedError (lock_timeout) when the lock was never free, StatementError and others as the server says.
    """
    ctx.progress.stage(trial.step.title)
    match trial.step.how:
        case "transaction":
            _tried(
                ctx,
                session,
                trial,
                lambda: ddl_run.in_transaction(session, trial.step.statements, lambda: tail(session)),
            )
        case "fill":
            trial.rows = _fill(ctx, session, trial, pages)
            tail(ctx.log)
        case _:
            _alone(ctx, session, trial)
            tail(ctx.log)


def _tried(ctx: RunContext, session: Session, trial: Trial, work: Callable[[], T]) -> T:
    """Wait briefly for the lock, let everybody pass, try again: readers never queue for long behind us."""
    tries = 0
    while True:
        tries += 1
        trial.tries = max(trial.tries, tries)
        ended = ddl_run.watched(session, ctx.look, work, lambda: ctx.stop.requested)
        trial.blockers = ended.blockers or trial.blockers
        error = ended.error
        if error is None:
            return ended.value  # type: ignore[return-value]
        if sqlstate(error) not in _AGAIN or tries > ctx.limits.retries or ctx.stop.requested:
            raise error
        ctx.progress.say(f"the table is busy, try {tries} of {ctx.limits.retries + 1}{_whom(trial)}")
        if ctx.rest(tries):
            raise error


def lost(error: IndexPilotError) -> bool:
    """Whether the connection is gone, so that nobody knows what stands; a cancelled statement is simply undone."""
    return isinstance(error, UnreachableError) and sqlstate(error) != _CANCELLED


def _whom(trial: Trial) -> str:
    return f": waiting for {trial.blockers[0]}" if trial.blockers else ""


def _alone(ctx: RunContext, session: Session, trial: Trial) -> None:
    """Statements that refuse a transaction block, one by one. An index that a broken build left goes first."""
    for text in trial.step.statements:
        index = _index_of(trial.step)
        if index is not None:
            found = build.find_index(session, index)
            if found is not None and found.valid:
                continue
            _clear(session, index)
            build.set_lock_timeout(session, 0)  # waiting for it blocks nobody, and a timeout would leave a ruin
        try:
            _tried(ctx, session, trial, lambda text=text: session.execute(text))  # type: ignore[misc]
        except IndexPilotError as error:
            if index is not None and not lost(error):
                _clear(session, index)
            raise
        finally:
            if index is not None and not session.closed:
                build.set_lock_timeout(session, ctx.limits.lock)


def _index_of(step: Step) -> QualifiedName | None:
    word, _, name = step.makes.partition(":")
    return QualifiedName(step.table.schema, name) if word == "index" and step.table is not None else None


def _clear(session: Session, index: QualifiedName) -> None:
    """Drop the index when it is there and not valid."""
    found = build.find_index(session, index)
    if found is not None and not found.valid:
        session.execute(f"DROP INDEX CONCURRENTLY {index}")


def _fill(ctx: RunContext, session: Session, trial: Trial, pages: int) -> int:
    """Every row gets its value, so many pages at a time, each batch a transaction of its own; gives the rows."""
    table = trial.step.table
    assert table is not None
    column = trial.step.makes.partition(":")[2]
    missing = f"SELECT EXISTS (SELECT FROM {table} WHERE {quote_identifier(column)} IS NULL)"
    total = 0
    for _ in range(_PASSES):
        total += _pass(ctx, session, trial, table, pages)
        if not session.value(missing):
            break
    return total


def _pass(ctx: RunContext, session: Session, trial: Trial, table: QualifiedName, pages: int) -> int:
    count = session.value(_PAGES, (str(table),))
    template, total = trial.step.statements[0], 0
    for low in range(0, int(count), pages):
        if ctx.stop.requested:
            raise StatementError("the backfill was stopped; run the same command again to go on", code="interrupted")
        text = template.replace("{low}", str(low)).replace("{high}", str(low + pages))
        total += max(0, _tried(ctx, session, trial, lambda text=text: session.execute(text)))  # type: ignore[misc]
        ctx.progress.say(f"{trial.step.title}: {total:,} rows")
    return total
