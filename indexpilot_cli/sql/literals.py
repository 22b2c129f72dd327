"""The literals of a statement, changed one by one, and the prefix that a pattern among them fixes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

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


# What the right side of these is follows from the operator, not from the column on the left.
_OTHER_SIDE_TEXT = "~~ ~~* !~~ !~~* ~ ~* !~ !~* ? ?| ?& -> ->> #> #>> @? @@ #- - + * / % %> <% <-> <#> <=> ||"
_OTHER_SIDE = frozenset(_OTHER_SIDE_TEXT.split())
_ARITHMETIC = frozenset("+-*/%^")
# Texts that say what a function computes, by the number of the argument. The planner calls the function for constants.
_STEERING = {
    "timezone": (0, "zone"),
    "current_setting": (0, "setting"),
    "set_config": (0, "setting"),
    **dict.fromkeys(("to_char", "to_date", "to_timestamp", "to_number"), (1, "format")),
}
# They read their first argument by the second: of two constants both are others.
_READING = {
    "to_date": ("year", "year_format"),
    "to_timestamp": ("year", "year_format"),
    "to_number": ("one", "one_format"),
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as it stands in a statement: its value and whether it is text, integer, float or bits.

    ``column`` is the (unqualified) column it is compared with, where there is one; ``position`` its byte offset.
    ``direct``: it is compared with the column itself, so it is read as a value of the column's type. ``type`` is what
    it is cast to (``int4[]`` for arrays), or how a function takes it; ``limited``: with a length or precision.
    ``computed``: the planner computes with it, for no column stands beside it.
    """

    value: str
    kind: str
    column: str | None = None
    position: int = 0
    direct: bool = False
    type: str = ""
    limited: bool = False
    computed: bool = False


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


def parameter_uses(text: str) -> dict[int, Literal]:
    """How each parameter is used the first time, as a text without a value; empty for what cannot be parsed."""
    statement = parse(text)
    if isinstance(statement, Unparsed):
        return {}
    uses = _uses(statement.node)
    found: dict[int, Literal] = {}
    for here in (n for n in statement.node.walk() if n.kind == "ParamRef"):
        literal = uses.get(here.number("location"), Literal("", "text"))
        known = found.get(here.number("number"))
        found[here.number("number")] = literal if known is None or not (known.type or known.direct) else known
    return found


def _changed(statement: Node, change: Callable[[Literal], str | None]) -> Node:
    uses = _uses(statement)
    shape = {c.number("location") for c in shaping_constants(statement)}

    def other(here: Node, parent: Node) -> Node | None:
        if here.kind != "A_Const" or parent.kind in _STRUCTURAL or here.number("location") in shape:
            return None
        literal = _literal(here, uses.get(here.number("location"), Literal("", "")))
        value = None if literal is None else change(literal)
        return None if literal is None or value is None else _constant(value, literal.kind)

    return rewrite(statement, other)


def _literal(node: Node, use: Literal) -> Literal | None:
    for field, key, kind in (("sval", "sval", "text"), ("fval", "fval", "float"), ("bsval", "bsval", "bits")):
        value = node.child(field)
        if value is not None:
            return replace(use, value=value.text(key), kind=kind, position=node.number("location"))
    whole = node.child("ival")
    if whole is None:
        return None
    return replace(use, value=str(whole.number("ival")), kind="integer", position=node.number("location"))


def _constant(value: str, kind: str) -> Node:
    if kind == "bits":
        return parse_expression(f"B{quote_literal(value)}")
    if kind in ("integer", "float"):
        try:
            float(value)
        except ValueError:
            return parse_expression(quote_literal(value))
        number = parse_expression(value)
        return number if number.kind == "A_Const" else parse_expression(quote_literal(value))
    return parse_expression(quote_literal(value))


_VALUES = ("A_Const", "ParamRef")


def _uses(statement: Node) -> dict[int, Literal]:
    """What is known of the values of a statement, by location; a cast says more than a comparison."""
    found: dict[int, Literal] = {}
    nodes = tuple(statement.walk())
    for here in (n for n in nodes if n.kind == "A_Expr"):
        found.update(_compared(here))
    for here in nodes:
        for value, facts in _typed(here):
            known = found.get(value.number("location"), Literal("", "text"))
            found[value.number("location")] = replace(known, **facts)
    return found


def _compared(here: Node) -> Iterator[tuple[int, Literal]]:
    """Values to the column on the other side of their comparison."""
    direct = _operator(here) not in ("", *_OTHER_SIDE)
    each = here.enum("kind") in ("AEXPR_OP_ANY", "AEXPR_OP_ALL")
    sides = (here.child("lexpr"), here.child("rexpr"))
    for side, other in (sides, sides[::-1]):
        column = next((n for n in side.walk() if n.kind == "ColumnRef"), None) if side else None
        if side is None or other is None or column is None:
            continue
        # The members of an array that is compared as a whole are no values of the column's type.
        members = _members(other) if each or other.kind != "A_ArrayExpr" else ()
        same = {id(n) for n in members} if direct and side is column else set()
        kind, name = "[]" if each and other.kind in _VALUES else "", column.names("fields")[-1]
        for value in (n for n in other.level() if n.kind in _VALUES):
            yield value.number("location"), Literal("", "text", name, direct=id(value) in same, type=kind)


def _members(node: Node) -> tuple[Node, ...]:
    """A value, or the values of a list or array that is written out."""
    if node.kind in ("List", "A_ArrayExpr"):
        return node.children("items" if node.kind == "List" else "elements")
    return (node,)


def _typed(here: Node) -> Iterator[tuple[Node, dict[str, Any]]]:
    """The values right below a cast, a function or arithmetic, and what that says of them."""
    if here.kind == "TypeCast":
        inner, kind = here.child("arg"), here.child("type_name")
        if inner is not None and kind is not None:
            array = "[]" if kind.children("array_bounds") and inner.kind != "A_ArrayExpr" else ""
            facts = {"type": kind.names("names")[-1] + array, "limited": bool(kind.children("typmods"))}
            yield from ((n, facts) for n in _members(inner) if n.kind in _VALUES)
    elif here.kind == "FuncCall":
        arguments = here.children("args")
        name = here.names("funcname")[-1]
        read = tuple(zip(arguments, _READING.get(name, ()), strict=False)) if len(arguments) > 1 else ()
        if read and all(n.kind == "A_Const" for n, _ in read):
            yield from ((n, {"type": word}) for n, word in read)
            return
        place, word = _STEERING.get(name, (-1, ""))
        if 0 <= place < len(arguments) and arguments[place].kind in _VALUES:
            yield arguments[place], {"type": word}
        yield from ((n, {"computed": True}) for n in _computed(here, arguments))
    elif here.kind in ("UpdateStmt", "OnConflictClause", "InsertStmt"):
        yield from ((n, {"column": column, "direct": True}) for column, n in _assigned(here) if n.kind in _VALUES)
    elif here.kind == "A_Expr" and _operator(here) in _ARITHMETIC:
        yield from ((n, {"computed": True}) for n in _computed(here, here.below()))


def _assigned(here: Node) -> Iterator[tuple[str, Node]]:
    """Columns and what a statement puts into them."""
    if here.kind == "InsertStmt":
        source = here.child("select_stmt")
        columns = [target.text("name") for target in here.children("cols")]
        for row in source.children("values_lists") if source is not None else ():
            yield from zip(columns, row.children("items"), strict=False)
        return
    for target in here.children("target_list"):
        value = target.child("val")
        if value is not None:
            yield target.text("name"), value


def _operator(expression: Node) -> str:
    """The operator without its schema; empty where the grammar names none."""
    return (expression.names("name") or ("",))[-1]


def _computed(here: Node, below: tuple[Node, ...]) -> tuple[Node, ...]:
    """The constants right below a function or arithmetic that the planner can compute by itself."""
    constants = tuple(n for n in below if n.kind == "A_Const")
    known = constants and not any(n.kind in ("ColumnRef", "SubLink", "ParamRef") for n in here.walk())
    return constants if known else ()


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
