"""What a plan and its recommendations look like as JSON. Costs are in ``unit``, sizes in bytes."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import Annotated, Literal

from indexpilot_cli.core.codec import Amount, Count, DocumentShape, Facets, From, Portion
from indexpilot_cli.core.ddl import key_text
from indexpilot_cli.core.index import IndexDefinition, Reason, RedundantIndex
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import (
    AlgorithmFinding,
    Bound,
    Effect,
    PlanAction,
    PlannedVacuum,
    Recommendation,
    ReplacedIndex,
    Rewrite,
    Risk,
    WriteEffect,
)
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.core.workload import Stage
from indexpilot_cli.render.units import cost, one_line


def _keys(item: Recommendation) -> list[str]:
    return [key_text(key) for key in item.definition.keys]


def risk_text(text: str, settle: str | None) -> str:
    """The risk, and the statement that settles it."""
    return f"{text}. To settle it: {settle}" if settle else text


def _index_of(item: AlgorithmFinding) -> str | None:
    return item.definition.id if item.definition is not None else None


def finding_line(item: AlgorithmFinding) -> str:
    """A finding in one line: what, the evidence, and what was done about it."""
    evidence = "; ".join(reason.text for reason in item.evidence)
    return one_line(f"{item.algorithm}: {item.object}: {evidence}: {item.decision} ({item.effect.value})")


def rewrite_line(item: Rewrite) -> str:
    """A rewrite hint in one line: both forms, when they mean the same, and what each costs."""
    only = f" (the same {item.only})" if item.only else ""
    index = f" with {item.index}" if item.index else ""
    line = f"{item.template}: write {item.after} instead of {item.before}{only}; {item.why}: "
    return one_line(f"{line}cost {cost(item.cost_before)}, then {cost(item.cost_after)}{index}")


class EffectDocument(DocumentShape):
    """What the plan does to one template; planner costs per call."""

    id: Annotated[str, From("template")]
    before: Amount
    after: Amount
    share: Portion
    holds: Annotated[Count, "parameter classes in which the index is used and the cost falls"]
    scenarios: Count


class RecommendationDocument(DocumentShape):
    """One index to create, to drop, to rebuild, or to build in the place of others."""

    id: Annotated[str, Facets(pattern="^[RF]-[0-9a-f]+$")]
    kind: Annotated[PlanAction, From("action")]
    pattern: Annotated[str, "what asked for it: equality, range, sort, join …", From("kind")]
    table: Annotated[QualifiedName, From("definition.table")]
    keys: Annotated[tuple[str, ...], "SQL text of each key", From(_keys)]
    include: Annotated[tuple[str, ...], From("definition.include")]
    where: Annotated[str | None, "predicate of a partial index", From("definition.predicate")]
    method: Annotated[str, From("definition.method")]
    unique: Annotated[bool, From("definition.unique")]
    definition: Annotated[IndexDefinition, "The structure in full: what apply builds from a file."]
    name: str
    summary: str
    ddl: Annotated[str, "runs as it is"]
    undo: Annotated[str, "runs as it is"]
    size_bytes: Count
    size_method: str
    benefit: Annotated[float, "share of the workload cost lost again without this index"]
    reduction: Annotated[float, "relative fall of the cost of the templates it serves"]
    maintenance_cost: Annotated[
        float, "added time of writes, relative to what the table's write statements take now", From("write_cost")
    ]
    writes: Annotated[WriteEffect | None, "the same per row written; null: no writes seen"]
    hot_loss: Annotated[Amount, "share of updates that are no longer HOT"]
    templates: tuple[EffectDocument, ...]
    reasons: Annotated[tuple[str, ...], From(lambda item: [reason.text for reason in item.reasons])]
    evidence: Annotated[tuple[Reason, ...], From("reasons")]
    risks: tuple[Risk, ...]
    confidence: Literal["high", "medium", "low"]
    confidence_why: str
    replaces: Annotated[tuple[ReplacedIndex, ...], "kind replace: what is dropped once the new index stands"]
    needs: Annotated[tuple[str, ...], "kind drop: ids of builds without which it would cost too much"]
    same_as: Annotated[str | None, "id of the entry that says why: the same index in another schema"]
    copies: Annotated[Count, "schemas that get it: this entry and those that name it in same_as"]
    table_digest: Annotated[str, "of an entry that holds for its own table alone, else empty"]


class RejectionDocument(DocumentShape):
    """An index or wish that is not recommended."""

    id: str | None
    subject: str
    reason: Annotated[str, "stable word"]
    detail: str
    by: str | None
    benefit: float | None
    templates: frozenset[str]


class SkippedDocument(DocumentShape):
    """A statement that could not be used. Reason failed: a fault of indexpilot, please report it."""

    reason: str
    stage: Stage
    detail: str
    share: Portion
    calls: Amount
    total_ms: Amount
    text: str


class AlgorithmFindingDocument(DocumentShape):
    """What a published algorithm saw, and what it changed."""

    algorithm: str
    kind: str
    object: str
    effect: Effect
    decision: str
    evidence: tuple[Reason, ...]
    confidence: Annotated[str, "an interval or a class"]
    cannot_tell: str
    statements: Annotated[Count, "sent to look at it"]
    pages: Annotated[Count, "read to look at it"]
    recommendation: Annotated[str | None, "id of the index that it is about", From(_index_of)]


class BudgetDocument(DocumentShape):
    """What the best plan within a budget would cost."""

    budget_bytes: Annotated[Count, From(itemgetter(0))]
    cost: Annotated[Amount, From(itemgetter(1))]


class PlanDocument(DocumentShape):
    """A plan. Costs are in unit."""

    plan: Annotated[str, From("id")]
    created_at: datetime
    estimator: str
    unit: str
    budget_bytes: Count | None
    cost_before: Amount
    cost_after: Amount
    size_bytes: Annotated[Count, "of new indexes"]
    freed_bytes: Annotated[Count, "of indexes that go"]
    write_cost: float
    template_count: Annotated[Count, From("templates")]
    statement_count: Annotated[Count, From("statements")]
    candidate_count: Annotated[Count, From("candidates")]
    planner_calls: Annotated[Count, From("calls")]
    cache_hits: Count
    seconds: Amount
    schema_digest: str
    database: str
    bound: Bound
    budget_curve: tuple[BudgetDocument, ...]
    budget_sets: Annotated[
        tuple[tuple[str, ...], ...], "ids of the new indexes at each point of budget_curve; those may be rejected here"
    ]
    recommendations: tuple[RecommendationDocument, ...]
    rejected: Annotated[tuple[RejectionDocument, ...], From("rejections")]
    skipped: tuple[SkippedDocument, ...]
    skipped_share: Portion
    rewrites: tuple[Rewrite, ...]
    redundant_indexes: Annotated[
        tuple[RedundantIndex, ...], "existing indexes that another existing one makes needless", From("redundant")
    ]
    analyze: Annotated[
        tuple[QualifiedName, ...],
        "tables to analyze: before new indexes are built where they were chosen by it, else last",
    ]
    vacuum: Annotated[tuple[PlannedVacuum, ...], "tables to VACUUM (ANALYZE), before those to analyze"]
    statistics: Annotated[tuple[ExtendedStatistics, ...], "extended statistics to make before that"]
    targets: Annotated[tuple[StatisticsTarget, ...], "statistics targets of columns to set before that"]
    findings: Annotated[tuple[AlgorithmFindingDocument, ...], "of the published algorithms"]
    notes: tuple[str, ...]
