"""Which fields a tenant uses: read often, so cached; changed rarely, and seen at once where it was changed."""

from __future__ import annotations

from typing import Any

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.genome import profiles
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey
from indexpilot_cli.genome.profiles import checked_tenant
from indexpilot_cli.host import place
from indexpilot_cli.host.place import TtlCache
from indexpilot_cli.log import metadata
from indexpilot_cli.settings.sections import Settings

_Key = tuple[int, str | None]
_cache: TtlCache[_Key, tuple[dict[str, Any], ...]] = TtlCache(300.0, 1000)
place.on_schema_change(_cache.clear)


def configure_profile_cache(seconds: float, size: int) -> None:
    """How long and how many answers of ``get_tenant_fields`` are kept; 0 seconds keeps none.

    In place of ``features.expression_profiles.cache_seconds`` and ``cache_size``, until a pool is opened again.
    """
    _cache.seconds, _cache.size = seconds, size
    _cache.clear()


def _by_settings(settings: Settings) -> None:
    limits = settings.features.expression_profiles
    configure_profile_cache(limits.cache_seconds, limits.cache_size)


place.on_configured(_by_settings)


def initialize_tenant_expression(tenant_id: int, *, known: bool | None = None) -> dict[str, Any]:
    """Give a tenant one profile row per genome field, with the field's default; again it adds nothing.

    ``created`` counts new rows. The tenant is looked up in the host's table ``tenants(id)``: ``verified`` is True
    when it is there and None when there is no such table. A tenant that is not there is refused with UsageError,
    unless the caller vouches for it with ``known=True``.
    """
    schema = place.metadata_schema()
    with place.session() as session:
        metadata.require(session, schema)
        by = place.record_of("initialize_tenant_expression")
        done = profiles.initialize_tenant(session, tenant_id, known=bool(known), schema=schema, by=by)
    # After the commit: an answer made before it would be kept until it expires, as other processes keep theirs.
    _cache.clear()
    return {"tenant_id": tenant_id, "created": done.created, "verified": done.verified}


def enable_field(tenant_id: int, table_name: str, field_name: str, schema_name: str = "public") -> bool:
    """Switch a field on for a tenant; True when that changed something, which is then logged.

    Raises UsageError for a field that the genome catalog, or a tenant that the host's table of them does not have.
    """
    return _switch(tenant_id, _key(schema_name, table_name, field_name), True)


def disable_field(tenant_id: int, table_name: str, field_name: str, schema_name: str = "public") -> bool:
    """Switch a field off for a tenant; True when that changed something, which is then logged.

    Raises UsageError for a field that the genome catalog, or a tenant that the host's table of them does not have.
    """
    return _switch(tenant_id, _key(schema_name, table_name, field_name), False)


def get_tenant_fields(tenant_id: int, table_name: str | None = None) -> list[dict[str, Any]]:
    """The tenant's active fields: schema_name, table_name, field_name, field_type, feature_group, explicit.

    Where the tenant has no profile row (``explicit`` False) the field's default decides.
    """
    rows = _cache.get((checked_tenant(tenant_id), table_name), lambda: _active(tenant_id, table_name))
    return [dict(row) for row in rows]


def _key(schema_name: str, table_name: str, field_name: str) -> FieldKey:
    table = QualifiedName(place.checked_name(schema_name, "schema"), place.checked_name(table_name, "table"))
    return FieldKey(table, place.checked_name(field_name, "field"))


def _switch(tenant_id: int, key: FieldKey, enabled: bool) -> bool:
    schema = place.metadata_schema()
    with place.session() as session:
        metadata.require(session, schema)
        profiles.require_field(session, key, schema)
        profiles.profiled_tenant(session, checked_tenant(tenant_id), schema=schema)
        by = place.record_of("enable_field" if enabled else "disable_field")
        changed = profiles.switch_field(session, tenant_id, key, enabled, schema=schema, by=by)
    _cache.clear()
    return changed


def _active(tenant_id: int, table_name: str | None) -> tuple[dict[str, Any], ...]:
    schema_name, name = place.checked_table(table_name)
    with place.session() as session:
        found = genome.tenant_fields(session, tenant_id, name, schema_name, active=True, schema=place.metadata_schema())
    return tuple(
        {
            "schema_name": f.key.table.schema,
            "table_name": f.key.table.name,
            "field_name": f.key.field,
            "field_type": f.type,
            "feature_group": f.group,
            "explicit": f.explicit,
        }
        for f in found
    )
