"""What is said of one statement after it ran, failed, or was kept from running."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.core.observation import Lock, RunState, SqlError, StatementObservation, Work
from indexpilot_cli.db.observe_session import Answer
from indexpilot_cli.evolve.review.clone.work import messages_worth_keeping
from indexpilot_cli.sql.ddl.action import MigrationStatement


def ran(
    statement: MigrationStatement,
    answer: Answer,
    number: int,
    locks: tuple[Lock, ...] = (),
    held: tuple[Lock, ...] = (),
    work: tuple[Work, ...] = (),
) -> StatementObservation:
    """It ran in the transaction of that number."""
    return StatementObservation(
        statement.number,
        RunState.RAN,
        number,
        locks,
        held,
        work,
        notices=messages_worth_keeping(answer.messages),
        rows=_rows(answer),
        milliseconds=round(answer.milliseconds, 3),
    )


def failed(statement: MigrationStatement, number: int, error: SqlError, answer: Answer) -> StatementObservation:
    """It fails, in production too."""
    return StatementObservation(
        statement.number,
        RunState.FAILED,
        number,
        error=_placed(error, statement),
        notices=messages_worth_keeping(answer.messages),
    )


def not_run(
    statement: MigrationStatement, number: int, reason: str, answer: Answer | None = None
) -> StatementObservation:
    """The sandbox kept it from running, or cut it off."""
    return StatementObservation(
        statement.number,
        RunState.NOT_RUN,
        number,
        reason=reason,
        error=answer.error if answer else None,
        notices=messages_worth_keeping(answer.messages) if answer else (),
    )


def _rows(answer: Answer) -> int | None:
    words = answer.tags[-1].split() if answer.tags else []
    return int(words[-1]) if len(words) > 1 and words[-1].isdigit() else None


def _placed(error: SqlError, statement: MigrationStatement) -> SqlError:
    inside = error.position is None or error.position <= len(statement.sql) + 1
    return error if inside else replace(error, position=None)
