"""The smallest and the largest value that conditions let through, as numbers: times count seconds from 1970 on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from indexpilot_cli.core.catalog import Column
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.expressions import CALL, CAST, COLUMN, CONSTANT, OPERATOR, Expression
from indexpilot_cli.sql.normal import tree_of
from indexpilot_cli.sql.selectivity import comparable

NOW = frozenset({"now", "current_timestamp", "current_date", "localtimestamp", "transaction_timestamp"})
NOW |= {"statement_timestamp", "clock_timestamp"}
TIMES = ("date", "timestamp", "timestamptz")
NUMBERS = ("int2", "int4", "int8", "oid", "numeric", "float4", "float8")
_DAY = 86400.0
_LENGTHS = {"second": 1.0, "sec": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0, "day": _DAY, "week": 7 * _DAY}
_LENGTHS |= {"month": 30 * _DAY, "mon": 30 * _DAY, "year": 365.25 * _DAY}
_PART = re.compile(r"([+-]?\d+(?:\.\d+)?) ?([a-z]+?)s?(?![a-z])")
_CLOCK = re.compile(r"(-?)(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?$")


def column_bounds(atoms: Iterable[Atom], column: Column, now: datetime | None) -> tuple[float, float] | None:
    """What = < <= > >= and BETWEEN let through of a column: -inf and inf stand for no bound.

    None where a value is not known (a parameter, a subquery), nothing bounds the column, or it has no numbers.
    """
    low, high = -math.inf, math.inf
    bounded = False
    for atom in atoms:
        if atom.column != column.name or not atom.conjunctive or atom.kind not in (AtomKind.RANGE, AtomKind.EQUAL):
            continue
        for operator, value in _comparisons(atom, column, now):
            if value is None:
                return None
            bounded = True
            low = max(low, value) if operator in (">", ">=", "=") else low
            high = min(high, value) if operator in ("<", "<=", "=") else high
    return (low, high) if bounded else None


def about_now(atom: Atom) -> bool:
    """Whether the value compared with moves with the clock."""
    tree = tree_of(atom.sql) if atom.sql is not None else None
    return tree is not None and any(node.kind == CALL and node.value in NOW for node in tree.walk())


def _comparisons(atom: Atom, column: Column, now: datetime | None) -> Iterator[tuple[str, float | None]]:
    tree = tree_of(atom.sql) if atom.sql is not None else None
    parts = tree.arguments if tree is not None and (tree.kind, tree.value) == (OPERATOR, "and") else (tree,)
    for part in parts:
        if part is None or part.kind != OPERATOR or len(part.arguments) != 2:
            yield "", None
        elif part.arguments[0] == Expression(COLUMN, column.name):
            yield part.value, number_of(part.arguments[1], column.base_type, now)


def number_of(tree: Expression, base_type: str, now: datetime | None) -> float | None:
    """The number of a constant, of the present moment, or of a moment so long before or after another."""
    if tree.kind == CAST:
        return number_of(tree.arguments[0], base_type, now)
    if tree.kind == CONSTANT:
        value = comparable(tree.value, base_type)
        return value if isinstance(value, float) and not math.isnan(value) else None
    if base_type not in TIMES:
        return None
    if tree.kind == CALL:
        if tree.value == "date_trunc" and len(tree.arguments) == 2:
            return number_of(tree.arguments[1], base_type, now)  # less than its unit away
        return now.timestamp() if tree.value in NOW and now is not None else None
    if tree.kind == OPERATOR and tree.value in ("+", "-") and len(tree.arguments) == 2:
        start, length = number_of(tree.arguments[0], base_type, now), _length(tree.arguments[1])
        return None if start is None or length is None else start + length if tree.value == "+" else start - length
    return None


def _length(tree: Expression) -> float | None:
    while tree.kind == CAST:
        tree = tree.arguments[0]
    if tree.kind != CONSTANT:
        return None
    text = tree.value.strip().lower()
    return float(text) * _DAY if re.fullmatch(r"\d+", text) else seconds_of(text)


def seconds_of(text: str) -> float | None:
    """The length of an interval as PostgreSQL writes it (months of 30 days), None where it cannot be read."""
    total = 0.0
    for number, unit in _PART.findall(text):
        if unit not in _LENGTHS:
            return None
        total += float(number) * _LENGTHS[unit]
    rest = _PART.sub("", text).strip()
    clock = _CLOCK.fullmatch(rest) if rest else None
    if rest and clock is None:
        return None
    if clock is not None:
        sign, hours, minutes, seconds = clock.groups()
        length = int(hours) * 3600 + int(minutes) * 60 + float(seconds or 0)
        total += -length if sign else length
    return total
