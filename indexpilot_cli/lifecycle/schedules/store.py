"""The runs of the jobs in our own tables: who may begin one, how it ended, and which one nobody ended.

A job is begun under its advisory lock, in the transaction that reads its last run and adds the new one; so of two
schedulers the second sees what the first has begun or done. The lock stays with the session until the run is over. A
run whose session is gone has died: nobody holds its lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from indexpilot_cli.core.codec import UNPUBLISHED, Count
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.db.conninfo import secrets_of
from indexpilot_cli.db.locks import refuse_pooled
from indexpilot_cli.db.queries import Jsonb, filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UnreachableError
from indexpilot_cli.lifecycle.schedules.timetable import RETRY, Job, JobKey, Timetable
from indexpilot_cli.log import metadata
from indexpilot_cli.log.bookkeeping import is_writable, writer
from indexpilot_cli.log.metadata import question
from indexpilot_cli.log.redact import scrub_text

_SINCE = 6  # version of our schema that has the tables
_KEEP = 400 * 86400  # seconds
_NO_WORD = "the run ended without a word"


class JobRunState(StrEnum):
    """How a run stands. DIED: its session is gone and never said how it ended."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
    DIED = "DIED"


@dataclass(frozen=True, slots=True)
class PastRun:
    """The newest run of a job.

    ``done_at``: when the newest one began that was carried out, maybe this one.
    """

    key: Annotated[JobKey, UNPUBLISHED]
    id: Count
    state: JobRunState
    due_at: datetime | None
    started_at: datetime
    finished_at: datetime | None
    done_at: Annotated[datetime | None, UNPUBLISHED]
    actor: str = ""
    plan: str | None = None
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def waits(self, now: datetime) -> datetime | None:
        """Until when a run that failed is not tried again; None: it may be."""
        if self.state is not JobRunState.FAILED or self.finished_at is None or self.finished_at + RETRY <= now:
            return None
        return self.finished_at + RETRY


@dataclass(slots=True)
class Claim:
    """A run that is ours. What came of it is filled in before it is closed. ``died`` are earlier runs found dead."""

    key: JobKey
    id: int
    started_at: datetime
    due_at: datetime | None
    died: tuple[int, ...] = ()
    plan: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoClaim:
    """Why the job is not begun now: somebody runs it, or it is not due. ``last`` is its newest run."""

    key: JobKey
    running: bool
    last: PastRun | None = None


def require(session: Session, schema: str) -> None:
    """Raises PrerequisiteError when the tables are not there, or from before there were schedules."""
    metadata.require(session, schema)
    version = metadata.status(session, schema).version or 0
    if version < _SINCE:
        raise PrerequisiteError(
            f"IndexPilot's tables are at version {version}, schedules need {_SINCE}",
            hint="indexpilot init --upgrade",
            code="metadata_old",
        )


def newest(session: Session, schema: str) -> dict[JobKey, PastRun]:
    """The newest run of every job, as it stands in the table."""
    return {run.key: run for run in map(_past, session.rows(question(session, "lifecycle/runs", schema), {}))}


def held(session: Session, keys: Collection[JobKey], schema: str) -> frozenset[JobKey]:
    """The jobs that some session of this server runs now."""
    by_lock = {key.lock(schema): key for key in keys}
    return frozenset(by_lock[r.key] for r in session.rows("lifecycle/run_holders", {"keys": list(by_lock)}))


def settled(session: Session, schema: str) -> dict[JobKey, PastRun]:
    """The newest run of every job; one that is RUNNING in the table and in no session is told as DIED.

    On a standby the sessions of the primary cannot be seen, so what runs is believed.
    """
    found = newest(session, schema)
    running = [key for key, run in found.items() if run.state is JobRunState.RUNNING]
    if not running or session.value("SELECT pg_catalog.pg_is_in_recovery()"):
        return found
    alive = held(session, running, schema)
    # Read again: a run that ended meanwhile has let go of its lock and says so.
    found = newest(session, schema) if len(alive) < len(running) else found
    return {key: _dead(run) if key in running and key not in alive else run for key, run in found.items()}


@contextmanager
def claimed(
    connection: Connection, key: JobKey, record: Record, rhythm: tuple[Timetable, Job] | None = None
) -> Iterator[Claim | NoClaim]:
    """Begin the job and hold it for the length of the block, which fills in what came of it.

    ``rhythm``: only when it is due by that timetable, as that job is. An error of the block is recorded and raised
    again, a signal too. Raises RefusedError where no run can be kept.
    """
    schema = connection.metadata_schema
    with writer(connection) as session:
        require_writable(session, record, schema)
        refuse_pooled(session)
        claim = _claim(session, key, record, rhythm, schema)
        if isinstance(claim, NoClaim):
            yield claim
            return
        try:
            yield claim
        except BaseException as error:  # Ctrl-C and a signal's SystemExit end a run too; all of them are raised again
            state = JobRunState.FAILED if isinstance(error, Exception) else JobRunState.INTERRUPTED
            with suppress(IndexPilotError):  # what is raised is why there is nothing more to write
                _close(connection, session, claim, state, str(error) or type(error).__name__)
            raise
        claim.finished_at = _close(connection, session, claim, JobRunState.DONE)


def require_writable(session: Session, record: Record, schema: str) -> None:
    """Raises RefusedError where nothing can be kept, PrerequisiteError before ``init``."""
    require(session, schema)
    if not record.enabled:
        why, hint = "the settings switch IndexPilot, or what it writes down, off", "indexpilot config show bypass"
        raise RefusedError(f"nothing can be recorded: {why}", hint=hint, code="bypass")
    if not is_writable(session, schema):
        why = "nothing can be recorded: the server takes no writes"
        raise RefusedError(why, hint="connect to the primary", code="read_only")


def _claim(
    session: Session, key: JobKey, record: Record, rhythm: tuple[Timetable, Job] | None, schema: str
) -> Claim | NoClaim:
    names = {"job": key.job.value, "tenant": key.tenant}
    with session.transaction():
        if not session.value("lifecycle/run_lock", {"key": key.lock(schema)}):
            return NoClaim(key, True, newest(session, schema).get(key))
        abandon = question(session, "lifecycle/run_abandon", schema)
        died = tuple(r.id for r in session.rows(abandon, {**names, "error": _NO_WORD}))
        last, due = newest(session, schema).get(key), None
        if rhythm is not None:
            table, job = rhythm
            now = session.value("SELECT clock_timestamp()")
            due = table.due(job, last.done_at if last is not None else None, now)
            if due is None or (last is not None and last.waits(now) is not None):
                return NoClaim(key, False, last)
        values = {**names, "due_at": due, "actor": record.actor or None}
        row = session.one(question(session, "lifecycle/run_start", schema), values)
        assert row is not None
    return Claim(key, row.id, row.started_at, due, died)


def _close(
    connection: Connection, session: Session, claim: Claim, state: JobRunState, error: str | None = None
) -> datetime | None:
    """Write how the run ended; when it did, None when others had given it up for dead by then."""
    secrets = secrets_of(connection.conninfo, connection.password)
    values = {
        "id": claim.id,
        "state": state.value,
        "plan": claim.plan,
        "error": None if error is None else scrub_text(error, secrets),
        "details": Jsonb(dict(claim.details)),
    }
    schema = connection.metadata_schema
    with suppress(IndexPilotError):
        session.execute(question(session, "lifecycle/run_prune", schema), {"keep": _KEEP})
    try:
        row = session.one(question(session, "lifecycle/run_close", schema), values)
    except UnreachableError:
        # The session idled while the work was done elsewhere, and a firewall may have cut it; the row is still ours.
        session.reconnect()
        row = session.one(question(session, "lifecycle/run_close", schema), values)
    return row.finished_at if row is not None else None


def _dead(run: PastRun) -> PastRun:
    return replace(run, state=JobRunState.DIED, error=_NO_WORD)


def _past(row: Row) -> PastRun:
    return filled(
        PastRun,
        row,
        key=JobKey(Job(row.job), row.tenant_id),
        state=JobRunState(row.state),
        actor=row.actor or "",
        plan=row.plan_id,
        details=row.details or {},
    )
