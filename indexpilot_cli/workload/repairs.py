"""Normalised texts that are no valid SQL any more, made plannable again.

``pg_stat_statements`` replaces constants by ``$n`` in the text, so ``extract(year from x)`` becomes
``extract($1 from x)``, and types that literals had by themselves are gone.
https://www.postgresql.org/docs/current/pgstatstatements.html
"""

from __future__ import annotations

from collections.abc import Callable

from indexpilot_cli.workload.sqlast import Node, cast, explicit_call, rewrite

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
    return rewrite(node, lambda here, _parent: _repair(here, type_of))


def _repair(node: Node, type_of: TypeOf) -> Node | None:
    if node.kind == "FuncCall":
        return _function(node, type_of)
    if node.kind == "A_Expr":
        return _comparison(node, type_of)
    return None


def _function(node: Node, type_of: TypeOf) -> Node | None:
    name, arguments = node.names("funcname")[-1], node.children("args")
    if name == "extract" and arguments and _open(arguments[0]):
        return rewrite(explicit_call(node), lambda here, _parent: _repair(here, type_of))
    if name == "generate_series" and all(_open(a) for a in arguments):
        return _typed(node, "integer")
    if name in _ADDITIVE:
        return _typed(node, "numeric")
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
    if left is None or right is None or left.kind != "ColumnRef":
        return None
    type_name = type_of(left)
    if type_name is None:
        return None
    return rewrite(node, lambda here, _parent: _beside_column(here, type_name)) if _untyped(right) else None


def _untyped(node: Node) -> bool:
    return any(_open_array(n) or _open_sum(n) for n in node.walk(frozenset(("SubLink",))))


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
