"""``lifecycle snapshot``: the counters of today kept for the day when somebody asks since when an index is unread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.lifecycle.counters import Look, earlier, keep, look, look_at_standby
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_metadata


@dataclass(frozen=True, slots=True)
class CounterSnapshotRequest(CommandRequest):
    """``standbys`` are connection strings of standbys whose counters are kept, too."""

    standbys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class CountedServer:
    """The counters of one server at one moment."""

    place: Annotated[str, "primary, or host and port of a standby"]
    taken_at: datetime
    counters_since: Annotated[datetime | None, "null: unknown"]
    indexes: Count
    scans: Annotated[Count, "of all indexes together"]


@dataclass(frozen=True, slots=True)
class CounterSnapshotResult:
    """What was counted, and whether it is kept.

    The primary first; ``notes`` say why none was added.
    """

    servers: tuple[CountedServer, ...]
    kept: bool
    earlier: Annotated[Count, "snapshots that were there already, of all servers"]
    observed_since: Annotated[datetime | None, "our oldest snapshot; null: this is the first"]
    notes: tuple[str, ...] = ()


def run(request: CounterSnapshotRequest, progress: Progress) -> Outcome[CounterSnapshotResult]:
    """Take the counters and keep them.

    Raises PrerequisiteError before ``init`` and when they cannot be kept, UsageError for what is no standby of this
    server, UnreachableError.
    """
    connection, schema = request.connection, request.connection.metadata_schema
    with bookkeeping(connection, MutationType.LIFECYCLE_RUN, request.record) as note:
        progress.stage("reading the counters")
        with open_metadata(connection) as (session, server):
            primary = look(session, schema)
            before = earlier(session, schema, primary.cluster)
        standbys = [look_at_standby(connection, dsn, primary, server.database) for dsn in request.standbys]
        looks = (primary, *standbys)
        kept, warning = keep(connection, looks) if request.record.enabled else (False, None)
        if warning is not None:  # keeping them is all that was asked for
            raise PrerequisiteError(warning.message, hint="indexpilot doctor", code="not_recorded")
        note.details(kept=kept, standbys=len(standbys))
    result = CounterSnapshotResult(
        tuple(map(_counted, looks)),
        kept,
        len(before),
        min((s.taken_at for s in before), default=None),
        () if kept else (_why(request, server),),
    )
    return Outcome("lifecycle_snapshot", result, "ok" if kept else "skipped", server=server, warnings=note.warnings)


def _why(request: CounterSnapshotRequest, server: Server) -> str:
    """Why nothing was kept."""
    if not request.record.enabled:
        return "nothing is kept: the settings switch IndexPilot, or what it writes down, off"
    if server.in_recovery:
        return "nothing is kept on a standby: take the snapshot on the primary, and name this one with --standby"
    return "nothing is kept: the tables cannot be written here"


def _counted(one: Look) -> CountedServer:
    found = one.snapshot
    scans = sum(count.scans for count in found.counts.values())
    return CountedServer(found.place, found.taken_at, found.counters_since, len(found.counts), scans)
