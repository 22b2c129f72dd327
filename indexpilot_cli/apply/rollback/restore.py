"""Building a dropped index again, exactly: definition, tablespace, comment, statistics targets, flags."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from indexpilot_cli.apply.build import BuildManner, perform
from indexpilot_cli.apply.plan import fingerprints
from indexpilot_cli.apply.steps import Built, Task, task_of
from indexpilot_cli.apply.task import GOOD, build_whole
from indexpilot_cli.core.ddl import drop_index, summary
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import Event, IndexFacts, MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.operation import MutationReport, Operation, OperationKind
from indexpilot_cli.core.plan import Recommendation
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.events import rebuilding
from indexpilot_cli.execute.reconcile import mark_brought_back
from indexpilot_cli.log import intents
from indexpilot_cli.methods.existing import same_structure

Facts = Mapping[str, object]


def bring_back(ctx: RunContext, event: Event) -> MutationReport:
    """Build the index that the drop ``event`` (newest row) took away; of a partitioned table, also all its parts.

    Partitions that are new since then get an index too. Raises RefusedError when another run holds the table, or
    when the name or the table is another by now; OutcomeUnknownError.
    """
    structure = events.structure(event)
    if structure is None or event.definition_sql is None:
        raise RefusedError(f"the log does not say enough of {event.index} to build it", code="not_restorable")
    task = _whole(ctx, event, structure) if event.details.get("partitioned") else _single(event, structure)
    kept = dict(_kept(event))

    def performed(operation: Operation) -> Built:
        facts = kept.get(operation.table) if operation.kind is OperationKind.CREATE else None
        return perform(ctx, operation, _context(event, operation, facts), _manner(operation, facts))

    done = build_whole(ctx, task, performed)
    if done.outcome in GOOD:
        mark_brought_back(ctx, event.op_id, by=_operation_of(ctx, done) or task.head.op_id)
    return done


def _operation_of(ctx: RunContext, done: MutationReport) -> str | None:
    """The operation behind the report: of a run that was continued, the one it began with."""
    if done.id is None:
        return None
    groups = intents.operations(ctx.log, intents.Which(ids=(done.id,)), schema=ctx.schema)
    return groups[0][0].op_id if groups else None


def _single(event: Event, structure: IndexDefinition) -> Task:
    operation = Operation(
        op_id=str(uuid.uuid4()),
        kind=OperationKind.CREATE,
        table=event.table,
        name=event.index.name,
        definition=structure,
        sql=rebuilding(event),
        undo_sql=drop_index(event.index),
        relid=event.relid,
        # Nothing to compare with: a column that is gone since the drop makes the server refuse the statement (42703).
        columns_fingerprint="",
        recommendation=event.details.get("recommendation"),
        plan=event.details.get("plan"),
    )
    return Task(_advice(event, structure), (operation,))


def _whole(ctx: RunContext, event: Event, structure: IndexDefinition) -> Task:
    """The operations for the partitions there are now, under the names their indexes had."""
    # The partitions of today: the parent's index becomes valid only when each of them has one attached.
    catalog = read_catalog(ctx.look)
    table = catalog.table(event.table)
    if table is None or table.oid != event.relid:
        raise RefusedError(f"{event.table.short} is not the table it was", code="stale_plan")
    return task_of(
        _advice(event, structure),
        event.details.get("plan") or "",
        catalog,
        fingerprints(ctx.look, catalog, {event.table}),
        new_id=lambda: str(uuid.uuid4()),
        same=same_structure,
        names={QualifiedName(**part["table"]): part["index"] for part in _kept_parts(event)},
    )


def _advice(event: Event, structure: IndexDefinition) -> Recommendation:
    """The dropped index as if it were advised."""
    return Recommendation(
        id=event.details.get("recommendation") or structure.id,
        definition=structure,
        name=event.index.name,
        ddl=rebuilding(event),
        undo=drop_index(event.index),
        summary=summary(structure),
        kind="rollback",
        size_bytes=0,
        size_method="",
        benefit=0.0,
        reduction=0.0,
        write_cost=0.0,
    )


def _kept_parts(event: Event) -> list[dict[str, Any]]:
    parts = event.details.get("parts")
    return parts if isinstance(parts, list) else []


def _kept(event: Event) -> Iterator[tuple[QualifiedName, Facts]]:
    """By table, what its index had that a definition does not say."""
    own = event.details.get("restore")
    yield event.table, own if isinstance(own, Mapping) else {}
    for part in _kept_parts(event):
        yield QualifiedName(**part["table"]), part["restore"]


def _context(event: Event, operation: Operation, facts: Facts | None) -> dict[str, Any]:
    context: dict[str, Any] = {"reason": "rollback"}
    if facts is not None:
        context["restore"] = facts
    return context if operation.part_of else {**context, "reverts": event.op_id}


def _manner(operation: Operation, facts: Facts | None) -> BuildManner:
    """``facts`` None: an attachment, or a partition that is new; its index gets our tag."""
    if facts is None:
        return BuildManner(MutationType.ROLLBACK_INDEX)
    kept = facts

    def restore(session: Session, found: IndexFacts) -> None:
        build.restore(session, found.name, operation.table, kept)

    tablespace = kept.get("tablespace")
    return BuildManner(MutationType.ROLLBACK_INDEX, tablespace if isinstance(tablespace, str) else "", restore)
