"""Operations as people and programs read them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from indexpilot_cli.core.ddl import drop_index, summary
from indexpilot_cli.core.mutation import Event
from indexpilot_cli.core.operation import MutationReport, Operation, OperationKind
from indexpilot_cli.execute import events

_CREATE = re.compile(r"CREATE (UNIQUE )?INDEX ")


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
    structure = events.structure(event)
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
        summary=summary(structure) if structure is not None else "",
        tries=event.attempt,
        **facts,
    )


def report_of_undo(event: Event, outcome: str, **facts: Any) -> MutationReport:
    """The report of taking the operation back: the kind and the statements are those of the undoing."""
    undone = report_of_event(event, outcome, sql=event.undo_sql or "", **facts)
    if undone.kind is OperationKind.DROP:
        return replace(undone, kind=OperationKind.CREATE, sql=rebuilding(event), undo_sql=drop_index(event.index))
    return replace(undone, kind=OperationKind.DROP, undo_sql=event.definition_sql or "")


def rebuilding(event: Event) -> str:
    """The statement that builds a dropped index again; that of a partitioned one is only its first."""
    definition = event.definition_sql or event.undo_sql or ""
    if event.details.get("partitioned"):
        return definition
    return _CREATE.sub(r"CREATE \1INDEX CONCURRENTLY ", definition, count=1)
