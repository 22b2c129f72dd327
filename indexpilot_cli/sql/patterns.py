"""LIKE and regular expressions: does the pattern fix a prefix?"""

from __future__ import annotations

import re

from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.sql.parser import Node

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
