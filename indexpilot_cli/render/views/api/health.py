"""Every index with its size and use, and what lifecycle thinks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.lifecycle.indexes import IndexesResult
from indexpilot_cli.lifecycle.metric_families import MeasuredIndex
from indexpilot_cli.lifecycle.values import LifecycleFinding, LifecycleSeverity
from indexpilot_cli.render.views.api.frame import ApiDocument


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """An index and the findings about it."""

    index: MeasuredIndex
    findings: tuple[LifecycleFinding, ...] = ()
    judged: bool = False

    @property
    def status(self) -> str | None:
        """The gravest finding; None while nobody has looked."""
        if not self.index.valid:
            return "critical"
        gravest = min((f.severity.rank for f in self.findings), default=None)
        if gravest is None:
            return "healthy" if self.judged else None
        return {LifecycleSeverity.ERROR.rank: "critical", LifecycleSeverity.WARNING.rank: "warning"}.get(
            gravest, "healthy"
        )


class UsageDocument(DocumentShape):
    """What the server counts of an index."""

    scans: Count
    tuplesRead: Annotated[Count, From("entries")]
    tuplesFetched: Annotated[Count, From("fetched")]


class IndexFindingDocument(DocumentShape):
    """One thing that lifecycle found about it."""

    id: str
    state: str
    severity: str
    action: str
    text: Annotated[str, From(lambda f: "; ".join(reason.text for reason in f.evidence))]


class IndexHealthDocument(DocumentShape):
    """One index."""

    indexName: Annotated[str, From("index.index")]
    schemaName: Annotated[str, From("index.schema")]
    tableName: Annotated[str, From("index.table")]
    method: Annotated[str, From("index.method")]
    sizeBytes: Annotated[Count, From("index.bytes")]
    tableBytes: Annotated[Count, From("index.table_bytes")]
    tableRows: Annotated[Count | None, "estimated; null: never analyzed", From("index.table_rows")]
    usageStats: Annotated[UsageDocument, From("index")]
    lastUsed: Annotated[datetime | None, "null: never, or a server before version 16", From("index.last_scan")]
    valid: Annotated[bool, From("index.valid")]
    unique: Annotated[bool, From("index.unique")]
    primary: Annotated[bool, From("index.primary")]
    healthStatus: Annotated[str | None, "healthy, warning, critical; null: not judged yet", From("status")]
    findings: tuple[IndexFindingDocument, ...]


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """Counts over all indexes; of the judged ones None while nobody has looked."""

    totalIndexes: Count
    totalSizeBytes: Count
    neverScanned: Count
    invalid: Count
    healthy: Annotated[Count | None, "null: not judged yet"]
    warning: Count | None
    critical: Count | None
    countersSince: Annotated[datetime | None, "null: not known"]


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """What the health endpoint tells: a part of the indexes, and figures of all."""

    indexes: tuple[IndexHealth, ...]
    summary: HealthSummary


class ApiHealthDocument(ApiDocument):
    """Every index with its size and use, and what lifecycle thinks of it."""

    indexes: Annotated[tuple[IndexHealthDocument, ...] | None, From("result.indexes")]
    summary: Annotated[HealthSummary | None, From("result.summary")]


def health_answer(seen: IndexesResult, found: Sequence[LifecycleFinding] | None) -> HealthAnswer:
    """The indexes with their findings; ``found`` None: nobody has looked for any yet."""
    by_name: dict[tuple[str, str], list[LifecycleFinding]] = {}
    for finding in found or ():
        if finding.index is not None:
            by_name.setdefault((finding.index.schema, finding.index.name), []).append(finding)
    rows = tuple(IndexHealth(i, tuple(by_name.get((i.schema, i.index), ())), found is not None) for i in seen.indexes)
    counted = {word: sum(row.status == word for row in rows) for word in ("healthy", "warning", "critical")}
    judged = {word: n if found is not None else None for word, n in counted.items()}
    return HealthAnswer(
        rows,
        HealthSummary(
            len(rows),
            sum(i.bytes for i in seen.indexes),
            sum(i.scans == 0 for i in seen.indexes),
            sum(not i.valid for i in seen.indexes),
            countersSince=seen.since,
            **judged,
        ),
    )
