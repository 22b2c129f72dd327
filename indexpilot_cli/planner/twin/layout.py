"""Which files the relations of a twin's database are, and what goes into them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.methods.kind import RelationFile
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.size import height_of
from indexpilot_cli.planner.twin.server import give_to_server
from indexpilot_cli.snapshot.values import RelationSize, Snapshot

SEGMENT = 131072  # blocks of one file of a relation; the next ones carry .1, .2, …


@dataclass(frozen=True, slots=True)
class Heap:
    """A table of the twin: where its rows would be and what its size says."""

    oid: int
    kind: str
    node: int
    size: RelationSize


def read_layout(session: Session, snapshot: Snapshot) -> tuple[tuple[RelationFile, ...], dict[QualifiedName, Heap]]:
    """The files to write into a copy of the session's database, and its tables."""
    sizes = {size.name: size for size in snapshot.sizes}
    definitions = {index.name: index.definition for index in snapshot.catalog.indexes()}
    rows = session.rows("twin/layout")
    lengths = {row.oid: _pages(sizes.get(QualifiedName(row.schema, row.name))) for row in rows}
    files = []
    heaps = {}
    for row in rows:
        name = QualifiedName(row.schema, row.name)
        size = sizes.get(name) or RelationSize(name, row.kind, 0, 0, -1.0)
        if row.kind in "rmp":
            heaps[name] = _heap(row, size)
        if row.node:
            height = size.height
            if row.method == "btree" and height is None:
                height = height_of(definitions.get(name), size.pages, snapshot.catalog)
            files.append(_file(row, replace(size, height=height), lengths.get(row.table_oid, 0)))
    return tuple(files), heaps


def _pages(size: RelationSize | None) -> int:
    return size.pages if size else 0


def _heap(row: Any, size: RelationSize) -> Heap:
    return Heap(row.oid, row.kind, row.node or 0, size)


def _file(row: Any, size: RelationSize, heap_pages: int) -> RelationFile:
    return RelationFile(
        node=row.node,
        pages=size.pages,
        method=row.method,
        height=(size.height or 0) if row.method == "btree" else 0,
        gin=size.gin,
        pages_per_range=row.pages_per_range or 128,
        heap_pages=heap_pages,
        keep=row.method is None or not index_kind(row.method).metapage_matters,
    )


_READ_WRITE = 0x60000  # INV_READ | INV_WRITE
_MOST_READ = 64 * 1024 * 1024


class Storage(Protocol):
    """Where the relation files of one database are."""

    def write(self, file: RelationFile) -> None:
        """Make the relation's files; no backend may have pages of that relfilenode in memory."""
        ...


class LocalStorage:
    """A database directory on this machine: files are sparse."""

    def __init__(self, directory: Path):
        self._directory = directory

    def write(self, file: RelationFile) -> None:
        """See Storage."""
        write_file(self._directory, file, give_to_server)


class RemoteStorage:
    """A database of a server elsewhere, reached as superuser: a large object is exported to each file.

    The object has holes, the file has not: it takes its full size on the server's disk.
    https://www.postgresql.org/docs/current/lo-funcs.html
    """

    def __init__(self, admin: Session, database: int):
        self._admin = admin
        self._directory = f"base/{database}"

    def write(self, file: RelationFile) -> None:
        """See Storage."""
        start = b"" if file.keep else first_pages(file)
        length = max(file.pages, len(start) // BLOCK)
        for number in range(max(1, ceil(length / SEGMENT))):
            path = f"{self._directory}/{file.node}{f'.{number}' if number else ''}"
            if file.keep and number == 0:
                start = self._read(path)
            size = min(length - number * SEGMENT, SEGMENT) * BLOCK
            self._export(start if number == 0 else b"", size, path)

    def _export(self, start: bytes, size: int, path: str) -> None:
        with self._admin.transaction():
            made = self._admin.value("SELECT lo_from_bytea(0, %s)::bigint", [start])
            self._admin.value(
                "SELECT lo_truncate64(lo_open(%s::oid, %s), %s::bigint)", [made, _READ_WRITE, max(size, len(start))]
            )
            self._admin.value("SELECT lo_export(%s::oid, %s)", [made, path])
            self._admin.value("SELECT lo_unlink(%s::oid)", [made])

    def _read(self, path: str) -> bytes:
        # Only what CREATE INDEX leaves of an empty index is read: a few pages. They may still be in memory only.
        self._admin.execute("CHECKPOINT")
        return bytes(self._admin.value("SELECT pg_read_binary_file(%s, 0, %s, true)", [path, _MOST_READ]) or b"")


def write_file(directory: Path, file: RelationFile, owner: Callable[[Path], None]) -> None:
    """Make the relation's files in the database directory, sparse but for the planted pages.

    ``owner`` gives a new file to the server's account. No backend may have pages of this relfilenode in memory.
    """
    start = b"" if file.keep else first_pages(file)
    length = max(file.pages, len(start) // BLOCK)
    place = directory.stat()
    for number in range(max(1, ceil(length / SEGMENT))):
        path = directory / (f"{file.node}.{number}" if number else str(file.node))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | (0 if file.keep else os.O_TRUNC), 0o600)
        try:
            if number == 0 and start:
                os.write(handle, start)
            status = os.fstat(handle)
            os.ftruncate(handle, max(min(length - number * SEGMENT, SEGMENT) * BLOCK, status.st_size))
        finally:
            os.close(handle)
        if status.st_uid != place.st_uid:
            owner(path)


def first_pages(file: RelationFile) -> bytes:
    """The pages that must not be zeros: none for heaps and for methods whose planner reads only the length."""
    return index_kind(file.method).first_pages(file) if file.method is not None else b""
