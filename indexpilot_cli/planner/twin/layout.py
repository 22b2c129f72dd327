"""Which files the relations of a twin's database are, and what goes into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from indexpilot_cli.core.catalog import BLOCK, Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.methods.pages import SEGMENT, RelationFile, equal_image, first_pages, write_file
from indexpilot_cli.planner.twin.server import give_to_server
from indexpilot_cli.planner.twin.sizes import KeyWidth, btree_height
from indexpilot_cli.snapshot.values import RelationSize, Snapshot

_REWRITTEN = frozenset({"btree", "gin", "brin"})  # for the others the length of the file is enough


@dataclass(frozen=True, slots=True)
class Heap:
    """A table of the twin: where its rows would be and what its size says."""

    oid: int
    kind: str
    node: int
    pages: int
    pages_at_analyze: int
    tuples: float
    all_visible: int

    @property
    def rows(self) -> float:
        """Rows as the planner scales them: density at the last analyze times the pages of now."""
        if self.pages_at_analyze > 0 and self.tuples >= 0:
            return self.tuples / self.pages_at_analyze * self.pages
        return max(self.tuples, 0.0)


def read_layout(session: Session, snapshot: Snapshot) -> tuple[tuple[RelationFile, ...], dict[QualifiedName, Heap]]:
    """The files to write into a copy of the session's database, and its tables."""
    sizes = {size.name: size for size in snapshot.sizes}
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
            files.append(_file(row, size, lengths.get(row.table_oid, 0), snapshot.catalog))
    return tuple(files), heaps


def index_widths(table: Table | None, columns: Sequence[str | None]) -> tuple[KeyWidth, ...]:
    """Widths of index columns by name; an expression (None) or an unknown column counts as 16 bytes."""
    return tuple(_width(table, column) for column in columns)


def _width(table: Table | None, name: str | None) -> KeyWidth:
    column = table.column(name) if table and name else None
    if column is None:
        return KeyWidth(16.0)
    alignment = {"c": 1, "s": 2, "i": 4, "d": 8}.get(column.alignment, 4)
    if column.length > 0:
        return KeyWidth(column.length, alignment, _nulls(column.statistics))
    width = column.statistics.avg_width if column.statistics else 16
    return KeyWidth(width, 1 if width < 127 else alignment, _nulls(column.statistics))


def _nulls(statistics: Any) -> bool:
    return statistics is not None and statistics.null_frac > 0


def _pages(size: RelationSize | None) -> int:
    return size.pages if size else 0


def _heap(row: Any, size: RelationSize) -> Heap:
    return Heap(row.oid, row.kind, row.node or 0, size.pages, size.pages_at_analyze, size.tuples, size.all_visible)


def _file(row: Any, size: RelationSize, heap_pages: int, catalog: Catalog) -> RelationFile:
    height = 0
    if row.method == "btree":
        height = size.height if size.height is not None else _estimated_height(size, catalog)
    return RelationFile(
        node=row.node,
        pages=size.pages,
        method=row.method,
        height=height,
        gin=size.gin,
        pages_per_range=row.pages_per_range or 128,
        heap_pages=heap_pages,
        keep=row.method not in _REWRITTEN,
    )


def _estimated_height(size: RelationSize, catalog: Catalog) -> int:
    found = _index_columns(catalog).get(size.name)
    table, columns = found if found else (None, (None,))
    return btree_height(size.pages, index_widths(table, columns))


def _index_columns(catalog: Catalog) -> Mapping[QualifiedName, tuple[Table, tuple[str | None, ...]]]:
    return {
        index.name: (table, tuple(key.column for key in index.definition.keys))
        for table in catalog.tables
        for index in table.indexes
    }


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
