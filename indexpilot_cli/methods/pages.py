"""Pages of index files as the planner finds them, and what a file is to hold.

The planner takes a relation's size from the length of its files and reads metapages: the level of a B-tree's
root, the page counts of GIN, the pages per range of BRIN. Page layouts: storage/bufpage.h, access/nbtree.h,
access/ginblock.h and access/brin_page.h of PostgreSQL (13 to 18 agree).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from indexpilot_cli.core.catalog import BLOCK

_HEADER = struct.Struct("<QHHHHHHI")  # lsn, checksum, flags, lower, upper, special, size and version, prune xid
HEADER_SIZE = _HEADER.size
_LAYOUT_VERSION = BLOCK | 4
NO_BLOCK = 0xFFFFFFFF


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


def make_page(body: bytes, special: bytes, *, lower: int, items: bytes = b"") -> bytes:
    """A page with this content, special space and lower bound of the free space."""
    end = BLOCK - len(special)
    upper = end - len(items)
    header = _HEADER.pack(0, 0, 0, lower, upper, end, _LAYOUT_VERSION, 0)
    return (header + body).ljust(upper, b"\0") + items + special
