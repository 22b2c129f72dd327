"""Relation files of one database: written directly where we can reach them, else by the server itself."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Protocol

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.db.session import Session
from indexpilot_cli.methods.pages import SEGMENT, RelationFile, equal_image, first_pages, write_file
from indexpilot_cli.planner.twin.server import give_to_server

_READ_WRITE = 0x60000  # INV_READ | INV_WRITE


class Storage(Protocol):
    """Where the relation files of one database are."""

    def write(self, file: RelationFile) -> None:
        """Make the relation's files; no backend may have pages of that relfilenode in memory."""
        ...

    def equal_image(self, node: int) -> bool:
        """Whether the B-tree of that relfilenode may deduplicate."""
        ...


class LocalStorage:
    """A database directory on this machine: files are sparse."""

    def __init__(self, directory: Path):
        self._directory = directory

    def write(self, file: RelationFile) -> None:
        """See Storage."""
        write_file(self._directory, file, give_to_server)

    def equal_image(self, node: int) -> bool:
        """See Storage."""
        with (self._directory / str(node)).open("rb") as handle:
            return equal_image(handle.read(BLOCK))


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

    def equal_image(self, node: int) -> bool:
        """See Storage."""
        return equal_image(self._read(f"{self._directory}/{node}", BLOCK))

    def _export(self, start: bytes, size: int, path: str) -> None:
        with self._admin.transaction():
            made = self._admin.value("SELECT lo_from_bytea(0, %s)::bigint", [start])
            self._admin.value(
                "SELECT lo_truncate64(lo_open(%s::oid, %s), %s::bigint)", [made, _READ_WRITE, max(size, len(start))]
            )
            self._admin.value("SELECT lo_export(%s::oid, %s)", [made, path])
            self._admin.value("SELECT lo_unlink(%s::oid)", [made])

    def _read(self, path: str, limit: int = 64 * 1024 * 1024) -> bytes:
        # Only what CREATE INDEX leaves of an empty index is read: a few pages. They may still be in memory only.
        self._admin.execute("CHECKPOINT")
        return bytes(self._admin.value("SELECT pg_read_binary_file(%s, 0, %s, true)", [path, limit]) or b"")
