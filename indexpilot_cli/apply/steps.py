"""From a recommendation to the operations that build it, one statement each."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.ddl import drop_index
from indexpilot_cli.core.mutation import Event, IndexFacts, MutationReport, Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import PlanAction, Recommendation, ReplacedIndex
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.build import is_usable
from indexpilot_cli.execute.events import report
from indexpilot_cli.methods.partitioned import IndexPart, index_parts, unfinished


@dataclass(frozen=True, slots=True)
class Task:
    """A recommendation and its operations: one for an ordinary table, several for a partitioned one.

    ``drops`` follow once those are done: of the indexes in whose place the new one stands. ``there`` is the name of an
    index that makes the build itself needless.
    """

    recommendation: Recommendation
    operations: tuple[Operation, ...]
    drops: tuple[Operation, ...] = ()
    there: str | None = None

    @property
    def head(self) -> Operation:
        """The operation of the index the recommendation names."""
        return self.operations[0]


def task_of(
    recommendation: Recommendation,
    plan: str,
    catalog: Catalog,
    fingerprints: Mapping[QualifiedName, str],
    names: Mapping[QualifiedName, str] | None = None,
) -> Task:
    """The operations in the order they run; those of an index that waits for parts complete it, whatever its name.
    A drop and a rebuilding are one, of the index as it is; a replacement is a build with drops behind it.

    ``names`` are those of indexes on partitions, by table; others get names of ours.
    Raises RefusedError when the table is gone, foreign, or has foreign partitions.
    """
    definition = recommendation.definition
    if not recommendation.action.builds:
        return Task(recommendation, (_of_existing(recommendation, plan, catalog, fingerprints),))
    begun = unfinished(definition, catalog) if names is None else None
    name = recommendation.name if begun is None else begun.name.name
    made: dict[QualifiedName, Operation] = {}
    operations = []
    for part in index_parts(definition, name, catalog, names=names):
        operation = _operation(part, recommendation, plan, fingerprints, made)
        if not part.attaches:
            made[part.index] = operation
        operations.append(operation)
    if not operations:
        raise _table_missing(definition.table)
    drops = (_replaced(old, operations[0]) for old in recommendation.replaces)
    return Task(recommendation, tuple(operations), tuple(drops))


def _replaced(old: ReplacedIndex, new: Operation) -> Operation:
    """The drop of an index in whose place the new one stands."""
    return replace(
        new,
        op_id=str(uuid.uuid4()),
        kind=OperationKind.DROP,
        name=old.name,
        definition=old.definition,
        sql=old.ddl,
        undo_sql=old.undo,
        size_bytes=old.size_bytes,
        templates=(),
        only=False,
        instead=new.index,
    )


def _of_existing(
    recommendation: Recommendation, plan: str, catalog: Catalog, fingerprints: Mapping[QualifiedName, str]
) -> Operation:
    definition = recommendation.definition
    table = catalog.table(definition.table)
    if table is None:
        raise _table_missing(definition.table)
    return Operation(
        op_id=str(uuid.uuid4()),
        kind=OperationKind.DROP if recommendation.action is PlanAction.DROP else OperationKind.REINDEX,
        table=table.name,
        name=recommendation.name,
        definition=definition,
        sql=recommendation.ddl,
        undo_sql=recommendation.undo,
        relid=table.oid,
        columns_fingerprint=fingerprints.get(table.name, ""),
        recommendation=recommendation.id,
        plan=plan,
        size_bytes=recommendation.size_bytes,
    )


def _table_missing(table: QualifiedName) -> RefusedError:
    text = f"table {table.short} is not there any more"
    return RefusedError(text, hint="indexpilot recommend", code="table_missing")


def _operation(
    part: IndexPart,
    recommendation: Recommendation,
    plan: str,
    fingerprints: Mapping[QualifiedName, str],
    made: Mapping[QualifiedName, Operation],
) -> Operation:
    """The part as an operation; ``made`` are those of the indexes made before it."""
    table = part.table
    if table.kind not in ("r", "p", "m"):
        raise RefusedError(f"{table.name.short} cannot have indexes (relation kind {table.kind})", code="not_indexable")
    whole = part.parent is None
    return Operation(
        op_id=str(uuid.uuid4()),
        kind=OperationKind.ATTACH if part.attaches else OperationKind.CREATE,
        table=table.name,
        name=part.name,
        definition=part.definition,
        sql=part.sql,
        undo_sql=drop_index(part.index, concurrently=table.kind != "p"),
        relid=table.oid,
        columns_fingerprint=fingerprints.get(table.name, ""),
        recommendation=recommendation.id,
        plan=plan,
        size_bytes=recommendation.size_bytes if whole else 0,
        templates=recommendation.templates if whole else (),
        only=part.only,
        parent=part.parent if part.attaches else None,
        part_of=None if part.parent is None else made[part.parent].op_id,
    )


@dataclass(frozen=True, slots=True)
class Built:
    """How an operation ended: its report, its last row (None: nothing was begun), the index as it is now."""

    report: MutationReport
    event: Event | None = None
    found: IndexFacts | None = None


def already(session: Session, operation: Operation, besides: Collection[int] = ()) -> Built | None:
    """What makes the operation needless or impossible, looked at under the lock.

    ``besides`` are oids of equal indexes that stood beside the wanted one before, and do not replace it.
    """
    as_planned(session, operation)
    # Nearly always nothing has the name, and then there is no index to describe.
    is_taken = build.relation_kind(session, operation.index) is not None
    same_name = build.find_index(session, operation.index) if is_taken else None
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
    if is_taken:
        raise _name_taken(operation, None)
    own = build.indexes_of(session, operation.relid)
    equal = (i for i in own if is_same(i, operation) and is_usable(i) and i.oid not in besides)
    found = next(equal, None)
    return None if found is None or operation.part_of is not None else _done_before(operation, found)


def is_same(found: IndexFacts | None, operation: Operation) -> bool:
    """Whether the index is on the planned table and has the planned structure."""
    return build.has_structure(found, operation.relid, operation.definition)


def as_planned(session: Session, operation: Operation) -> None:
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
        # The server drops no index that is attached (2BP01).
        hint=f"build it again:  REINDEX INDEX CONCURRENTLY {operation.index};"
        if found.attached is not None
        else f"if nobody needs it:  DROP INDEX CONCURRENTLY {operation.index};",
        code="invalid_index",
    )
