"""Policies of row-level security in the statements of the roles that are subject to them.

The server adds the USING clauses when it rewrites a query; the planner twin plans as the owner, who is exempt. So the
clauses go into the text. What they ask of the session (``current_setting``) becomes a scalar subquery: its value is as
unknown to the planner as the parameter of a generic plan, where the function itself would be run and give NULL.
https://www.postgresql.org/docs/current/ddl-rowsecurity.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.sql.parser import (
    Node,
    Statement,
    deparse,
    deparse_expression,
    parse,
    parse_expression,
    rewrite,
    set_child,
    subquery_item,
)

_COMMANDS = {"SelectStmt": "r", "UpdateStmt": "rw", "DeleteStmt": "rd"}
_TIMES = frozenset(("now", "statement_timestamp", "transaction_timestamp", "clock_timestamp", "timeofday"))


def secured(text: str, catalog: Catalog) -> str:
    """The statement with the policies of its tables, or the same text where there are none."""
    names = {p.table.name for p in catalog.policies}
    statement = parse(text) if any(name in text for name in names) else None
    if not isinstance(statement, Statement) or statement.kind is None:
        return text
    queries = frozenset(n.text("ctename") for n in statement.node.walk() if n.kind == "CommonTableExpr")
    if not any(n.kind == "RangeVar" and _policed(n, catalog, queries) for n in statement.node.walk()):
        return text
    try:
        return deparse(_secured(statement.node, catalog, queries))
    except ValueError:  # no SQL text for some node: advised on as it was written
        return text


def _secured(node: Node, catalog: Catalog, queries: frozenset[str]) -> Node:
    def inner(here: Node, _parent: Node) -> Node | None:
        if here.kind in _COMMANDS:
            return _secured(here, catalog, queries)
        return None

    fresh = rewrite(node, inner)
    if fresh.kind not in _COMMANDS:
        return fresh
    sides = [fresh.child("relation")] if fresh.kind != "SelectStmt" else []
    items = chain(*(fresh.children(f) for f in ("from_clause", "using_clause") if f in _fields(fresh)))
    plain = [*(s for s in sides if s is not None), *chain.from_iterable(map(_always_there, items))]
    conditions = [c for c in (_condition(r, _COMMANDS[fresh.kind], catalog, queries) for r in plain) if c]
    where = fresh.child("where_clause")
    if conditions:
        own = [deparse_expression(where)] if where is not None else []
        both = parse_expression(" AND ".join(f"({c})" for c in (*own, *conditions)))
        fresh = set_child(fresh, "where_clause", both)
    return rewrite(fresh, lambda here, parent: _nullable(here, parent, catalog, queries))


def _fields(node: Node) -> frozenset[str]:
    return frozenset(f.name for f in node.message.DESCRIPTOR.fields)


def _always_there(item: Node) -> Iterator[Node]:
    """The tables of a FROM item that no outer join can leave out: a condition on them may stand in WHERE."""
    if item.kind == "RangeVar":
        yield item
    if item.kind == "JoinExpr":
        kept = {"JOIN_INNER": ("larg", "rarg"), "JOIN_LEFT": ("larg",), "JOIN_RIGHT": ("rarg",)}
        for field in kept.get(item.enum("jointype"), ()):
            side = item.child(field)
            yield from _always_there(side) if side is not None else ()


def _nullable(here: Node, parent: Node, catalog: Catalog, queries: frozenset[str]) -> Node | None:
    """A table that an outer join may leave out: filtered before it is joined."""
    if here.kind in _COMMANDS:
        return here  # done already
    if here.kind != "RangeVar" or parent.kind != "JoinExpr":
        return None
    missing = {"JOIN_LEFT": "rarg", "JOIN_RIGHT": "larg"}.get(parent.enum("jointype"))
    full = parent.enum("jointype") == "JOIN_FULL"
    side = parent.child(missing) if missing is not None else None
    if not full and (side is None or side.message != here.message):
        return None
    condition = _condition(here, "r", catalog, queries)
    table = _policed(here, catalog, queries)
    body = parse(f"TABLE {table.name}") if condition and table is not None else None
    if not isinstance(body, Statement):
        return None
    alias = here.child("alias")
    filtered = set_child(body.node, "where_clause", parse_expression(condition or ""))
    return subquery_item(filtered, alias.text("aliasname") if alias else here.text("relname"))


def _policed(item: Node, catalog: Catalog, queries: frozenset[str]) -> Table | None:
    schema, name = item.text("schemaname") or None, item.text("relname")
    table = catalog.resolve(name, schema) if schema or name not in queries else None
    return table if table is not None and any(p.table == table.name for p in catalog.policies) else None


def _condition(item: Node, commands: str, catalog: Catalog, queries: frozenset[str]) -> str | None:
    """What the policies demand of the table's rows for all the commands: permissive ones any, the others all."""
    table = _policed(item, catalog, queries)
    if table is None:
        return None
    alias = item.child("alias")
    name = alias.text("aliasname") if alias else item.text("relname")
    found: dict[str, None] = {}
    for command in commands:
        mine = [p for p in catalog.policies if p.table == table.name and p.command in ("*", command)]
        open_ = [_of_rows(p.condition, table.name, name, catalog) for p in mine if p.permissive]
        if open_:
            found[" OR ".join(f"({c})" for c in open_)] = None
        found |= dict.fromkeys(_of_rows(p.condition, table.name, name, catalog) for p in mine if not p.permissive)
    return " AND ".join(f"({c})" for c in found) or None


def _of_rows(condition: str, table: QualifiedName, alias: str, catalog: Catalog) -> str:
    """The policy's text about the rows of the alias, with what it asks of the session unknown."""

    def inside(here: Node, _parent: Node) -> Node | None:
        """In a subquery pg_get_expr writes the table's name before its columns."""
        parts = here.names("fields") if here.kind == "ColumnRef" else ()
        return _named(alias, parts[1]) if len(parts) == 2 and parts[0] == table.name else None

    def own(here: Node, parent: Node) -> Node | None:
        if here.kind == "ColumnRef" and len(here.names("fields")) == 1:
            return _named(alias, here.names("fields")[0])
        if here.kind == "SubLink":
            return rewrite(here, inside)
        return _unknown(here, catalog) or inside(here, parent)

    # Under an AND, because a rewrite does not look at the root.
    both = rewrite(parse_expression(f"({condition}) AND TRUE"), own)
    return deparse_expression(both.children("args")[0])


def _named(alias: str, column: str) -> Node:
    return parse_expression(f"{quote_identifier(alias)}.{quote_identifier(column)}")


def _unknown(node: Node, catalog: Catalog) -> Node | None:
    """``(SELECT f())`` for a function that looks at the session."""
    session = node.kind == "SQLValueFunction" and node.enum("op").endswith(("USER", "ROLE", "SCHEMA", "CATALOG"))
    if node.kind == "FuncCall" and not any(n.kind == "ColumnRef" for n in node.walk()):
        name = node.names("funcname")[-1]
        volatility = catalog.functions.get(".".join(node.names("funcname"))) or catalog.functions.get(name)
        session = volatility != "i" and name not in _TIMES
    return parse_expression(f"(SELECT {deparse_expression(node)})") if session else None
