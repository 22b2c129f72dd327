"""``x NOT IN (SELECT y …)`` and ``x <> ALL (SELECT y …)``: as NOT EXISTS the planner can join.

NOT IN is unknown where a value is NULL, which no join is (manual, "Subquery Expressions"): its subquery is kept in a
hash table where that fits into ``work_mem``, else read again for every row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from indexpilot_cli.advise.rewrites.condition import Sargable, Tables, column_of, is_column
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.sql.parser import Node, deparse_expression, from_text

_PARTS = frozenset(("target_list", "from_clause", "where_clause", "distinct_clause", "limit_option", "op"))
_WHY = "as NULLs make it unknown it is no join: all that is selected is kept, or read again for every row"


def anti_joins(statement: Node, tables: Tables) -> Iterator[Sargable]:
    """The hints; none where an outer join makes NULLs, or where a name means two things."""
    nodes = tuple(statement.walk())
    names = [name for n in nodes for name in _names(n)]
    outer = any(n.kind == "JoinExpr" and n.enum("jointype") != "JOIN_INNER" for n in nodes)
    for node in () if outer or len(set(names)) < len(names) else nodes:
        link = _excluding(node)
        hint = _hint(node, link, tables) if link is not None else None
        if hint is not None:
            yield hint


def _names(node: Node) -> tuple[str, ...]:
    """What a table, a subquery or a CTE is called."""
    if node.kind == "CommonTableExpr":
        return (node.text("ctename"),)
    if node.kind == "Alias":
        return (node.text("aliasname"),)
    bare = node.kind == "RangeVar" and node.child("alias") is None
    return (node.text("relname"),) if bare else ()


def _excluding(node: Node) -> Node | None:
    """The subquery's node of ``NOT x IN (SELECT …)`` or ``x <> ALL (SELECT …)``."""
    if node.kind == "BoolExpr" and node.enum("boolop") == "NOT_EXPR":
        (link,) = node.children("args")
        found = link.kind == "SubLink" and link.enum("sub_link_type") == "ANY_SUBLINK"
        return link if found and link.names("oper_name") in ((), ("=",)) else None
    found = node.kind == "SubLink" and node.enum("sub_link_type") == "ALL_SUBLINK"
    return node if found and node.names("oper_name") == ("<>",) else None


def _hint(node: Node, link: Node, tables: Tables) -> Sargable | None:
    asked, query = link.child("testexpr"), link.child("subselect")
    targets = query.children("target_list") if query is not None else ()
    value = targets[0].child("val") if len(targets) == 1 else None
    if query is None or asked is None or value is None or not (is_column(asked) and is_column(value)):
        return None
    own = {name for n in query.walk() for name in _names(n)}
    within, around = (_among(tables, own), _among(tables, tables.keys() - own))
    left, right = _qualified(asked, around), _qualified(value, within)
    if left is None or right is None or _computes(query):
        return None
    condition, items = query.child("where_clause"), query.children("from_clause")
    kept = f"({deparse_expression(condition)}) AND " if condition is not None else ""
    source = ", ".join(map(from_text, items))
    after = " ".join(("NOT EXISTS (SELECT 1 FROM", source, "WHERE", f"{kept}{right[0]} = {left[0]})"))
    nullable = [text for text, sure in (left, right) if not sure]
    only = f"as long as {' and '.join(nullable)} {'is' if len(nullable) == 1 else 'are'} never NULL" if nullable else ""
    found = column_of(value, within)
    assert found is not None  # it was qualified
    return Sargable("not_in", found[0].name, deparse_expression(node), after, _WHY, only)


def _computes(query: Node) -> bool:
    """Whether the query is more than a selection of rows from tables."""
    written = {field.name for field, _ in query.message.ListFields()}
    return not written <= _PARTS or any(i.kind not in ("RangeVar", "JoinExpr") for i in query.children("from_clause"))


def _among(tables: Tables, names: Collection[str]) -> Tables:
    return {name: table for name, table in tables.items() if name in names}


def _qualified(reference: Node, tables: Tables) -> tuple[str, bool] | None:
    """The column with its table's name in the statement, and whether it is never NULL."""
    found = column_of(reference, tables)
    if found is None:
        return None
    name = next(name for name, table in tables.items() if table is found[0])
    name = reference.names("fields")[-2] if len(reference.names("fields")) > 1 else name
    return f"{quote_identifier(name)}.{quote_identifier(found[1].name)}", found[1].not_null
