"""Conditions on both ends of an interval: beside them, one that an index of ranges or of one end serves.

The old conditions stay, so that the new one only has to be implied.
https://www.postgresql.org/docs/current/functions-range.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from indexpilot_cli.advise.rewrites.condition import (
    FLIPPED,
    Sargable,
    Tables,
    binary,
    call_arguments,
    cast_to,
    column_of,
    is_column,
    number_value,
    string_value,
)
from indexpilot_cli.algorithms.rewriting import clauses, conjuncts_of
from indexpilot_cli.core.catalog import Column, Table
from indexpilot_cli.sql.parser import Node, deparse_expression, parse_expression, rewrite
from indexpilot_cli.sql.safe.expression import moving

_DISCRETE = ("int4range", "int8range", "daterange")  # whose values the server always writes as [)
_RANGES = (*_DISCRETE, "numrange", "tsrange", "tstzrange")
_MOMENTS = ("date", "timestamp", "timestamptz")
_DAY = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?")


def interval_hints(statement: Node, tables: Tables) -> Iterator[tuple[Sargable, Node]]:
    """The hints of a statement's WHERE clauses, each with the statement in which the condition stands."""
    for _, where in clauses(statement):
        parts = conjuncts_of(where)
        for hint in (*_of_range(parts, tables), *filter(None, (_of_overlaps(part, tables) for part in parts))):
            yield hint, _with_more(statement, hint)


def _with_more(statement: Node, hint: Sargable) -> Node:
    """The first of the old conditions makes room for all."""
    fresh, *rest = (parse_expression(f"({text})") for text in (hint.after, "true"))
    old = hint.before.split(" AND ") if hint.rule == "range_ends" else [hint.before]

    def exchanged(here: Node, parent: Node) -> Node | None:
        if here.kind not in ("A_Expr", "FuncCall") or parent.kind == "ResTarget":
            return None
        text = deparse_expression(here)
        return fresh if text == old[0] else rest[0] if text in old[1:] else None

    return rewrite(statement, exchanged)


# -- lower(during) < b AND upper(during) > a


def _of_range(parts: Sequence[Node], tables: Tables) -> Iterator[Sargable]:
    ends = [end for part in parts if (end := _end(part)) is not None]
    for reference, name, operator, value in ends:
        found = column_of(reference, tables)
        mine = deparse_expression(reference)
        others = [e for e in ends if e[1] == "upper" and e[2] == ">" and deparse_expression(e[0]) == mine]
        if name == "lower" and operator in ("<", "<=") and found and found[1].base_type in _RANGES and others:
            yield _overlapping(found, mine, (operator, value), others[0][3])


def _end(part: Node) -> tuple[Node, str, str, Node] | None:
    """(range column, lower or upper, operator, value) of ``lower(during) < v``."""
    found = binary(part)
    if found is None or found[1] not in FLIPPED:
        return None
    for end, operator, value in (found, (found[2], FLIPPED[found[1]], found[0])):
        called = call_arguments(end, "lower", "upper")
        if len(called) == 1 and is_column(called[0]) and not moving(value):
            return called[0], end.names("funcname")[-1], operator, value
    return None


def _overlapping(found: tuple[Table, Column], name: str, first: tuple[str, Node], least: Node) -> Sargable:
    """``first`` is what the lower end is compared with and how, ``least`` what the upper end is larger than."""
    (operator, most), kind = first, found[1].base_type
    high, low = deparse_expression(most), deparse_expression(least)
    ends = ", ".join(_of_kind(value, kind) for value in (least, most))
    conditions = [] if low == high or _in_order(least, most) else [f"{low} is not after {high}"]
    conditions += ["every range holds its own beginning"] if operator == "<=" and kind not in _DISCRETE else []
    before = f"lower({name}) {operator} {high} AND upper({name}) > {low}"
    only = f"as long as {' and '.join(conditions)}" if conditions else ""
    why = f"it takes both ends of {name} for every row, and no order of one of them brings together what overlaps"
    return Sargable("range_ends", found[0].name, before, f"{name} && {kind}({ends}, '[]') AND {before}", why, only)


def _of_kind(value: Node, kind: str) -> str:
    """The value as one that the range type's function takes: what is computed may be of another type."""
    moment = {"tsrange": "timestamp", "tstzrange": "timestamptz", "daterange": "date"}.get(kind)
    return f"{deparse_expression(value)}::{moment}" if moment and _is_call(value) else deparse_expression(value)


def _is_call(node: Node) -> bool:
    return node.kind in ("FuncCall", "SQLValueFunction")


def _in_order(low: Node, high: Node) -> bool:
    """Whether two constants surely are in this order, whatever the type."""
    numbers = number_value(low), number_value(high)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] <= numbers[1]
    texts = string_value(low) or "", string_value(high) or ""
    return all(map(_DAY.fullmatch, texts)) and texts[0] <= texts[1] and cast_to(low) == cast_to(high)


# -- (s, e) OVERLAPS (a, b)


def _of_overlaps(part: Node, tables: Tables) -> Sargable | None:
    arguments = call_arguments(part, "overlaps")
    ends, values = (arguments[:2], arguments[2:]) if arguments and is_column(arguments[0]) else _halves(arguments)
    found = [column_of(end, tables) for end in ends if is_column(end)]
    if len(found) != 2 or len(values) != 2 or any(f is None or f[1].base_type not in _MOMENTS for f in found):
        return None
    if any(moving(v) or not _is_moment(v) for v in values):
        return None
    (start, stop), (low, high) = (tuple(map(deparse_expression, pair)) for pair in (ends, values))
    conditions = [f"neither {start} nor {stop} is NULL", f"{start} is not after {stop} in any row"]
    conditions += [] if _in_order(*values) else [f"{low} is not after {high}"]
    before, table = deparse_expression(part), next(f[0] for f in found if f is not None)
    after = f"{start} <= {high} AND {stop} >= {low} AND {before}"
    only = f"as long as {', '.join(conditions[:-1])} and {conditions[-1]}"
    return Sargable("overlaps", table.name, before, after, "no index serves OVERLAPS", only)


def _halves(arguments: Sequence[Node]) -> tuple[Sequence[Node], Sequence[Node]]:
    return arguments[2:], arguments[:2]


def _is_moment(node: Node) -> bool:
    """Not the length of an interval, which OVERLAPS takes for its end too."""
    if cast_to(node):
        return cast_to(node) in _MOMENTS
    return _DAY.fullmatch(string_value(node) or "") is not None or _is_call(node)
