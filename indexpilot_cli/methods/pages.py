"""Relation files without rows: sparse, of any length, with the few pages the planner looks at.

The planner takes a relation's size from the length of its files and reads metapages: the level of a B-tree's
root, the page counts of GIN, the pages per range of BRIN. Page layouts: storage/bufpage.h, access/nbtree.h,
access/ginblock.h and access/brin_page.h of PostgreSQL (13 to 18 agree).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from indexpilot_cli.core.catalog import BLOCK

SEGMENT = 131072  # blocks of one file of a relation; the next ones carry .1, .2, …

_HEADER = struct.Struct("<QHHHHHHI")  # lsn, checksum, flags, lower, upper, special, size and version, prune xid
_HEADER_SIZE = _HEADER.size
_LAYOUT_VERSION = BLOCK | 4
_LEAF, _ROOT, _META = 1, 2, 8
_BTREE_MAGIC, _BTREE_VERSION = 0x053162, 4
_ALTERNATIVE_TID = 0x2000
_NORMAL_ITEM = 1 << 15
_NO_BLOCK = 0xFFFFFFFF
_GIN_META = 1 << 3
_GIN_VERSION = 2
_BRIN_MAGIC, _BRIN_META_PAGE = 0xA8109CFA, 0xF091
_SPGIST_MAGIC, _SPGIST_PAGE, _SPGIST_CACHED = 0xBA0BABEE, 0xFF82, 8
_REVMAP_ITEMS = 1360  # ranges one BRIN revmap page addresses
WRITTEN = frozenset({"btree", "gin", "brin", "spgist", "gist", "hash"})  # methods whose files we can make from nothing
_EQUAL_IMAGE = _HEADER_SIZE + 40  # offset in the metapage
MAX_HEIGHT = 16


@dataclass(frozen=True, slots=True)
class GinPages:
    """What a GIN metapage tells the planner."""

    pending: int
    total: int
    entry: int
    data: int
    entries: int


@dataclass(frozen=True, slots=True)
class RelationFile:
    """A file to make: its relfilenode, length in blocks, and what its first pages say.

    ``keep`` lengthens a file that is there and leaves its content alone.
    """

    node: int
    pages: int
    method: str | None = None
    height: int = 0
    gin: GinPages | None = None
    pages_per_range: int = 128
    heap_pages: int = 0
    keep: bool = False


def write_file(directory: Path, file: RelationFile, owner: Callable[[Path], None]) -> None:
    """Make the relation's files in the database directory, sparse but for the planted pages.

    ``owner`` gives a new file to the server's account. No backend may have pages of this relfilenode in memory.
    """
    start = b"" if file.keep else first_pages(file)
    length = max(file.pages, len(start) // BLOCK)
    for number in range(max(1, ceil(length / SEGMENT))):
        path = directory / (f"{file.node}.{number}" if number else str(file.node))
        with path.open("ab" if file.keep else "wb") as handle:
            if number == 0:
                handle.write(start)
            handle.flush()
            size = min(length - number * SEGMENT, SEGMENT) * BLOCK
            os.truncate(handle.fileno(), max(size, path.stat().st_size) if file.keep else size)
        owner(path)


def equal_image(metapage: bytes) -> bool:
    """Whether a B-tree with this metapage may deduplicate (``btm_allequalimage``)."""
    return len(metapage) == BLOCK and metapage[_EQUAL_IMAGE] == 1


def first_pages(file: RelationFile) -> bytes:
    """The pages that must not be zeros: none for heaps and for methods whose planner reads only the length."""
    if file.method == "btree":
        return btree_pages(file.height)
    if file.method == "gin":
        return gin_metapage(file.gin or GinPages(0, 0, 0, 0, 0))
    if file.method == "brin":
        return brin_metapage(file.pages_per_range, file.heap_pages)
    return spgist_metapage() if file.method == "spgist" else b""


def btree_pages(height: int) -> bytes:
    """Metapage and a chain of ``height + 1`` pages: an empty tree whose root is on that level.

    Each internal page holds one item, the minus-infinity downlink to the page below, so descents end at an
    empty leaf instead of an error. Height 0 gives an index without a root, as CREATE INDEX leaves an empty one.
    """
    if not 0 <= height <= MAX_HEIGHT:
        raise ValueError(f"no B-tree is {height} levels high")
    root = height + 1 if height else 0
    return b"".join(
        [_btree_metapage(root, height), *(_btree_page(level, height) for level in range(height + 1))][: root + 1]
    )


def gin_metapage(pages: GinPages) -> bytes:
    """The GIN metapage with these counts (zeros: the planner assumes its own split)."""
    body = struct.pack(
        "<IIIIqIIIxxxxqi",
        *(_NO_BLOCK, _NO_BLOCK, 0, pages.pending, 0, pages.total, pages.entry, pages.data, pages.entries),
        _GIN_VERSION,
    )
    return _page(body, struct.pack("<IHH", _NO_BLOCK, 0, _GIN_META), lower=_HEADER_SIZE + len(body))


def brin_metapage(pages_per_range: int, heap_pages: int) -> bytes:
    """The BRIN metapage of an index over a table of that many pages."""
    ranges = max(1, ceil(heap_pages / pages_per_range))
    body = struct.pack("<IIII", _BRIN_MAGIC, 1, pages_per_range, ceil(ranges / _REVMAP_ITEMS))
    return _page(body, struct.pack("<HHHH", 0, 0, 0, _BRIN_META_PAGE), lower=_HEADER_SIZE + len(body))


def spgist_metapage() -> bytes:
    """The SP-GiST metapage: without its magic number the planner takes the file for damaged."""
    body = struct.pack("<I", _SPGIST_MAGIC) + struct.pack("<Ii", _NO_BLOCK, 0) * _SPGIST_CACHED
    return _page(body, struct.pack("<HHHH", 1, 0, 0, _SPGIST_PAGE), lower=_HEADER_SIZE + len(body))


def _btree_metapage(root: int, level: int) -> bytes:
    body = struct.pack("<IIIIIIIxxxxd?7x", _BTREE_MAGIC, _BTREE_VERSION, root, level, root, level, 0, -1.0, False)
    return _page(body, _btree_special(0, _META), lower=_HEADER_SIZE + len(body))


def _btree_page(level: int, height: int) -> bytes:
    flags = (_LEAF if level == 0 else 0) | (_ROOT if level == height else 0)
    if level == 0:
        return _page(b"", _btree_special(level, flags), lower=_HEADER_SIZE)
    # An index tuple of eight bytes: block (high, low) of the page below, no attributes, flags and size.
    downlink = struct.pack("<HHHH", 0, level, 0, _ALTERNATIVE_TID | 8)
    special = _btree_special(level, flags)
    offset = BLOCK - len(special) - len(downlink)
    pointer = struct.pack("<I", offset | _NORMAL_ITEM | len(downlink) << 17)
    return _page(pointer, special, lower=_HEADER_SIZE + len(pointer), items=downlink)


def _btree_special(level: int, flags: int) -> bytes:
    return struct.pack("<IIIHH", 0, 0, level, flags, 0)


def _page(body: bytes, special: bytes, *, lower: int, items: bytes = b"") -> bytes:
    end = BLOCK - len(special)
    upper = end - len(items)
    header = _HEADER.pack(0, 0, 0, lower, upper, end, _LAYOUT_VERSION, 0)
    return (header + body).ljust(upper, b"\0") + items + special
