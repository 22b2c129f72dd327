"""Before an operation begins, under the table's lock: is it needless, impossible, or no longer what was planned?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from indexpilot_cli.core.mutation import Event, IndexFacts
from indexpilot_cli.core.operation import MutationReport, Operation, OperationKind
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.decide import is_usable
from indexpilot_cli.execute.events import report
from indexpilot_cli.methods.existing import same_structure


@dataclass(frozen=True, slots=True)
class Built:
    """How an operation ended: its report, its last row (None: nothing was begun), the index as it is now."""

    report: MutationReport
    event: Event | None = None
    found: IndexFacts | None = None


def already(session: Session, operation: Operation) -> Built | None:
    """What makes the operation needless or impossible, looked at under the lock."""
    _as_planned(session, operation)
    same_name = build.find_index(session, operation.index)
    if operation.kind is OperationKind.ATTACH:
        attached = same_name is not None and same_name.attached == operation.parent
        return _done_before(operation, same_name) if attached else None
    if same_name is not None:
        if not is_same(same_name, operation):
            raise _name_taken(operation, same_name)
        # Of a partitioned table's index, invalid only says that partitions are missing: the run goes on with those.
        if is_usable(same_name) or operation.only:
            return _done_before(operation, same_name)
        # Reconciliation came before, so this is no run's of ours: perhaps somebody else is building it now.
        raise _strange_leftover(operation, same_name)
    if build.relation_kind(session, operation.index) is not None:
        raise _name_taken(operation, None)
    equal = (i for i in build.indexes_of(session, operation.relid) if is_same(i, operation) and is_usable(i))
    found = next(equal, None)
    return None if found is None or operation.part_of is not None else _done_before(operation, found)


def is_same(found: IndexFacts, operation: Operation) -> bool:
    """Whether the index is on the planned table and has the planned structure."""
    return (
        found.relid == operation.relid
        and found.definition is not None
        and same_structure(found.definition, replace(operation.definition, table=found.definition.table))
    )


def _as_planned(session: Session, operation: Operation) -> None:
    # A table that was renamed and replaced has the planned name: CREATE INDEX would succeed, on the wrong one. The oid
    # tells them apart.
    now = build.relation_kind(session, operation.table)
    if now is not None and now[0] == operation.relid:
        columns = build.columns_fingerprint(session, operation.relid)
        if not operation.columns_fingerprint or columns == operation.columns_fingerprint:
            return
    raise RefusedError(
        f"{operation.table.short} has changed since the plan was made",
        detail="the table was replaced or removed"
        if now is None or now[0] != operation.relid
        else "its columns differ",
        hint="indexpilot recommend",
        code="stale_plan",
    )


def _done_before(operation: Operation, found: IndexFacts | None) -> Built:
    return Built(report(operation, "already_done", index=found.name.name if found else operation.name), None, found)


def _name_taken(operation: Operation, found: IndexFacts | None) -> RefusedError:
    """The fixed name belongs to something else."""
    return RefusedError(
        f"the name {operation.index} belongs to something else",
        detail=found.ddl if found is not None else "a relation of that name exists",
        hint="rename it, or indexpilot recommend again",
        code="name_taken",
    )


def _strange_leftover(operation: Operation, found: IndexFacts) -> RefusedError:
    return RefusedError(
        f"{operation.index} is there, invalid, and no open operation of ours speaks of it",
        detail=f"pid {found.builder} builds it now" if found.builder else found.ddl,
        hint=f"if nobody needs it:  DROP INDEX CONCURRENTLY {operation.index};",
        code="invalid_index",
    )
