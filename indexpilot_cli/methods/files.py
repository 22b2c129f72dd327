"""Relation files without rows: sparse, of any length, with the few pages the planner looks at."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import ceil
from pathlib import Path

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.methods.pages import RelationFile
from indexpilot_cli.methods.registry import index_kind

SEGMENT = 131072  # blocks of one file of a relation; the next ones carry .1, .2, …


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


def first_pages(file: RelationFile) -> bytes:
    """The pages that must not be zeros: none for heaps and for methods whose planner reads only the length."""
    return index_kind(file.method).first_pages(file) if file.method is not None else b""
