"""How queries do over time, and what our indexes were expected and measured to do; read in one short visit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import Event, MutationType, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.execute.build import STANDING
from indexpilot_cli.execute.events import structure
from indexpilot_cli.lifecycle.metric_families import MeasuredIndex
from indexpilot_cli.lifecycle.metrics import measured_indexes
from indexpilot_cli.log import explains, intents
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.explains import ExplainCoverage
from indexpilot_cli.snapshot.source import open_reader
from indexpilot_cli.workload import query_stats
from indexpilot_cli.workload.query_stats import QueryStatBucket

BUCKETS = ("minute", "hour", "day")
_ALL = 1_000_000
_BUILT = STANDING | {OperationState.REVERTED}


@dataclass(frozen=True, slots=True)
class PerformanceRequest(CommandRequest):
    """The last ``hours`` by ``bucket`` (minute, hour, day); ``days`` of the counts of EXPLAIN."""

    hours: float = 24.0
    bucket: str = "hour"
    days: int = 30


@dataclass(frozen=True, slots=True)
class TableReads:
    """Scans of all tables of applications by an index and without one, and blocks of indexes found in memory or not,
    since the server's counters began (None: not known).
    """

    index_scans: int
    sequential_scans: int
    blocks_hit: int
    blocks_read: int
    at: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """One statement before and after the index, per call."""

    template: str
    before: float
    after: float
    unit: Annotated[str, "cost (the planner's) or ms"] = "cost"
    effect: Annotated[str, "faster, slower, same, unknown; empty: not judged"] = ""


@dataclass(frozen=True, slots=True)
class IndexImpact:
    """An index that we built. ``expected`` are planner costs of the statements that it alone serves, ``measured`` what
    verification saw; ``plan_before`` and ``plan_after`` are workload costs of its whole plan.

    ``now`` is what the server counts of it; None: it is not there any more.
    """

    index: QualifiedName
    table: QualifiedName
    columns: tuple[str, ...]
    mutation: int
    state: OperationState
    built_at: datetime
    plan: str | None
    recommendation: str | None
    expected: tuple[TemplateChange, ...] = ()
    measured: tuple[TemplateChange, ...] = ()
    verdict: str | None = None
    verdict_text: str | None = None
    plan_before: float | None = None
    plan_after: float | None = None
    now: MeasuredIndex | None = None


@dataclass(frozen=True, slots=True)
class PerformanceResult:
    """``series`` are the recorded statistics, oldest first; ``impacts`` the newest index first.

    ``notes`` say what is not known and why.
    """

    series: tuple[QueryStatBucket, ...]
    reads: TableReads
    impacts: tuple[IndexImpact, ...] = ()
    explain: ExplainCoverage | None = None
    notes: tuple[str, ...] = ()


def run(request: PerformanceRequest, progress: Progress) -> Outcome[PerformanceResult]:
    """The figures; before ``init`` those that need no table of ours. Raises UnreachableError, UsageError."""
    if request.bucket not in BUCKETS:
        raise UsageError(f"no bucket {request.bucket[:40]!r}", hint=", ".join(BUCKETS), code="unknown_bucket")
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the recorded statistics")
        with open_reader(request.connection) as session:
            can = look(session, metadata_schema=schema)
            row = session.one("lifecycle/table_reads", {"metadata_schema": schema})
            assert row is not None
            result = _recorded(session, request, can, TableReads(*row))
    return Outcome("performance", result, server=can.server, warnings=note.warnings)


def _recorded(session: Session, request: PerformanceRequest, can: Capabilities, reads: TableReads) -> PerformanceResult:
    schema = request.connection.metadata_schema
    if can.metadata_version is None:
        why = "may not be read by this role" if can.metadata_hidden else "are not there (indexpilot init)"
        return PerformanceResult((), reads, notes=(f"nothing recorded is known: IndexPilot's tables {why}",))
    try:
        with session.transaction():
            series = query_stats.series(session, request.hours, request.bucket, schema=schema)
            explain = explains.coverage(session, request.days, schema=schema)
            events = intents.latest(session, schema=schema)
    except PrerequisiteError as error:  # a right that is missing on one of them
        return PerformanceResult((), reads, notes=(f"nothing recorded is known: {error.message}",))
    built = [e for e in events if e.state in _BUILT and e.kind is OperationKind.CREATE]
    whole = [e for e in built if "part_of" not in e.details]
    there = {QualifiedName(i.schema, i.index): i for i in measured_indexes(session, schema, _ALL)} if whole else {}
    impacts = tuple(_impact(event, there) for event in sorted(whole, key=lambda e: -(e.id or 0)))
    notes = () if series else (f"no statistics of queries were recorded in the last {request.hours:g} hours",)
    return PerformanceResult(series, reads, impacts, explain, notes)


def _impact(event: Event, there: Mapping[QualifiedName, MeasuredIndex]) -> IndexImpact:
    details, built = event.details, structure(event)
    found = details.get("verification") or {}
    assert event.id is not None
    assert event.created_at is not None
    return IndexImpact(
        event.index,
        event.table,
        tuple(key.text for key in built.keys) if built is not None else (),
        event.id,
        event.state,
        event.created_at,
        details.get("plan"),
        details.get("recommendation"),
        tuple(_changes(details.get("effects") or ())),
        tuple(_changes(found.get("templates") or ())),
        found.get("verdict"),
        found.get("text"),
        details.get("workload_cost_before"),
        details.get("workload_cost_after"),
        there.get(event.index),
    )


def _changes(told: Sequence[Mapping[str, Any]]) -> Iterator[TemplateChange]:
    for one in told:
        yield TemplateChange(
            one["template"], one["before"], one["after"], one.get("unit", "cost"), one.get("effect", "")
        )
