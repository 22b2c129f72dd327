"""The genome: the fields of the host's tables as the database has them now.

A field is one column of one table. Tenants switch fields on and off in their expression profiles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.log.metadata import SCHEMA

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


@dataclass(frozen=True, slots=True)
class Discovered:
    """A field as the database has it now, and where it physically is."""

    field: GenomeField
    identity: ColumnIdentity


def discover(
    session: Session,
    *,
    schemas: Collection[str] | None = None,
    exclude: Collection[str] = (),
    schema: str = SCHEMA,
    groups: Sequence[tuple[str, str]] | None = None,
) -> tuple[Discovered, ...]:
    """Every column of every ordinary, partitioned and materialized relation, ordered by schema, table and position.

    Left out: partitions (their parent stands for them), foreign and temporary tables, what extensions own, the
    server's schemas and our own, and tables named in ``exclude`` (``table`` or ``schema.table``).
    ``groups`` are feature group patterns in place of the usual ones.
    """
    # Our own tables are no fields of the host.
    parameters = {"own": schema, "schemas": None if schemas is None else list(schemas)}
    rows = session.rows("genome/discover", parameters)
    return tuple(
        _discovered(row, groups)
        for row in rows
        if row.table_name not in exclude and f"{row.schema_name}.{row.table_name}" not in exclude
    )


def _discovered(row: Row, groups: Sequence[tuple[str, str]] | None) -> Discovered:
    # Operator classes are asked of the server: extensions bring types and classes of their own.
    facts = filled(FieldType, row, methods=frozenset(row.methods), width=row.avg_width)
    method = index_method(facts)
    name = row.field_name
    found = GenomeField(
        QualifiedName(row.schema_name, row.table_name),
        name,
        row.field_type,
        required=row.is_required,
        indexable=method is not None,
        group=feature_group(name) if groups is None else feature_group(name, groups),
        method=method,
    )
    return Discovered(found, ColumnIdentity(row.relid, row.attnum))
