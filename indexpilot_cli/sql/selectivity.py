"""What share of a table's rows a predicate keeps, from the statistics the server has.

The formulas are those of the planner where it has one (selfuncs.c: eqsel, scalarineqsel, nulltestsel, arraycontsel)
and its defaults where statistics are missing. Shares are between 0 and 1.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from indexpilot_cli.core.catalog import BLOCK, UNKNOWN_DISTINCT, Column, ColumnStatistics, Table
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.expressions import CALL, CAST, COLUMN, CONSTANT, OPERATOR, PARAMETER, Expression
from indexpilot_cli.sql.normal import columns, normal, spelled, tree_of
from indexpilot_cli.sql.volatility import expression_type

EQUAL_UNKNOWN = 0.005
RANGE_UNKNOWN = 1 / 3
MATCH_UNKNOWN = 0.005
CONTAINS_UNKNOWN = 0.001
_SAME_DISTINCT = {"lower", "upper", "btrim", "initcap", "reverse", "md5", "coalesce", "replace", "abs", "hashtext"}
_COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
_RANGE_KINDS = (AtomKind.RANGE,)


def selectivity(atoms: Iterable[Atom], table: Table) -> float:
    """Share of rows that all conjunctive atoms keep together, as if independent (two bounds of one range are not)."""
    share = 1.0
    ranges: dict[str, list[float]] = {}
    for atom in atoms:
        if not atom.conjunctive:
            continue
        if atom.kind in _RANGE_KINDS:
            ranges.setdefault(atom.column or atom.expression or "", []).append(atom_selectivity(atom, table))
        else:
            share *= atom_selectivity(atom, table)
    for shares in ranges.values():
        share *= _both(shares)
    return min(max(share, 0.0), 1.0)


def atom_selectivity(atom: Atom, table: Table) -> float:
    """Share of rows that one atom keeps; for parameters the average over values, as the planner takes it."""
    statistics = _statistics(atom, table)
    kind = atom.kind
    if kind in (AtomKind.IS_NULL, AtomKind.IS_NOT_NULL):
        nulls = statistics.null_frac if statistics else EQUAL_UNKNOWN
        return nulls if kind is AtomKind.IS_NULL else 1.0 - nulls
    if atom.sql is not None and atom.constant is not None and kind in _FROM_TEXT:
        share = predicate_selectivity(atom.sql, table)
        if share is not None:
            return share
    return _by_kind(atom, statistics, row_count(table))


_FROM_TEXT = (AtomKind.EQUAL, AtomKind.IN, AtomKind.RANGE, AtomKind.NOT_EQUAL)


def _by_kind(atom: Atom, statistics: ColumnStatistics | None, rows: float) -> float:
    if atom.kind in (AtomKind.EQUAL, AtomKind.JOIN):
        return average_equal(statistics, rows)
    if atom.kind is AtomKind.IN:
        return min(1.0, max(1, atom.elements) * average_equal(statistics, rows))
    if atom.kind is AtomKind.NOT_EQUAL:
        return 1.0 - average_equal(statistics, rows)
    if atom.kind is AtomKind.RANGE:
        return 0.005 if atom.operator.lower() == "between" and atom.constant is None else RANGE_UNKNOWN
    if atom.kind in (AtomKind.LIKE_PREFIX, AtomKind.LIKE_INFIX, AtomKind.SIMILAR, AtomKind.MATCHES):
        return MATCH_UNKNOWN
    if atom.kind in (AtomKind.CONTAINS, AtomKind.CONTAINED, AtomKind.OVERLAPS, AtomKind.TEXT_SEARCH):
        return _element_share(statistics)
    if atom.kind in (AtomKind.HAS_KEY, AtomKind.JSON_PATH):
        return 0.01
    return 1.0 if atom.kind is AtomKind.DISTANCE else RANGE_UNKNOWN


def predicate_selectivity(predicate: str, table: Table) -> float | None:
    """Share of rows a predicate's SQL text keeps, or None when the text cannot be read."""
    tree = tree_of(predicate)
    return _tree_share(tree, table) if tree is not None else None


def average_equal(statistics: ColumnStatistics | None, rows: float) -> float:
    """Share of rows equal to an unknown value: (1 - null_frac) / n_distinct."""
    if statistics is None:
        return EQUAL_UNKNOWN
    return (1.0 - statistics.null_frac) / max(1.0, statistics.distinct(rows))


def value_share(value: str, statistics: ColumnStatistics, rows: float) -> float:
    """Share of rows equal to the value: its frequency when it is common, else the average of the others."""
    wanted = _form(value)
    for common, frequency in zip(statistics.most_common_vals, statistics.most_common_freqs, strict=False):
        if _form(common) == wanted:
            return frequency
    rest = 1.0 - statistics.null_frac - sum(statistics.most_common_freqs)
    others = statistics.distinct(rows) - len(statistics.most_common_vals)
    if others < 1.0:
        # All values are known and this is none of them: the planner assumes next to nothing.
        return 1.0 / max(rows, 1.0)
    share = max(rest, 0.0) / others
    return min([share, *statistics.most_common_freqs]) if statistics.most_common_freqs else share


def row_count(table: Table) -> float:
    """Rows of the table; from pages and column widths when it was never analyzed (as estimate_rel_size)."""
    if table.tuples >= 0 and (table.tuples > 0 or table.pages == 0):
        return table.tuples
    width = sum(c.statistics.avg_width if c.statistics else abs(c.length) or 32 for c in table.columns)
    return table.pages * (BLOCK - 24) / (28 + max(width, 4))


def carried(expression: str, table: Table) -> ColumnStatistics | None:
    """Statistics of an expression: those of an index on it, else taken over from its one column.

    Taken over are distinct values, nulls and widths: exact for one-to-one functions; for others an upper bound of
    the distinct values. None when the expression has no column or several, or the column has no statistics.
    """
    indexed = index_statistics(expression, table)
    if indexed is not None:
        return indexed
    tree = tree_of(expression)
    names = columns(expression)
    column = table.column(next(iter(names))) if len(names) == 1 else None
    if tree is None or column is None or column.statistics is None:
        return None
    from_column = column.statistics
    kept = replace(from_column, most_common_vals=(), most_common_freqs=(), histogram_bounds=(), correlation=None)
    rows = row_count(table)
    coarse = _coarser(tree, column, rows) or remainders(tree)
    if coarse is not None:
        return replace(kept, n_distinct=min(coarse, from_column.distinct(rows)))
    return kept if _one_to_one(tree) else replace(kept, n_distinct=min(UNKNOWN_DISTINCT, kept.distinct(rows)))


def index_statistics(expression: str, table: Table) -> ColumnStatistics | None:
    """What ANALYZE found for an existing index on the same expression, or would find by rows that were read."""
    return _statistics_as(normal(expression), table)


def _statistics_as(wanted: str, table: Table) -> ColumnStatistics | None:
    for index in table.indexes:
        for key, known in zip(index.definition.keys, index.statistics, strict=False):
            if known is not None and key.expression is not None and normal(key.expression) == wanted:
                return known
    return dict(table.computed).get(wanted)


def _one_to_one(tree: Expression) -> bool:
    if tree.kind == COLUMN:
        return True
    if tree.kind == CALL and tree.value in _SAME_DISTINCT and tree.arguments:
        return _one_to_one(tree.arguments[0])
    if tree.kind == CAST:
        return tree.value not in ("bool", "date", "int4", "int8") and _one_to_one(tree.arguments[0])
    simple = tree.kind == OPERATOR and tree.value in ("+", "-", "*", "||", "at time zone", "collate")
    return simple and any(_one_to_one(a) for a in tree.arguments if a.kind != CONSTANT)


_UNIT = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2629800.0}
_UNIT |= {"quarter": 7889400.0, "year": 31557600.0}
_FIELD = {"month": 12.0, "day": 31.0, "dow": 7.0, "isodow": 7.0, "hour": 24.0, "minute": 60.0, "second": 60.0}
_FIELD |= {"quarter": 4.0, "week": 53.0, "doy": 366.0}


_WHOLE = re.compile(r"[0-9]{1,19}")  # constants of bigint


def remainders(tree: Expression) -> float | None:
    """How many values come of ``x % 20`` (no x below 0) or ``x & 4`` at most; None for other trees."""
    constants = [a.value for a in tree.arguments if a.kind == CONSTANT and _WHOLE.fullmatch(a.value)]
    if tree.kind != OPERATOR or tree.value not in ("%", "&") or len(tree.arguments) != 2 or not constants:
        return None
    if tree.value == "&":
        return 2.0 ** int(constants[0]).bit_count()
    return float(constants[0]) if tree.arguments[1].kind == CONSTANT and constants[0].strip("0") else None


def _coarser(tree: Expression, column: Column, rows: float) -> float | None:
    """Distinct values of date_trunc, extract and ::date from the span of the histogram; None for other trees."""
    unit = None
    if tree.kind == CALL and tree.value in ("date_trunc", "extract") and tree.arguments:
        field = tree.arguments[0].value.lower()
        if tree.value == "extract" and field in _FIELD:
            return _FIELD[field]
        unit = _UNIT.get(field)
    elif tree.kind == CAST and tree.value == "date":
        unit = _UNIT["day"]
    statistics = column.statistics
    if unit is None or statistics is None:
        return None
    known = [comparable(v, column.base_type) for v in (*statistics.histogram_bounds, *statistics.most_common_vals)]
    numbers = [v for v in known if isinstance(v, float) and math.isfinite(v)]
    if len(numbers) < 2:
        return None
    return max(1.0, min((max(numbers) - min(numbers)) / unit + 1.0, statistics.distinct(rows)))


def _both(shares: list[float]) -> float:
    if len(shares) < 2:
        return shares[0]
    if all(s == RANGE_UNKNOWN for s in shares):
        return 0.005  # the planner's default for a range with two unknown bounds
    return max(sum(shares) - (len(shares) - 1), 1e-6) if sum(shares) > len(shares) - 1 else math.prod(shares)


def _statistics(atom: Atom, table: Table) -> ColumnStatistics | None:
    if atom.column is not None:
        column = table.column(atom.column)
        return column.statistics if column else None
    return carried(atom.expression, table) if atom.expression else None


def _element_share(statistics: ColumnStatistics | None) -> float:
    frequencies = statistics.most_common_elem_freqs if statistics else ()
    if not frequencies:
        return CONTAINS_UNKNOWN
    # The list ends with the smallest and largest frequency (and that of null): leave those out.
    known = frequencies[: len(statistics.most_common_elems)] if statistics else frequencies
    return sum(f * f for f in known) / sum(known) if sum(known) > 0 else CONTAINS_UNKNOWN


def _tree_share(node: Expression, table: Table) -> float:
    if node.kind == COLUMN:
        return _comparison_share("=", node, Expression(CONSTANT, "true"), table)
    if node.kind != OPERATOR:
        return RANGE_UNKNOWN
    if node.value == "and":
        return _and_share(node.arguments, table)
    if node.value == "or":
        return 1.0 - math.prod(1.0 - _tree_share(a, table) for a in node.arguments)
    if node.value == "not":
        return max(0.0, 1.0 - _null_share(node.arguments[0], table) - _tree_share(node.arguments[0], table))
    if node.value in ("is null", "is not null"):
        nulls = _null_share(node.arguments[0], table)
        return nulls if node.value == "is null" else 1.0 - nulls
    if node.value in ("is true", "is false"):
        return _comparison_share("=", node.arguments[0], Expression(CONSTANT, node.value[3:]), table)
    if node.value == "in":
        left, *items = node.arguments
        return min(1.0, sum(_comparison_share("=", left, i, table) for i in items))
    if node.value in _COMPARISONS and len(node.arguments) == 2:
        return _comparison_share(node.value, node.arguments[0], node.arguments[1], table)
    return MATCH_UNKNOWN if node.value in ("~~", "~~*", "~", "~*") else RANGE_UNKNOWN


def _and_share(parts: tuple[Expression, ...], table: Table) -> float:
    share = 1.0
    ranges: dict[str, list[float]] = {}
    for part in parts:
        if part.value in ("<", "<=", ">", ">=") and part.arguments[0].kind == COLUMN:
            ranges.setdefault(part.arguments[0].value, []).append(_tree_share(part, table))
        else:
            share *= _tree_share(part, table)
    return share * math.prod(_both(s) for s in ranges.values())


def _node_statistics(node: Expression, table: Table) -> tuple[ColumnStatistics | None, str]:
    if node.kind == COLUMN:
        column = table.column(node.value)
        return (column.statistics, column.base_type) if column else (None, "")
    known = _statistics_as(spelled(node), table) if node.kind in (OPERATOR, CALL, CAST) else None
    return known, (expression_type(node, table) or "") if known is not None else ""


def _null_share(node: Expression, table: Table) -> float:
    statistics, _ = _node_statistics(node, table)
    return statistics.null_frac if statistics else EQUAL_UNKNOWN


def _comparison_share(operator: str, left: Expression, right: Expression, table: Table) -> float:
    statistics, base_type = _node_statistics(left, table)
    rows = row_count(table)
    constant = right.value if right.kind == CONSTANT else None
    if operator in ("=", "<>"):
        equal = EQUAL_UNKNOWN
        if statistics is not None:
            equal = average_equal(statistics, rows) if constant is None else value_share(constant, statistics, rows)
        nulls = statistics.null_frac if statistics else 0.0
        return equal if operator == "=" else max(0.0, 1.0 - equal - nulls)
    if statistics is None or constant is None or right.kind == PARAMETER:
        return RANGE_UNKNOWN
    return _range_share(operator, constant, statistics, base_type)


def _range_share(operator: str, constant: str, statistics: ColumnStatistics, base_type: str) -> float:
    wanted = comparable(constant, base_type)
    common = [(comparable(v, base_type), f) for v, f in _common(statistics)]
    bounds = comparables(statistics.histogram_bounds, base_type)
    if wanted is None or None in bounds or any(v is None for v, _ in common) or not (bounds or common):
        return RANGE_UNKNOWN
    smaller = sum(f for v, f in common if _less(v, wanted, operator in ("<=", ">")))
    rest = max(0.0, 1.0 - statistics.null_frac - sum(f for _, f in common))
    below = smaller + rest * _histogram_share(wanted, bounds)
    share = below if operator in ("<", "<=") else 1.0 - statistics.null_frac - below
    return min(max(share, 1e-4 if not bounds else 1.0 / (100 * len(bounds))), 1.0)


def _common(statistics: ColumnStatistics) -> list[tuple[str, float]]:
    return list(zip(statistics.most_common_vals, statistics.most_common_freqs, strict=False))


def _less(value: float | str | None, wanted: float | str, inclusive: bool) -> bool:
    if isinstance(value, float) and isinstance(wanted, float):
        return value <= wanted if inclusive else value < wanted
    return str(value) <= str(wanted) if inclusive else str(value) < str(wanted)


def _histogram_share(wanted: float | str, bounds: Sequence[float | str | None]) -> float:
    if len(bounds) < 2:
        return 0.5
    if isinstance(wanted, float):
        numbers = [b for b in bounds if isinstance(b, float)]
        place = bisect_right(numbers, wanted)
        if place == 0 or place == len(numbers):
            return 0.0 if place == 0 else 1.0
        low, high = numbers[place - 1], numbers[place]
        inside = (wanted - low) / (high - low) if high > low else 0.5
        return (place - 1 + inside) / (len(numbers) - 1)
    texts = [str(b) for b in bounds]
    return min(1.0, max(0.0, (bisect_left(texts, wanted) - 0.5) / (len(texts) - 1)))


_BOOLEANS = {"t": "true", "f": "false"}


@lru_cache(maxsize=8192)
def _form(value: str) -> str | float:
    """What equal values have in common, however they are written."""
    text = value.rstrip(" ")  # statistics of char(n) hold the values padded with blanks
    try:
        number = float(text)
    except ValueError:
        return _BOOLEANS.get(text, text)
    return text if math.isnan(number) else number


_NUMBERS = {"int2", "int4", "int8", "oid", "float4", "float8", "numeric", "money"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = re.compile(r"(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?")
_TEXTS = {"text", "varchar", "bpchar", "name", "char", "uuid", "citext"}


def comparable(value: str, base_type: str) -> float | str | None:
    """A number for numbers, times (seconds) and booleans, the text for texts, None for what has no simple order.

    ``base_type`` is the type's short name as in ``Column.base_type``.
    """
    if base_type in _NUMBERS:
        return _number(value)
    if base_type in ("date", "timestamp", "timestamptz"):
        return _moment(value)
    if base_type in ("time", "interval"):
        found = _CLOCK.match(value)
        return _seconds(found) if found else None
    if base_type == "bool":
        return 1.0 if value in ("t", "true") else 0.0
    return value if base_type in _TEXTS else None


@lru_cache(maxsize=256)
def comparables(values: tuple[str, ...], base_type: str) -> tuple[float | str | None, ...]:
    """Each of the values as ``comparable`` gives it: every condition on a column asks for all its bounds."""
    return tuple(comparable(value, base_type) for value in values)


def _seconds(found: re.Match[str]) -> float:
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds or 0)


def _number(value: str) -> float | None:
    try:
        return float(value.replace("$", "").replace(",", ""))
    except ValueError:
        return None


def _moment(value: str) -> float | None:
    if value in ("infinity", "-infinity"):
        return float(value.replace("infinity", "inf"))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / timedelta(seconds=1)
