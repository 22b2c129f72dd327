"""The genome: what we know of each field of the host's tables, and what that lets the advisor do.

A field is one column of one table. Tenants switch fields on and off in their expression profiles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.names import QualifiedName

CORE = "core"
CUSTOM = "custom"
GROUP_PATTERNS: tuple[tuple[str, str], ...] = (
    ("custom_*", CUSTOM),
    ("*_custom", CUSTOM),
    ("cf_*", CUSTOM),
    ("udf_*", CUSTOM),
    ("attribute[0-9]*", CUSTOM),
)

# A value wider than a third of a page does not fit into a B-tree; an average beyond this makes that likely.
_WIDE_BYTES = 1000
# json and xml have no equality at all; bytea has, but what it holds is hardly ever searched for.
_NOT_FOR_INDEXES = frozenset({"bytea", "json", "xml"})
# These have B-tree operator classes too, for sorting whole values: nobody searches by those.
_METHOD_OF_TYPE = {"jsonb": "gin", "tsvector": "gin", "hstore": "gin", "tsquery": "gist"}
_METHOD_OF_CATEGORY = {"A": "gin", "G": "gist", "R": "gist"}
# A B-tree serves equality, ranges and order; the others only where it has no operator class.
_METHODS_BY_PREFERENCE = ("btree", "gin", "gist", "spgist", "brin")


@dataclass(frozen=True, slots=True)
class FieldKey:
    """What names a field: schema, table and column as they stand in the catalog."""

    table: QualifiedName
    field: str


@dataclass(frozen=True, slots=True)
class GenomeField:
    """One row of ``genome_catalog``. ``type`` is the full type as ``format_type()`` prints it.

    ``method`` is the access method an index on the field would use; None when unknown or when there is none.
    """

    table: QualifiedName
    name: str
    type: str
    required: bool = False
    indexable: bool = True
    default_expression: bool = True
    group: str | None = CORE
    method: str | None = field(default=None, compare=False)

    @property
    def key(self) -> FieldKey:
        """What names the field."""
        return FieldKey(self.table, self.name)


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One row of ``expression_profile``: a tenant's switch for a field."""

    tenant_id: int
    key: FieldKey
    enabled: bool


@dataclass(frozen=True, slots=True)
class ColumnIdentity:
    """Where a column physically is: ``pg_class.oid`` and ``pg_attribute.attnum``. Renaming changes neither."""

    relid: int
    attnum: int


@dataclass(frozen=True, slots=True)
class FieldType:
    """What decides whether a column can be indexed. ``methods`` have a default operator class for its type.

    ``width`` is the average width in bytes and ``all_wide`` says that ANALYZE found only values too wide to keep.
    """

    base_type: str
    category: str
    methods: frozenset[str]
    width: int | None = None
    all_wide: bool = False


def index_method(facts: FieldType) -> str | None:
    """The access method an index on a column of that type would use, or None when it should have no index.

    https://www.postgresql.org/docs/current/indexes-opclass.html
    """
    if facts.base_type in _NOT_FOR_INDEXES:
        return None
    special = _METHOD_OF_TYPE.get(facts.base_type) or _METHOD_OF_CATEGORY.get(facts.category)
    if special in facts.methods:
        return special
    if facts.all_wide or (facts.width or 0) >= _WIDE_BYTES:
        return None
    return next((m for m in _METHODS_BY_PREFERENCE if m in facts.methods), None)


def feature_group(name: str, patterns: Iterable[tuple[str, str]] = GROUP_PATTERNS) -> str:
    """The group of the first pattern (``fnmatch`` form) the lower-cased name matches, else ``core``."""
    return next((group for pattern, group in patterns if fnmatchcase(name.lower(), pattern)), CORE)


def apply_indexable(catalog: Catalog, genome: Iterable[GenomeField]) -> Catalog:
    """The catalog with ``indexable`` False where the genome forbids it; columns it does not know stay as they are."""
    forbidden = {f.key: "the genome catalog says is_indexable = false" for f in genome if not f.indexable}
    return _forbid(catalog, forbidden)


def apply_profiles(catalog: Catalog, genome: Iterable[GenomeField], profiles: Sequence[ProfileRow]) -> Catalog:
    """The catalog with ``indexable`` False for fields that no tenant has switched on.

    Every tenant with at least one profile row counts; where a tenant has no row for a field, the field's
    ``default_expression`` speaks. Without any profile nothing changes.
    """
    tenants = {row.tenant_id for row in profiles}
    switches: dict[FieldKey, dict[int, bool]] = {}
    for row in profiles:
        switches.setdefault(row.key, {})[row.tenant_id] = row.enabled
    forbidden = {
        f.key: f"disabled in the expression profile of every tenant ({len(tenants)})"
        for f in genome
        if tenants and not _anyone_uses(f, tenants, switches.get(f.key, {}))
    }
    return _forbid(catalog, forbidden)


def _anyone_uses(f: GenomeField, tenants: Collection[int], switches: Mapping[int, bool]) -> bool:
    return any(switches.get(tenant, f.default_expression) for tenant in tenants)


def _forbid(catalog: Catalog, reasons: Mapping[FieldKey, str]) -> Catalog:
    if not reasons:
        return catalog
    return replace(catalog, tables=tuple(_forbid_columns(table, reasons) for table in catalog.tables))


def _forbid_columns(table: Table, reasons: Mapping[FieldKey, str]) -> Table:
    columns = tuple(_forbid_column(column, reasons.get(FieldKey(table.name, column.name))) for column in table.columns)
    return table if columns == table.columns else replace(table, columns=columns)


def _forbid_column(column: Column, reason: str | None) -> Column:
    if reason is None or not column.indexable:
        return column
    return replace(column, indexable=False, not_indexable_why=reason)
