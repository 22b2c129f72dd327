"""The catalog of a database as frozen values: tables, columns, indexes, keys, statistics, activity."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.index import IndexDefinition, TenantUse
from indexpilot_cli.core.names import QualifiedName

_ALSO = {"cidr": "inet", "varchar": "text"}  # types that another's operator classes take as they are
BLOCK = 8192  # bytes of a page of an ordinary build
UNKNOWN_DISTINCT = 200.0  # what the planner takes where nothing is known (DEFAULT_NUM_DISTINCT)


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """One row of ``pg_stats`` (or ``pg_stats_ext_exprs``); values are PostgreSQL text forms, in list order.

    ``n_distinct`` is as stored: negative means a fraction of the rows, zero not known (json, xml and point have no
    equality) or that there is no value. Lists are empty when there are none.
    https://www.postgresql.org/docs/current/view-pg-stats.html
    """

    null_frac: float
    avg_width: int
    n_distinct: float
    most_common_vals: tuple[str, ...] = ()
    most_common_freqs: tuple[float, ...] = ()
    histogram_bounds: tuple[str, ...] = ()
    correlation: float | None = None
    most_common_elems: tuple[str, ...] = ()
    most_common_elem_freqs: tuple[float, ...] = ()
    elem_count_histogram: tuple[float, ...] = ()
    range_length_histogram: tuple[str, ...] = ()
    range_empty_frac: float | None = None
    range_bounds_histogram: tuple[str, ...] = ()

    def distinct(self, rows: float) -> float:
        """Number of distinct non-null values among ``rows`` rows; at least 1 when there are rows."""
        unknown = UNKNOWN_DISTINCT if self.null_frac < 1 else 1.0
        raw = -self.n_distinct * rows if self.n_distinct < 0 else self.n_distinct or unknown
        return max(1.0, min(raw, rows)) if rows > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``type`` is ``format_type()`` text, ``base_type`` the typname under any domain.

    ``category`` is ``pg_type.typcategory`` (N, S, D, A, B, U, …); ``element_type`` is set for arrays.
    ``indexable`` is False when the genome catalog or the expression profiles forbid indexing it;
    ``not_indexable_why`` then says which of them, in a clause. ``used_by`` None: by all tenants, or by many.
    """

    name: str
    number: int
    type: str
    base_type: str
    category: str
    not_null: bool = False
    has_default: bool = False
    generated: str = ""
    collation: str | None = None
    element_type: str | None = None
    length: int = -1
    alignment: str = "i"
    indexable: bool = True
    statistics: ColumnStatistics | None = field(default=None, compare=False)
    not_indexable_why: str = field(default="", compare=False)
    used_by: TenantUse | None = field(default=None, compare=False)
    deterministic: bool = True  # what its collation takes for equal is the same bytes


@dataclass(frozen=True, slots=True)
class Index:
    """An index that exists. ``constraint`` is p, u, x or None; ``pages`` and ``tuples`` are the current size.

    ``tree_height`` is the B-tree root level where known (0: only a leaf), else None. ``statistics`` has one
    entry per key when any key is an expression with statistics (None for the other keys), else it is empty.
    ``parent`` is the partitioned index it is attached to, ``builder`` the process that builds it at this moment.
    ``referenced``: a foreign key finds the rows it refers to by it, and could not do without. ``immediate`` False: its
    uniqueness may be checked late. ``targets`` are statistics targets of keys that have their own, by number;
    ``parameters`` those of the keys' operator classes, one text a key, empty where none has any.
    """

    name: QualifiedName
    definition: IndexDefinition
    ddl: str
    valid: bool = True
    ready: bool = True
    primary: bool = False
    constraint: str | None = None
    clustered: bool = False
    replica_identity: bool = False
    pages: int = 0
    tuples: float = 0.0
    tree_height: int | None = None
    scans: int | None = None
    comment: str | None = None
    statistics: tuple[ColumnStatistics | None, ...] = field(default=(), compare=False)
    oid: int = field(default=0, compare=False)
    parent: QualifiedName | None = None
    builder: int | None = field(default=None, compare=False)
    referenced: bool = False
    parameters: tuple[str, ...] = ()
    immediate: bool = True
    tablespace: str | None = None
    targets: tuple[tuple[int, int], ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes on disk (main fork)."""
        return self.pages * BLOCK

    @property
    def upkeep(self) -> str:
        """What it costs while no query may use it, as a clause: a write maintains it from when it is ready."""
        return "every write maintains it" if self.ready else "no write maintains it"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key: ``columns`` of ``table`` reference ``referenced_columns`` of ``referenced``.

    ``on_delete``/``on_update`` are ``a`` (no action), ``r``, ``c``, ``n`` or ``d`` as in pg_constraint.
    """

    name: str
    table: QualifiedName
    columns: tuple[str, ...]
    referenced: QualifiedName
    referenced_columns: tuple[str, ...]
    on_delete: str = "a"
    on_update: str = "a"
    validated: bool = True


@dataclass(frozen=True, slots=True)
class Activity:
    """Counters of ``pg_stat_user_tables`` since ``since`` (None: unknown). All are totals, not rates."""

    inserts: int = 0
    updates: int = 0
    hot_updates: int = 0
    deletes: int = 0
    seq_scans: int = 0
    index_scans: int = 0
    modified_since_analyze: int = 0
    last_analyze: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A relation with rows: kind is r, p (partitioned), m (materialized view) or f (foreign).

    ``pages`` is the current file length in blocks; ``tuples`` is ``reltuples`` (-1: never analyzed).
    ``parent`` is the partition or inheritance parent; ``partition_key`` is set for kind p.
    ``computed`` are statistics of expressions (in canonical text) that a run worked out from rows it read.
    """

    name: QualifiedName
    kind: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    pages: int = 0
    tuples: float = -1.0
    all_visible_pages: int = 0
    persistence: str = "p"
    parent: QualifiedName | None = None
    is_partition: bool = False
    partition_key: str | None = None
    fillfactor: int = 100
    oid: int = 0
    owner: str | None = None
    readable: bool = True
    activity: Activity = field(default_factory=Activity, compare=False)
    computed: tuple[tuple[str, ColumnStatistics], ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def rows(self) -> float:
        """Estimated live rows, as the planner scales them: at least 0; 0 when never analyzed and empty."""
        return max(self.tuples, 0.0)

    @property
    def size_bytes(self) -> int:
        """Bytes of the main fork."""
        return self.pages * BLOCK


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension: installed version and schema, or only available (``installed`` None)."""

    name: str
    installed: str | None
    available: str | None = None
    schema: str | None = None


class _ByName:
    """Places beside the fields: what a catalog has by a table's name, once asked for, and names that schemas share."""

    __slots__ = ("_by_name", "_children_by_name", "_keys_by_name", "_shared")
    _by_name: Mapping[QualifiedName, Table]
    _shared: frozenset[str]
    _keys_by_name: Mapping[QualifiedName, Sequence[ForeignKey]]
    _children_by_name: Mapping[QualifiedName, Sequence[Table]]


@dataclass(frozen=True, slots=True)
class OperatorClass:
    """An operator class of GiST, GIN, SP-GiST or an extension's access method, for values of ``type`` (typname).

    ``searches`` are operators that select rows by it, ``orders`` those that give rows nearest first.
    """

    method: str
    name: str
    type: str
    is_default: bool
    searches: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SqlFunction:
    """A function in SQL that the planner may inline. ``names`` are those of its arguments ('' where it has none)."""

    name: QualifiedName
    names: tuple[str, ...]
    body: str
    returns_set: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """A row-level security policy that roles of the application are subject to; ``condition`` is its USING clause.

    ``command`` is ``*`` or r, a, w, d as in pg_policy. Permissive ones are joined by OR, the others by AND.
    """

    table: QualifiedName
    command: str
    permissive: bool
    condition: str


@dataclass(frozen=True, slots=True)
class Catalog(_ByName):
    """Everything the advisor knows of one database. ``version`` is ``server_version_num``.

    ``functions`` maps ``schema.name`` or ``name`` to volatility (i, s, v) for user and system functions the
    workload may use; ``leakproof`` are names whose every overload the server holds to raise no errors, ``supported``
    those of extensions whose conditions an index can serve though they are no operators (ST_DWithin);
    ``settings`` holds planner settings as text; ``search_path`` is the effective one.
    """

    version: int
    database: str
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    extensions: tuple[Extension, ...] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    functions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    leakproof: frozenset[str] = frozenset()
    supported: frozenset[str] = frozenset()
    sql_functions: tuple[SqlFunction, ...] = ()
    operator_classes: tuple[OperatorClass, ...] = ()
    policies: tuple[Policy, ...] = ()
    views: Mapping[QualifiedName, str] = field(default_factory=lambda: MappingProxyType({}))
    search_path: tuple[str, ...] = ("public",)
    default_collation: str = "en_US.UTF-8"
    encoding: str = "UTF8"
    statistics_since: datetime | None = None
    taken_at: datetime | None = None

    def indexes(self) -> Iterator[Index]:
        """Every index of every table."""
        return chain.from_iterable(table.indexes for table in self.tables)

    def table(self, name: QualifiedName) -> Table | None:
        """The table of that qualified name, or None."""
        try:
            return self._by_name.get(name)
        except AttributeError:
            # Asked for each candidate and template: a walk through a thousand tables each time is felt.
            object.__setattr__(self, "_by_name", {table.name: table for table in self.tables})
            return self._by_name.get(name)

    def is_shared(self, name: str) -> bool:
        """Whether tables of several schemas have the name."""
        try:
            return name in self._shared
        except AttributeError:
            # Asked for each statement.
            counts = Counter(table.name.name for table in self.tables)
            object.__setattr__(self, "_shared", frozenset(n for n, count in counts.items() if count > 1))
            return name in self._shared

    def keys_of(self, name: QualifiedName) -> Sequence[ForeignKey]:
        """The foreign keys of the table, in their order."""
        try:
            return self._keys_by_name.get(name, ())
        except AttributeError:
            # Asked for each index that is measured or may go.
            object.__setattr__(self, "_keys_by_name", _grouped((key.table, key) for key in self.foreign_keys))
            return self._keys_by_name.get(name, ())

    def children_of(self, name: QualifiedName) -> Sequence[Table]:
        """The partitions of the table, or the tables that inherit from it, in the order of the catalog."""
        try:
            return self._children_by_name.get(name, ())
        except AttributeError:
            # Asked for each table that is proposed for, and each index of a partitioned one that is measured.
            object.__setattr__(self, "_children_by_name", _grouped((t.parent, t) for t in self.tables))
            return self._children_by_name.get(name, ())

    def resolve(self, name: str, schema: str | None = None) -> Table | None:
        """The table an unqualified (search_path) or qualified name means, or None."""
        found = (self.table(QualifiedName(s, name)) for s in ((schema,) if schema else self.search_path))
        return next((table for table in found if table is not None), None)

    def classes(self, method: str, kind: str) -> tuple[OperatorClass, ...]:
        """The method's operator classes for a type (typname), the default one first."""
        names = {kind, "anyarray" if kind.startswith("_") else _ALSO.get(kind, "")}
        names |= {"anymultirange" if kind.endswith("multirange") else "anyrange"} if kind.endswith("range") else set()
        found = (c for c in self.operator_classes if c.method == method and c.type in names)
        return tuple(sorted(found, key=lambda c: not c.is_default))

    def has_extension(self, name: str) -> bool:
        """Whether the extension is installed in the database."""
        return any(e.name == name and e.installed for e in self.extensions)

    @property
    def major(self) -> int:
        """Major version of the server, such as 15."""
        return self.version // 10000


@dataclass(frozen=True, slots=True)
class Server:
    """Identity of a server. ``version`` is text such as ``16.4``."""

    version: str
    version_num: int
    database: str
    host: str | None
    port: int | None
    user: str
    in_recovery: bool = False
    read_only: bool = False
    tls: bool = False

    @property
    def major(self) -> int:
        """Major version, such as 16."""
        return self.version_num // 10000


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What we may use: each field is a fact that was asked of the server, not guessed from a version.

    ``metadata_hidden``: IndexPilot's tables are there, and our role may not read them. ``statements_fix`` opens
    pg_stat_statements where it cannot be read; ``statements_off`` is the setting by which it records nothing.
    """

    server: Server
    superuser: bool = False
    reads_all_stats: bool = False
    can_create_schema: bool = False
    generic_plan: bool = False
    statements_version: str | None = None
    statements_readable: bool = False
    statements_preloaded: bool = False
    statements_fix: str | None = None
    statements_off: str | None = None
    hypopg_version: str | None = None
    hypopg_available: str | None = None
    pooler_suspected: bool = False
    metadata_version: int | None = None
    metadata_hidden: bool = False
    unreadable_tables: tuple[str, ...] = field(default=())


def _grouped(pairs: Iterable[tuple[QualifiedName | None, Any]]) -> dict[QualifiedName | None, list[Any]]:
    found: defaultdict[QualifiedName | None, list[Any]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return found
