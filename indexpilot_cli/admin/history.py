"""``history``: the mutation log, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.core.names import split_table
from indexpilot_cli.db.session import Session
from indexpilot_cli.log import idle, mutations, plans
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.log.idle import IdleRuns
from indexpilot_cli.log.mutations import LogFilter
from indexpilot_cli.log.plans import AlgorithmDecisions
from indexpilot_cli.log.versions import IndexVersion, read_versions
from indexpilot_cli.snapshot.source import open_metadata


@dataclass(frozen=True, slots=True)
class HistoryRequest(CommandRequest):
    """Rows of the mutation log, newest first. ``types`` are mutation types; ``since`` is UTC."""

    since: datetime | None = None
    types: tuple[str, ...] = ()
    table: str | None = None
    tenant: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """Mutations newest first. ``total`` counts all that match, also beyond the limit.

    ``idle`` are the counted runs of timers, which have no rows.
    """

    mutations: tuple[Mutation, ...]
    total: int
    schema: str = "indexpilot"
    idle: tuple[IdleRuns, ...] = ()


def run(request: HistoryRequest, progress: Progress) -> Outcome[HistoryResult]:
    """The newest events that match, and how many match in all.

    Raises UsageError for an unknown mutation type, PrerequisiteError before ``init``.
    """
    connection, schema = request.connection, request.connection.metadata_schema
    with bookkeeping(connection, MutationType.DISCOVER, request.record) as note:
        wanted = log_filter(request)
        progress.stage("reading the mutation log")
        with open_metadata(connection) as (session, server):
            found = mutations.recent(session, wanted, limit=request.limit, schema=schema)
            total = mutations.summary(session, wanted, schema=schema).total
            counted = idle.counts(session, schema)
        note.details(shown=len(found), total=total)
    result = HistoryResult(found, total, schema, counted)
    return Outcome("history", result, server=server, warnings=note.warnings)


def log_filter(request: HistoryRequest) -> LogFilter:
    """The request's filters; a table may be written ``schema.table``, its parts quoted or not."""
    schema_name, table_name = split_table(request.table) if request.table else (None, None)
    types = tuple(mutations.mutation_type(word) for word in request.types)
    return LogFilter(request.tenant, types, table_name, schema_name, request.since)


@dataclass(frozen=True, slots=True)
class VersionsRequest(CommandRequest):
    """The versions of all indexes, or of those of one table."""

    table: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class VersionsResult:
    """Whole lineages, the newest first, each from its newest version down; ``total`` counts those beyond the limit."""

    versions: tuple[IndexVersion, ...]
    total: int


@contextmanager
def _read(
    request: VersionsRequest | UsageRequest, progress: Progress, stage: str
) -> Iterator[tuple[Note, Session, Server, tuple[str | None, str] | None]]:
    """Our tables with the row of the log for having looked at them, and the table that is asked about."""
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage(stage)
        table = split_table(request.table) if request.table else None
        with open_metadata(request.connection) as (session, server):
            yield note, session, server, table


def list_versions(request: VersionsRequest, progress: Progress) -> Outcome[VersionsResult]:
    """The definitions that indexes had. Raises PrerequisiteError before ``init`` and before an upgrade."""
    with _read(request, progress, "reading the versions") as (note, session, server, table):
        found = read_versions(session, table=table, schema=request.connection.metadata_schema)
        note.details(versions=len(found))
    result = VersionsResult(found[: request.limit], len(found))
    return Outcome("versions", result, server=server, warnings=note.warnings)


@dataclass(frozen=True, slots=True)
class UsageRequest(CommandRequest):
    """What algorithms did in the plans that are kept, on all tables or one; ``since`` is UTC."""

    table: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class UsageResult:
    """What each algorithm did, by name.

    A line for each algorithm and effect.
    """

    algorithms: tuple[AlgorithmDecisions, ...]


def list_usage(request: UsageRequest, progress: Progress) -> Outcome[UsageResult]:
    """What each algorithm did, and what became of it. Raises PrerequisiteError before ``init``."""
    with _read(request, progress, "reading decisions") as (note, session, server, table):
        found = plans.decisions(session, table, request.since, schema=request.connection.metadata_schema)
        note.details(algorithms=len({d.algorithm for d in found}))
    return Outcome("algorithm_usage", UsageResult(found), server=server, warnings=note.warnings)
