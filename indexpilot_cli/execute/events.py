"""The rows that tell an operation's story."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.command import Record
from indexpilot_cli.core.ddl import drop_index, rebuilt, summary
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import (
    Event,
    Mutation,
    MutationReport,
    MutationType,
    Operation,
    OperationKind,
    OperationState,
)
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Recommendation
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.log import mutations

_FAILED = frozenset({OperationState.FAILED_CLEAN, OperationState.FAILED_LEFTOVER, OperationState.CONFLICT})


def intent(operation: Operation, record: Record, context: Mapping[str, Any]) -> Event:
    """The first row: everything that is meant to happen, before anything does."""
    details = {
        "kind": operation.kind.value,
        "structure": to_json(operation.definition),
        "plan": operation.plan,
        "recommendation": operation.recommendation,
        "part_of": operation.part_of,
        "parent": to_json(operation.parent),
        "sql": operation.sql,
        "rollback_sql": operation.undo_sql,
        "actor": record.actor,
        "version": record.version,
        "command": record.command,
        **context,
    }
    return Event(
        op_id=operation.op_id,
        type=MutationType.CREATE_INDEX,
        state=OperationState.INTENT,
        table=operation.table,
        index=operation.index,
        relid=operation.relid,
        columns_fingerprint=operation.columns_fingerprint,
        field=operation.definition.keys[0].text,
        attempt=operation.attempt,
        actor=record.actor or None,
        definition_sql=operation.sql,
        undo_sql=operation.undo_sql,
        details={key: value for key, value in details.items() if value is not None},
    )


def tell_drop(
    ctx: RunContext,
    table: QualifiedName,
    index: QualifiedName,
    why: str,
    *,
    op_id: str | None = None,
) -> None:
    """A row about an index that is gone by our doing without being what somebody asked for."""
    row = Mutation(
        MutationType.DROP_INDEX,
        {"reason": why, "command": ctx.record.command, "version": ctx.record.version},
        table_name=table.name,
        schema_name=table.schema,
        op_id=op_id,
        state="DONE",
        actor=ctx.record.actor or None,
        index_name=index.name,
    )
    with suppress(IndexPilotError):  # what the work itself writes next tells when the log is gone
        mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)


def context_of(recommendation: Recommendation, queries: int, before: float, after: float) -> dict[str, Any]:
    """Why the index is built, in business terms: reasons, what it saves, how many statements were looked at."""
    return {
        "reason": "; ".join(reason.text for reason in recommendation.reasons),
        "cost_benefit_ratio": recommendation.benefit,
        "queries_analyzed": queries,
        "queries_helped": len(recommendation.templates),
        "workload_cost_before": before,
        "workload_cost_after": after,
        "estimated_bytes": recommendation.size_bytes,
        "write_cost": recommendation.write_cost,
    }


def follow(event: Event, state: OperationState, **changes: Any) -> Event:
    """The next row of the same operation; a CREATE that failed changes its type."""
    kind = event.type
    if event.type is MutationType.CREATE_INDEX and state in _FAILED:
        kind = MutationType.INDEX_CREATION_FAILED
    elif event.type is MutationType.INDEX_CREATION_FAILED and state not in _FAILED:
        kind = MutationType.CREATE_INDEX
    changes = {"type": kind, "sqlstate": None, "error": None, "leftover": None} | changes
    return replace(event, state=state, id=None, created_at=None, **changes)


def structure(event: Event) -> IndexDefinition | None:
    """The structure the operation is about, None when an unknown version wrote the row."""
    try:
        return from_json(IndexDefinition, event.details.get("structure"))
    except (ValueError, TypeError, AttributeError):
        return None


def report(operation: Operation, outcome: str, *, event: Event | None = None, **facts: Any) -> MutationReport:
    """The report of an operation; ``event`` is its last row."""
    return MutationReport(
        outcome=outcome,
        kind=operation.kind,
        table=operation.table,
        index=facts.pop("index", operation.name),
        sql=operation.sql,
        undo_sql=operation.undo_sql,
        id=event.id if event is not None else None,
        recommendation=operation.recommendation,
        summary=summary(operation.definition),
        tries=event.attempt if event is not None else 1,
        **facts,
    )


def report_of_event(event: Event, outcome: str, **facts: Any) -> MutationReport:
    """The report of an operation of which only its rows are known."""
    built = structure(event)
    recommendation = event.details.get("recommendation")
    return MutationReport(
        outcome=outcome,
        kind=OperationKind(event.details.get("kind", OperationKind.CREATE.value)),
        table=event.table,
        index=event.index.name,
        sql=str(facts.pop("sql", event.details.get("sql") or event.definition_sql or "")),
        undo_sql=event.undo_sql or "",
        id=event.id,
        recommendation=recommendation if isinstance(recommendation, str) else None,
        summary=summary(built) if built is not None else _statistics(event),
        tries=event.attempt,
        **facts,
    )


def _statistics(event: Event) -> str:
    target = event.kind is OperationKind.STATISTICS_TARGET
    told = event.details.get("statistics")
    try:
        return from_json(StatisticsTarget, told).text if target else from_json(ExtendedStatistics, told).text
    except (ValueError, TypeError, AttributeError):
        return ""


def report_of_undo(event: Event, outcome: str, **facts: Any) -> MutationReport:
    """The report of taking the operation back: the kind and the statements are those of the undoing."""
    undone = report_of_event(event, outcome, sql=event.undo_sql or "", **facts)
    if undone.kind is OperationKind.STATISTICS:
        return replace(undone, kind=OperationKind.DROP_STATISTICS, undo_sql=event.definition_sql or "")
    if undone.kind is OperationKind.STATISTICS_TARGET:
        before = from_json(StatisticsTarget, dict(event.details["statistics"]) | {"target": event.details["before"]})
        return replace(undone, undo_sql=event.definition_sql or "", summary=before.text)
    if undone.kind is OperationKind.DROP:
        return replace(undone, kind=OperationKind.CREATE, sql=rebuilding(event), undo_sql=drop_index(event.index))
    return replace(undone, kind=OperationKind.DROP, undo_sql=event.definition_sql or "")


def rebuilding(event: Event) -> str:
    """The statement that builds a dropped index again; that of a partitioned one is only its first."""
    definition = event.definition_sql or event.undo_sql or ""
    if event.details.get("partitioned"):
        return definition
    return rebuilt(definition)
