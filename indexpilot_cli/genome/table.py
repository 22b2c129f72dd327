"""The genome catalog and the expression profiles as our tables keep them, and what they forbid the advisor.

A profile says which fields a tenant uses; a tenant without a row follows the field's default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.index import TenantUse
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import SQL, Identifier, Literal
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.genome.fields import ColumnIdentity, Discovered, FieldKey, GenomeField, ProfileRow
from indexpilot_cli.log.metadata import SCHEMA, question

# Twenty values are more than a partial index for a few tenants should name; the planner gives up at a hundred
# (MAX_SAOP_ARRAY_SIZE of predtest.c).
_FEW = 20
_MOST_TENANTS = 100_000


def fields(
    session: Session, table_name: str | None = None, schema_name: str | None = None, *, schema: str = SCHEMA
) -> tuple[GenomeField, ...]:
    """What the genome catalog holds, all of it or of one table; an unknown table has no fields."""
    return tuple(map(field_of, stamped_fields(session, table_name, schema_name, schema=schema)))


def stamped_fields(
    session: Session, table_name: str | None = None, schema_name: str | None = None, *, schema: str = SCHEMA
) -> tuple[Row, ...]:
    """The rows of the genome catalog as they are, with ``created_at`` and ``updated_at``; ``field_of`` reads one."""
    parameters = {"table_name": table_name, "schema_name": schema_name}
    return tuple(session.rows(question(session, "genome/fields", schema), parameters))


def add(session: Session, new: Iterable[GenomeField], *, schema: str = SCHEMA) -> int:
    """Add the fields that are not there yet; gives how many were. What is there, and was set by hand, stays."""
    # One statement with arrays, however many columns the host has.
    listed = tuple(new)
    columns = {
        **_keys(f.key for f in listed),
        "field_type": [f.type for f in listed],
        "is_required": [f.required for f in listed],
        "is_indexable": [f.indexable for f in listed],
        "default_expression": [f.default_expression for f in listed],
        "feature_group": [f.group for f in listed],
    }
    return session.execute(question(session, "genome/insert", schema), columns) if listed else 0


def update(
    session: Session,
    key: FieldKey,
    *,
    type: str | None = None,
    required: bool | None = None,
    indexable: bool | None = None,
    group: str | None = None,
    schema: str = SCHEMA,
) -> bool:
    """Change what is given of one field; False when the catalog does not have it."""
    values = _key(key) | {
        "field_type": type,
        "is_required": required,
        "is_indexable": indexable,
        "feature_group": group,
    }
    return session.execute(question(session, "genome/update", schema), values) == 1


def remove(session: Session, gone: Iterable[FieldKey], *, schema: str = SCHEMA) -> int:
    """Forget the fields with their profiles; gives how many there were."""
    listed = tuple(gone)
    return session.execute(question(session, "genome/delete", schema), _keys(listed)) if listed else 0


def rename(session: Session, old: FieldKey, new: FieldKey, *, schema: str = SCHEMA) -> bool:
    """Give a field and its profiles another name; False when the catalog does not have it."""
    target = {"new_schema": new.table.schema, "new_table": new.table.name, "new_field": new.field}
    return session.execute(question(session, "genome/rename", schema), _key(old) | target) == 1


def identities(session: Session, *, schema: str = SCHEMA) -> dict[FieldKey, ColumnIdentity]:
    """Where each field was when we last looked."""
    rows = session.rows(question(session, "genome/identities", schema), {})
    return {_row_key(row): ColumnIdentity(row.relid, row.attnum) for row in rows}


def save_identities(session: Session, found: Iterable[Discovered], *, schema: str = SCHEMA) -> None:
    """Remember where each field is."""
    listed = tuple(found)
    columns = {
        **_keys(d.field.key for d in listed),
        "relid": [d.identity.relid for d in listed],
        "attnum": [d.identity.attnum for d in listed],
    }
    session.execute(question(session, "genome/identities_save", schema), columns)


def field_of(row: Row) -> GenomeField:
    """A row of the genome catalog; what it does not say, nobody has forbidden."""
    return GenomeField(
        QualifiedName(row.schema_name, row.table_name),
        row.field_name,
        row.field_type,
        required=bool(row.is_required),
        indexable=row.is_indexable is not False,
        default_expression=row.default_expression is not False,
        group=row.feature_group,
    )


def _row_key(row: Row) -> FieldKey:
    return FieldKey(QualifiedName(row.schema_name, row.table_name), row.field_name)


def _key(key: FieldKey) -> dict[str, Any]:
    return {"schema_name": key.table.schema, "table_name": key.table.name, "field_name": key.field}


def _keys(keys: Iterable[FieldKey]) -> dict[str, list[str]]:
    listed = tuple(keys)
    return {
        "schema_name": [k.table.schema for k in listed],
        "table_name": [k.table.name for k in listed],
        "field_name": [k.field for k in listed],
    }


@dataclass(frozen=True, slots=True)
class TenantField:
    """A field as a tenant has it; not ``explicit``: the tenant has no profile row for it, its default speaks."""

    key: FieldKey
    type: str
    group: str | None
    explicit: bool
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class TenantProfile:
    """How many profile rows a tenant has, how many of them are switched on, and when the first was made."""

    tenant_id: int
    fields: int
    enabled: int
    since: datetime


@dataclass(frozen=True, slots=True)
class TenantRegistry:
    """The host's column that lists its tenants."""

    table: QualifiedName
    column: str


def initialize(session: Session, tenant_id: int, *, schema: str = SCHEMA) -> int:
    """One row per genome field with the field's default; gives how many rows are new."""
    return session.execute(question(session, "genome/profile_initialize", schema), {"tenant_id": tenant_id})


def set_enabled(session: Session, tenant_id: int, key: FieldKey, enabled: bool, *, schema: str = SCHEMA) -> bool:
    """Switch one field of one tenant; False when that changes nothing (or the catalog has no such field)."""
    values = _key(key) | {"tenant_id": tenant_id, "is_enabled": enabled}
    return session.execute(question(session, "genome/profile_set", schema), values) == 1


def tenant_fields(
    session: Session,
    tenant_id: int,
    table_name: str | None = None,
    schema_name: str | None = None,
    *,
    active: bool = False,
    schema: str = SCHEMA,
) -> tuple[TenantField, ...]:
    """The fields as the tenant has them, by its profile where it has one, else by default; or the ``active`` only."""
    parameters = {"tenant_id": tenant_id, "table_name": table_name, "schema_name": schema_name, "active": active}
    rows = session.rows(question(session, "genome/profile_fields", schema), parameters)
    return tuple(TenantField(_row_key(r), r.field_type, r.feature_group, r.explicit, r.enabled) for r in rows)


def tenant_profiles(session: Session, *, schema: str = SCHEMA) -> tuple[TenantProfile, ...]:
    """Every tenant that has profile rows, with how many."""
    rows = session.rows(question(session, "genome/tenants", schema), {})
    return tuple(TenantProfile(r.tenant_id, r.fields, r.enabled, r.since) for r in rows)


def has_profile(session: Session, tenant_id: int, *, schema: str = SCHEMA) -> bool:
    """Whether the tenant has a profile row."""
    return bool(session.value(question(session, "genome/has_profile", schema), {"tenant_id": tenant_id}))


def profile_rows(session: Session, key: FieldKey, *, schema: str = SCHEMA) -> tuple[ProfileRow, ...]:
    """The tenants' rows for one field."""
    rows = session.rows(question(session, "genome/profiles", schema), _key(key))
    return tuple(ProfileRow(r.tenant_id, _row_key(r), r.is_enabled) for r in rows)


def profile_count(session: Session, key: FieldKey, *, schema: str = SCHEMA) -> int:
    """How many tenants have a row for the field."""
    return int(session.value(question(session, "genome/profile_count", schema), _key(key)))


def find_registry(session: Session) -> TenantRegistry | None:
    """The host's table of tenants: ``tenants`` with an integer column ``id``, else what most foreign keys of a column
    ``tenant_id`` refer to, else None.
    """
    row = session.one("genome/tenant_registry", {"table_name": "tenants", "field_name": "id", "schema_name": None})
    return None if row is None else TenantRegistry(QualifiedName(row.schema_name, row.table_name), row.field_name)


def profile_tenants(session: Session, *, schema: str = SCHEMA) -> tuple[int, ...]:
    """The ids of the tenants that have a profile, in order."""
    # From id to id through the index: the rows are as many as tenants times fields.
    return tuple(row.id for row in session.rows(question(session, "genome/profile_tenants", schema), {}))


def known_tenants(session: Session, registry: TenantRegistry, tenants: frozenset[int]) -> frozenset[int]:
    """Those of the tenants that the host knows."""
    # Table and column are the host's own words; only identifiers can be composed in their place.
    query = SQL("SELECT DISTINCT {column} FROM {table} WHERE {column} = ANY ({wanted})").format(
        column=Identifier(registry.column),
        table=Identifier(registry.table.schema, registry.table.name),
        wanted=Literal(sorted(tenants)),
    )
    return frozenset(int(row[0]) for row in session.rows(query))


def all_tenants(session: Session, *, schema: str = SCHEMA) -> frozenset[int]:
    """Tenants that have a profile, and with them those the host's table lists; nobody when none has a profile."""
    known = profile_tenants(session, schema=schema)
    registry = find_registry(session) if known else None
    if registry is None:
        return frozenset(known)
    query = SQL("SELECT DISTINCT {column} FROM {table} WHERE {column} BETWEEN {low} AND {high} LIMIT {most}").format(
        column=Identifier(registry.column),
        table=Identifier(registry.table.schema, registry.table.name),
        low=Literal(-(2**31)),
        high=Literal(2**31 - 1),
        most=Literal(_MOST_TENANTS),
    )
    return frozenset(known).union(int(row[0]) for row in session.rows(query))


def field_usage(session: Session, tenants: Collection[int], *, schema: str = SCHEMA) -> dict[FieldKey, tuple[int, ...]]:
    """Of each field that at most twenty of these tenants use, those tenants; a tenant without a row has the default."""
    parameters = {"tenants": sorted(tenants), "most": _FEW}
    rows = session.rows(question(session, "genome/usage", schema), parameters)
    return {_row_key(row): tuple(row.users) for row in rows}


def obey_genome(session: Session, catalog: Catalog, schema: str = SCHEMA) -> Catalog:
    """The catalog with those columns marked that the genome, or every tenant's profile, forbids to index.

    The metadata tables must be there. Columns say why in ``not_indexable_why``, and which few tenants use them.
    """
    obeyed = apply_indexable(catalog, fields(session, schema=schema))
    tenants = all_tenants(session, schema=schema)
    return apply_usage(obeyed, field_usage(session, tenants, schema=schema), len(tenants)) if tenants else obeyed


def apply_indexable(catalog: Catalog, genome: Iterable[GenomeField]) -> Catalog:
    """The catalog with ``indexable`` False where the genome forbids it; columns it does not know stay as they are."""
    forbidden = {f.key: "the genome catalog says is_indexable = false" for f in genome if not f.indexable}
    return _forbid(catalog, forbidden)


def apply_usage(catalog: Catalog, usage: Mapping[FieldKey, Sequence[int]], tenants: int) -> Catalog:
    """The catalog with ``indexable`` False for fields that none of so many tenants uses, and ``used_by`` where few do.

    Few are at most half of them.
    """
    unused = f"disabled in the expression profile of every tenant ({tenants})"
    forbidden = {key: unused for key, users in usage.items() if not users}
    few = {key: TenantUse(tuple(users), tenants) for key, users in usage.items() if 0 < 2 * len(users) <= tenants}

    def marked(table: Table) -> Table:
        columns = tuple(replace(c, used_by=few.get(FieldKey(table.name, c.name))) for c in table.columns)
        return replace(table, columns=columns) if any(c.used_by for c in columns) else table

    obeyed = _forbid(catalog, forbidden)
    return replace(obeyed, tables=tuple(map(marked, obeyed.tables))) if few else obeyed


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
