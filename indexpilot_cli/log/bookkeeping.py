"""One row in the mutation log for every command that reached a database, also for those that fail.

The row is written in a second, short session that touches IndexPilot's own schema only. A log that cannot be
written never stops a command: it becomes a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session, open_session, secrets_of
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.log import mutations

DONE = "DONE"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"
# Short, because the command has done its work by then: a log that is slow to reach must not hold up its answer.
_CONNECT_SECONDS = 5
_STATEMENT_MS = 10_000
_LOCK_MS = 2_000


class Note:
    """What the running command wants in its row. ``warning`` is set afterwards when the row could not be written.

    ``written`` is the id of the row, None when there is none (nothing to write to, disabled, or a warning). ``offline``
    is set when it turns out that no database is involved.
    """

    def __init__(self) -> None:
        self.warning: Warn | None = None
        self.written: int | None = None
        self.offline = False
        self._details: dict[str, Any] = {}
        self._type: MutationType | None = None
        self._table: tuple[str | None, str] | None = None

    def details(self, **facts: Any) -> None:
        """Add facts to the row's details; later ones win."""
        self._details.update(facts)

    def type(self, kind: MutationType) -> None:
        """Another mutation type than the command began with."""
        self._type = kind

    def table(self, name: str, schema: str | None = None) -> None:
        """The one table the command was about."""
        self._table = (schema, name)

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """The warning as a tuple, for an Outcome."""
        return () if self.warning is None else (self.warning,)

    def mutation(self, kind: MutationType, state: str, record: Record, error: BaseException | None) -> Mutation:
        """The row: what was noted, who asked, and how it ended."""
        schema, table = self._table or (None, None)
        facts = {"command": record.command, "version": record.version, "actor": record.actor, **self._details}
        return Mutation(
            type=self._type or kind,
            details={name: fact for name, fact in facts.items() if fact != ""} | _failure(error),
            table_name=table,
            schema_name=schema,
            state=state,
            actor=record.actor or None,
            sqlstate=sqlstate(error),
            error=None if error is None else str(error) or type(error).__name__,
        )


@contextmanager
def bookkeeping(
    connection: Connection, kind: MutationType, record: Record | None = None, *, offline: bool = False, **facts: Any
) -> Iterator[Note]:
    """Run the block, then write its row: DONE, FAILED with the error's class and code, or INTERRUPTED.

    Errors of the block are raised again, unchanged; a server that could not be reached is not tried again.
    ``offline`` says that no database is involved, so there is no row. ``facts`` go into the row's details.
    ``note.warning`` is known only after the block.
    """
    note = Note()
    note.details(**facts)  # before the block, so that the row of a failure has them too
    given = record or Record()
    asked = replace(given, enabled=given.enabled and not offline)
    try:
        yield note
    except BaseException as error:  # Ctrl-C and a signal's SystemExit get their row too; all of them are raised again
        if _never_reached(error):
            raise
        state = FAILED if isinstance(error, Exception) else INTERRUPTED
        _close(note, connection, note.mutation(kind, state, asked, error), asked)
        raise
    _close(note, connection, note.mutation(kind, DONE, asked, None), asked)


def write(connection: Connection, mutation: Mutation) -> int | None:
    """Append the row in a session of its own; its id, or None where there is nothing to write to.

    There is nothing before ``init``, on a standby, and in a database that is read-only by default.
    """
    with writer(connection) as session:
        # Asked before and not found out by 25006: asking a standby for advice is ordinary and needs no warning.
        if not is_writable(session, connection.metadata_schema):
            return None
        secrets = secrets_of(connection.conninfo, connection.password)
        return mutations.record(session, mutation, schema=connection.metadata_schema, secrets=secrets)


def writer(connection: Connection) -> Session:
    """A short read-write session for IndexPilot's own schema."""
    return open_session(
        connection.conninfo,
        password=connection.password,
        read_only=False,
        statement_timeout_ms=_STATEMENT_MS,
        lock_timeout_ms=_LOCK_MS,
        connect_timeout=min(connection.connect_timeout or _CONNECT_SECONDS, _CONNECT_SECONDS),
    )


def is_writable(session: Session, schema: str) -> bool:
    """Whether our tables are there and the server would let us write (not a standby, not read-only)."""
    return bool(session.value("log/writable", {"schema": schema}))


def _close(note: Note, connection: Connection, mutation: Mutation, record: Record) -> None:
    if not record.enabled or note.offline:
        return
    try:
        note.written = write(connection, mutation)
    except IndexPilotError as error:
        note.warning = Warn("not_recorded", "mutation_log", _why(error))


def _never_reached(error: BaseException) -> bool:
    """A refused login has no statement's error behind it; asking the server once more would only repeat it."""
    return isinstance(error, UnreachableError) and error.__cause__ is None


def _why(error: IndexPilotError) -> str:
    return f"the mutation log could not be written: {error.message}" + (f" ({error.detail})" if error.detail else "")


def _failure(error: BaseException | None) -> dict[str, str]:
    if error is None:
        return {}
    if isinstance(error, IndexPilotError):
        rest = {"detail": error.detail} if error.detail else {}
        return {"error_class": type(error).__name__, "error_code": error.code, **rest}
    return {"error_class": type(error).__name__}
