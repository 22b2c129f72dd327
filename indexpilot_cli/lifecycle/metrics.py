"""``lifecycle metrics``: what a monitoring system wants to know, read in one short visit."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import CommandRequest, Connection, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.conninfo import read_conninfo
from indexpilot_cli.db.locks import is_busy
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UnreachableError
from indexpilot_cli.execute.reconcile import pending
from indexpilot_cli.lifecycle.metric_families import (
    LogFigures,
    LoggedActivity,
    MeasuredIndex,
    MeasuredPlace,
    MetricFamily,
    ServerFigures,
    down,
    families,
)
from indexpilot_cli.log import idle
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.metadata import question
from indexpilot_cli.snapshot.source import open_reader

_UNREACHABLE = 4


@dataclass(frozen=True, slots=True)
class MetricsRequest(CommandRequest):
    """``most`` series are given at most; what is left out is counted."""

    most: int = 2000


@dataclass(frozen=True, slots=True)
class MetricsResult:
    """The metrics; ``figures`` None: the database did not answer, which is a metric too."""

    families: tuple[MetricFamily, ...]
    figures: ServerFigures | None = None

    @property
    def series(self) -> int:
        """How many series there are in all."""
        return sum(len(family.series) for family in self.families)


def run(request: MetricsRequest, progress: Progress) -> Outcome[MetricsResult]:
    """The metrics; of a database that does not answer that it is down, with exit code 4.

    Raises UnreachableError only when the server asks for a password.
    """
    try:
        with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
            note.idle = "read"  # asked every minute: a row for each would fill the log
            progress.stage("reading the metrics")
            with open_reader(request.connection) as session:
                server, result = measured(session, request)
    except UnreachableError as error:
        if error.code == "password_required":
            raise
        warning = Warn(error.code, "server", error.message)
        return Outcome("lifecycle_metrics", unreached(request), "failed", _UNREACHABLE, warnings=(warning,))
    return Outcome("lifecycle_metrics", result, server=server, warnings=note.warnings)


def place_of(connection: Connection) -> MeasuredPlace:
    """As the user said it, so that it has the same name while it does not answer."""
    given = read_conninfo(connection.conninfo)
    words = ("host", "hostaddr", "port", "service", "user")
    said = {word: str(given.get(word) or os.environ.get(f"PG{word.upper()}", "")) for word in words}
    database = str(given.get("dbname") or os.environ.get("PGDATABASE", ""))
    host = said["host"] or said["hostaddr"] or said["service"]
    server = ":".join(part for part in (host, said["port"]) if part)
    return MeasuredPlace(server, database or said["service"] or said["user"])


def unreached(request: MetricsRequest) -> MetricsResult:
    """The metrics of a database that does not answer."""
    return MetricsResult(down(place_of(request.connection), request.record.version))


def measured(session: Session, request: MetricsRequest) -> tuple[Server, MetricsResult]:
    """The server and its metrics; the session may be in a transaction."""
    schema = request.connection.metadata_schema
    capabilities = look(session, metadata_schema=schema)
    server = capabilities.server
    log = _log(session, schema) if capabilities.metadata_version is not None else None
    figures = _figures(session, request, server, log)
    place = replace(place_of(request.connection), database=server.database)
    return server, MetricsResult(families(figures, place, request.record.version, request.most), figures)


def _figures(session: Session, request: MetricsRequest, server: Server, log: LogFigures | None) -> ServerFigures:
    began = time.perf_counter()
    session.value("SELECT 1")
    latency = time.perf_counter() - began
    rows = _largest(session, request.connection.metadata_schema, request.most)
    builds = session.rows("lifecycle/builds")
    blocked = [b for b in builds if session.rows("execute/blockers", {"pid": b.pid}) or b.waits_for_prepared]
    first = rows[0] if rows else None
    return ServerFigures(
        server.version,
        server.in_recovery,
        latency,
        tuple(map(_measured_index, rows)),
        first.indexes if first is not None else 0,
        int(first.all_bytes) if first is not None else 0,
        first.invalid if first is not None else 0,
        MappingProxyType(Counter(b.phase or "hidden" for b in builds)),
        len(blocked),
        log,
    )


def measured_indexes(session: Session, metadata_schema: str, most: int) -> tuple[MeasuredIndex, ...]:
    """The largest indexes of the database, largest first; sizes as of the last VACUUM where a lock is not free."""
    return tuple(map(_measured_index, _largest(session, metadata_schema, most)))


def _measured_index(row: Row) -> MeasuredIndex:
    return MeasuredIndex(*row[: len(fields(MeasuredIndex))])


def _largest(session: Session, metadata_schema: str, most: int) -> Sequence[Row]:
    asked = {"metadata_schema": metadata_schema, "limit": max(1, most), "exact": True}
    try:
        with session.transaction():  # a savepoint where there is one: what fails ends no more than itself
            return session.rows("lifecycle/largest", asked)
    except IndexPilotError as error:
        if not is_busy(error):
            raise
    return session.rows("lifecycle/largest", asked | {"exact": False})


def _log(session: Session, schema: str) -> LogFigures | None:
    """What our tables say; None where the role may not read them, or they are older than what is asked."""
    try:
        with session.transaction():
            rows = session.rows(question(session, "log/activity", schema), {})
            refusals = session.rows(question(session, "log/refusals", schema), {})
            last = session.one(question(session, "lifecycle/last_findings", schema), {})
            left = len(pending(session, schema))
            counted = idle.counts(session, schema)
    except PrerequisiteError:
        return None
    ended = [LoggedActivity(r.type, r.command, r.outcome, r.operation, r.number, r.last) for r in rows]
    ended += [LoggedActivity("", run.command, run.outcome, False, run.runs, run.last) for run in counted]
    return LogFigures(
        tuple(ended),
        MappingProxyType({r.guard: r.number for r in refusals if r.guard}),
        last.findings if last is not None else None,
        last.at if last is not None else None,
        left,
    )
