"""Calls of SQL functions in the place of which the planner puts their bodies: what it then sees is analysed.

A function in FROM becomes a subquery, one in an expression becomes the expression it returns (clauses.c:
inline_set_returning_function, inline_function). Which functions may be, the catalog says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexpilot_cli.core.catalog import Catalog, SqlFunction
from indexpilot_cli.sql.parser import Node, Statement, parse, rewrite, subquery_item

_DEEPEST = 4  # functions that call functions


def inlined(node: Node, catalog: Catalog) -> Node:
    """The statement with the bodies of inlinable functions in the place of their calls; the same node without such."""
    known = {f.name.name for f in catalog.sql_functions}
    for _ in range(_DEEPEST):
        calls = (n for n in node.walk() if n.kind == "FuncCall") if known else ()
        if not any(call.names("funcname")[-1] in known for call in calls):
            break
        node = rewrite(node, lambda here, _parent: _body(here, catalog))
    return node


def _body(node: Node, catalog: Catalog) -> Node | None:
    if node.kind == "RangeFunction":
        return _subquery(node, catalog)
    function = _function(node, catalog) if node.kind == "FuncCall" else None
    if function is None or function.returns_set:
        return None
    select = _bound(function, node, catalog)
    targets = select.children("target_list") if select is not None else ()
    plain = select is not None and len(targets) == 1 and all(b in targets for b in select.below())
    return targets[0].child("val") if plain else None


def _subquery(item: Node, catalog: Catalog) -> Node | None:
    """``LATERAL (body) AS alias`` for a single function in FROM that returns a set."""
    calls = [n for n in item.walk(frozenset(("FuncCall",))) if n.kind == "FuncCall"]
    if len(calls) != 1 or item.flag("ordinality") or item.children("coldeflist"):
        return None
    function = _function(calls[0], catalog)
    body = _bound(function, calls[0], catalog) if function is not None and function.returns_set else None
    if function is None or body is None:
        return None
    alias = item.child("alias")
    if alias is None:
        return subquery_item(body, function.name.name)
    return subquery_item(body, alias.text("aliasname"), alias.names("colnames"))


def _function(call: Node, catalog: Catalog) -> SqlFunction | None:
    """The function a call means, when name and number of arguments leave no doubt."""
    *schema, name = call.names("funcname")
    arguments = call.children("args")
    if call.child("over") or call.child("agg_filter") or any(a.kind == "NamedArgExpr" for a in arguments):
        return None
    schemas = tuple(schema) or catalog.search_path
    fitting = [
        f
        for f in catalog.sql_functions
        if f.name.name == name and f.name.schema in schemas and len(f.names) == len(arguments)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _bound(function: SqlFunction, call: Node, catalog: Catalog) -> Node | None:
    """The body with the call's arguments in the place of its parameters; None when it is no single SELECT."""
    statement = parse(function.body)
    if not isinstance(statement, Statement) or statement.node.kind != "SelectStmt":
        return None
    arguments = call.children("args")
    taken = _columns(statement.node, catalog)  # a column hides an argument of the same name
    named = {n: a for n, a in zip(function.names, arguments, strict=True) if n and n not in taken}
    return rewrite(statement.node, lambda here, _parent: _argument(here, function, arguments, named))


def _argument(node: Node, function: SqlFunction, arguments: Sequence[Node], named: Mapping[str, Node]) -> Node | None:
    if node.kind == "ParamRef" and 0 < node.number("number") <= len(arguments):
        return arguments[node.number("number") - 1]
    parts = node.names("fields") if node.kind == "ColumnRef" else ()
    if len(parts) == 1:
        return named.get(parts[0])
    if len(parts) == 2 and parts[0] == function.name.name and parts[1] in function.names:
        return arguments[function.names.index(parts[1])]
    return None


def _columns(node: Node, catalog: Catalog) -> frozenset[str]:
    found: set[str] = set()
    for relation in (n for n in node.walk() if n.kind == "RangeVar"):
        table = catalog.resolve(relation.text("relname"), relation.text("schemaname") or None)
        found.update(c.name for c in (table.columns if table is not None else ()))
    return frozenset(found)
