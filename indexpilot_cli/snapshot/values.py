"""What a snapshot holds: frozen values that describe a database well enough to plan its queries elsewhere.

Its file is one gzip-compressed JSON document that says what it is and which version.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core import files
from indexpilot_cli.core.catalog import Catalog, ColumnStatistics, Server
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.siblings import Siblings
from indexpilot_cli.core.workload import Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.methods.kind import GinPages

FORMAT = 1  # of the snapshot file; raised when an older reader could misunderstand a newer file


HIDDEN = "HIDDEN "


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One object of the schema as ``pg_dump`` writes it: its SQL and what the comment above it says.

    ``kind`` is pg_dump's word (TABLE, INDEX, FK CONSTRAINT, …); ``name`` and ``schema`` are unquoted. Behind ``HIDDEN``
    it is what the catalogs tell of a relation that the role may not read: a review needs it, no plan can be priced.
    """

    name: str
    kind: str
    schema: str
    sql: str


@dataclass(frozen=True, slots=True)
class RelationSize:
    """What the planner reads about the size of one relation. ``pages`` is the file length in blocks.

    ``kind`` is relkind; ``pages_at_analyze`` and ``tuples`` are relpages and reltuples, whose quotient is the
    density the planner scales by ``pages``. ``height`` (root level of a B-tree) and ``gin`` where they could be read.
    """

    name: QualifiedName
    kind: str
    pages: int
    pages_at_analyze: int
    tuples: float
    all_visible: int = 0
    method: str | None = None
    height: int | None = None
    gin: GinPages | None = None

    @property
    def rows(self) -> float:
        """Rows as the planner scales them: rows per page of the last ANALYZE, times the pages of today.

        https://www.postgresql.org/docs/current/row-estimation-examples.html
        """
        if self.pages_at_analyze > 0 and self.tuples >= 0:
            return self.tuples / self.pages_at_analyze * self.pages
        return max(self.tuples, 0.0)


@dataclass(frozen=True, slots=True)
class OwnStatistics:
    """Numbers that a type of an extension keeps for its own operators, under a kind (100 and more) of its own."""

    kind: int
    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RelationStatistics:
    """One row of ``pg_stats``: of a column, of a column over an inheritance tree, or of an index expression.

    Tables are addressed by ``column``, indexes by attribute ``number``.
    """

    relation: QualifiedName
    column: str | None
    number: int | None
    inherited: bool
    statistics: ColumnStatistics
    own: tuple[OwnStatistics, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtendedStatistics:
    """One row of ``pg_stats_ext``: ``distinct`` and ``dependencies`` in PostgreSQL's JSON-like text.

    ``numbers`` are the attribute numbers of ``columns`` in the source.
    ``values`` are the most common combinations in the order of ``columns`` then ``expressions`` (None: NULL).
    """

    name: QualifiedName
    table: QualifiedName
    columns: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    inherited: bool = False
    distinct: str | None = None
    dependencies: str | None = None
    values: tuple[tuple[str | None, ...], ...] = ()
    frequencies: tuple[float, ...] = ()
    base_frequencies: tuple[float, ...] = ()
    expressions: tuple[ColumnStatistics, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database without its rows: schema, statistics, sizes, settings, and on request the workload.

    ``settings`` are the planner settings in force in the reading session. ``collate`` and ``ctype`` are the
    database's, ``provider`` c, i or b. ``missing`` names what the reading role could not see. ``roles`` are the
    server's roles by name, empty when they were not read.
    """

    server: Server
    captured_at: datetime
    catalog: Catalog
    objects: tuple[SchemaObject, ...]
    sizes: tuple[RelationSize, ...]
    statistics: tuple[RelationStatistics, ...] = ()
    extended: tuple[ExtendedStatistics, ...] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    collate: str = "C"
    ctype: str = "C"
    provider: str = "c"
    provider_locale: str | None = None
    missing: tuple[NotModelled, ...] = ()
    workload: Workload | None = None
    redacted: bool = False
    notes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def major(self) -> int:
        """Major version of the server it was taken from."""
        return self.server.major

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of everything a twin is made of: not the time, the workload or usage counters.

        Of relations that the catalog leaves out, our own tables among them, sizes and statistics do not count: every
        run adds rows to those, and the twin would never be found again.
        """
        left_out = {"catalog", "server", "captured_at", "workload", "notes", "roles", "sizes", "statistics"}
        parts = [getattr(self, f.name) for f in fields(self) if f.name not in left_out]
        known = {t.name for t in self.catalog.tables} | {i.name for i in self.catalog.indexes()}
        parts += [[s for s in self.sizes if s.name in known], [s for s in self.statistics if s.relation in known]]
        # The text of frozen values is as good as JSON here, and ten times as quick: a large schema has millions.
        text = repr((self.server.version_num, _shape(self.catalog), parts))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_siblings(snapshot: Snapshot, siblings: Siblings) -> Snapshot:
    """The snapshot with what belongs to the representatives of the groups only, without their uneven indexes."""
    gone, uneven = siblings.left_out, siblings.uneven

    def stays(name: QualifiedName) -> bool:
        return name.schema not in gone and name not in uneven

    return replace(
        snapshot,
        objects=tuple(
            o
            for o in snapshot.objects
            if (o.name if o.kind == "SCHEMA" else o.schema) not in gone
            and (not o.kind.startswith("INDEX") or QualifiedName(o.schema, o.name) not in uneven)
        ),
        sizes=tuple(s for s in snapshot.sizes if stays(s.name)),
        statistics=tuple(s for s in snapshot.statistics if stays(s.relation)),
        extended=tuple(e for e in snapshot.extended if stays(e.table)),
    )


def held_once(snapshot: Snapshot) -> Snapshot:
    """The same, with those statistics that stand with a column of the catalog as well held once: of a thousand tables
    they are most of what a snapshot takes in memory.
    """
    known = {(t.name, c.name): c.statistics for t in snapshot.catalog.tables for c in t.columns}
    statistics = []
    for entry in snapshot.statistics:
        same = known.get((entry.relation, entry.column or ""))
        statistics.append(replace(entry, statistics=same) if same is not None and same == entry.statistics else entry)
    return replace(snapshot, statistics=tuple(statistics))


def _shape(catalog: Catalog) -> Catalog:
    """The catalog without what changes by itself (activity, scans, times) or stands beside it (statistics)."""
    tables = tuple(
        replace(
            t,
            activity=type(t.activity)(),
            columns=tuple(replace(c, statistics=None) for c in t.columns),
            indexes=tuple(replace(i, scans=None, statistics=()) for i in t.indexes),
        )
        for t in catalog.tables
    )
    bare = replace(catalog, functions=MappingProxyType({}), leakproof=frozenset())
    return replace(bare, tables=tables, taken_at=None, statistics_since=None)


KIND = "indexpilot.snapshot"


def save(snapshot: Snapshot, path: Path) -> None:
    """Write the snapshot; the file appears whole or not at all (written beside, then renamed). Mode 0600."""
    document = {"kind": KIND, "format": FORMAT, "snapshot": to_json(snapshot)}
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        # No time and no name in the header: equal snapshots make equal files.
        files.write(path, gzip.compress(data, compresslevel=6, mtime=0))
    except OSError as error:
        raise UsageError(f"cannot write {path}", detail=error.strerror) from error


def load(path: Path) -> Snapshot:
    """The snapshot in the file. Raises UsageError when it is missing, damaged, something else, or too new."""
    document = _read(path)
    if document.get("kind") != KIND:
        raise UsageError(
            f"{path} is not a snapshot", hint="write one with  indexpilot snapshot save FILE", code="not_a_snapshot"
        )
    written = document.get("format")
    if not isinstance(written, int) or written > FORMAT:
        raise UsageError(
            f"{path} was written by a newer indexpilot",
            detail=f"file format {written}, this program reads up to {FORMAT}",
            hint="upgrade indexpilot-cli, or take the snapshot again",
            code="snapshot_too_new",
        )
    try:
        return held_once(from_json(Snapshot, document.get("snapshot")))
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        data = files.read_gzip(path, files.SNAPSHOT)
        document = {} if data is None else files.parse_json(data)
    except (*files.UNREADABLE, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if data is None:
        raise UsageError(f"{path} is not a snapshot", code="not_a_snapshot")
    return document if isinstance(document, dict) else {}


def _damaged(path: Path, detail: str) -> UsageError:
    return UsageError(
        f"{path} is damaged", detail=detail[:200], hint="take the snapshot again", code="damaged_snapshot"
    )
