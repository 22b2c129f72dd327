"""Distances that a statement computes itself and sorts by, and the operator whose order an index can give.

``sqrt((x - a)^2 + (y - b)^2)`` is the distance of two points: ``point(x, y) <-> point(a, b)``, which GiST gives in
order (https://www.postgresql.org/docs/current/gist.html). Both are the same but for the last bit of rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from indexpilot_cli.advise.rewrites.condition import WHOLE, binary, call_arguments, is_column, number_value
from indexpilot_cli.algorithms.rewriting import moving
from indexpilot_cli.core.catalog import Column
from indexpilot_cli.sql.parser import Node, deparse_expression

_KINDS = (*WHOLE, "float4", "float8", "numeric")
WHY = "it computes the distance of every row and sorts them all"
ONLY = "but for the order of rows whose distances differ by rounding alone"


@dataclass(frozen=True, slots=True)
class PlaneDistance:
    """A distance of two columns from two values: the columns as nodes, and the values as SQL text."""

    columns: tuple[Node, Node]
    values: tuple[str, str]

    @property
    def operator_form(self) -> str:
        """``point(x, y) <-> point(a, b)``."""
        own = ", ".join(map(deparse_expression, self.columns))
        return f"point({own}) <-> point({', '.join(self.values)})"


def sorted_distances(nodes: Iterable[Node]) -> Iterator[tuple[Node, PlaneDistance]]:
    """The first sort keys that are such a distance, of SELECTs with a LIMIT, each with what it means."""
    for select in nodes:
        items = select.children("sort_clause") if select.kind == "SelectStmt" else ()
        # Farthest first no index gives, nor NULLs first.
        if not items or select.child("limit_count") is None or items[0].enum("sortby_dir") == "SORTBY_DESC":
            continue
        key = items[0].child("node")
        meant = _output(select, key) if key is not None else None
        found = plane_distance(meant) if meant is not None else None
        if found is not None and key is not None and items[0].enum("sortby_nulls") != "SORTBY_NULLS_FIRST":
            yield key, found


def _output(select: Node, key: Node) -> Node | None:
    """The expression behind an output name or position, else the key itself."""
    targets = select.children("target_list")
    position = key.child("ival") if key.kind == "A_Const" else None
    if position is not None:
        number = position.number("ival")
        return targets[number - 1].child("val") if 0 < number <= len(targets) else None
    if is_column(key) and len(key.names("fields")) == 1:
        named = [t for t in targets if t.text("name") == key.names("fields")[0]]
        return named[0].child("val") if named else key
    return key


def plane_distance(node: Node) -> PlaneDistance | None:
    """The distance that an expression computes, squared or not; None for any other."""
    root = call_arguments(node, "sqrt", "dsqrt")
    found = binary(root[0] if len(root) == 1 else node)
    if found is None or found[1] != "+":
        return None
    parts = [_squared(part) for part in (found[0], found[2])]
    if None in parts:
        return None
    (first, a), (second, b) = (part for part in parts if part is not None)
    return PlaneDistance((first, second), (a, b))


def _squared(node: Node) -> tuple[Node, str] | None:
    """The column and the value of ``(column - value)`` squared in one of the ways there are."""
    power = call_arguments(node, "power", "pow", "dpow")
    found = binary(node)
    base = power[0] if len(power) == 2 and number_value(power[1]) == 2 else None
    if found is not None and found[1] == "^" and number_value(found[2]) == 2:
        base = found[0]
    if found is not None and found[1] == "*" and deparse_expression(found[0]) == deparse_expression(found[2]):
        base = found[0]
    difference = binary(base) if base is not None else None
    if difference is None or difference[1] != "-":
        return None
    left, _, right = difference
    column, value = (left, right) if is_column(left) else (right, left)
    return (column, deparse_expression(value)) if is_column(column) and not moving(value) else None


def is_plane(columns: tuple[Column, Column]) -> bool:
    """Whether both columns become coordinates of a point without an error."""
    return all(column.base_type in _KINDS for column in columns)
