"""What every step of a run shares: the log session, the sessions that change indexes, limits, and who asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from indexpilot_cli.core.command import Connection, Progress, Record
from indexpilot_cli.core.mutation import Blocker, Event
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import locks
from indexpilot_cli.db.conninfo import secrets_of
from indexpilot_cli.db.session import Session, session_to
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError, UnreachableError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.log import intents, metadata

_LOG_STATEMENT_MS = 10_000
_LOG_LOCK_MS = 2_000
_LOOK_STATEMENT_MS = 5_000
_POLL = 0.1  # seconds between two looks at the advisory lock
ORPHAN = 30.0  # seconds a server gets to notice that an earlier run of ours died, and to let its lock go
_RETURN = 30.0  # seconds a server gets to come back


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Seconds. ``build`` bounds the length of a build, ``end`` (of time.monotonic) when it is over; None: no limit."""

    lock: float = 2.0
    retries: int = 5
    build: float | None = None
    end: float | None = None

    def deadline(self) -> float | None:
        """The moment of time.monotonic at which a build that starts now is cancelled."""
        own = None if not self.build else time.monotonic() + self.build
        return min((moment for moment in (own, self.end) if moment is not None), default=None)


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run. ``log`` is autocommit and never holds a snapshot; ``look`` watches and only reads."""

    connection: Connection
    record: Record
    progress: Progress
    stop: Stop
    log: Session
    look: Session
    limits: RunLimits = field(default_factory=RunLimits)

    @property
    def schema(self) -> str:
        """The schema of our tables."""
        return self.connection.metadata_schema

    def write(self, event: Event, *, done: bool = False) -> Event:
        """Add the row, once more on a new connection when the old one is gone.

        ``done`` says that something already happened: then a log that cannot be written is an unknown outcome.
        """
        try:
            try:
                return intents.append(self.log, event, schema=self.schema, secrets=self.secrets)
            except UnreachableError:
                self.log.reconnect()
                return self._written_before(event) or intents.append(
                    self.log, event, schema=self.schema, secrets=self.secrets
                )
        except IndexPilotError as error:
            if not done:
                raise
            raise OutcomeUnknownError(
                "the change is done but could not be recorded",
                detail=error.text,
                hint="indexpilot doctor --reconcile",
                code="not_recorded",
            ) from error

    def _written_before(self, event: Event) -> Event | None:
        """The row, when it was committed although the connection broke before we were told."""
        for group in intents.operations(self.log, intents.Which(op_ids=(event.op_id,)), schema=self.schema):
            if (group[-1].state, group[-1].attempt) == (event.state, event.attempt):
                return group[-1]
        return None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Passwords that must not be written down."""
        return secrets_of(self.connection.conninfo, self.connection.password)

    def builder(self, op_id: str) -> Session:
        """A session of its own for one operation."""
        return build.open_builder(self.connection, f"indexpilot/{op_id}")

    def returned(self, op_id: str) -> Session | None:
        """A new session for the operation, waiting for a server that restarts; None when it stays away."""
        end = time.monotonic() + _RETURN
        while time.monotonic() < end:
            with suppress(UnreachableError):
                return self.builder(op_id)
            time.sleep(0.5)
        return None


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard the work may press. ``batch_ms`` is the aim for one batch, ``rest`` the pause after it as a share.

    ``lock_ms`` bounds each wait for a lock, during which others queue behind us; ``tries`` how often a lock is asked
    for. While a standby is more than ``max_lag_bytes`` behind, nothing is written. ``check_ms`` bounds the reading
    of all rows before anything is changed; 0 leaves it out. ``pages`` bounds a batch.
    """

    batch_ms: float = 120.0
    rest: float = 0.5
    max_lag_bytes: int = 64 * 1024 * 1024
    lock_ms: int = 300
    tries: int = 30
    check_ms: int = 300_000
    pages: int = 65_536


@dataclass(slots=True)
class StepRun:
    """Steps under way on one table. ``early``: autovacuum gives way to us at once.

    ``tries``, ``rows`` and ``blockers`` tell of the newest step; ``lock_seconds`` is the longest time one of our
    transactions kept others from reading.
    """

    ctx: RunContext
    session: Session
    table: QualifiedName
    relid: int
    pace: Pace
    early: bool = True
    rows: int = 0
    tries: int = 0
    blockers: tuple[Blocker, ...] = ()
    lock_seconds: float = 0.0

    def check(self) -> None:
        """Raises StopRequested when somebody asked to stop."""
        self.ctx.stop.check()


@contextmanager
def open_context(
    connection: Connection, record: Record, progress: Progress, stop: Stop, limits: RunLimits | None = None
) -> Iterator[RunContext]:
    """The sessions for the length of the block. Raises PrerequisiteError before ``init``."""
    with (
        session_to(
            connection,
            read_only=False,
            statement_timeout_ms=_LOG_STATEMENT_MS,
            lock_timeout_ms=_LOG_LOCK_MS,
            application_name="indexpilot/log",
        ) as log,
        session_to(connection, statement_timeout_ms=_LOOK_STATEMENT_MS, application_name="indexpilot/look") as look,
    ):
        log.value(
            # Off, a crash may take back commits already reported, and with them the intent of a build that has begun.
            # https://www.postgresql.org/docs/current/wal-async-commit.html
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        ctx = RunContext(connection, record, progress, stop, log, look, limits or RunLimits())
        metadata.require(log, ctx.schema)
        yield ctx


def take_run(ctx: RunContext) -> None:
    """This run's turn to change indexes of the database, until its log session ends.

    Raises RefusedError that names the other run.
    """
    take_lock(ctx, ctx.log, locks.RUN, "this database")


def take_lock(ctx: RunContext, session: Session, relid: int, what: str, patience: float = 0.0) -> None:
    """The table's lock among all who use IndexPilot, polled up to the lock timeout or ``patience`` seconds.

    Polled, because a waiting pg_advisory_lock would hold a snapshot that a concurrent build waits for. Raises
    RefusedError that names the holder.
    """
    end = time.monotonic() + max(ctx.limits.lock, patience)
    while not locks.try_lock(session, relid):
        if ctx.stop.requested or time.monotonic() >= end:
            raise _locked(locks.holder(session, relid), what)
        time.sleep(_POLL)


def _locked(holder: object, what: str) -> RefusedError:
    return RefusedError(
        f"another run works on {what}",
        detail=str(holder) if holder is not None else None,
        hint="try again when it is over; indexpilot history shows what it did",
        code="locked",
    )
