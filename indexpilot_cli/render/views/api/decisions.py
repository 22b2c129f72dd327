"""Every yes and no of a plan with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from indexpilot_cli.core.codec import Count, DocumentShape, From, Portion
from indexpilot_cli.core.index import Rejection
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.render.views.api.frame import ApiAnswer, ApiDocument


@dataclass(frozen=True, slots=True)
class Decision:
    """A yes or a no of a plan."""

    plan: Plan
    advice: Recommendation | Rejection

    @property
    def yes(self) -> Recommendation | None:
        """The recommendation."""
        return self.advice if isinstance(self.advice, Recommendation) else None

    @property
    def word(self) -> str:
        """What is to be done with an index, or ``rejected``."""
        return self.yes.action.value if self.yes is not None else "rejected"

    @property
    def table(self) -> str | None:
        """The table's name."""
        definition = self.advice.definition
        return None if definition is None else definition.table.name

    @property
    def keys(self) -> str | None:
        """Its keys, by commas."""
        definition = self.advice.definition
        return None if definition is None else ", ".join(key.text for key in definition.keys)

    @property
    def reason(self) -> str:
        """Why, in clauses."""
        if isinstance(self.advice, Rejection):
            return self.advice.detail
        return "; ".join(reason.text for reason in self.advice.reasons)

    @property
    def code(self) -> str:
        """The stable word of the reason."""
        if isinstance(self.advice, Rejection):
            return self.advice.reason
        return self.advice.reasons[0].code if self.advice.reasons else "pays"

    def cost(self, *, after: bool) -> float | None:
        """Of the statements it serves, weighed by their calls; None of a no."""
        if self.yes is None or not self.yes.templates:
            return None
        return sum((t.after if after else t.before) * t.weight for t in self.yes.templates)


class DecisionDocument(DocumentShape):
    """A yes or a no, with its reason."""

    id: Annotated[str | None, "for explain; null: nothing that could be built", From("advice.id")]
    decision: Annotated[str, "create, drop, reindex, replace, or rejected", From("word")]
    tableName: Annotated[str | None, From("table")]
    fieldName: Annotated[str | None, "its keys, by commas", From("keys")]
    indexName: Annotated[str | None, From("yes.name")]
    subject: Annotated[str, From(lambda d: d.advice.subject if d.yes is None else d.yes.summary)]
    reason: str
    reasonCode: Annotated[str, From("code")]
    confidence: Annotated[str | None, "high, medium, low; null of a no", From("yes.confidence")]
    queryCostBefore: Annotated[float | None, "in the plan's unit; null of a no", From(lambda d: d.cost(after=False))]
    queryCostAfter: Annotated[float | None, From(lambda d: d.cost(after=True))]
    benefit: Annotated[float | None, "share of the workload's cost", From("advice.benefit")]
    writeCost: Annotated[float | None, "added time of the table's writes (0-1)", From("yes.write_cost")]
    sizeBytes: Annotated[Count | None, From("yes.size_bytes")]
    ddl: Annotated[str | None, From("yes.ddl")]
    plan: Annotated[str, From("plan.id")]
    timestamp: Annotated[datetime, From("plan.created_at")]


class DecisionSummaryDocument(DocumentShape):
    """The whole plan."""

    plan: Annotated[str, From("id")]
    createdAt: Annotated[datetime, From("created_at")]
    estimator: str
    recommended: Annotated[Count, From(lambda p: len(p.recommendations))]
    rejected: Annotated[Count, From(lambda p: len(p.rejections))]
    total: Annotated[Count, From(lambda p: len(p.recommendations) + len(p.rejections))]
    costBefore: Annotated[float, From("cost_before")]
    costAfter: Annotated[float, From("cost_after")]
    unit: Annotated[str, "ms where times are known, else the planner's cost"]
    sizeBytes: Annotated[Count, From("size_bytes")]
    gap: Annotated[Portion | None, "how far from the best it may be; null: nothing was proved", From("bound.gap")]
    skippedShare: Annotated[Portion, "of the workload", From("skipped_share")]


class ApiDecisionsDocument(ApiDocument):
    """Every yes and no of the newest plan with its reason."""

    decisions: Annotated[tuple[DecisionDocument, ...], From(_decisions)]
    summary: Annotated[DecisionSummaryDocument | None, "null: there is no plan, or none is known", From("result")]


def _decisions(answer: ApiAnswer) -> tuple[Decision, ...]:
    return () if answer.result is None else tuple(_of_plan(answer.result))


def _of_plan(plan: Plan) -> Iterator[Decision]:
    yield from (Decision(plan, advice) for advice in plan.recommendations)
    yield from (Decision(plan, advice) for advice in plan.rejections)
