"""From a recommendation to the operations that build it, one statement each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.ddl import create_index, drop_index, index_body, index_name
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.operation import Operation, OperationKind
from indexpilot_cli.core.plan import Recommendation
from indexpilot_cli.errors import RefusedError

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
