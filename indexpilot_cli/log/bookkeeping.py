"""One row in the mutation log for every command that reached a database, also for those that fail.

The row is written in a second, short session that touches IndexPilot's own schema only. A log that cannot be
written never stops a command: it becomes a warning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from indexpilot_cli.core import telemetry
from indexpilot_cli.core.command import ANYBODY, Connection, Record
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.conninfo import secrets_of
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session, session_to
from indexpilot_cli.errors import (
    IndexPilotError,
    OutcomeUnknownError,
    PrerequisiteError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from indexpilot_cli.log import idle, mutations, pending

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
    is set when it turns out that no database is involved. ``elsewhere``: the work has written its own rows, so only a
    failure needs one. ``serverless``: the answer came from this machine, so a server that cannot be reached is no
    reason for a warning. ``idle`` is the word of a periodic run that found nothing to do, which is counted; one
    within an hour gets a row.
    """

    def __init__(self) -> None:
        self.warning: Warn | None = None
        self.written: int | None = None
        self.offline = False
        self.elsewhere = False
        self.serverless = False
        self.idle: str | None = None
        self._details: dict[str, Any] = {}
        self._type: MutationType | None = None
        self._table: tuple[str | None, str, str | None] | None = None
        self._failed: str | None = None

    def details(self, **facts: Any) -> None:
        """Add facts to the row's details; later ones win."""
        self._details.update(facts)

    def type(self, kind: MutationType) -> None:
        """Another mutation type than the command began with."""
        self._type = kind

    def table(self, name: str, schema: str | None = None, column: str | None = None) -> None:
        """The one table, or column of it, that the command was about."""
        self._table = (schema, name, column)

    def critical(self, error: str) -> None:
        """The command ends by itself, and still nobody knows what it left."""
        self._type, self._failed, self.elsewhere = MutationType.CRITICAL_ERROR, error, False

    @property
    def failed(self) -> bool:
        """Whether the command ends by itself with an outcome that nobody knows."""
        return self._failed is not None

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """The warning as a tuple, for an Outcome."""
        return () if self.warning is None else (self.warning,)

    def mutation(self, kind: MutationType, state: str, record: Record, error: BaseException | None) -> Mutation:
        """The row: what was noted, who asked, and how it ended."""
        schema, table, column = self._table or (None, None, None)
        facts = {"command": record.command, "version": record.version, "actor": record.actor, **self._details}
        return Mutation(
            type=incident(error) or self._type or kind,
            details={name: fact for name, fact in facts.items() if fact != ""} | _failure(error),
            table_name=table,
            field_name=column,
            schema_name=schema,
            state=FAILED if self._failed else state,
            actor=record.actor or None,
            sqlstate=sqlstate(error),
            error=self._failed if error is None else str(error) or type(error).__name__,
        )


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where rows go, and in whose name: how a session for them is opened, the schema of our tables, what must not be
    written down.

    ``conninfo`` names the server, for what failed before it could be reached.
    """

    open: Callable[[], AbstractContextManager[Session]]
    schema: str
    conninfo: str
    secrets: tuple[str, ...]
    record: Record


@contextmanager
def bookkeeping(
    connection: Connection, kind: MutationType, record: Record = ANYBODY, *, offline: bool = False, **facts: Any
) -> Iterator[Note]:
    """Run the block, then write its row: DONE, FAILED with the error's class and code, or INTERRUPTED.

    Errors of the block are raised again, unchanged. A server that could not be reached is not tried again; the next
    row that is written there is preceded by one that says so. ``offline`` says that no database is involved, so there
    is no row. ``facts`` go into the row's details. ``note.warning`` is known only after the block.
    """
    place = LogPlace(
        lambda: writer(connection),
        connection.metadata_schema,
        connection.conninfo,
        secrets_of(connection.conninfo, connection.password),
        record,
    )
    with booked(place, kind, offline=offline, **facts) as note:
        yield note


@contextmanager
def booked(place: LogPlace, kind: MutationType, *, offline: bool = False, **facts: Any) -> Iterator[Note]:
    """``bookkeeping`` with the log at that place."""
    note = Note()
    note.details(**facts)  # before the block, so that the row of a failure has them too
    record = place.record
    where = None if offline or not record.enabled else place
    began = time.monotonic()
    try:
        yield note
    except BaseException as error:  # Ctrl-C and a signal's SystemExit get their row too; all of them are raised again
        state = FAILED if isinstance(error, Exception) else INTERRUPTED
        _tell(record, state, began, error)
        row = note.mutation(kind, state, record, error)
        if where is not None and not _never_reached(error):
            _close(note, where, row)
        elif where is not None and incident(error) is not None:
            pending.remember(where.conninfo, row, where.secrets)
        raise
    _tell(record, FAILED if note.failed else DONE, began, None)
    if where is not None and not note.elsewhere:
        _close(note, where, note.mutation(kind, DONE, record, None))


def _tell(record: Record, state: str, began: float, error: BaseException | None) -> None:
    telemetry.timing("runs", time.monotonic() - began, command=record.command, outcome=state.lower())
    # What was asked wrongly, was not there or was refused is an answer and no error of ours or the server's.
    if isinstance(error, Exception) and not isinstance(error, UsageError | PrerequisiteError | RefusedError):
        telemetry.failure(error, command=record.command, actor=record.actor, version=record.version)


def writer(connection: Connection) -> Session:
    """A short read-write session for IndexPilot's own schema."""
    soon = replace(connection, connect_timeout=min(connection.connect_timeout or _CONNECT_SECONDS, _CONNECT_SECONDS))
    return session_to(soon, read_only=False, statement_timeout_ms=_STATEMENT_MS, lock_timeout_ms=_LOCK_MS)


def is_writable(session: Session, schema: str) -> bool:
    """Whether our tables are there and the server would let us write (not a standby, not read-only)."""
    return bool(session.value("log/writable", {"schema": schema}))


def _close(note: Note, place: LogPlace, mutation: Mutation) -> None:
    if note.offline:
        return
    try:
        with place.open() as session:
            # Asked before and not found out by 25006: asking a standby for advice is ordinary and needs no warning.
            if is_writable(session, place.schema):
                note.written = _append(session, note, place, mutation)
    except IndexPilotError as error:
        if not (note.serverless and _never_reached(error)):
            note.warning = Warn("not_recorded", "mutation_log", _why(error))


def _append(session: Session, note: Note, place: LogPlace, mutation: Mutation) -> int | None:
    """The id of the row; None for an idle run that is only counted."""
    _tell_pending(session, place)
    if note.idle is not None and mutation.state == DONE:
        if idle.count(session, note.idle, mutation, place.schema):
            return None
        mutation = replace(mutation, details={**mutation.details, "idle": note.idle})
    return mutations.record(session, mutation, schema=place.schema, secrets=place.secrets)


def _tell_pending(session: Session, place: LogPlace) -> None:
    """Rows of the connections to this database that failed since the last one."""
    failed = pending.take(place.conninfo)
    try:
        for entry in failed:
            mutations.record(session, pending.row(entry), schema=place.schema, secrets=place.secrets)
    except IndexPilotError:
        pending.put_back(failed)
        raise


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


_BY_CODE = {
    "privilege_missing": MutationType.AUTHORIZATION_DENIED,
    "tampered_plan": MutationType.SECURITY_VIOLATION,
}
# Of errors that say the server is not there: a login it refused, and a statement that took too long.
_LOGIN = "authentication_failed"
_CANCELLED = "timeout"


def incident(error: BaseException | None) -> MutationType | None:
    """The type of row that tells of the error; None where the row of the command does."""
    if isinstance(error, UnreachableError):
        return _of_connection(error)
    if isinstance(error, IndexPilotError) and not isinstance(error, OutcomeUnknownError):
        return _BY_CODE.get(error.code)
    # What nobody foresaw, and what nobody knows the end of. Ctrl-C and signals are neither.
    return MutationType.CRITICAL_ERROR if isinstance(error, Exception) else None


def _of_connection(error: UnreachableError) -> MutationType | None:
    reached = error.__cause__ is not None
    if error.code == _CANCELLED and reached:
        return None
    if error.code != _LOGIN:
        return None if error.code == "password_required" else MutationType.CONNECTION_ERROR
    # The first try without a password, after which it is asked for, is how libpq's programs do it and no failure.
    asked = "no password supplied" in (error.detail or "")
    return None if asked else MutationType.AUTHENTICATION_FAILURE
