"""The genome catalog and the profiles of tenants."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from indexpilot_cli.admin.genome import GenomeResult, GenomeSetResult
from indexpilot_cli.admin.schema_sync import SchemaSyncResult
from indexpilot_cli.admin.tenant import TenantChange, TenantResult, TenantsResult
from indexpilot_cli.admin.types import TypesResult
from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.units import DASH
from indexpilot_cli.genome.sync import GenomeChange
from indexpilot_cli.render.document import Block, Code, Document, Lines, TableBlock, TableColumn, columns
from indexpilot_cli.render.units import one_line, plural, stamp


class TenantReportDocument(DocumentShape):
    """A tenant with a profile."""

    tenant: Annotated[int, From("tenant_id")]
    fields: Annotated[Count, "profile rows"]
    enabled: Count
    since: datetime


class TenantsDocument(DocumentShape):
    """Tenants that have a profile; the others use the default of every field."""

    registry: Annotated[QualifiedName | None, "the host's table of tenants"]
    genome_fields: Count
    tenants: tuple[TenantReportDocument, ...]


class TenantFieldDocument(DocumentShape):
    """A field as the tenant has it."""

    table: Annotated[QualifiedName, From("key.table")]
    field: Annotated[str, From("key.field")]
    type: str
    group: str | None
    enabled: bool
    explicit: Annotated[bool, "false: the default speaks, for want of a profile row"]


class TenantDocument(DocumentShape):
    """One tenant's fields."""

    tenant: int
    verified: Annotated[bool | None, "null: no table of tenants to ask"]
    profile: Annotated[bool, "false: no profile rows, the defaults speak"]
    enabled: Annotated[Count, "of all fields asked for"]
    disabled: Count
    fields: tuple[TenantFieldDocument, ...]


class TenantSwitchDocument(DocumentShape):
    """A field that was named."""

    table: Annotated[QualifiedName, From(lambda pair: pair[0])]
    field: Annotated[str, From(lambda pair: pair[1])]


class TenantChangeDocument(DocumentShape):
    """A change of a tenant's profile."""

    action: Literal["init", "enable", "disable"]
    tenant: int
    verified: Annotated[bool | None, "null: no table of tenants to ask"]
    dry_run: bool
    changed: Annotated[Count, "profile rows made, or fields that were not so already"]
    fields: tuple[TenantSwitchDocument, ...]


_SYNC_COLUMNS = columns("change|short", "table", "field", "before", "after")
_FIELD_COLUMNS = columns("table", "field", "type", "null|short", "index|short", "default|short", "group")
_CHANGE_COLUMNS = columns("table", "field", "setting|short", "before", "after")
_TENANT_COLUMNS = columns("tenant|number", "fields|number", "enabled|number", "disabled|number", "since|short")
_OWN_COLUMNS = columns("table", "field", "type", "state|short", "by|short", "group")
_DONE = {"init": "begun with", "enable": "switched on", "disable": "switched off"}


def genome_view(result: GenomeResult) -> Document:
    """One line per field."""
    rows = tuple(
        (
            f.table.short,
            quote_identifier(f.field),
            f.type,
            "no" if f.required else "yes",
            "yes" if f.indexable else "no",
            "on" if f.default_expression else "off",
            one_line(f.group or DASH),
        )
        for f in result.fields
    )
    tables = len({f.table for f in result.fields})
    forbidden = sum(not f.indexable for f in result.fields)
    hidden = f"; {result.hidden:,} more left out by the filters" if result.hidden else ""
    line = f"{plural(len(rows), 'field')} of {plural(tables, 'table')}, {forbidden:,} not to be indexed{hidden}"
    if not rows:
        line = f"no fields{hidden}" if result.hidden else "the genome catalog is empty"
    return Document(_listed(_FIELD_COLUMNS, rows, line), result, GenomeResult)


def _listed(heads: tuple[TableColumn, ...], rows: tuple[tuple[str, ...], ...], line: str) -> tuple[Block, ...]:
    """The rows, where there are any, and a sentence about them."""
    return (TableBlock(heads, rows), Lines((line,))) if rows else (Lines((line,)),)


def schema_sync_view(result: SchemaSyncResult) -> Document:
    """One line per difference."""
    rows = tuple(_sync_row(c) for c in result.changes)
    line = f"{plural(len(rows), 'change')} {'followed' if result.applied else 'to follow: add --write'}"
    if not rows:
        line = f"the genome catalog has what the database has: {plural(result.fields, 'field')}"
        line += f" of {plural(result.tables, 'table')}"
    return Document(_listed(_SYNC_COLUMNS, rows, line), result, SchemaSyncResult)


def _sync_row(change: GenomeChange) -> tuple[str, ...]:
    field = DASH if change.field is None else quote_identifier(change.field)
    return (change.kind.replace("_", " "), change.table.short, field, change.before or DASH, change.after or DASH)


def genome_set_view(result: GenomeSetResult) -> Document:
    """One line per change."""
    rows = tuple(
        (c.table.short, quote_identifier(c.field), c.setting, _word(c.before), _word(c.after)) for c in result.changes
    )
    if not rows:
        line = f"nothing to change: {plural(result.fields, 'field is', 'fields are')} so already"
    else:
        done = "written" if result.written else "would be written: add --write"
        line = f"{plural(len(rows), 'change')} {done}"
    return Document(_listed(_CHANGE_COLUMNS, rows, line), result, GenomeSetResult)


def _word(value: str | bool | None) -> str:
    if value is None:
        return DASH
    return ("yes" if value else "no") if isinstance(value, bool) else one_line(value)


def tenants_view(result: TenantsResult) -> Document:
    """One line per tenant."""
    rows = tuple(
        (str(t.tenant_id), str(t.fields), str(t.enabled), str(t.fields - t.enabled), stamp(t.since))
        for t in result.tenants
    )
    listed = f" listed in {result.registry.short}" if result.registry else ""
    line = f"{plural(len(rows), 'tenant')} with a profile; all others{listed} use the defaults"
    if not rows:
        line = "no tenant has a profile: all use the defaults"
    return Document(_listed(_TENANT_COLUMNS, rows, line), result, TenantsDocument)


def tenant_view(result: TenantResult) -> Document:
    """One line per field."""
    rows = tuple(
        (
            f.key.table.short,
            quote_identifier(f.key.field),
            f.type,
            "on" if f.enabled else "off",
            "profile" if f.explicit else "default",
            one_line(f.group or DASH),
        )
        for f in result.fields
    )
    by = "" if result.profile else " (no profile: the defaults)"
    line = f"tenant {result.tenant} uses {result.enabled:,} of {plural(result.enabled + result.disabled, 'field')}{by}"
    return Document(_listed(_OWN_COLUMNS, rows, line), result, TenantDocument)


def tenant_change_view(result: TenantChange) -> Document:
    """What was done in one sentence."""
    fields = plural(result.changed, "field")
    if not result.changed and result.action == "init":
        line = f"tenant {result.tenant}: nothing to add, its profile has every field of the genome catalog"
    elif not result.changed:
        line = f"tenant {result.tenant}: nothing to change, it was so already"
    elif result.action == "init":
        line = f"tenant {result.tenant}: profile {_DONE['init']} {fields}"
    else:
        line = f"tenant {result.tenant}: {fields} {_DONE[result.action]}"
        line += f" of {plural(len(result.fields), 'field')} named" if len(result.fields) != result.changed else ""
    lines = (line, "dry run: nothing changed") if result.dry_run else (line,)
    return Document((Lines(lines),), result, TenantChangeDocument)


def types_view(result: TypesResult) -> Document:
    """The source as it is; of a file that was checked its difference."""
    if result.checked is None:
        return Document((Code(result.source, "python"),), result, TypesResult)
    if not result.diff:
        return Document((Lines((f"{result.checked} is up to date",)),), result, TypesResult)
    return Document((Code("\n".join(result.diff), "diff"),), result, TypesResult)
