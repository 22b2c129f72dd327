"""Expressions and predicates in one spelling, so that structure is compared and not text."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import chain

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.sql.expressions import (
    CALL,
    CAST,
    COLUMN,
    CONSTANT,
    OPERATOR,
    OTHER,
    PARAMETER,
    Expression,
    read_expression,
)

_TEXT_CASTS = {"text", "varchar", "bpchar", "name"}
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NEGATED = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "~~": "!~~", "~~*": "!~~*"}
_NULL_TESTS = {"is null": "is not null", "is not null": "is null"}
_CALL_NAMES = {"char_length": "length", "character_length": "length", "date_part": "extract"}
_TYPE_NAMES = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "integer": "int4",
    "int": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "boolean": "bool",
    "double precision": "float8",
    "real": "float4",
    "decimal": "numeric",
    "character varying": "varchar",
    "character": "bpchar",
    "char": "bpchar",
}


@lru_cache(maxsize=8192)
def normal(text: str) -> str:
    """A canonical text: equal for spellings that mean the same (casts of constants, IN and ANY, sides of =).

    Unreadable text comes back with its white space folded.
    """
    tree = read_expression(text)
    return spelled(tree) if tree is not None else re.sub(r"\s+", " ", text).strip()


def spelled(tree: Expression) -> str:
    """The canonical text of a tree."""
    return _text(canonical(tree))


@lru_cache(maxsize=8192)
def columns(text: str) -> frozenset[str]:
    """Names of the columns in an expression; for unreadable text every word that could be one."""
    tree = read_expression(text)
    if tree is None:
        return frozenset(re.findall(r"[^\W\d]\w*", text))
    return frozenset(n.value for n in tree.walk() if n.kind == COLUMN)


@lru_cache(maxsize=4096)
def conjuncts(text: str) -> tuple[str, ...]:
    """The canonical texts of the AND-ed parts of a predicate, sorted."""
    tree = read_expression(text)
    if tree is None:
        return (normal(text),)
    return tuple(sorted(_text(n) for n in _flat(canonical(tree), "and")))


def tells_all(there: ExtendedStatistics, wanted: ExtendedStatistics) -> bool:
    """Whether statistics that are there tell all that the wanted ones would: the server spells expressions its way."""
    one, other = (replace(s, expressions=tuple(map(normal, s.expressions))) for s in (there, wanted))
    return one.serves(other)


def tree_of(text: str) -> Expression | None:
    """The canonical tree of a predicate or expression, or None when it cannot be read."""
    tree = read_expression(text)
    return canonical(tree) if tree is not None else None


def type_name(text: str) -> str:
    """The short catalog name of a type without modifiers: ``timestamptz`` for ``timestamp(3) with time zone``."""
    bare = re.sub(r"\s*\([^)]*\)", "", text.lower()).strip()
    array = "[]" if bare.endswith("[]") else ""
    bare = bare.removesuffix("[]")
    return _TYPE_NAMES.get(bare, bare) + array


def canonical(node: Expression) -> Expression:
    """The tree of ``normal``: one for all spellings of a meaning."""
    arguments = tuple(canonical(a) for a in node.arguments)
    if node.kind == CAST:
        return _fold_cast(node.value, arguments[0])
    if node.kind == CALL:
        return Expression(CALL, _CALL_NAMES.get(node.value, node.value), arguments)
    if node.kind == OPERATOR:
        return _fold_operator(node.value, arguments)
    return Expression(node.kind, node.value, arguments)


def _fold_cast(target: str, inner: Expression) -> Expression:
    if inner.kind == CONSTANT or inner.value == "array":
        return inner
    return inner if target.removesuffix("[]") in _TEXT_CASTS else Expression(CAST, target, (inner,))


def _fold_operator(operator: str, arguments: tuple[Expression, ...]) -> Expression:
    if operator == "not":
        return _negation(arguments[0])
    if operator in ("is true", "is false"):
        return Expression(OPERATOR, operator, arguments)
    if operator in ("and", "or"):
        flat = chain.from_iterable(_flat(a, operator) for a in arguments)
        parts = {_text(p): p for p in flat}
        ordered = tuple(parts[k] for k in sorted(parts))
        return ordered[0] if len(ordered) == 1 else Expression(OPERATOR, operator, ordered)
    if operator == "in":
        return _membership(arguments)
    if operator in _FLIPPED and len(arguments) == 2:
        return _comparison(operator, *arguments)
    return Expression(OPERATOR, operator, arguments)


def _membership(arguments: tuple[Expression, ...]) -> Expression:
    left, *items = arguments
    unique = {_text(i): i for i in items}
    if len(unique) == 1:
        return _comparison("=", left, items[0])
    return Expression(OPERATOR, "in", (left, *(unique[k] for k in sorted(unique))))


def _comparison(operator: str, left: Expression, right: Expression) -> Expression:
    if left.kind in (CONSTANT, PARAMETER) and right.kind not in (CONSTANT, PARAMETER):
        operator, left, right = _FLIPPED[operator], right, left
    if right.kind == CONSTANT and right.value in ("true", "false") and operator in ("=", "<>"):
        return left if (right.value == "true") == (operator == "=") else _negation(left)
    return Expression(OPERATOR, operator, (left, right))


def _negation(inner: Expression) -> Expression:
    if inner.kind == OPERATOR:
        if inner.value in _NULL_TESTS:
            return Expression(OPERATOR, _NULL_TESTS[inner.value], inner.arguments)
        if inner.value in _NEGATED and len(inner.arguments) == 2:
            return Expression(OPERATOR, _NEGATED[inner.value], inner.arguments)
        if inner.value == "not":
            return inner.arguments[0]
    return Expression(OPERATOR, "not", (inner,))


def _flat(node: Expression, operator: str) -> tuple[Expression, ...]:
    if node.kind == OPERATOR and node.value == operator:
        return tuple(chain.from_iterable(_flat(a, operator) for a in node.arguments))
    return (node,)


def _text(node: Expression) -> str:
    if node.kind == COLUMN:
        return quote_identifier(node.value)
    if node.kind == CONSTANT:
        return "'" + node.value.replace("'", "''") + "'"
    if node.kind == OTHER:
        return node.value
    inner = ", ".join(_text(a) for a in node.arguments)
    if node.kind == CALL:
        return f"{node.value}({inner})"
    if node.kind == CAST:
        return f"({inner})::{node.value}"
    return f"({node.value} {inner})" if node.arguments else node.value
