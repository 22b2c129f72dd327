"""How large an index would be and how high its tree, from statistics alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from indexpilot_cli.core.catalog import BLOCK

_BTREE_ROOM = BLOCK - 24 - 16  # page header and B-tree special space
_LEAF_FILL = 0.90
_INNER_FILL = 0.70
_ITEM_POINTER = 4
_TUPLE_HEADER = 8
_NULL_BITMAP = 4
_POSTING_LIMIT = 812  # bytes of one posting tuple that CREATE INDEX makes: a tenth of a page
_TID = 6


@dataclass(frozen=True, slots=True)
class KeyWidth:
    """Average stored bytes of one index column, its alignment (1, 2, 4 or 8), and whether it holds NULLs."""

    width: float
    alignment: int = 4
    nulls: bool = False


def tuple_width(columns: Sequence[KeyWidth]) -> int:
    """Bytes of an index tuple with these columns, without its line pointer."""
    size: float = _TUPLE_HEADER
    if any(column.nulls for column in columns):
        size = _aligned(size + _NULL_BITMAP, 8)
    for column in columns:
        size = _aligned(size, column.alignment) + column.width
    return _aligned(ceil(size), 8)


def btree_pages(rows: float, columns: Sequence[KeyWidth], *, distinct: float | None, fill: float = _LEAF_FILL) -> int:
    """Pages of a freshly built B-tree; ``distinct`` keys share posting lists (None: no deduplication)."""
    width = tuple_width(columns) + _ITEM_POINTER
    per_page = max(1.0, _BTREE_ROOM * fill // width)
    leaves = ceil(rows / per_page)
    if distinct is not None and 1 <= distinct < rows:
        leaves = min(leaves, ceil(rows * _posting_bytes(rows / distinct, width) / (_BTREE_ROOM * fill)))
    return 1 + _with_inner(max(1, leaves), width)


def _posting_bytes(duplicates: float, width: int) -> float:
    """Bytes per row when each key occurs ``duplicates`` times."""
    most = max(1.0, (_POSTING_LIMIT - width) // _TID)
    full, rest = divmod(duplicates, most)
    groups = full * (width + most * _TID if most > 1 else width)
    if rest > 0:
        groups += width + (rest * _TID if rest > 1 else 0)
    return groups / duplicates


def _with_inner(leaves: int, width: int) -> int:
    total = level = leaves
    while level > 1:
        level = ceil(level / fan_out(width))
        total += level
    return total


def fan_out(width: int) -> int:
    """Downlinks on one internal page for pivot tuples of that width with their line pointers."""
    return max(2, int(_BTREE_ROOM * _INNER_FILL // width))


def btree_height(pages: int, columns: Sequence[KeyWidth]) -> int:
    """Level of the root of a B-tree of that many pages (metapage included): 0 for a single leaf."""
    width = tuple_width(columns) + _ITEM_POINTER
    low, high = 1, max(1, pages - 1)
    while low < high:  # the most leaves whose tree fits in the pages
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _with_inner(middle, width) <= pages - 1 else (low, middle - 1)
    height = 0
    while low > 1:
        low = ceil(low / fan_out(width))
        height += 1
    return height


def _aligned(size: float, alignment: int) -> int:
    return -(-ceil(size) // alignment) * alignment
