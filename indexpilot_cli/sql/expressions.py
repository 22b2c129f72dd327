"""SQL expressions as small trees that compare by value; index keys and predicates are compared and judged by them.

The parser's trees keep positions and spellings; here BETWEEN is two comparisons, ``= ANY (ARRAY[…])`` is IN, and
functions of pg_catalog have no schema. What has no node of its own is kept as its text with the expressions inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from indexpilot_cli.sql.parser import Node, deparse_expression, parse_expression

COLUMN, CONSTANT, PARAMETER, CALL, CAST, OPERATOR = "column", "constant", "parameter", "call", "cast", "operator"
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Expression:
    """A node of an expression. ``value`` is the column, literal text, function, type or operator.

    Operators include ``and``, ``or``, ``not``, ``in``, ``is null``, ``is not null``, ``is true``, ``array``,
    ``row``, ``[]``, ``.`` (a field) and ``at time zone``; SQL spellings such as LIKE are given as ``~~``.
    """

    kind: str
    value: str
    arguments: tuple[Expression, ...] = ()

    def walk(self) -> Iterator[Expression]:
        """This node and all below it, in order of appearance."""
        yield self
        for argument in self.arguments:
            yield from argument.walk()


@lru_cache(maxsize=4096)
def read_expression(text: str) -> Expression | None:
    """The expression as a tree, or None when it is none or nested too deeply."""
    try:
        return _read(parse_expression(text))
    except (ValueError, RecursionError):
        return None


def _read(node: Node) -> Expression:
    reader = _READERS.get(node.kind)
    try:
        found = reader(node) if reader is not None else None
    except ValueError:
        found = None  # a part has no text of its own, such as the named argument of a call: the whole has
    return found if found is not None else _other(node)


def _other(node: Node) -> Expression:
    return Expression(OTHER, deparse_expression(node), tuple(_read(n) for n in _readable(node)))


def _readable(node: Node) -> Iterator[Node]:
    """The nearest nodes below that have a reader."""
    for below in node.below():
        if below.kind in _READERS:
            yield below
        else:
            yield from _readable(below)


def _operator(value: str, *arguments: Expression) -> Expression:
    return Expression(OPERATOR, value, arguments)


def _all(node: Node, field: str) -> tuple[Expression, ...]:
    return tuple(_read(n) for n in node.children(field))


def _one(node: Node, field: str) -> Expression:
    child = node.child(field)
    if child is None:
        raise ValueError(f"{node.kind} without {field}")
    return _read(child)


def _constant(node: Node) -> Expression:
    if node.flag("isnull"):
        return Expression(CONSTANT, "null")
    for field in ("sval", "fval", "bsval"):
        value = node.child(field)
        if value is not None:
            return Expression(CONSTANT, value.text(field))
    whole, truth = node.child("ival"), node.child("boolval")
    if whole is not None:
        return Expression(CONSTANT, str(whole.number("ival")))
    return Expression(CONSTANT, "true" if truth is not None and truth.flag("boolval") else "false")


def _comparison(node: Node) -> Expression | None:
    """An A_Expr: binary and prefix operators, and the forms that SQL has words for."""
    kind, operator = node.enum("kind"), node.names("name")[-1]
    if kind == "AEXPR_IN":
        items = node.child("rexpr")
        found = _operator("in", _one(node, "lexpr"), *(_all(items, "items") if items else ()))
        return found if operator == "=" else _operator("not", found)
    if kind in ("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"):
        return _between(node, negated=kind == "AEXPR_NOT_BETWEEN")
    if kind in ("AEXPR_OP_ANY", "AEXPR_OP_ALL"):
        return _quantified(operator, _one(node, "lexpr"), _one(node, "rexpr"), kind[-3:].lower())
    if kind == "AEXPR_NULLIF":
        return Expression(CALL, "nullif", (_one(node, "lexpr"), _one(node, "rexpr")))
    if kind == "AEXPR_SIMILAR":
        similar = _operator("similar to", _one(node, "lexpr"), _one(node, "rexpr"))
        return _operator("not", similar) if operator.startswith("!") else similar
    if kind not in ("AEXPR_OP", "AEXPR_LIKE", "AEXPR_ILIKE"):
        return None
    right = _one(node, "rexpr")
    if node.child("lexpr") is not None:
        return _operator(operator, _one(node, "lexpr"), right)
    return right if operator == "+" and right.kind == CONSTANT else _operator(operator, right)


def _between(node: Node, *, negated: bool) -> Expression:
    bounds = node.child("rexpr")
    low, high = _all(bounds, "items") if bounds else ()
    value = _one(node, "lexpr")
    found = _operator("and", _operator(">=", value, low), _operator("<=", value, high))
    return _operator("not", found) if negated else found


def _quantified(operator: str, left: Expression, right: Expression, word: str) -> Expression:
    if operator != "=" or word != "any":
        return _operator(operator, left, Expression(CALL, word, (right,)))
    bare = right.arguments[0] if right.kind == CAST else right
    if bare.kind == OPERATOR and bare.value == "array":
        return _operator("in", left, *bare.arguments)
    items = _array_items(bare.value) if bare.kind == CONSTANT else ()
    return _operator("in", left, *(Expression(CONSTANT, i) for i in items)) if items else _operator("= any", left, bare)


def _array_items(text: str) -> tuple[str, ...]:
    """The items of an array as text, where none is NULL, quoted or an array; else nothing."""
    items = text[1:-1].split(",") if text.startswith("{") and text.endswith("}") else []
    plain = all(re.fullmatch(r"[\w.:+-]+", item) and item.lower() != "null" for item in items)
    return tuple(items) if plain else ()


def _call(node: Node) -> Expression | None:
    modified = any(node.flag(f) for f in ("agg_star", "agg_distinct", "func_variadic", "agg_within_group"))
    if modified or node.children("agg_order") or node.child("agg_filter") or node.child("over"):
        return None
    name = ".".join(node.names("funcname")).removeprefix("pg_catalog.")
    arguments = _all(node, "args")
    if name == "timezone" and len(arguments) == 2:
        return _operator("at time zone", arguments[1], arguments[0])
    if name == "extract" and arguments:
        arguments = (Expression(arguments[0].kind, arguments[0].value.lower()), *arguments[1:])
    return Expression(CALL, name, arguments)


def _cast(node: Node) -> Expression | None:
    target = node.child("type_name")
    return None if target is None else Expression(CAST, _type(target), (_one(node, "arg"),))


def _type(node: Node) -> str:
    name = ".".join(node.names("names")).removeprefix("pg_catalog.")
    modifiers = ",".join(_read(m).value for m in node.children("typmods"))
    return name + (f"({modifiers})" if modifiers else "") + "[]" * len(node.children("array_bounds"))


def _subscript(node: Node) -> Expression | None:
    found = _one(node, "arg")
    for step in node.children("indirection"):
        if step.kind == "String":
            found = _operator(".", found, Expression(CONSTANT, step.text("sval")))
        elif step.kind == "A_Indices" and not step.flag("is_slice"):
            found = _operator("[]", found, _one(step, "uidx"))
        else:
            return None
    return found


def _case(node: Node) -> Expression:
    parts = [_read(part) for part in (node.child("arg"),) if part is not None]
    for branch in node.children("args"):
        parts += (_one(branch, "expr"), _one(branch, "result"))
    parts += [_read(part) for part in (node.child("defresult"),) if part is not None]
    return Expression(CALL, "case", tuple(parts))


def _logic(node: Node) -> Expression:
    return _operator(node.enum("boolop").removesuffix("_EXPR").lower(), *_all(node, "args"))


def _test(field: str) -> Callable[[Node], Expression]:
    return lambda node: _operator(node.enum(field).lower().replace("_", " "), _one(node, "arg"))


def _session_value(node: Node) -> Expression:
    return Expression(CALL, node.enum("op").removeprefix("SVFOP_").removesuffix("_N").lower())


_READERS: dict[str, Callable[[Node], Expression | None]] = {
    "ColumnRef": lambda node: Expression(COLUMN, node.names("fields")[-1]),
    "A_Const": _constant,
    "ParamRef": lambda node: Expression(PARAMETER, f"${node.number('number')}"),
    "A_Expr": _comparison,
    "BoolExpr": _logic,
    "NullTest": _test("nulltesttype"),
    "BooleanTest": _test("booltesttype"),
    "FuncCall": _call,
    "TypeCast": _cast,
    "A_Indirection": _subscript,
    "A_ArrayExpr": lambda node: _operator("array", *_all(node, "elements")),
    "RowExpr": lambda node: _operator("row", *_all(node, "args")),
    "CaseExpr": _case,
    "CollateClause": lambda node: _operator(
        "collate", _one(node, "arg"), Expression(CONSTANT, ".".join(node.names("collname")))
    ),
    "CoalesceExpr": lambda node: Expression(CALL, "coalesce", _all(node, "args")),
    "MinMaxExpr": lambda node: Expression(CALL, node.enum("op").removeprefix("IS_").lower(), _all(node, "args")),
    "SQLValueFunction": _session_value,
}
