"""Every index with its size and use, read in one short visit; what is to be thought of them ``lifecycle`` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.lifecycle.metric_families import MeasuredIndex
from indexpilot_cli.lifecycle.metrics import measured_indexes
from indexpilot_cli.lifecycle.performance import TableReads
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_reader


@dataclass(frozen=True, slots=True)
class IndexesRequest(CommandRequest):
    """``most`` indexes are given at most, the largest."""

    most: int = 1_000_000


@dataclass(frozen=True, slots=True)
class IndexesResult:
    """The indexes, largest first. ``since``: when the server's counters began (None: not known)."""

    indexes: tuple[MeasuredIndex, ...]
    at: datetime
    since: datetime | None = None


def run(request: IndexesRequest, progress: Progress) -> Outcome[IndexesResult]:
    """The indexes of the database, ours aside. Raises UnreachableError."""
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the indexes")
        with open_reader(request.connection) as session:
            server = look(session, metadata_schema=schema).server
            found = measured_indexes(session, schema, request.most)
            row = session.one("lifecycle/table_reads", {"metadata_schema": schema})
    assert row is not None
    reads = TableReads(*row)
    return Outcome("indexes", IndexesResult(found, reads.at, reads.since), server=server, warnings=note.warnings)
