"""Whether our own tables and the catalog agree, and what runs of ours left behind: open operations, locks.

Nothing is removed here but by ``settle``, which is that of ``doctor``: only what is ours, and never what a living
backend still builds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from indexpilot_cli.core.codec import Amount, Count
from indexpilot_cli.core.command import Connection, Progress, Record
from indexpilot_cli.core.mutation import MutationReport
from indexpilot_cli.db.locks import SPACE
from indexpilot_cli.db.session import Session
from indexpilot_cli.execute.build import CatalogVerdict
from indexpilot_cli.execute.reconcile import pending, settle_open
from indexpilot_cli.settings.sections import BypassSettings
from indexpilot_cli.snapshot.source import open_reader


@dataclass(frozen=True, slots=True)
class OpenOperation:
    """An operation nobody closed. ``running``: somebody still works on its table."""

    mutation: int
    index: str
    text: str
    fix: str
    running: bool


@dataclass(frozen=True, slots=True)
class StaleLock:
    """A session of ours that holds a table and does nothing."""

    pid: Count
    table: str
    idle_seconds: Amount
    fix: str


@dataclass(frozen=True, slots=True)
class SettledOperation:
    """An open operation that was closed by what the catalog says, or why it was not."""

    mutation: int | None
    index: str
    outcome: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IntegrityResult:
    """``settled`` are operations that this check closed, where it was told to."""

    operations: tuple[OpenOperation, ...] = ()
    locks: tuple[StaleLock, ...] = ()
    settled: tuple[SettledOperation, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was left behind."""
        return not self.locks and all(operation.running for operation in self.operations)


def settle(
    connection: Connection, record: Record, bypass: BypassSettings, progress: Progress
) -> tuple[SettledOperation, ...]:
    """What could be settled of what runs left open. Raises what ``settle_open`` raises."""
    return tuple(map(_settled, settle_open(connection, record, bypass, progress)))


def check_integrity(
    connection: Connection, stale_seconds: float, progress: Progress, settled: tuple[SettledOperation, ...] = ()
) -> IntegrityResult:
    """What runs left behind, beside what was ``settled`` a moment ago. Raises PrerequisiteError before ``init``."""
    progress.stage("looking for what was left behind")
    with open_reader(connection) as session:
        operations = tuple(_open(session, connection.metadata_schema))
        return IntegrityResult(operations, tuple(_stale(session, stale_seconds)), settled)


def _open(session: Session, schema: str) -> Iterator[OpenOperation]:
    for item in pending(session, schema):
        running = item.verdict is CatalogVerdict.LEAVE
        yield OpenOperation(item.event.id or 0, item.event.index.short, item.text, item.fix, running)


def _stale(session: Session, seconds: float) -> Iterator[StaleLock]:
    """An advisory lock ends with its session, so what is stale is a session that lives on and does nothing."""
    for row in session.rows("lifecycle/locks", {"space": SPACE}):
        if row.idle_seconds is not None and row.idle_seconds > seconds:
            fix = f"SELECT pg_terminate_backend({row.pid});"
            yield StaleLock(row.pid, row.relation or "this database", row.idle_seconds, fix)


def _settled(report: MutationReport) -> SettledOperation:
    return SettledOperation(report.id, str(report.index), str(report.outcome), tuple(report.notes))
