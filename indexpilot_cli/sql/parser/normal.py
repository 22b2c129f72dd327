"""Constants out, parameters in, without losing what the statement is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import postgast

from indexpilot_cli.sql.parser.edit import parameters, rewrite
from indexpilot_cli.sql.parser.native import Node, walk_all
from indexpilot_cli.sql.parser.text import deparse, deparse_expression

pb = postgast.pg_query_pb2

# Constants in these places say what is computed, not which rows: they stay, and they tell templates apart.
JSON_STEPS = frozenset(("->", "->>", "#>", "#>>"))
_SHAPING_TEXT = """
    date_trunc date_part extract timezone to_char to_tsvector substring substr left right split_part date_bin
    jsonb_extract_path jsonb_extract_path_text json_extract_path json_extract_path_text
"""
SHAPING = frozenset(_SHAPING_TEXT.split())
_CONDITIONS = frozenset(("JoinExpr", "BoolExpr", "SelectStmt", "ResTarget", "SortBy", "TypeName", "DefElem"))


@dataclass(frozen=True, slots=True)
class Normalised:
    """A statement with ``$n`` in place of constants.

    ``constants`` maps the new numbers to the SQL text of what stood there; ``shape`` are the constants that
    stayed because they say what is computed (a JSON key, the unit of date_trunc).
    """

    text: str
    node: Node
    constants: Mapping[int, str]
    shape: tuple[str, ...]


def normalise(node: Node) -> Normalised:
    """The statement with its constants numbered after the parameters it has, in order of appearance."""
    shape = shaping_constants(node)
    kept = {c.number("location") for c in shape}
    found = sorted(_replaceable(node, kept), key=lambda n: n.number("location"))
    first = max(parameters(node), default=0) + 1
    numbers = {n.number("location"): first + i for i, n in enumerate(found)}

    def parameter(here: Node, _parent: Node) -> Node | None:
        number = numbers.get(here.number("location")) if here.kind == "A_Const" else None
        return None if number is None else parameter_reference(number)

    replaced = rewrite(node, parameter) if numbers else node
    constants = {numbers[n.number("location")]: deparse_expression(n) for n in found}
    return Normalised(deparse(replaced), replaced, constants, tuple(deparse_expression(c) for c in shape))


def parameter_reference(number: int) -> Node:
    """The node of ``$number``."""
    return Node(pb.ParamRef(number=number))


def _replaceable(node: Node, kept: set[int]) -> list[Node]:
    found, stack = [], [node]
    while stack:
        parent = stack.pop()
        for here in parent.below():
            if here.kind != "A_Const":
                stack.append(here)
            elif parent.kind not in _CONDITIONS and not here.flag("isnull") and here.number("location") not in kept:
                found.append(here)
    for here in node.walk():
        found += [v for v in _written(here) if v.kind == "A_Const" and not v.flag("isnull")]
    return [n for n in found if n.number("location") >= 0]


def _written(node: Node) -> list[Node]:
    """Values of LIMIT, OFFSET and SET, which stand where constants otherwise belong to the statement."""
    if node.kind == "SelectStmt":
        return [v for v in (node.child("limit_count"), node.child("limit_offset")) if v is not None]
    if node.kind in ("UpdateStmt", "OnConflictClause", "MergeWhenClause"):
        return [v for t in node.children("target_list") if (v := t.child("val")) is not None]
    return []


def shaping_constants(statement: Node) -> list[Node]:
    """The constants of a statement that say what is computed: a JSON key, a unit, a configuration."""
    return list(chain.from_iterable(map(_shaping, statement.walk())))


def _shaping(node: Node) -> list[Node]:
    if node.kind == "A_Expr" and node.names("name")[-1:] and node.names("name")[-1] in JSON_STEPS:
        steps = node.child("rexpr")
        return [steps] if steps is not None and steps.kind == "A_Const" else []
    if node.kind == "FuncCall" and node.names("funcname")[-1] in SHAPING:
        arguments = node.children("args")
        if any(n.kind == "ColumnRef" for n in walk_all(arguments)):
            return [a for a in arguments if a.kind == "A_Const" and not a.flag("isnull")]
    return []
