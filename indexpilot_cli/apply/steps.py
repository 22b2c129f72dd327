"""From a recommendation to the operations that build it, one statement each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.ddl import create_index, drop_index, index_body, index_name
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import Event, IndexFacts, MutationReport, Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.plan import Recommendation
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.build import is_usable
from indexpilot_cli.execute.events import report
from indexpilot_cli.methods.existing import same_structure

Same = Callable[[IndexDefinition, IndexDefinition], bool]


@dataclass(frozen=True, slots=True)
class Task:
    """A recommendation and its operations: one for an ordinary table, several for a partitioned one."""

    recommendation: Recommendation
    operations: tuple[Operation, ...]

    @property
    def head(self) -> Operation:
        """The operation of the index the recommendation names."""
        return self.operations[0]


def task_of(
    recommendation: Recommendation,
    plan: str,
    catalog: Catalog,
    fingerprints: Mapping[QualifiedName, str],
    *,
    new_id: Callable[[], str],
    same: Same,
    names: Mapping[QualifiedName, str] | None = None,
) -> Task:
    """The operations in the order they run.

    CREATE INDEX CONCURRENTLY is refused on a partitioned table: there the parent's index is made ``ON ONLY`` the
    parent, each partition's concurrently, and attached one by one.
    https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
    ``names`` are those of indexes on partitions, by table; others get names of ours.
    Raises RefusedError when the table is gone, foreign, or has foreign partitions.
    """
    table = _table(catalog, recommendation.definition.table)
    maker = _Maker(recommendation, plan, catalog, fingerprints, new_id, same, names or {})
    return Task(recommendation, tuple(maker.make(recommendation.definition, recommendation.name, table, None)))


def _table(catalog: Catalog, name: QualifiedName) -> Table:
    table = catalog.table(name)
    if table is None:
        raise RefusedError(
            f"table {name.short} is not there any more", hint="indexpilot recommend", code="table_missing"
        )
    if table.kind not in ("r", "p", "m"):
        raise RefusedError(f"{name.short} cannot have indexes (relation kind {table.kind})", code="not_indexable")
    return table


@dataclass(frozen=True, slots=True)
class _Maker:
    recommendation: Recommendation
    plan: str
    catalog: Catalog
    fingerprints: Mapping[QualifiedName, str]
    new_id: Callable[[], str]
    same: Same
    names: Mapping[QualifiedName, str]

    def make(self, definition: IndexDefinition, name: str, table: Table, whole: str | None) -> Iterator[Operation]:
        """The operations for the index on this table and on what hangs below it."""
        first = self._create(definition, name, table, whole)
        yield first
        if table.kind != "p":
            return
        for child in (t for t in self.catalog.tables if t.parent == table.name and t.is_partition):
            own = replace(definition, table=child.name)
            below = list(self.make(own, self._child_name(own, child), _table(self.catalog, child.name), first.op_id))
            yield from below
            # With the last attachment the server itself marks the parent's index valid; no statement does.
            yield self._attach(below[0], first.index)

    def _create(self, definition: IndexDefinition, name: str, table: Table, whole: str | None) -> Operation:
        only = table.kind == "p"
        sql = (
            f"CREATE {'UNIQUE ' if definition.unique else ''}INDEX {quote_identifier(name)} "
            f"ON ONLY {index_body(definition)}"
            if only
            else create_index(definition, name)
        )
        return Operation(
            op_id=self.new_id(),
            kind=OperationKind.CREATE,
            table=table.name,
            name=name,
            definition=definition,
            sql=sql,
            undo_sql=drop_index(QualifiedName(table.name.schema, name), concurrently=not only),
            relid=table.oid,
            columns_fingerprint=self.fingerprints.get(table.name, ""),
            recommendation=self.recommendation.id,
            plan=self.plan,
            size_bytes=self.recommendation.size_bytes if whole is None else 0,
            templates=self.recommendation.templates if whole is None else (),
            only=only,
            part_of=whole,
        )

    def _attach(self, child: Operation, parent: QualifiedName) -> Operation:
        return replace(
            child,
            op_id=self.new_id(),
            kind=OperationKind.ATTACH,
            sql=f"ALTER INDEX {parent} ATTACH PARTITION {child.index}",
            only=False,
            parent=parent,
        )

    def _child_name(self, definition: IndexDefinition, child: Table) -> str:
        """The given name, or the same again for an index of an earlier, unfinished run, or one that is free."""
        if child.name in self.names:
            return self.names[child.name]
        own = {i.name.name for i in child.indexes if self.same(i.definition, definition)}
        taken: set[str] = set()
        for table in self.catalog.tables:  # tables and indexes of a schema share one space of names
            if table.name.schema == child.name.schema:
                taken |= {table.name.name, *(i.name.name for i in table.indexes)}
        return index_name(definition, taken - own)


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
