"""Sizes of hash, BRIN and GiST indexes just built."""

from __future__ import annotations

import math
from collections.abc import Sequence

from indexpilot_cli.methods.fields import Field

PAGE = 8192
_HASH_ITEM = 16 + 4
_HASH_FREE = PAGE - 24 - 16


def hash_pages(rows: float, nulls: float, distinct: float, fillfactor: int) -> int:
    """Pages of a hash index: buckets grow by quarters of powers of two, chains overflow by chance and repeats.

    hashpage.c (_hash_init, _hash_spareindex): one metapage, one bitmap page per 32,768 overflow pages.
    """
    present = rows * (1.0 - nulls)
    per_bucket = max(10, PAGE * fillfactor // 100 // _HASH_ITEM)
    buckets = _buckets(max(2.0, present / per_bucket))
    half = 1 << (buckets - 1).bit_length() - 1
    capacity = _HASH_FREE // _HASH_ITEM
    repeats = present / max(distinct, 1.0)
    # Buckets that were not yet split in this round hold twice what the others do.
    double = 2 * half - buckets
    overflow = double * _overflow(present / half, capacity, repeats)
    overflow += (buckets - double) * _overflow(present / half / 2, capacity, repeats)
    return math.ceil(2 + buckets + overflow)


def _buckets(wanted: float) -> int:
    power = 1 << max(1, math.ceil(math.log2(wanted)))
    if power < 1024:
        return power
    half = power // 2
    return next(half + half // 4 * q for q in (1, 2, 3, 4) if half + half // 4 * q >= wanted)


def _overflow(mean: float, capacity: int, repeats: float) -> float:
    """Expected overflow pages of a bucket whose rows come in lumps of ``repeats``; a normal approximation."""
    spread = math.sqrt(max(mean * max(repeats, 1.0), 1e-9))
    total = 0.0
    for chain in range(1, 200):
        tail = 0.5 * math.erfc((chain * capacity - mean) / spread / math.sqrt(2))
        total += tail
        if tail < 1e-6:
            break
    return total


def brin_pages(heap_pages: int, pages_per_range: int, keys: Sequence[Field]) -> int:
    """Pages of a BRIN index: a metapage, the range map (1,360 ranges a page) and two bounds per key and range."""
    ranges = max(1, math.ceil(heap_pages / pages_per_range))
    width = sum(2 * (sum(k.widths) / len(k.widths)) for k in keys)
    item = math.ceil((8 + width) / 8) * 8 + 4
    per_page = max(1, int((PAGE - 24 - 8) // item))
    return 1 + math.ceil(ranges / 1360) + math.ceil(ranges / per_page)


def gist_pages(rows: float, keys: Sequence[Field], fill: float) -> int:
    """Pages of a GiST index whose pages are full to the share ``fill``."""
    width = sum(sum(k.widths) / len(k.widths) for k in keys)
    item = math.ceil((8 + width) / 8) * 8 + 4
    filled = (PAGE - 40) * fill
    per_page = max(2, int(filled // item))
    pages, level = 0, math.ceil(max(rows, 1.0) / per_page)
    while True:
        pages += level
        if level <= 1:
            return pages
        level = math.ceil(level / per_page)
