"""Tables with the types of their columns, as far as a program that reads their rows wants to know them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Row, Session


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column, or an attribute of a composite type. ``type`` is its oid, ``sql`` as ``format_type()`` prints it.

    ``dimensions`` are those declared; the server does not hold anybody to them.
    """

    name: str
    type: int
    sql: str
    required: bool = False
    dimensions: int = 0


@dataclass(frozen=True, slots=True)
class TypedTable:
    """A table, partitioned table or materialized view."""

    name: QualifiedName
    columns: tuple[TypedColumn, ...]


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type. ``kind`` and ``category`` are ``typtype`` and ``typcategory``.

    ``base`` is what a domain is made of, ``element`` that of an array, ``subtype`` that of a range; 0: none.
    """

    oid: int
    name: QualifiedName
    kind: str
    category: str
    base: int = 0
    not_null: bool = False
    element: int = 0
    subtype: int = 0
    dimensions: int = 0
    labels: tuple[str, ...] = ()
    attributes: tuple[TypedColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class TypedSchema:
    """Tables in the order of their names, and every type they need, by oid."""

    tables: tuple[TypedTable, ...]
    types: Mapping[int, SqlType]


def read_typed(session: Session) -> tuple[TypedTable, ...]:
    """Every table, ordered by bytes of schema and name whatever the collation; partitions stand in their parent."""
    found: dict[QualifiedName, list[TypedColumn]] = {}
    for row in session.rows("genome/typed_columns"):
        columns = found.setdefault(QualifiedName(row.schema_name, row.table_name), [])
        if row.field_name is not None:
            columns.append(TypedColumn(row.field_name, row.type, row.sql, row.required, row.dimensions))
    return tuple(TypedTable(name, tuple(columns)) for name, columns in found.items())


def with_types(session: Session, tables: Collection[TypedTable]) -> TypedSchema:
    """The tables with the types of their columns, and of what those are made of."""
    wanted: set[int] = set()
    for table in tables:
        wanted.update(column.type for column in table.columns)
    rows = session.rows("genome/typed_types", {"types": sorted(wanted)})
    return TypedSchema(tuple(tables), {row.oid: _type(row) for row in rows})


def _type(row: Row) -> SqlType:
    attributes = (TypedColumn(a["name"], a["type"], a["sql"], False, a["dimensions"]) for a in row.attributes)
    return SqlType(
        row.oid,
        QualifiedName(row.schema_name, row.name),
        row.kind,
        row.category,
        row.base,
        row.not_null,
        row.element,
        row.subtype,
        row.dimensions,
        tuple(row.labels),
        tuple(attributes),
    )
