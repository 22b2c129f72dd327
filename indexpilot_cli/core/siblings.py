"""A schema per tenant: schemas with the same tables, found by their structure, and one of them that stands for all."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

from indexpilot_cli.core.catalog import Activity, Catalog, Column, ForeignKey, Index, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.units import listed

_TOLD = 3  # differences of a schema that is told apart


@dataclass(frozen=True, slots=True)
class SchemaGroup:
    """Schemas with the same tables. Statements are planned on the tables of ``representative``, the largest of them.

    ``tables`` are by the name of the representative's table those of all schemas, its own among them. ``uneven`` are
    indexes of the representative that not every schema has: it is planned on as if it did not have them.
    """

    representative: str
    schemas: tuple[str, ...]
    tables: Mapping[QualifiedName, tuple[Table, ...]]
    uneven: frozenset[QualifiedName] = frozenset()

    @property
    def text(self) -> str:
        """A sentence for people."""
        first, last = quote_identifier(self.schemas[0]), quote_identifier(self.schemas[-1])
        count = f"the same {len(self.tables)} tables" if len(self.tables) > 1 else "the same table"
        return (
            f"{len(self.schemas):,} schemas have {count} ({first} to {last}): one advice for all,"
            f" planned on {quote_identifier(self.representative)}, the largest"
        )


@dataclass(frozen=True, slots=True)
class OddSchema:
    """A schema that is nearly like those of a group, and is advised on by itself: what differs."""

    schema: str
    representative: str
    why: str

    @property
    def text(self) -> str:
        """A sentence for people."""
        own = f"{quote_identifier(self.schema)} is advised on by itself"
        return f"{own}: unlike {quote_identifier(self.representative)}, {self.why}"


@dataclass(frozen=True, slots=True)
class Siblings:
    """All groups of a catalog, ``whole`` (its tables may lack statistics), and the schemas nearly like one of them."""

    groups: tuple[SchemaGroup, ...]
    whole: Catalog
    odd: tuple[OddSchema, ...] = ()

    @property
    def representatives(self) -> dict[str, str]:
        """By the schemas of all groups the one that stands for it."""
        return dict(chain.from_iterable(dict.fromkeys(g.schemas, g.representative).items() for g in self.groups))

    @property
    def left_out(self) -> frozenset[str]:
        """The schemas for which another one stands."""
        return frozenset(schema for schema, instead in self.representatives.items() if schema != instead)

    @property
    def uneven(self) -> frozenset[QualifiedName]:
        """Indexes of representatives that not every schema has."""
        return frozenset(chain.from_iterable(g.uneven for g in self.groups))

    @property
    def notes(self) -> tuple[str, ...]:
        """What people have to know of it."""
        return (*(g.text for g in self.groups), *(o.text for o in self.odd))

    def tables(self, name: QualifiedName) -> tuple[Table, ...]:
        """The tables of all schemas for which this one stands; none where it stands for itself only."""
        return next((g.tables[name] for g in self.groups if name in g.tables), ())

    def reduced(self, catalog: Catalog) -> Catalog:
        """The catalog with the representatives only: with the writes of all, and the indexes that all have."""
        gone, uneven = self.left_out, self.uneven

        def standing(table: Table) -> Table:
            members = self.tables(table.name)
            if not members:
                return table
            kept = tuple(i for i in table.indexes if i.name not in uneven)
            return replace(table, indexes=kept, activity=_together(table.activity, members))

        return replace(
            catalog,
            tables=tuple(standing(t) for t in catalog.tables if t.name.schema not in gone),
            foreign_keys=tuple(k for k in catalog.foreign_keys if k.table.schema not in gone),
            views={name: text for name, text in catalog.views.items() if name.schema not in gone},
            policies=tuple(p for p in catalog.policies if p.table.schema not in gone),
        )


_COUNTED = ("inserts", "updates", "hot_updates", "deletes", "seq_scans", "index_scans")


def _together(own: Activity, members: Sequence[Table]) -> Activity:
    """The activity of all; how old the statistics are is the representative's own."""
    return replace(own, **{name: sum(getattr(t.activity, name) for t in members) for name in _COUNTED})


def siblings_of(catalog: Catalog, least: int, apart: Collection[str] = ()) -> Siblings | None:
    """The groups of at least so many schemas with equal tables: columns, types, keys; None when there are none.

    Order of columns, defaults, sizes and plain indexes do not matter. ``apart`` are schemas that stay by themselves.
    """
    by_schema: dict[str, list[Table]] = {}
    for table in catalog.tables:
        by_schema.setdefault(table.name.schema, []).append(table)
    if least < 1 or len(by_schema) < least:
        return None
    shapes = {schema: _shape(schema, tables, catalog) for schema, tables in by_schema.items()}
    alike: defaultdict[frozenset[TableShape], list[str]] = defaultdict(list)
    for schema, shape in shapes.items():
        alike[frozenset(shape.values())].append(schema)
    found = ([s for s in schemas if s not in apart] for schemas in alike.values() if len(schemas) >= least)
    groups = tuple(_group(schemas, by_schema) for schemas in found if schemas)
    if not groups:
        return None
    return Siblings(groups, catalog, tuple(_odd(groups, {s: shapes[s] for s in shapes if s not in apart})))


@dataclass(frozen=True, slots=True)
class TableShape:
    """What makes tables of different schemas the same. Texts are without the name of their own schema."""

    name: str
    kind: str
    columns: frozenset[tuple[str, str, str | None, str]]
    keys: frozenset[tuple[str, tuple[str, ...]]]
    references: frozenset[tuple[tuple[str, ...], str, str, tuple[str, ...]]]
    parent: tuple[str, str] | None = None
    partition_key: str | None = None


def _shape(schema: str, tables: Sequence[Table], catalog: Catalog) -> dict[str, TableShape]:
    return {t.name.name: _table_shape(schema, t, catalog.keys_of(t.name)) for t in tables}


def _table_shape(schema: str, table: Table, references: Sequence[ForeignKey]) -> TableShape:
    own = _Own(schema)
    return TableShape(
        table.name.name,
        table.kind,
        frozenset(map(own.column, table.columns)),
        frozenset((i.constraint, i.definition.columns) for i in table.indexes if i.constraint is not None),
        frozenset((k.columns, *own.place(k.referenced), k.referenced_columns) for k in references),
        own.place(table.parent) if table.parent is not None else None,
        table.partition_key,
    )


@dataclass(frozen=True, slots=True)
class _Own:
    """Names as seen from a schema."""

    schema: str

    def place(self, name: QualifiedName) -> tuple[str, str]:
        return ("" if name.schema == self.schema else name.schema, name.name)

    def column(self, column: Column) -> tuple[str, str, str | None, str]:
        prefix = f"{quote_identifier(self.schema)}."
        return column.name, column.type.removeprefix(prefix), column.collation, column.generated


def _group(schemas: Sequence[str], by_schema: Mapping[str, Sequence[Table]]) -> SchemaGroup:
    """The largest stands for all: most time is spent there, and what pays nowhere else may pay there."""

    def rank(schema: str) -> tuple[bool, int, float, str]:
        tables = by_schema[schema]
        readable = all(t.readable for t in tables)
        return not readable, -sum(t.pages for t in tables), -sum(t.rows for t in tables), schema

    chosen = min(schemas, key=rank)
    members: dict[str, list[Table]] = {}
    for schema in sorted(schemas):
        for table in by_schema[schema]:
            members.setdefault(table.name.name, []).append(table)
    tables = {t.name: tuple(members[t.name.name]) for t in by_schema[chosen]}
    uneven = frozenset(chain.from_iterable(_uneven(t, tables[t.name]) for t in by_schema[chosen]))
    return SchemaGroup(chosen, tuple(sorted(schemas)), tables, _with_parts(uneven, by_schema[chosen]))


def _uneven(table: Table, members: Sequence[Table]) -> Iterator[QualifiedName]:
    has = Counter(chain.from_iterable({structure(i) for i in t.indexes if i.valid} for t in members))
    for index in table.indexes:
        # What belongs to a constraint is part of the shape, and every schema has it.
        if index.constraint is None and index.parent is None and has[structure(index)] < len(members):
            yield index.name


def _with_parts(indexes: frozenset[QualifiedName], tables: Sequence[Table]) -> frozenset[QualifiedName]:
    """The indexes with those of partitions that are attached to them."""
    every = chain.from_iterable(t.indexes for t in tables)
    parts = {i.name: i.parent for i in every if i.parent is not None}
    found: frozenset[QualifiedName] = indexes
    while more := {name for name, parent in parts.items() if parent in found} - found:
        found |= more
    return found


def structure(index: Index) -> IndexDefinition:
    """The index's structure, equal for equal indexes of equal tables in different schemas."""
    return moved(index.definition, "")


def moved(definition: IndexDefinition, schema: str) -> IndexDefinition:
    """The definition for the table of that name in another schema; types and functions of its own schema move along."""
    table = QualifiedName(schema, definition.table.name)
    if definition.predicate is None and all(k.expression is None for k in definition.keys):
        return replace(definition, table=table)
    own, there = definition.table.schema, f"{quote_identifier(schema)}." if schema else ""
    # Texts of literals are passed over: what is in quotes is no name.
    pattern = re.compile(rf"('(?:[^']|'')*')|(?<![\w\"$.]){re.escape(quote_identifier(own))}\.")

    def text(sql: str | None) -> str | None:
        return None if sql is None else pattern.sub(lambda found: found[1] or there, sql)

    def key(item: IndexKey) -> IndexKey:
        return replace(item, expression=text(item.expression), operator_class=text(item.operator_class))

    return replace(definition, table=table, keys=tuple(map(key, definition.keys)), predicate=text(definition.predicate))


def _odd(groups: Sequence[SchemaGroup], shapes: Mapping[str, Mapping[str, TableShape]]) -> Iterator[OddSchema]:
    """The schemas of no group that have at least half the tables of one by name."""
    inside = set(chain.from_iterable(g.schemas for g in groups))
    for schema in sorted(set(shapes) - inside):
        near = max(groups, key=lambda g: len(shapes[g.representative].keys() & shapes[schema].keys()))
        model = shapes[near.representative]
        if 2 * len(model.keys() & shapes[schema].keys()) >= len(model):
            yield OddSchema(schema, near.representative, _differences(model, shapes[schema]))


def _differences(model: Mapping[str, TableShape], own: Mapping[str, TableShape]) -> str:
    found = [
        *(f"it has no table {quote_identifier(name)}" for name in sorted(model.keys() - own.keys())),
        *(f"it has a table {quote_identifier(name)}" for name in sorted(own.keys() - model.keys())),
        *chain.from_iterable(_of_table(model[n], own[n]) for n in sorted(model.keys() & own.keys())),
    ]
    return listed(found, _TOLD)


def _of_table(model: TableShape, own: TableShape) -> Iterator[str]:
    name = quote_identifier(own.name)
    types, wanted = {c[0]: c[1] for c in own.columns}, {c[0]: c[1] for c in model.columns}
    yield from (f"{name} has no column {quote_identifier(c)}" for c in sorted(wanted.keys() - types.keys()))
    yield from (f"{name} has a column {quote_identifier(c)}" for c in sorted(types.keys() - wanted.keys()))
    for column in sorted(c for c in types.keys() & wanted.keys() if types[c] != wanted[c]):
        yield f"{name}.{quote_identifier(column)} is {types[column]}"
    rest = [f.name for f in fields(TableShape) if f.name != "columns"]
    if model.columns == own.columns and any(getattr(model, f) != getattr(own, f) for f in rest):
        yield f"{name} has other keys"
