"""Changing fields and tenants' profiles: what does not exist is refused, and the log says what changed, no more.

The row of the log is written in the transaction of its change, so that there is one exactly when that was committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from indexpilot_cli.core.command import ANYBODY, Record
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.core.names import split_table
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey, GenomeField
from indexpilot_cli.log import mutations
from indexpilot_cli.log.metadata import SCHEMA


@dataclass(frozen=True, slots=True)
class Initialized:
    """A tenant's profile was begun: ``created`` rows are new.

    ``verified`` is True when the host's table of tenants has the tenant or the caller vouches for it, None when there
    is no table to ask.
    """

    created: int
    verified: bool | None


@dataclass(frozen=True, slots=True)
class FieldSettings:
    """What may be set of a field; None leaves it as it is."""

    indexable: bool | None = None
    group: str | None = None

    def changes(self, now: GenomeField) -> dict[str, tuple[str | bool | None, str | bool]]:
        """What would be another value than now, before and after, by the column's name in the genome catalog."""
        found: dict[str, tuple[str | bool | None, str | bool]] = {}
        if self.indexable is not None and self.indexable != now.indexable:
            found["is_indexable"] = now.indexable, self.indexable
        if self.group is not None and self.group != now.group:
            found["feature_group"] = now.group, self.group
        return found


def tenant_number(tenant_id: object) -> int | None:
    """The id as a plain number, None for what no tenant's can be: our tables have four bytes for it."""
    if isinstance(tenant_id, bool) or not isinstance(tenant_id, int) or not -(2**31) <= tenant_id < 2**31:
        return None
    return int(tenant_id)


def checked_tenant(tenant_id: object) -> int:
    """The id, when a tenant can have it. Raises UsageError otherwise."""
    number = tenant_number(tenant_id)
    if number is None:
        raise UsageError(f"not a tenant id: {str(tenant_id)[:40]!r}", hint="a whole number of four bytes")
    return number


def verified_tenant(session: Session, tenant_id: int, *, known: bool = False) -> bool | None:
    """True when the host's table of tenants has it (or ``known``: somebody vouches), None when there is no such table.

    Raises UsageError for a tenant that the table does not have.
    """
    registry = None if known else genome.find_registry(session)
    if registry is None:
        return True if known else None
    if tenant_id not in genome.known_tenants(session, registry, frozenset({tenant_id})):
        raise UsageError(f"{registry.table} has no tenant {tenant_id}", code="unknown_tenant")
    return True


def profiled_tenant(session: Session, tenant_id: int, *, known: bool = False, schema: str = SCHEMA) -> bool | None:
    """As ``verified_tenant``; who vouched for a tenant when its profile was begun need not do it again."""
    vouched = known or genome.has_profile(session, tenant_id, schema=schema)
    return verified_tenant(session, tenant_id, known=vouched)


def initialize_tenant(
    session: Session, tenant_id: int, *, known: bool = False, schema: str = SCHEMA, by: Record = ANYBODY
) -> Initialized:
    """One profile row per genome field with the field's default; again it adds nothing and logs nothing.

    Raises UsageError for a tenant the host does not know.
    """
    verified = verified_tenant(session, checked_tenant(tenant_id), known=known)
    created = genome.initialize(session, tenant_id, schema=schema)
    if created:
        facts = {"fields": created, "verified": verified}
        row = Mutation(MutationType.INITIALIZE_TENANT, facts, tenant_id, state="DONE")
        mutations.record_change(session, row, by, schema=schema)
    return Initialized(created, verified)


def switch_field(
    session: Session,
    tenant_id: int,
    key: FieldKey,
    enabled: bool,
    *,
    schema: str = SCHEMA,
    by: Record = ANYBODY,
) -> bool:
    """Switch a field of a tenant; True when that changed something, which is then logged.

    Field (``require_field``, ``named_fields``) and tenant (``profiled_tenant``) have been looked at before.
    """
    changed = genome.set_enabled(session, tenant_id, key, enabled, schema=schema)
    if changed:
        kind = MutationType.ENABLE_FIELD if enabled else MutationType.DISABLE_FIELD
        mutations.record_change(session, _of_field(kind, key, tenant_id=tenant_id), by, schema=schema)
    return changed


def set_field(
    session: Session, now: GenomeField, wanted: FieldSettings, *, schema: str = SCHEMA, by: Record = ANYBODY
) -> None:
    """Set what is wanted of the field; a change is logged with what was there before."""
    changes = wanted.changes(now)
    if not changes:
        return
    genome.update(session, now.key, indexable=wanted.indexable, group=wanted.group, schema=schema)
    facts = {"action": "genome_set", "changes": {name: list(pair) for name, pair in changes.items()}}
    row = replace(_of_field(MutationType.SYSTEM_CONFIG_CHANGE, now.key), details=facts)
    mutations.record_change(session, row, by, schema=schema)


def _of_field(kind: MutationType, key: FieldKey, *, tenant_id: int | None = None) -> Mutation:
    return Mutation(
        kind,
        tenant_id=tenant_id,
        table_name=key.table.name,
        field_name=key.field,
        schema_name=key.table.schema,
        state="DONE",
    )


def require_field(session: Session, key: FieldKey, schema: str = SCHEMA) -> None:
    """Raises UsageError with the nearest when the genome catalog has no field of that name."""
    fields = genome.fields(session, key.table.name, key.table.schema, schema=schema)
    _named(fields, key.field, str(key.table))


def named_fields(session: Session, table: str, names: Sequence[str], schema: str = SCHEMA) -> tuple[GenomeField, ...]:
    """Those fields of a table as it is typed (``orders``, ``sales.orders``). No names: all fields of the table.

    Raises UsageError for a table or a field that the genome catalog does not have, and for a table that several
    schemas have.
    """
    schema_name, table_name = split_table(table)
    fields = genome.fields(session, table_name, schema_name, schema=schema)
    if not fields:
        raise unknown_table(session, table, schema)
    places = dict.fromkeys(f.table for f in fields)
    if len(places) > 1:
        listed = ", ".join(map(str, places))
        raise UsageError(f"several schemas have a table {table}", hint=f"one of {listed}", code="ambiguous_table")
    return tuple(_named(fields, name, table) for name in names) or fields


def unknown_table(session: Session, table: str, schema: str = SCHEMA) -> UsageError:
    """The error for a table that the genome catalog does not have, with the nearest that it has."""
    known = {str(f.table): None for f in genome.fields(session, schema=schema)}
    words = {**known, **{name.partition(".")[2]: None for name in known}}
    near = get_close_matches(table, words, n=1)
    return UsageError(
        f"the genome catalog has no table {table[:160]!r}",
        hint=f"did you mean {near[0]}?" if near else "indexpilot discover --save fills the catalog",
        code="unknown_table",
    )


def _named(fields: Sequence[GenomeField], name: str, table: str) -> GenomeField:
    found = next((f for f in fields if f.name == name), None)
    if found is not None:
        return found
    near = get_close_matches(name, [f.name for f in fields], n=1)
    raise UsageError(
        f"the genome catalog has no field {name[:80]!r} of {table[:160]}",
        hint=f"did you mean {near[0]}?" if near else "indexpilot discover --save fills the catalog",
        code="unknown_field",
    )
