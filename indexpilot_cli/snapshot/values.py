"""What a snapshot holds: frozen values that describe a database well enough to plan its queries elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from indexpilot_cli.core.catalog import Catalog, ColumnStatistics, Server
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Workload
from indexpilot_cli.methods.kind import GinPages

FORMAT = 1  # of the snapshot file; raised when an older reader could misunderstand a newer file


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One object of the schema as ``pg_dump`` writes it: its SQL and what the comment above it says.

    ``kind`` is pg_dump's word (TABLE, INDEX, FK CONSTRAINT, …); ``name`` and ``schema`` are unquoted.
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

    ``settings`` are the planner settings in force in the reading session; ``overrides`` are those of other
    roles and databases as (database or "", role or "", setting, value). ``collate`` and ``ctype`` are the
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
    overrides: tuple[tuple[str, str, str, str], ...] = ()
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
        """Sixteen hex digits of everything a twin is made of: not the time, the workload or usage counters."""
        bare = replace(
            self, captured_at=datetime(1970, 1, 1), workload=None, notes=(), roles=(), catalog=_shape(self.catalog)
        )
        data = to_json(bare)
        del data["captured_at"], data["server"]
        text = json.dumps([data, self.server.version_num], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _shape(catalog: Catalog) -> Catalog:
    """The catalog without what changes by itself: activity, scans, times."""
    tables = tuple(
        replace(t, activity=type(t.activity)(), indexes=tuple(replace(i, scans=None) for i in t.indexes))
        for t in catalog.tables
    )
    return replace(catalog, tables=tables, taken_at=None, statistics_since=None)
