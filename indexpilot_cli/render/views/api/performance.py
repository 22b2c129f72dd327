"""Queries over time and what indexes did. Keys of rows are as dashboards of applications read them (avgLatency)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from indexpilot_cli.core.codec import Amount, Count, DocumentShape, From
from indexpilot_cli.lifecycle.performance import IndexImpact, TableReads, TemplateChange
from indexpilot_cli.log.explains import FAILED, PLANNED, ExplainCoverage
from indexpilot_cli.render.document import MutationNumber
from indexpilot_cli.render.views.api.frame import ApiDocument
from indexpilot_cli.workload.query_stats import QueryStatBucket


@dataclass(frozen=True, slots=True)
class MeasuredHour:
    """Queries of one span of time; scans as far as this server looked meanwhile."""

    bucket: QueryStatBucket
    hits: int | None = None
    misses: int | None = None


class PerformanceRowDocument(DocumentShape):
    """Queries that the application recorded in one span of time; latencies in milliseconds."""

    timestamp: Annotated[datetime, "beginning of the span", From("bucket.at")]
    queryCount: Annotated[Count, From("bucket.queries")]
    avgLatency: Annotated[Amount, From("bucket.avg_ms")]
    p95Latency: Annotated[Amount, From("bucket.p95_ms")]
    p99Latency: Annotated[Amount, From("bucket.p99_ms")]
    indexHits: Annotated[Count | None, "scans by an index; null: the counters were not looked at then", From("hits")]
    indexMisses: Annotated[Count | None, "scans of whole tables, likewise", From("misses")]


def _before(changes: Sequence[TemplateChange]) -> float | None:
    return sum(c.before for c in changes) if changes else None


def _after(changes: Sequence[TemplateChange]) -> float | None:
    return sum(c.after for c in changes) if changes else None


def _cost_before(impact: IndexImpact) -> float | None:
    return _before(impact.expected) if impact.expected else impact.plan_before


def _cost_after(impact: IndexImpact) -> float | None:
    return _after(impact.expected) if impact.expected else impact.plan_after


def _fall(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None or before <= 0 else 100 * (before - after) / before


def _cost_of(impact: IndexImpact) -> str:
    return "statements" if impact.expected else "plan"


def _improvement(impact: IndexImpact) -> float | None:
    return _fall(_cost_before(impact), _cost_after(impact))


def _measured_improvement(impact: IndexImpact) -> float | None:
    return _fall(_before(impact.measured), _after(impact.measured))


class IndexImpactDocument(DocumentShape):
    """An index that was built here, what it was expected to do and what was measured."""

    indexName: Annotated[str, From("index.name")]
    schemaName: Annotated[str, From("index.schema")]
    tableName: Annotated[str, From("table.name")]
    fieldName: Annotated[str, "its keys, by commas", From(lambda impact: ", ".join(impact.columns))]
    improvement: Annotated[float | None, "by the planner's costs, in per cent; null: not known", From(_improvement)]
    beforeCost: Annotated[float | None, From(_cost_before)]
    afterCost: Annotated[float | None, From(_cost_after)]
    costOf: Annotated[str, "statements (that it alone serves, per call), or plan: the whole workload", From(_cost_of)]
    measuredImprovement: Annotated[float | None, "in per cent; null: not verified yet", From(_measured_improvement)]
    queryCount: Annotated[Count | None, "scans that the server counts; null: it is gone", From("now.scans")]
    sizeBytes: Annotated[Count | None, From("now.bytes")]
    verdict: Annotated[str | None, "null: not verified"]
    verdictText: Annotated[str | None, From("verdict_text")]
    state: Annotated[str, "of its operation in the log", From("state.value")]
    builtAt: Annotated[datetime, From("built_at")]
    mutation: Annotated[MutationNumber, From(lambda impact: f"M-{impact.mutation}")]
    plan: str | None
    recommendation: str | None
    expected: tuple[TemplateChange, ...]
    measured: tuple[TemplateChange, ...]


@dataclass(frozen=True, slots=True)
class ExplainOrigin:
    """How much of what one asked for could be planned."""

    origin: str
    planned: Count
    failed: Count


def _origins(found: ExplainCoverage) -> tuple[ExplainOrigin, ...]:
    return tuple(ExplainOrigin(name, n[PLANNED], n[FAILED]) for name, n in found.origins.items())


class ExplainStatsDocument(DocumentShape):
    """How much of what advice was to rest on the planner could see."""

    days: Count
    total: Annotated[Count, From("statements")]
    planned: Count
    failed: Count
    coverage: Annotated[Amount | None, "per cent; null: nothing was asked", From("coverage_pct")]
    target: Annotated[Amount, "per cent", From("target_pct")]
    meetsTarget: Annotated[bool | None, From("meets_target")]
    origins: Annotated[tuple[ExplainOrigin, ...], "the same by who asked", From(_origins)]


class TableReadsDocument(DocumentShape):
    """How tables were read since the server's counters began."""

    indexScans: Annotated[Count, From("index_scans")]
    sequentialScans: Annotated[Count, From("sequential_scans")]
    blocksHit: Annotated[Count, "of indexes, found in memory", From("blocks_hit")]
    blocksRead: Annotated[Count, "of indexes, read", From("blocks_read")]
    since: Annotated[datetime | None, "null: not known"]


@dataclass(frozen=True, slots=True)
class PerformanceAnswer:
    """What the performance endpoint tells."""

    series: tuple[MeasuredHour, ...]
    impacts: tuple[IndexImpact, ...]
    explain: ExplainCoverage | None
    reads: TableReads


class ApiPerformanceDocument(ApiDocument):
    """Queries over time, what each index of ours did, and how much the planner could see. Null: not known yet."""

    performance: Annotated[tuple[PerformanceRowDocument, ...] | None, From("result.series")]
    indexImpact: Annotated[tuple[IndexImpactDocument, ...] | None, From("result.impacts")]
    explainStats: Annotated[ExplainStatsDocument | None, From("result.explain")]
    reads: Annotated[TableReadsDocument | None, From("result.reads")]


class ApiExplainStatsDocument(ApiDocument):
    """How much of what advice was to rest on the planner could see."""

    explainStats: Annotated[ExplainStatsDocument | None, From("result")]
