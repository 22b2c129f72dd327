"""Building a dropped index again, exactly: definition, tablespace, comment, statistics targets, flags."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execution import events
from indexpilot_cli.model.ddl import drop_index
from indexpilot_cli.model.intent import Event, IndexFacts
from indexpilot_cli.model.mutation import MutationType
from indexpilot_cli.model.operation import MutationReport, Operation, OperationKind
from indexpilot_cli.postgres import build
from indexpilot_cli.postgres.session import Session
from indexpilot_cli.workflows.apply_build import Manner, perform
from indexpilot_cli.workflows.apply_desk import Desk
from indexpilot_cli.workflows.apply_report import rebuilding
from indexpilot_cli.workflows.reconcile import mark_brought_back


def bring_back(desk: Desk, event: Event) -> MutationReport:
    """Build the index that the drop ``event`` (newest row) took away.

    Raises RefusedError when another run holds the table, when the name or the table is another by now, or for the
    index of a partitioned table; OutcomeUnknownError.
    """
    structure = events.structure(event)
    if structure is None or event.definition_sql is None:
        raise RefusedError(f"the log does not say enough of {event.index} to build it", code="not_restorable")
    if event.details.get("partitioned"):
        again = event.details.get("recommendation") or event.details.get("plan")
        raise RefusedError(
            f"{event.index} is the index of a partitioned table",
            hint=f"indexpilot apply {again}" if again else None,
            code="partitioned",
        )
    operation = Operation(
        op_id=str(uuid.uuid4()),
        kind=OperationKind.CREATE,
        table=event.table,
        name=event.index.name,
        definition=structure,
        sql=rebuilding(event),
        undo_sql=drop_index(event.index),
        relid=event.relid,
        columns_fingerprint="",
        recommendation=event.details.get("recommendation"),
        plan=event.details.get("plan"),
    )
    kept = event.details.get("restore")
    facts: Mapping[str, object] = kept if isinstance(kept, Mapping) else {}
    context = {"reason": "rollback", "reverts": event.op_id, "restore": facts}
    built = perform(desk, operation, context, _manner(operation, facts))
    if built.report.outcome in ("done", "already_done"):
        mark_brought_back(desk, event.op_id, by=operation.op_id)
    return built.report


def _manner(operation: Operation, facts: Mapping[str, object]) -> Manner:
    def restore(session: Session, found: IndexFacts) -> None:
        build.restore(session, found.name, operation.table, facts)

    tablespace = facts.get("tablespace")
    return Manner(MutationType.ROLLBACK_INDEX, tablespace if isinstance(tablespace, str) else "", restore)
