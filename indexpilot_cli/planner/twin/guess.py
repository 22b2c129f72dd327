"""Sizes of hypothetical indexes nobody gave a size for, from the catalog's statistics."""

from __future__ import annotations

from math import ceil

from indexpilot_cli.core.catalog import BLOCK, Catalog, Table
from indexpilot_cli.core.index import BRIN, BTREE, GIN, HASH, IndexDefinition
from indexpilot_cli.planner.twin.layout import index_widths
from indexpilot_cli.planner.twin.sizes import KeyWidth, btree_height, btree_pages, tuple_width
from indexpilot_cli.planner.twin.worker import IndexSize

_ROOM = BLOCK - 24


def guess_size(
    catalog: Catalog, definition: IndexDefinition, rows: float, heap_pages: int, *, deduplicates: bool
) -> IndexSize:
    """Size of the index over ``rows`` rows (of a partial index: its rows) in ``heap_pages`` blocks.

    ``deduplicates`` says that equal keys of a B-tree share their space.
    """
    table = catalog.table(definition.table)
    names = [key.column for key in definition.keys] + list(definition.include)
    widths = index_widths(table, names)
    if definition.method == BTREE:
        distinct = _distinct(table, definition, rows) if deduplicates else None
        pages = btree_pages(rows, widths, distinct=distinct)
        return IndexSize(pages, rows, btree_height(pages, widths[: len(definition.keys)]))
    pages = _other_pages(definition, rows, heap_pages, widths)
    return IndexSize(pages, rows)


def _other_pages(definition: IndexDefinition, rows: float, heap_pages: int, widths: tuple[KeyWidth, ...]) -> int:
    if definition.method == HASH:
        return _hash_pages(rows)
    if definition.method == GIN:
        return _gin_pages(rows, widths)
    if definition.method == BRIN:
        ranges = ceil(heap_pages / int(dict(definition.options).get("pages_per_range", 128)))
        return 2 + ceil(ranges / 1360) + ceil(ranges * (2 * tuple_width(widths) + 4) / _ROOM)
    return _tree_pages(rows, widths)


def _distinct(table: Table | None, definition: IndexDefinition, rows: float) -> float:
    """Distinct keys: the product over the columns, at most the rows; expressions count as all different."""
    total = 1.0
    for key in definition.keys:
        column = table.column(key.column) if table and key.column else None
        if column is None or column.statistics is None:
            return rows
        total *= column.statistics.distinct(rows)
    return min(total, rows)


def _hash_pages(rows: float) -> int:
    buckets = ceil(rows / (_ROOM * 0.75 // 20))  # 16-byte tuples and their line pointers, fill factor 75
    return 2 + max(2, 1 << max(0, buckets - 1).bit_length())


def _gin_pages(rows: float, widths: tuple[KeyWidth, ...]) -> int:
    # About two bytes per posting, and one posting for each ten bytes of the indexed value.
    postings = rows * max(1.0, sum(w.width for w in widths) / 10)
    return 2 + ceil(postings * 2.5 / (_ROOM * 0.8))


def _tree_pages(rows: float, widths: tuple[KeyWidth, ...]) -> int:
    per_page = max(1.0, _ROOM * 0.75 // (tuple_width(widths) + 4))
    return 1 + ceil(ceil(rows / per_page) * 1.02)
