"""Parameters of normalised texts cast where the server cannot tell their types any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from indexpilot_cli.sql.parser import (
    Node,
    bind,
    cast,
    column_reference,
    deparse_expression,
    function_call,
    rewrite,
    set_child,
)

TypeOf = Callable[[Node], str | None]
_ADDITIVE = frozenset(("sum", "avg", "stddev", "variance"))
_SIGNED = frozenset(("+", "-", "*", "/"))
_INTERVALS = ("timestamp", "date", "time")


def repaired(node: Node, type_of: TypeOf) -> Node:
    """The statement with parameters typed where the server could not tell, or the same node when all is well.

    ``type_of`` gives the type of a column reference where it is known.
    """
    if not any(n.kind == "ParamRef" for n in node.walk()):
        return node
    selects = (n for n in node.walk() if n.kind == "SelectStmt")
    units = dict(chain.from_iterable(map(_group_units, selects)))
    node = bind(node, units) if units else node
    node = _with_typed_starts(_with_typed_values(node, type_of), type_of)
    return rewrite(node, lambda here, _parent: _repair(here, type_of))


def _group_units(select: Node) -> Iterator[tuple[int, str]]:
    """Parameters of output columns that GROUP BY still shows as constants: it is normalised only once."""
    groups = [n for n in select.children("group_clause") if any(c.kind == "A_Const" for c in n.walk())]
    if not groups:
        return
    shapes = {_shape(g): g for g in groups}
    for target in select.children("target_list"):
        for here in target.level():
            group = shapes.get(_shape(here)) if here.kind in ("FuncCall", "A_Expr") else None
            yield from _paired(here, group) if group else ()


def _shape(node: Node) -> tuple[str, ...]:
    """The kinds and names in a tree, with constants and parameters as one."""
    value = ("A_Const", "ParamRef")
    return tuple("value" if n.kind in value else f"{n.kind} {_words(n)}" for n in node.walk())


def _words(node: Node) -> tuple[str, ...]:
    field = {"FuncCall": "funcname", "A_Expr": "name", "ColumnRef": "fields", "TypeName": "names"}.get(node.kind)
    return node.names(field) if field else ()


def _paired(here: Node, group: Node) -> Iterator[tuple[int, str]]:
    for mine, other in zip(here.walk(), group.walk(), strict=True):
        if mine.kind == "ParamRef" and other.kind == "A_Const":
            yield mine.number("number"), deparse_expression(other)


def _with_typed_values(node: Node, type_of: TypeOf) -> Node:
    """Parameters of VALUES lists cast to the types of the columns that their columns are compared with or written to:
    the server takes a bare parameter there for text."""
    known: dict[int, str] = {}
    for alias, names, rows in _values_lists(node):
        for column, type_name in _types_beside(node, alias, names, type_of):
            known |= dict.fromkeys(_parameters_at(rows, names.index(column)), type_name)
    for link in (n for n in node.walk() if n.kind == "SubLink"):
        query, left = link.child("subselect"), link.child("testexpr")
        rows = query.children("values_lists") if query is not None and query.kind == "SelectStmt" else ()
        sides = left.children("args") if left is not None and left.kind == "RowExpr" else (left,)
        for place, side in enumerate(sides if rows else ()):
            column_type = type_of(side) if side is not None and side.kind == "ColumnRef" else None
            known |= dict.fromkeys(_parameters_at(rows, place), column_type) if column_type else {}

    def typed(here: Node, parent: Node) -> Node | None:
        number = here.number("number") if here.kind == "ParamRef" and parent.kind == "List" else 0
        return cast(here, known[number]) if number in known else None

    return rewrite(node, typed) if known else node


def _with_typed_starts(node: Node, type_of: TypeOf) -> Node:
    """Parameters that a recursive query begins with, cast to what its later rows are: the server takes a bare one for
    text, to which no depth can be added."""
    known: dict[int, str] = {}
    for query in (n.child("ctequery") for n in node.walk() if n.kind == "CommonTableExpr"):
        arms = (query.child("larg"), query.child("rarg")) if query is not None and query.kind == "SelectStmt" else ()
        targets = [[t.child("val") for t in arm.children("target_list")] for arm in arms if arm is not None]
        for first, later in zip(*targets, strict=False) if len(targets) == 2 else ():
            kind = _kind_of(later, type_of) if later is not None and first is not None and _open(first) else None
            known |= {first.number("number"): kind} if first is not None and kind is not None else {}

    def typed(here: Node, parent: Node) -> Node | None:
        number = here.number("number") if here.kind == "ParamRef" and parent.kind == "ResTarget" else 0
        return cast(here, known[number]) if number in known else None

    return rewrite(node, typed) if known else node


def _kind_of(node: Node, type_of: TypeOf) -> str | None:
    """The type of a column, and of a sum what both sides can be; None where it is not known."""
    if node.kind == "ColumnRef":
        return type_of(node)
    sides = [node.child("lexpr"), node.child("rexpr")] if node.kind == "A_Expr" else []
    if len(sides) != 2 or None in sides or node.names("name")[-1] not in _SIGNED:
        return None
    types = [type_of(s) for s in sides if s is not None and s.kind == "ColumnRef"]
    return next((t for t in types if t is not None), "integer")


def _parameters_at(rows: Sequence[Node], place: int) -> Iterator[int]:
    """Numbers of the bare parameters in one column of a VALUES list."""
    for row in rows:
        yield from (item.number("number") for item in row.children("items")[place : place + 1] if _open(item))


ValuesList = tuple[str, tuple[str, ...], tuple[Node, ...]]


def _values_lists(node: Node) -> Iterator[ValuesList]:
    """(name, columns, rows) of each VALUES list that stands in FROM, USING or WITH."""
    for here in node.walk():
        query = {"RangeSubselect": "subquery", "CommonTableExpr": "ctequery"}.get(here.kind)
        select = here.child(query) if query else None
        rows = select.children("values_lists") if select is not None and select.kind == "SelectStmt" else ()
        if not rows:
            continue
        alias = here.child("alias") if here.kind == "RangeSubselect" else None
        name = here.text("ctename") if alias is None and here.kind == "CommonTableExpr" else ""
        given = here.names("aliascolnames") if alias is None and name else alias.names("colnames") if alias else ()
        width = len(rows[0].children("items"))
        columns = (*given, *(f"column{n + 1}" for n in range(len(given), width)))
        yield alias.text("aliasname") if alias else name, columns, rows


def _types_beside(node: Node, alias: str, names: tuple[str, ...], type_of: TypeOf) -> Iterator[tuple[str, str]]:
    """(column of the list, type of the column it is compared with or written to)."""
    for here in node.walk():
        if here.kind == "A_Expr":
            left, right = here.child("lexpr"), here.child("rexpr")
            pairs = [(left, right), (right, left)]
        elif here.kind == "ResTarget" and here.text("name") and here.child("val") is not None:
            pairs = [(here.child("val"), column_reference(here.text("name")))]
        else:
            continue
        for mine, other in pairs:
            column = _column_of(mine, alias, names)
            type_name = type_of(other) if column and other is not None and other.kind == "ColumnRef" else None
            if column and type_name and _column_of(other, alias, names) is None:
                yield column, type_name


def _column_of(node: Node | None, alias: str, names: tuple[str, ...]) -> str | None:
    parts = node.names("fields") if node is not None and node.kind == "ColumnRef" else ()
    named = parts[:-1] == (alias,) if len(parts) > 1 else len(parts) == 1
    return parts[-1] if named and parts[-1] in names else None


def _repair(node: Node, type_of: TypeOf) -> Node | None:
    if node.kind == "FuncCall":
        return _function(node, type_of)
    if node.kind == "A_Expr":
        return _comparison(node, type_of)
    return None


def _function(node: Node, type_of: TypeOf) -> Node | None:
    name, arguments = node.names("funcname")[-1], node.children("args")
    if name == "extract" and arguments and _open(arguments[0]):
        return rewrite(function_call("date_part", arguments), lambda here, _parent: _repair(here, type_of))
    if name == "generate_series" and all(_open(a) for a in arguments):
        return _typed(node, "integer")
    if name in _ADDITIVE:
        return _typed(node, "numeric")
    if node.flag("agg_within_group"):
        arrays = [a.message for a in arguments if _open_array(a)]
        return rewrite(node, lambda here, _: cast(here, "double precision[]") if here.message in arrays else None)
    return _typed(node, "text") if name == "count" and arguments and _open(arguments[0]) else None


def _typed(node: Node, name: str) -> Node | None:
    """The call with bare parameters, and parameters that are arms of CASE or COALESCE, cast."""

    def arm(here: Node, parent: Node) -> Node | None:
        direct = parent is node or parent.kind in ("CaseWhen", "CaseExpr", "CoalesceExpr")
        return cast(here, name) if here.kind == "ParamRef" and (direct or parent.kind == "FuncCall") else None

    if not any(n.kind == "ParamRef" for n in node.walk(frozenset(("SubLink", "A_Expr")))):
        return None
    return rewrite(node, lambda here, parent: None if _tested(here, parent) else arm(here, parent))


def _tested(here: Node, parent: Node) -> bool:
    """Whether the parameter is what CASE compares, not what it gives."""
    condition = parent.child("expr") if parent.kind == "CaseWhen" else None
    return condition is not None and condition.message == here.message


def _comparison(node: Node, type_of: TypeOf) -> Node | None:
    left, right = node.child("lexpr"), node.child("rexpr")
    if left is None or right is None:
        return None
    if _open(right) and node.names("name")[-1:] in (("+",), ("-",)) and _is_date(left, type_of):
        return set_child(node, "rexpr", cast(right, "integer"))
    if left.kind != "ColumnRef":
        return None
    type_name = type_of(left)
    if type_name is None:
        return None
    return rewrite(node, lambda here, _parent: _beside_column(here, type_name)) if _untyped(right) else None


def _is_date(node: Node, type_of: TypeOf) -> bool:
    today = node.kind == "SQLValueFunction" and node.enum("op") == "SVFOP_CURRENT_DATE"
    return today or (node.kind == "ColumnRef" and type_of(node) == "date")


def _untyped(node: Node) -> bool:
    return any(_open_array(n) or _open_sum(n) for n in node.level())


def _beside_column(node: Node, type_name: str) -> Node | None:
    if _open_array(node):
        return cast(node, type_name if type_name.endswith("[]") else f"{type_name}[]")
    if _open_sum(node):
        first, second = type_name, type_name
        if type_name.startswith(_INTERVALS):
            second = "interval"
        return _operands_cast(node, first, second)
    return None


def _operands_cast(node: Node, first: str, second: str) -> Node:
    names = iter((first, second))
    return rewrite(node, lambda here, _parent: cast(here, next(names)) if here.kind == "ParamRef" else None)


def _open(node: Node) -> bool:
    return node.kind == "ParamRef"


def _open_array(node: Node) -> bool:
    return node.kind == "A_ArrayExpr" and bool(node.children("elements")) and all(map(_open, node.children("elements")))


def _open_sum(node: Node) -> bool:
    if node.kind != "A_Expr" or node.names("name")[-1:] == () or node.names("name")[-1] not in _SIGNED:
        return False
    sides = [node.child("lexpr"), node.child("rexpr")]
    return all(s is not None and _open(s) for s in sides)
