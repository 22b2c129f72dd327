"""``CREATE INDEX`` as typed by a person, turned into the structure it asks for."""

from __future__ import annotations

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import Node, Unparsed, deparse_expression, parse

_DESCENDING = "SORTBY_DESC"
_NULLS = {"SORTBY_NULLS_FIRST": True, "SORTBY_NULLS_LAST": False}


def read_create_index(text: str, catalog: Catalog) -> IndexDefinition:
    """The structure of the index a CREATE INDEX statement asks for; name, CONCURRENTLY and the like are dropped.

    Raises UsageError when the text is not one such statement or names a table or column that is not there.
    """
    statement = parse(text)
    if isinstance(statement, Unparsed):
        raise UsageError(f"cannot read the index: {statement.message}", detail=text, code="unparsed")
    node = statement.node
    if node.kind != "IndexStmt":
        raise UsageError("not a CREATE INDEX statement", detail=text, hint='--with "CREATE INDEX ON t (a, b)"')
    table = _table(node, catalog)
    where = node.child("where_clause")
    return IndexDefinition(
        table.name,
        tuple(_key(key, table) for key in node.children("index_params")),
        node.text("access_method") or BTREE,
        tuple(_column(key.text("name"), table) for key in node.children("index_including_params")),
        deparse_expression(where) if where else None,
        node.flag("unique"),
        node.flag("nulls_not_distinct"),
        tuple(_option(option) for option in node.children("options")),
    )


def _table(node: Node, catalog: Catalog) -> Table:
    relation = node.child("relation")
    assert relation is not None  # the grammar has no CREATE INDEX without a table
    name, schema = relation.text("relname"), relation.text("schemaname") or None
    table = catalog.resolve(name, schema)
    if table is None:
        raise UsageError(f'no table "{name}"', hint="indexpilot discover lists what is there", code="unknown_table")
    return table


def _key(node: Node, table: Table) -> IndexKey:
    expression = node.child("expr")
    return IndexKey(
        None if expression else _column(node.text("name"), table),
        deparse_expression(expression) if expression else None,
        ".".join(node.names("opclass")) or None,
        ".".join(node.names("collation")) or None,
        node.enum("ordering") == _DESCENDING,
        _NULLS.get(node.enum("nulls_ordering")),
    )


def _column(name: str, table: Table) -> str:
    if table.column(name) is None:
        raise UsageError(f'table {table.name.short} has no column "{name}"', code="unknown_column")
    return name


def _option(node: Node) -> tuple[str, str]:
    value = node.child("arg")
    return node.text("defname"), "on" if value is None else str(_value(value))


def _value(node: Node) -> object:
    return node.number("ival") if node.kind == "Integer" else deparse_expression(node)
