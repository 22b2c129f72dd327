"""The workload a command asks for: from the server, a snapshot, logs, SQL files, standard input or flags."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.snapshot.source import Source

_LOG_SUFFIXES = (".json", ".csv", ".log", ".jsonlog", ".csvlog")


def collect(source: Source, request: WorkloadRequest) -> tuple[Workload, ...]:
    """One workload per place the statements come from.

    Without files and flags: the snapshot's workload, else ``pg_stat_statements`` of the connected database.
    Raises UsageError for files that cannot be read and for a request that no source can answer.
    """
    found: list[Workload] = []
    if request.queries:
        statements = tuple(ObservedStatement(text, origin="--query") for text in request.queries)
        found.append(Workload(SourceKind.SQL, statements))
    if request.files:
        found += [_read_file(name, request, source) for name in request.files]
    elif request.source is SourceKind.QUERY_STATS:
        found.append(_recorded(source, request))
    elif not request.queries:
        found.append(_observed(source, request))
    return tuple(found)


def _observed(source: Source, request: WorkloadRequest) -> Workload:
    if request.source in (SourceKind.LOG, SourceKind.SQL):
        raise UsageError(
            f"--source {request.source.value} needs a file", hint=f"indexpilot recommend --source {request.source} FILE"
        )
    if source.snapshot is not None:
        if source.snapshot.workload is None:
            raise UsageError("the snapshot holds no workload", hint="give SQL or log files as arguments")
        return source.snapshot.workload
    from indexpilot_cli.db.statements import read_statements

    assert source.session is not None
    return read_statements(source.session)


def _recorded(source: Source, request: WorkloadRequest) -> Workload:
    if source.session is None:
        raise UsageError("recorded query_stats are in the database, not in a snapshot", hint="give a connection")
    from indexpilot_cli.workload.sources.query_stats import recorded_workload

    return recorded_workload(source, since=request.since)


def _read_file(name: str, request: WorkloadRequest, source: Source) -> Workload:
    from indexpilot_cli.workload.sources.logs import read_log
    from indexpilot_cli.workload.sources.sql import read_sql

    if _is_log(name, request.source):
        stream = sys.stdin if name == "-" else Path(name)
        return read_log(stream, database=source.catalog.database, since=request.since)
    if name == "-":
        return read_sql(text=sys.stdin.read())
    return read_sql((Path(name),))


def _is_log(name: str, kind: SourceKind | None) -> bool:
    if kind is not None:
        return kind is SourceKind.LOG
    return name != "-" and Path(name).suffix.lower() in _LOG_SUFFIXES


def merged(workloads: Sequence[Workload]) -> Workload:
    """Several workloads as one; the kind is that of the first."""
    return Workload(
        workloads[0].source if workloads else SourceKind.SQL,
        tuple(chain.from_iterable(w.statements for w in workloads)),
        tuple(chain.from_iterable(w.skipped for w in workloads)),
        min((w.since for w in workloads if w.since), default=None),
        max((w.until for w in workloads if w.until), default=None),
        tuple(chain.from_iterable(w.notes for w in workloads)),
    )
