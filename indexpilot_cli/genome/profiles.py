"""Expression profiles: which fields a tenant uses. A tenant without a row follows the field's default."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import SQL, Identifier, Literal
from indexpilot_cli.db.session import Session
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey, ProfileRow, apply_indexable, apply_profiles
from indexpilot_cli.log.metadata import SCHEMA, question


@dataclass(frozen=True, slots=True)
class TenantField:
    """A field that is active for a tenant; ``explicit`` says that the tenant has a profile row for it."""

    key: FieldKey
    type: str
    group: str | None
    explicit: bool


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
    values = {"tenant_id": tenant_id, "is_enabled": enabled}
    names = {"schema_name": key.table.schema, "table_name": key.table.name, "field_name": key.field}
    return session.execute(question(session, "genome/profile_set", schema), values | names) == 1


def active_fields(
    session: Session,
    tenant_id: int,
    table_name: str | None = None,
    schema_name: str | None = None,
    *,
    schema: str = SCHEMA,
) -> tuple[TenantField, ...]:
    """The tenant's active fields, by its profile where it has one, else by default."""
    parameters = {"tenant_id": tenant_id, "table_name": table_name, "schema_name": schema_name}
    return tuple(
        TenantField(FieldKey(QualifiedName(r.schema_name, r.table_name), r.field_name), *(r[3:6]))
        for r in session.rows(question(session, "genome/profile_fields", schema), parameters)
    )


def all_rows(session: Session, *, schema: str = SCHEMA) -> tuple[ProfileRow, ...]:
    """Every profile row."""
    return tuple(
        ProfileRow(r.tenant_id, FieldKey(QualifiedName(r.schema_name, r.table_name), r.field_name), r.is_enabled)
        for r in session.rows(question(session, "genome/profiles", schema), {})
    )


def find_registry(
    session: Session, table_name: str = "tenants", column: str = "id", schema_name: str | None = None
) -> TenantRegistry | None:
    """The host's table of tenants, when there is one of that name with such an integer column, else None."""
    names = {"table_name": table_name, "field_name": column, "schema_name": schema_name}
    row = session.one("genome/tenant_registry", names)
    return None if row is None else TenantRegistry(QualifiedName(row.schema_name, row.table_name), row.field_name)


def known_tenants(session: Session, registry: TenantRegistry, tenants: frozenset[int]) -> frozenset[int]:
    """Those of the tenants that the host knows."""
    # Table and column are the host's own words; only identifiers can be composed in their place.
    query = SQL("SELECT DISTINCT {column} FROM {table} WHERE {column} = ANY ({wanted})").format(
        column=Identifier(registry.column),
        table=Identifier(registry.table.schema, registry.table.name),
        wanted=Literal(sorted(tenants)),
    )
    return frozenset(int(row[0]) for row in session.rows(query))


def obey_genome(session: Session, catalog: Catalog, schema: str = SCHEMA) -> Catalog:
    """The catalog with those columns marked that the genome, or every tenant's profile, forbids to index.

    The metadata tables must be there. Columns say why in ``not_indexable_why``.
    """
    known = genome.fields(session, schema=schema)
    return apply_profiles(apply_indexable(catalog, known), known, all_rows(session, schema=schema))
