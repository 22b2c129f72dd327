"""What the rows of ``query_stats`` can hold of one statement: which fields of which tables it uses, and how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Atom, AtomKind, RelationUse, StatementKind
from indexpilot_cli.genome.fields import GenomeField
from indexpilot_cli.sql.expressions import COLUMN
from indexpilot_cli.sql.normal import tree_of, type_name
from indexpilot_cli.workload.predicates.blocks import relation_uses
from indexpilot_cli.workload.reading import Unread, query_in, tables_named

# The words for kinds of queries that recommend --source query_stats knows. What is not here (an expression, <>, a
# regular expression) is served by no index on the bare field, and a row of the field would say it is.
_KINDS = {
    AtomKind.EQUAL: "equal",
    AtomKind.IN: "in",
    AtomKind.RANGE: "range",
    AtomKind.IS_NULL: "null",
    AtomKind.IS_NOT_NULL: "not_null",
    AtomKind.JOIN: "join",
    AtomKind.CONTAINS: "contains",
}
_BY_OPERATOR = {"BETWEEN": "between", "~~": "like", "~~*": "ilike", "^@": "like"}
# %% is a percent sign; %s, %b, %t and %(name)s are values, as psycopg and the DB API have it.
_PLACEHOLDER = re.compile(r"%(?:%|\((?P<name>[^)]*)\)[sbt]|[sbt])")


class FieldUse(NamedTuple):
    """One row's worth: ``field`` is None when the table is read or written and no field of it is looked up."""

    table: str
    field: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class StatementUses:
    """The uses, each once. ``partly``: a condition or a table of the statement is in none of them."""

    uses: tuple[FieldUse, ...]
    partly: bool = False


@dataclass(frozen=True, slots=True)
class FieldCatalog:
    """The tables of the genome catalog, as the predicates of statements are read with.

    ``ambiguous`` are names that tables of several schemas have, none of them on the search path: an unqualified name
    does not tell them apart.
    """

    catalog: Catalog
    ambiguous: frozenset[str]


def field_catalog(fields: Iterable[GenomeField], search_path: Sequence[str]) -> FieldCatalog:
    """From the rows of the genome catalog and the schemas that unqualified names are looked for in.

    The search path of the application's own connections is not known; a table of another schema is found when no other
    has its name.
    """
    tables: dict[QualifiedName, list[Column]] = {}
    for field in fields:
        columns = tables.setdefault(field.table, [])
        short = type_name(field.type)
        columns.append(Column(field.name, len(columns) + 1, field.type, short, "A" if short.endswith("[]") else "U"))
    found = tuple(Table(name, "r", tuple(columns)) for name, columns in tables.items())
    path = dict.fromkeys((*search_path, *sorted(name.schema for name in tables)))
    catalog = Catalog(0, "", found, search_path=tuple(path))
    reached = {name.name for name in tables if name.schema in search_path}
    return FieldCatalog(catalog, frozenset(name.name for name in tables if catalog.is_shared(name.name)) - reached)


def field_uses(text: str, known: FieldCatalog) -> StatementUses | Unread:
    """How a statement uses the fields that the catalog has, or why it cannot be told."""
    query = query_in(text, known.catalog)
    if isinstance(query, Unread):
        return query
    _, statement = query
    named = [(node.text("relname"), node.text("schemaname") or None) for node in tables_named(statement.node)]
    unclear = [name for name, schema in named if schema is None and name in known.ambiguous]
    if unclear:
        return Unread("ambiguous", f"several schemas have {unclear[0]}")
    relations = relation_uses(statement, known.catalog)
    looked_up = [_looked_up(relation, known.catalog.table(relation.table)) for relation in relations]
    of_relations = (_of_relation(r, found, known.catalog) for r, found in zip(relations, looked_up, strict=True))
    uses = dict.fromkeys(chain.from_iterable(of_relations))
    missing = any(known.catalog.resolve(name, schema) is None for name, schema in named)
    unsaid = any(None in found for found in looked_up)
    return StatementUses(tuple(uses), missing or unsaid)


def with_parameters(text: str) -> str:
    """A statement as drivers of Python take it (``%s``, ``%(name)s``, ``%%``), as the server does (``$1``, ``%``)."""
    numbers: dict[str, int] = {}

    def parameter(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%"
        name = found["name"] if found["name"] is not None else f"%{found.start()}"
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    return _PLACEHOLDER.sub(parameter, text)


def _looked_up(relation: RelationUse, table: Table | None) -> list[tuple[str, str] | None]:
    """Field and kind of each condition; None for one that no row can tell."""
    found: list[tuple[str, str] | None] = []
    for atom in relation.atoms:
        field, kind = _field(atom, table), _BY_OPERATOR.get(atom.operator) or _KINDS.get(atom.kind)
        found.append((field, kind) if field and kind else None)
    return found


def _field(atom: Atom, table: Table | None) -> str | None:
    """The column; also one that is stored as text and only written so (``title::text LIKE``, as Django does)."""
    tree = tree_of(atom.expression) if atom.expression and table is not None else None
    if tree is None or table is None or tree.kind != COLUMN:
        return atom.column
    column = table.column(tree.value)
    return column.name if column is not None and column.base_type in ("text", "varchar") else None


def _of_relation(
    relation: RelationUse, looked_up: Sequence[tuple[str, str] | None], catalog: Catalog
) -> Iterator[FieldUse]:
    name = relation.table
    title = f"{name.schema}.{name.name}" if catalog.is_shared(name.name) else name.name
    found = [FieldUse(title, *pair) for pair in looked_up if pair is not None]
    if relation.limited:
        found += [FieldUse(title, key.column, "order") for key in relation.order_by if key.column]
    yield from found
    if relation.write is StatementKind.UPDATE:
        yield from (FieldUse(title, field, "update") for field in sorted(relation.updated))
    elif relation.write is not None:
        yield FieldUse(title, None, relation.write.value)
    elif not found:
        yield FieldUse(title, None, "read")
