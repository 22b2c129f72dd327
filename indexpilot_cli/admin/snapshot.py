"""``snapshot save``: everything the advisor needs of a database, in one file without its rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import Connection, Outcome, Progress, Record, WorkloadRequest, next_line
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.workload import Workload
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.planner.open import take_snapshot
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_source
from indexpilot_cli.workload.collect import collect, merged

if TYPE_CHECKING:
    from indexpilot_cli.snapshot.values import Snapshot

REDACTION_COST = (
    "values are surrogates in the same order: estimates for most common values and ranges stay, "
    "those that depend on the text of a value (LIKE prefixes, expressions without statistics) may differ"
)


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Write everything the advisor needs to ``file``; ``redact`` replaces sampled values."""

    file: str
    connection: Connection = field(default_factory=Connection)
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    redact: bool = False
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """What was written to the file."""

    path: str
    bytes: Count
    digest: str
    taken_at: datetime
    tables: Count
    indexes: Count
    statements: Count
    redacted: bool = False
    cost: Annotated[str, "what redaction costs in accuracy"] = ""
    notes: tuple[str, ...] = ()


def run(request: SnapshotRequest, progress: Progress) -> Outcome[SnapshotResult]:
    """Write the file and say what it holds."""
    from indexpilot_cli.snapshot.values import save

    with (
        bookkeeping(request.connection, MutationType.DISCOVER, request.record, snapshot=True) as note,
        open_source(SourceRequest(request.connection), progress) as source,
    ):
        workload, remarks = _workload(source, request)
        snapshot = replace(take_snapshot(source, progress), workload=workload)
        if request.redact:
            snapshot = _redacted(snapshot, progress)  # before it is written: values are never on the disk
        path = Path(request.file)
        progress.stage("writing the file")
        save(snapshot, path)
        note.details(tables=len(snapshot.catalog.tables), redacted=request.redact)
    result = _result(snapshot, path, remarks)
    return Outcome(
        "snapshot",
        result,
        server=source.server,
        warnings=note.warnings,
        next=(next_line("recommend", request.file),) if result.statements else (),
    )


def _workload(source: Source, request: SnapshotRequest) -> tuple[Workload | None, tuple[str, ...]]:
    """A snapshot without a workload is still worth having, so a missing source is a remark, not an error."""
    try:
        return merged(collect(source, request.workload)), ()
    except IndexPilotError as error:
        # Only a source that somebody named is missed; the default one may well not be there.
        if request.workload.files or request.workload.queries or request.workload.source:
            raise
        return None, (f"no workload in the file: {error.message}",)


def _redacted(snapshot: Snapshot, progress: Progress) -> Snapshot:
    from indexpilot_cli.snapshot.redact import redact

    progress.stage("replacing sampled values")
    return redact(snapshot)


def _result(snapshot: Snapshot, path: Path, remarks: tuple[str, ...]) -> SnapshotResult:
    missing = tuple(f"not modelled: {item}" for item in snapshot.missing)
    return SnapshotResult(
        str(path),
        path.stat().st_size,
        snapshot.fingerprint,
        snapshot.captured_at,
        len(snapshot.catalog.tables),
        sum(len(t.indexes) for t in snapshot.catalog.tables),
        len(snapshot.workload.statements) if snapshot.workload else 0,
        snapshot.redacted,
        REDACTION_COST if snapshot.redacted else "",
        (*remarks, *snapshot.notes, *missing),
    )
