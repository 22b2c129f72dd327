"""The keys of an index as the size model sees them: bytes, alignment, nulls and how values repeat."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from operator import mul

from indexpilot_cli.core.catalog import BLOCK, UNKNOWN_DISTINCT, Column, ColumnStatistics, Table
from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.methods.frequencies import Groups, value_groups
from indexpilot_cli.sql.normal import columns, tree_of, type_name
from indexpilot_cli.sql.selectivity import carried, index_statistics
from indexpilot_cli.sql.volatility import result_type

_ALIGN = {"c": 1, "s": 2, "i": 4, "d": 8}
FIXED = {
    **dict.fromkeys(("bool", "char"), (1, 1)),
    "int2": (2, 2),
    **dict.fromkeys(("int4", "date", "float4", "oid"), (4, 4)),
    **dict.fromkeys(("int8", "float8", "timestamp", "timestamptz", "time", "money", "xid8", "pg_lsn"), (8, 8)),
    **{"uuid": (16, 1), "interval": (16, 8), "timetz": (12, 8), "macaddr": (6, 4), "point": (16, 8), "box": (32, 8)},
}
# Types whose B-tree operator class never deduplicates (no btequalimage support function that says yes).
_NEVER_EQUAL = {
    "numeric",
    "float4",
    "float8",
    "jsonb",
    "interval",
    "tsvector",
    "tsquery",
    "citext",
    "hstore",
    "record",
}
# Minor releases from which character(n) is no longer deduplicated (values that differ in trailing blanks are equal).
_PADDED_SINCE = {14: 25, 15: 20, 16: 16, 17: 12, 18: 6}
_SHORT = 126  # longest value that keeps a one-byte header
_TEXTS = ("text", "varchar", "bpchar", "citext", "name")
_WRITTEN = {"uuid": 37, "date": 11, "timestamp": 23, "timestamptz": 30, "bool": 5}  # bytes of values cast to text
_SAMPLES = 40
_SAMPLED_ROWS = 300  # that ANALYZE reads per unit of the statistics target
_TARGET = 100
_REMEMBERED = 32768  # columns whose fields are worked out once: more than a large schema compares


@dataclass(frozen=True, slots=True)
class Field:
    """One key or INCLUDE column. ``widths`` are bytes of typical values, header included; ``align`` in bytes.

    ``distinct`` counts values without null; ``common`` are frequencies of the commonest values among all rows,
    ``rare`` the others in groups (share of all rows, values there may be), ``nulls`` the share of nulls.
    ``equal_image`` says that equal values are equal bytes (deduplication). ``listed`` are bytes of the common values,
    ``others`` of typical other ones, where they are known apart.
    """

    widths: tuple[int, ...]
    align: int
    nulls: float
    distinct: float
    common: tuple[float, ...]
    rare: Groups
    correlation: float
    equal_image: bool
    known: bool
    listed: tuple[int, ...] = ()
    others: tuple[int, ...] = ()

    @property
    def unique(self) -> bool:
        """No value comes twice."""
        return self.nulls == 0.0 and not self.common and all(math.isinf(values) for _, values in self.rare)

    @property
    def mixed(self) -> bool:
        """Common values and such that come once: how many of them is a guess."""
        return bool(self.common) and any(math.isinf(values) for _, values in self.rare)


def key_field(key: IndexKey, table: Table, rows: float, version: int) -> Field:
    """The field of a key on a server of that ``server_version_num``.

    An expression takes nulls, widths and distinct values over from its one column.
    """
    if key.column is not None:
        column = table.column(key.column)
        return column_field(column, rows, version, _target(table)) if column else unknown_field(rows)
    return _expression_field(key.expression or "", table, rows, version)


def _target(table: Table) -> int:
    """The highest statistics target of its columns, as far as lists show it: ANALYZE reads 300 rows per unit."""
    known = [c.statistics for c in table.columns if c.statistics is not None]
    lists = chain.from_iterable((s.histogram_bounds[1:], s.most_common_freqs) for s in known)
    return max(_TARGET, *map(len, lists), 0)


def column_field(column: Column, rows: float, version: int, target: int = _TARGET) -> Field:
    """The field of a plain column of a table with that statistics target."""
    return _column_field(column, column.statistics, rows, version, target)


@lru_cache(maxsize=_REMEMBERED)
def _column_field(column: Column, statistics: ColumnStatistics | None, rows: float, version: int, target: int) -> Field:
    """Statistics beside the column: columns that differ in nothing else are equal."""
    fixed = column.length > 0 and column.base_type != "name"
    width = column.length if fixed else statistics.avg_width if statistics else 33
    if column.base_type == "name" and statistics:
        width = max(len(v) + 1 for v in statistics.most_common_vals) if statistics.most_common_vals else 20
    sampled = () if fixed or statistics is None else _sampled(statistics, column.base_type, width)
    field = Field(
        widths=sampled or (width,),
        align=_ALIGN.get(column.alignment, 4) if fixed or width > _SHORT + 1 else 1,
        nulls=0.0,
        distinct=min(UNKNOWN_DISTINCT, rows),
        common=(),
        rare=((1.0, min(UNKNOWN_DISTINCT, rows)),),
        correlation=0.0,
        equal_image=column.deterministic and _equal_image(column.base_type, column.category, version),
        known=statistics is not None,
    )
    found = _with_statistics(field, statistics, rows, target)
    if not sampled or statistics is None or not found.common or not statistics.histogram_bounds:
        return found
    listed = tuple(stored_width(v, column.base_type) for v in statistics.most_common_vals)
    rest = 1.0 - statistics.null_frac - sum(found.common)
    share = (1.0 - statistics.null_frac) / rest if rest > 0 else 0.0
    held = sum(map(mul, found.common, listed)) / rest if rest > 0 else 0.0
    return replace(found, listed=listed, others=_sampled(statistics, column.base_type, width * share - held))


def _with_statistics(field: Field, statistics: ColumnStatistics | None, rows: float, target: int) -> Field:
    if statistics is None:
        return field
    common, rare = _groups(statistics, rows, target)
    return replace(
        field,
        nulls=statistics.null_frac,
        distinct=statistics.distinct(rows),
        common=common,
        rare=rare,
        correlation=statistics.correlation or 0.0,
    )


def unknown_field(rows: float) -> Field:
    """The field of a key that nothing is known of."""
    few = min(UNKNOWN_DISTINCT, rows)
    return Field((16,), 1, 0.0, few, (), ((1.0, few),), 0.0, True, False)


def _expression_field(expression: str, table: Table, rows: float, version: int) -> Field:
    kind = result_type(expression, table)
    tree = tree_of(expression)
    statistics = carried(expression, table)
    own = index_statistics(expression, table)
    column = _only_column(expression, table)
    width, align = FIXED.get(kind or "", (0, 1))
    widths: tuple[int, ...] = (width,) if width else ()
    if not widths and own is not None:
        widths = _sampled(own, kind or "text", own.avg_width) or (own.avg_width,)
    if not widths and tree is not None and tree.value == "md5":
        widths = (33,)
    if not widths and tree is not None and tree.value in ("left", "substring", "right", "substr"):
        widths = (_cut([a.value for a in tree.arguments], statistics),)
    if not widths and column is not None and column.statistics is not None and kind in _TEXTS:
        written = (_WRITTEN.get(column.base_type, 12),)
        widths = column_field(column, rows, version).widths if column.base_type in _TEXTS else written
    field = replace(
        unknown_field(rows),
        widths=widths or (16,),
        align=align,
        equal_image=_equal_image(kind or "text", "", version) and not _folded_by(column, kind, expression),
        known=own is not None,
    )
    target = _target(table)
    found = _with_statistics(field, statistics, rows, target)
    same = (
        tree is not None and column is not None and column.statistics is not None and tree.value in ("lower", "upper")
    )
    if same and column is not None and column.statistics is not None:
        common, rare = _groups(column.statistics, rows, target)
        return replace(found, common=common, rare=rare, known=True)
    return found


def _cut(arguments: Sequence[str], statistics: ColumnStatistics | None) -> int:
    numbers = [int(a) for a in arguments[1:] if re.fullmatch(r"\d+", a)]
    longest = statistics.avg_width if statistics else 16
    return min(longest, numbers[-1] + 1) if numbers else longest


def _only_column(expression: str, table: Table) -> Column | None:
    names = columns(expression)
    return table.column(next(iter(names))) if len(names) == 1 else None


def _folded_by(column: Column | None, kind: str | None, expression: str) -> bool:
    """Whether an expression's text has the collation of a column that takes different bytes for equal."""
    inherits = column is not None and not column.deterministic and " COLLATE " not in expression
    return inherits and kind in (None, *_TEXTS)


def _equal_image(base_type: str, category: str, version: int) -> bool:
    if base_type == "bpchar" and version % 10000 >= _PADDED_SINCE.get(version // 10000, 0 if version >= 190000 else 99):
        return False
    never = type_name(base_type) in _NEVER_EQUAL or category in ("A", "R", "C") or base_type.startswith("_")
    return not never


def _sampled(statistics: ColumnStatistics, base_type: str, average: float) -> tuple[int, ...]:
    """Widths of values spread over the statistics' lists, shifted so that their mean is the known average."""
    values = statistics.histogram_bounds or statistics.most_common_vals
    if base_type not in (*_TEXTS, "numeric", "bytea", "varbit") or len(values) < 2 or base_type == "bpchar":
        return ()
    step = max(1, len(values) // _SAMPLES)
    widths = [stored_width(v, base_type) for v in values[::step]]
    shift = average - sum(widths) / len(widths)
    moved = round(shift) if abs(shift) >= 1.5 else 0
    return tuple(max(1, w + moved) for w in widths)


def stored_width(value: str, base_type: str) -> int:
    """Bytes of a text, a numeric or a bytea as an index stores it, of its text."""
    if base_type == "numeric":
        return _numeric(value)
    size = (len(value) - 2) // 2 if base_type == "bytea" else len(value.encode())
    return size + (1 if size <= _SHORT else 4)


def _numeric(value: str) -> int:
    """Bytes of a numeric: short header, and two bytes for each group of four decimal digits that is not padding."""
    whole, _, fraction = value.lstrip("-").partition(".")
    groups = whole.lstrip("0").zfill(-(-len(whole.lstrip("0")) // 4) * 4) if whole.strip("0") else ""
    fraction += "0" * (-len(fraction) % 4)
    digits = [(groups + fraction)[i : i + 4] for i in range(0, len(groups + fraction), 4)]
    while digits and digits[-1] == "0000":
        digits.pop()
    while digits and digits[0] == "0000":
        digits.pop(0)
    return 1 + 2 + 2 * len(digits)


def aligned(size: float) -> int:
    """Rounded up to the eight bytes at which tuples begin."""
    return math.ceil(size / 8) * 8


def tree_pages(rows: float, keys: Sequence[Field], fill: float) -> int:
    """Pages of a tree without deduplication (GiST) whose pages are full to the share ``fill``."""
    width = sum(sum(k.widths) / len(k.widths) for k in keys)
    item = math.ceil((8 + width) / 8) * 8 + 4
    filled = (BLOCK - 40) * fill
    per_page = max(2, int(filled // item))
    pages, level = 0, math.ceil(max(rows, 1.0) / per_page)
    while True:
        pages += level
        if level <= 1:
            return pages
        level = math.ceil(level / per_page)


def _groups(statistics: ColumnStatistics, rows: float, target: int) -> tuple[tuple[float, ...], Groups]:
    own = max(_TARGET, len(statistics.histogram_bounds) - 1, len(statistics.most_common_freqs))
    common, distinct = statistics.most_common_freqs, statistics.distinct(rows)
    return value_groups(common, statistics.null_frac, distinct, rows, _SAMPLED_ROWS * max(own, target), own)
