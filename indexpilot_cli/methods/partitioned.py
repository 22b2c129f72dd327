"""The index of a partitioned table: one on the parent alone, one on each partition, attached one by one.

CREATE INDEX CONCURRENTLY is refused on a partitioned parent, so the parent gets an index ON ONLY itself, invalid and
without storage; the last attachment makes it valid.
https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.ddl import create_index, drop_index, index_body, index_name
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.methods.existing import same_structure


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One statement of the whole: the index of a table made, or (``attaches``) attached to ``parent``, its parent's.

    ``parent`` None: it is the whole. ``there``: the catalog has it so already.
    """

    definition: IndexDefinition
    name: str
    table: Table
    parent: QualifiedName | None
    attaches: bool = False
    there: bool = False

    @property
    def index(self) -> QualifiedName:
        """The index with its schema, which is its table's."""
        return QualifiedName(self.table.name.schema, self.name)

    @property
    def only(self) -> bool:
        """Whether it is made ON ONLY its table."""
        return self.table.kind == "p" and not self.attaches

    @property
    def sql(self) -> str:
        """The statement, without the semicolon."""
        if self.attaches:
            return f"ALTER INDEX {self.parent} ATTACH PARTITION {self.index}"
        if not self.only:
            return create_index(self.definition, self.name)
        unique = "UNIQUE " if self.definition.unique else ""
        return f"CREATE {unique}INDEX {quote_identifier(self.name)} ON ONLY {index_body(self.definition)}"


def index_parts(
    definition: IndexDefinition,
    name: str,
    catalog: Catalog,
    *,
    taken: Collection[str] = (),
    names: Mapping[QualifiedName, str] | None = None,
) -> Iterator[IndexPart]:
    """The statements in the order they run; one for an ordinary table, none where the table is gone.

    ``names`` are those of indexes on partitions, by table; others get names that are free and not ``taken``, or the
    name of what is attached already. Where the whole is there and unfinished, indexes that fit are attached to it.
    """
    table = catalog.table(definition.table)
    if table is not None:
        whole = _named(table, name)
        yield from _Parts(catalog, taken, names or {}, whole is not None, {name}).of(definition, name, table, None)


def unfinished(definition: IndexDefinition, catalog: Catalog) -> Index | None:
    """The index of that structure on a partitioned table that waits for parts, or None."""
    table = catalog.table(definition.table)
    waiting = (i for i in table.indexes if not i.valid) if table is not None and table.kind == "p" else ()
    return next((i for i in waiting if same_structure(i.definition, definition)), None)


def completing(index: Index, catalog: Catalog) -> tuple[IndexPart, ...]:
    """What is still to be done until the index of a partitioned table is valid."""
    return tuple(part for part in index_parts(index.definition, index.name.name, catalog) if not part.there)


# From these minor releases on the parent is looked at again when what is attached is attached once more; tried on each
# and on 13.23, 15.17 and 17.9, which do not.
_LOOKS_AGAIN = {14: 23, 15: 18, 16: 14, 17: 10, 18: 4}


def looks_again(version: int) -> bool:
    """Whether ATTACH PARTITION of an index that is attached makes its parent valid where all parts are.

    ``version`` is ``server_version_num``.
    """
    major, minor = divmod(version, 10_000)
    return major > max(_LOOKS_AGAIN) or minor >= _LOOKS_AGAIN.get(major, 10_000)


def attach_again(index: Index, catalog: Catalog) -> str | None:
    """The statement that makes a parent valid whose parts all are; None where the server or the index has none."""
    if not looks_again(catalog.version):
        return None
    parts = (i.name for i in catalog.indexes() if i.parent == index.name)
    return next((f"ALTER INDEX {index.name} ATTACH PARTITION {part};" for part in parts), None)


def anew(index: Index, catalog: Catalog) -> str:
    """The statements that drop the index of a partitioned table with all its parts and build it again."""
    return f"{drop_index(index.name, concurrently=False)};\n{again(index, catalog)}"


def again(index: Index, catalog: Catalog) -> str:
    """The statements that build the index of a partitioned table with all its parts once they are dropped."""
    attached = {i.name: i.parent for i in catalog.indexes()}
    gone, grown = {index.name}, True
    while grown:
        below = {name for name, parent in attached.items() if parent in gone}
        grown = not below <= gone
        gone |= below
    left = tuple(replace(t, indexes=tuple(i for i in t.indexes if i.name not in gone)) for t in catalog.tables)
    names = {i.definition.table: i.name.name for i in catalog.indexes() if i.name in gone}
    parts = index_parts(index.definition, index.name.name, replace(catalog, tables=left), names=names)
    return ";\n".join(part.sql for part in parts)


def alone(definition: IndexDefinition, catalog: Catalog) -> Iterator[Index]:
    """Indexes on single partitions that do what a part of the index would; attached they would go with the whole."""
    for child in catalog.children_of(definition.table):
        below = replace(definition, table=child.name)
        if child.is_partition:
            yield from (
                i for i in child.indexes if i.parent is None and i.valid and same_structure(i.definition, below)
            )
            yield from alone(below, catalog)


def build_sql(definition: IndexDefinition, name: str, catalog: Catalog, taken: Collection[str] = ()) -> str:
    """One statement, or several joined by ``;`` for a partitioned table; the last one without a semicolon."""
    parts = (part for part in index_parts(definition, name, catalog, taken=taken) if not part.there)
    return ";\n".join(part.sql for part in parts) or create_index(definition, name)


def drop_sql(definition: IndexDefinition, name: str, catalog: Catalog) -> str:
    """The statement that takes it back; a partitioned index cannot be dropped concurrently."""
    table = catalog.table(definition.table)
    partitioned = table is not None and table.kind == "p"
    return drop_index(QualifiedName(definition.table.schema, name), concurrently=not partitioned)


@dataclass(frozen=True, slots=True)
class _Parts:
    catalog: Catalog
    taken: Collection[str]
    names: Mapping[QualifiedName, str]
    begun: bool
    given: set[str]

    def of(
        self, definition: IndexDefinition, name: str, table: Table, parent: QualifiedName | None
    ) -> Iterator[IndexPart]:
        """The index on this table and on what hangs below it."""
        own = _named(table, name)
        there = own is not None and (table.kind == "p" or (own.valid and own.ready))
        first = IndexPart(definition, name, table, parent, there=there)
        yield first
        for child in self._partitions(table):
            below = replace(definition, table=child.name)
            child_name = self._name(below, child, first.index)
            yield from self.of(below, child_name, child, first.index)
            found = _named(child, child_name)
            attached = found is not None and found.parent == first.index
            yield IndexPart(below, child_name, child, first.index, attaches=True, there=attached)

    def _partitions(self, table: Table) -> Iterator[Table]:
        if table.kind == "p":
            yield from (t for t in self.catalog.children_of(table.name) if t.is_partition)

    def _name(self, definition: IndexDefinition, child: Table, parent: QualifiedName) -> str:
        """The given name, that of what is attached or fits, the same again after an unfinished run, or a free one."""
        if child.name in self.names:
            return self.names[child.name]
        same = [i for i in child.indexes if same_structure(i.definition, definition)]
        # Dropping the whole drops what is attached to it: a strange index is taken in only where the whole is strange.
        fitting = [i for i in same if self.begun and i.parent is None and (i.valid or child.kind == "p")]
        for index in [*(i for i in same if i.parent == parent), *fitting]:
            return index.name.name
        taken = {*self.taken, *self.given}
        for table in self.catalog.tables:  # tables and indexes of a schema share one space of names
            if table.name.schema == child.name.schema:
                taken |= {table.name.name, *(i.name.name for i in table.indexes)}
        name = index_name(definition, taken - {i.name.name for i in same})
        self.given.add(name)
        return name


def _named(table: Table, name: str) -> Index | None:
    return next((i for i in table.indexes if i.name.name == name), None)


def upwards(name: QualifiedName, catalog: Catalog) -> Iterator[QualifiedName]:
    """The table, then what it is a partition or child of, to the one above all."""
    above: QualifiedName | None = name
    while above is not None:
        yield above
        table = catalog.table(above)
        above = table.parent if table is not None else None
