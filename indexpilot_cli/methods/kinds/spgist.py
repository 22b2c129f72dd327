"""SP-GiST: kept for indexes that exist; nothing proposes it, because GiST serves the same conditions."""

from __future__ import annotations

import struct

from indexpilot_cli.core.index import SPGIST
from indexpilot_cli.methods.kind import HEADER_SIZE, NO_BLOCK, RelationFile, make_page
from indexpilot_cli.methods.kinds import UnknownKind

_MAGIC, _PAGE_ID, _CACHED = 0xBA0BABEE, 0xFF82, 8


def spgist_metapage() -> bytes:
    """The SP-GiST metapage: without its magic number the planner takes the file for damaged."""
    body = struct.pack("<I", _MAGIC) + struct.pack("<Ii", NO_BLOCK, 0) * _CACHED
    return make_page(body, struct.pack("<HHHH", 1, 0, 0, _PAGE_ID), lower=HEADER_SIZE + len(body))


class SpGistKind(UnknownKind):
    """See the module."""

    def first_pages(self, _file: RelationFile) -> bytes:
        """See IndexKind."""
        return spgist_metapage()


KIND = SpGistKind(SPGIST)
