"""The literals of a statement, changed one by one, and the prefix that a pattern among them fixes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.sql.parser import (
    Node,
    Unparsed,
    deparse,
    parse,
    parse_expression,
    rewrite,
    set_child,
    shaping_constants,
    structure,
)

_STRUCTURAL = frozenset(("SortBy", "TypeName", "DefElem", "A_Indices", "SelectStmt", "VariableSetStmt"))


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as it stands in a statement: its value and whether it is text, integer, float or bits.

    ``column`` is the (unqualified) column it is compared with, where there is one; ``position`` its byte offset.
    """

    value: str
    kind: str
    column: str | None = None
    position: int = 0


def map_literals(text: str, change: Callable[[Literal], str | None]) -> str | Unparsed:
    """The statement with each literal's value replaced by what ``change`` gives (None keeps it).

    Structure stays: types, positions (``ORDER BY 2``), units (``extract(year …)``), JSON keys, LIMIT. A number must
    become a number again, otherwise it is written as text. The result is deparsed: comments and layout are gone.
    """
    statement = parse(text)
    return statement if isinstance(statement, Unparsed) else deparse(_changed(statement.node, change))


def redacted(text: str, change: Callable[[Literal], str | None]) -> str | None:
    """The same for texts that may leave the company: a query or a definition without any other text of somebody's.

    None when it cannot be parsed, or is of a kind that is not allowed.
    """
    statement = parse(text)
    if isinstance(statement, Unparsed):
        return None
    plain = structure(_changed(statement.node, change))
    try:
        return None if plain is None else deparse(plain)
    except ValueError:
        return None


def _changed(statement: Node, change: Callable[[Literal], str | None]) -> Node:
    columns = _columns(statement)
    shape = {c.number("location") for c in shaping_constants(statement)}

    def other(here: Node, parent: Node) -> Node | None:
        if here.kind != "A_Const" or parent.kind in _STRUCTURAL or here.number("location") in shape:
            return None
        literal = _literal(here, columns.get(here.number("location")))
        value = None if literal is None else change(literal)
        return None if literal is None or value is None else _constant(value, literal.kind)

    return rewrite(statement, other)


def _literal(node: Node, column: str | None) -> Literal | None:
    for field, key, kind in (("sval", "sval", "text"), ("fval", "fval", "float"), ("bsval", "bsval", "bits")):
        value = node.child(field)
        if value is not None:
            return Literal(value.text(key), kind, column, node.number("location"))
    whole = node.child("ival")
    return None if whole is None else Literal(str(whole.number("ival")), "integer", column, node.number("location"))


def _constant(value: str, kind: str) -> Node:
    if kind in ("integer", "float"):
        try:
            float(value)
        except ValueError:
            return parse_expression(quote_literal(value))
        number = parse_expression(value)
        return number if number.kind == "A_Const" else parse_expression(quote_literal(value))
    return parse_expression(quote_literal(value))


def _columns(node: Node) -> dict[int, str]:
    """Locations of constants to the column on the other side of their comparison."""
    found: dict[int, str] = {}
    for here in (n for n in node.walk() if n.kind == "A_Expr"):
        sides = (here.child("lexpr"), here.child("rexpr"))
        for side, other in (sides, sides[::-1]):
            column = next((n for n in side.walk() if n.kind == "ColumnRef"), None) if side else None
            if column is not None and other is not None:
                constants = (n for n in other.level() if n.kind == "A_Const")
                found.update({n.number("location"): column.names("fields")[-1] for n in constants})
    return found


_CONDITIONED = ("SelectStmt", "UpdateStmt", "DeleteStmt")


def loosened(text: str) -> str | None:
    """The statement with ``true`` for its outermost WHERE; None when it is of another kind or cannot be written."""
    statement = parse(text)
    if isinstance(statement, Unparsed) or statement.node.kind not in _CONDITIONED:
        return None
    if statement.node.child("where_clause") is None:
        return text
    try:
        return deparse(set_child(statement.node, "where_clause", parse_expression("true")))
    except ValueError:
        return None


LIKE_OPERATORS = frozenset(("~~", "~~*", "~", "~*", "!~~", "!~~*", "!~", "!~*"))
_REGEX_PREFIX = re.compile(r"\^[^\\.*+?()\[\]{}|^$]{2,}|\^[^\\.*+?()\[\]{}|^$](?![*?{|])")


def pattern_kind(operator: str, node: Node) -> AtomKind:
    """LIKE_PREFIX, LIKE_INFIX or (negated matches) OTHER for an operator and its pattern expression.

    A parameter says nothing, so it counts as infix until samples say otherwise.
    """
    if operator.startswith("!"):
        return AtomKind.OTHER
    if operator.endswith("*"):
        return AtomKind.LIKE_INFIX
    text = pattern_start(node)
    return kind_of_text(operator, text)


def kind_of_text(operator: str, text: str | None) -> AtomKind:
    """The same for a known pattern; None is an unknown one."""
    if text is None:
        return AtomKind.LIKE_INFIX
    if operator == "~":
        return AtomKind.LIKE_PREFIX if _REGEX_PREFIX.match(text) else AtomKind.LIKE_INFIX
    return AtomKind.LIKE_PREFIX if text and text[0] not in "%_" else AtomKind.LIKE_INFIX


def pattern_start(node: Node) -> str | None:
    """The pattern, or enough of its beginning to see whether it fixes a prefix; None when unknown.

    ``$1 || '%'`` begins with whatever the parameter holds, which is taken for plain text.
    """
    if node.kind == "TypeCast":
        inner = node.child("arg")
        return pattern_start(inner) if inner else None
    if node.kind == "A_Const":
        value = node.child("sval")
        return value.text("sval") if value else None
    if node.kind == "A_Expr" and node.names("name")[-1:] == ("||",):
        left = node.child("lexpr")
        return None if left is None else (pattern_start(left) or "x")
    if node.kind == "FuncCall" and node.names("funcname")[-1:] == ("concat",) and node.children("args"):
        return pattern_start(node.children("args")[0]) or "x"
    return None
