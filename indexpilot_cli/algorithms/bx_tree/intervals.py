"""Intervals that hold a moment: the two conditions of a statement as one on a range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from indexpilot_cli.algorithms.rewriting import (
    FLIPPED,
    OtherForm,
    clauses,
    column_of,
    conjuncts_of,
    same_type,
    with_conditions,
)
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.index import GIST, IndexDefinition, IndexKey
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.sql.parser import Node, deparse_expression
from indexpilot_cli.sql.safe.expression import moving

RANGES = {"timestamptz": "tstzrange", "timestamp": "tsrange", "date": "daterange"}
_LAST_DATE = "but for the last date there is (5874897-12-31), which the index could not hold"


@dataclass(frozen=True, slots=True)
class Side:
    """A time column beside a moment: it ``starts`` the interval where it is not after the moment."""

    table: Table
    column: Column
    name: str
    moment: str
    starts: bool
    closed: bool
    open_ended: bool = False

    def fits(self, other: Side) -> bool:
        """Whether the other compares another column of the same row with the same moment."""
        same = self.table == other.table and self.moment == other.moment and self.column != other.column
        qualified = self.name.rpartition(".")[0] == other.name.rpartition(".")[0]
        return same and qualified and self.column.base_type == other.column.base_type


@dataclass(frozen=True, slots=True)
class Held:
    """Conditions of a query by which an interval holds a moment: the ``places`` of those in its WHERE clause."""

    query: Node
    where: Node
    places: tuple[int, ...]
    low: Side
    high: Side

    @property
    def text(self) -> str:
        """The conditions as they are written."""
        conditions = conjuncts_of(self.where)
        return " AND ".join(in_and(conditions[place]) for place in sorted(self.places))


def held_moments(statement: Node, catalog: Catalog) -> Iterator[Held]:
    """``s <= t AND e >= t`` in whatever order, and ``t BETWEEN s AND e``; e may be open."""
    for query, where in clauses(statement):
        sides = [(place, side) for place, c in enumerate(conjuncts_of(where)) if (side := _side(c, query, catalog))]
        for one, low in sides:
            for other, high in sides:
                if low.starts and not high.starts and low.fits(high):
                    yield Held(query, where, (one, other), low, high)
        for place, condition in enumerate(conjuncts_of(where)):
            both = _between(condition, query, catalog)
            if both is not None:
                yield Held(query, where, (place,), *both)


def interval_forms(statement: Node, catalog: Catalog) -> Iterator[OtherForm]:
    """``s <= t AND e >= t`` as a range that holds t: true for the same rows. It cannot fail where s > e, is NULL where
    the two conditions are not both true for any t, and takes an end that may be NULL for one that never comes.
    """
    for held in held_moments(statement, catalog):
        low, high = held.low, held.high
        conditions = enumerate(map(in_and, conjuncts_of(held.where)))
        kind = low.column.base_type
        after = f"{_range(low.name, high.name, low, high)} @> ({low.moment})::{kind}"
        rest = [text for place, text in conditions if place not in held.places]
        bare = _range(quote_identifier(low.column.name), quote_identifier(high.column.name), low, high)
        index = IndexDefinition(low.table.name, (IndexKey(expression=bare),), GIST)
        why = "each of the two conditions alone keeps a large part of the table"
        only = _LAST_DATE if kind == "date" else ""
        fresh = with_conditions(statement, held.where, [*rest, after])
        yield OtherForm("interval", low.table.name, held.text, after, why, only, fresh, (index,))


def _side(condition: Node, query: Node, catalog: Catalog) -> Side | None:
    if condition.kind == "BoolExpr" and condition.enum("boolop") == "OR_EXPR":
        arms = condition.children("args")
        tests = [a.child("arg") for a in arms if a.kind == "NullTest" and a.enum("nulltesttype") == "IS_NULL"]
        sides = [s for a in arms if (s := _side(a, query, catalog)) is not None]
        if len(arms) != 2 or len(tests) != 1 or len(sides) != 1 or tests[0] is None or sides[0].starts:
            return None
        return replace(sides[0], open_ended=True) if deparse_expression(tests[0]) == sides[0].name else None
    if condition.kind != "A_Expr" or condition.enum("kind") != "AEXPR_OP":
        return None
    left, right, operator = condition.child("lexpr"), condition.child("rexpr"), condition.names("name")[-1]
    if left is None or right is None:
        return None
    if left.kind != "ColumnRef":
        left, right, operator = right, left, FLIPPED.get(operator, "")
    return _of(left, right, operator, query, catalog)


def _between(condition: Node, query: Node, catalog: Catalog) -> tuple[Side, Side] | None:
    """``t BETWEEN s AND e``."""
    if condition.kind != "A_Expr" or condition.enum("kind") != "AEXPR_BETWEEN":
        return None
    moment, ends = condition.child("lexpr"), condition.child("rexpr")
    if moment is None or ends is None:
        return None
    pair = ends.children("items")
    low, high = _of(pair[0], moment, "<=", query, catalog), _of(pair[1], moment, ">=", query, catalog)
    return (low, high) if low is not None and high is not None and low.fits(high) else None


def _of(left: Node, right: Node, operator: str, query: Node, catalog: Catalog) -> Side | None:
    if left.kind != "ColumnRef" or operator not in FLIPPED or moving(right):
        return None
    found = column_of(left, query, catalog)
    if found is None or found[1].base_type not in RANGES or not same_type(right, found[1].base_type):
        return None
    table, column = found
    starts, closed = operator in ("<", "<="), operator.endswith("=")
    return Side(table, column, deparse_expression(left), deparse_expression(right), starts, closed)


def in_and(condition: Node) -> str:
    """A condition's text, so that it may be joined by AND."""
    text = deparse_expression(condition)
    return f"({text})" if condition.kind == "BoolExpr" else text


def _range(start: str, end: str, low: Side, high: Side) -> str:
    bounds = ("[" if low.closed else "(") + ("]" if high.closed else ")")
    least = f"COALESCE({end}, {start})" if high.open_ended else end
    made = f"{RANGES[low.column.base_type]}({start}, {end}, '{bounds}')"
    return f"CASE WHEN {start} <= {least} THEN {made} END"
