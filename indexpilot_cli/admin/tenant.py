"""``tenant list``, ``show``, ``init``, ``enable`` and ``disable``: which fields each tenant uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexpilot_cli.core.command import CommandRequest, Connection, Outcome, Progress, Record
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.session import Session
from indexpilot_cli.genome import profiles
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.profiles import checked_tenant, named_fields, profiled_tenant, verified_tenant
from indexpilot_cli.genome.table import TenantField, TenantProfile
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.snapshot.source import open_metadata

INIT, ENABLE = "init", "enable"


@dataclass(frozen=True, slots=True)
class TenantListRequest(CommandRequest):
    """Every tenant with a profile."""


@dataclass(frozen=True, slots=True)
class TenantsResult:
    """Tenants with profile rows. ``registry`` is the host's table of tenants, None where none was found.

    ``genome_fields`` is how many fields there are.
    """

    tenants: tuple[TenantProfile, ...]
    genome_fields: int
    registry: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class TenantShowRequest:
    """One tenant's fields, or those of one table; ``only`` True: those it uses, False: those it does not, None: all."""

    connection: Connection
    tenant: int
    table: str | None = None
    only: bool | None = None
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class TenantResult:
    """The fields as the tenant has them. ``verified`` None: no table of tenants to ask; ``profile``: it has rows."""

    tenant: int
    fields: tuple[TenantField, ...]
    enabled: int
    disabled: int
    profile: bool
    verified: bool | None


@dataclass(frozen=True, slots=True)
class TenantChangeRequest:
    """``action`` is init, enable or disable (the named fields of a table, or all of it).

    ``known``: somebody vouches for the tenant.
    """

    action: str
    connection: Connection
    tenant: int
    table: str = ""
    fields: tuple[str, ...] = ()
    known: bool = False
    dry_run: bool = False
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What was to be done and what of it was no repetition: rows made by init, or fields switched."""

    action: str
    tenant: int
    fields: tuple[tuple[QualifiedName, str], ...]
    changed: int
    dry_run: bool
    verified: bool | None


def list_tenants(request: TenantListRequest, progress: Progress) -> Outcome[TenantsResult]:
    """Every tenant with a profile. Raises PrerequisiteError before ``init``."""
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the profiles")
        with open_metadata(request.connection) as (session, server):
            registry = genome.find_registry(session)
            found = genome.tenant_profiles(session, schema=schema)
            fields = len(genome.fields(session, schema=schema))
        note.details(tenants=len(found))
    result = TenantsResult(found, fields, registry.table if registry else None)
    return Outcome("tenants", result, server=server, warnings=note.warnings)


def show_tenant(request: TenantShowRequest, progress: Progress) -> Outcome[TenantResult]:
    """The fields as the tenant has them; without a profile it has the defaults.

    Raises UsageError for a tenant or a table that is not there, PrerequisiteError before ``init``.
    """
    connection, schema = request.connection, request.connection.metadata_schema
    with bookkeeping(connection, MutationType.DISCOVER, request.record, tenant=request.tenant) as note:
        progress.stage("reading the profile")
        with open_metadata(connection) as (session, server):
            result = _shown(session, request, schema)
        note.details(enabled=result.enabled, disabled=result.disabled)
    # Of a tenant with a profile somebody vouched when that was begun.
    unsure = _unverified(result.tenant) if result.verified is None and not result.profile else ()
    return Outcome("tenant", result, server=server, warnings=(*unsure, *note.warnings))


def _shown(session: Session, request: TenantShowRequest, schema: str) -> TenantResult:
    tenant = checked_tenant(request.tenant)
    profile = genome.has_profile(session, tenant, schema=schema)
    verified = verified_tenant(session, tenant, known=profile)
    wanted = named_fields(session, request.table, (), schema)[0].table if request.table else None
    name, of_schema = (wanted.name, wanted.schema) if wanted else (None, None)
    fields = genome.tenant_fields(session, tenant, name, of_schema, schema=schema)
    enabled = sum(f.enabled for f in fields)
    shown = tuple(f for f in fields if request.only is None or f.enabled is request.only)
    return TenantResult(tenant, shown, enabled, len(fields) - enabled, profile, verified)


def change_tenant(request: TenantChangeRequest, progress: Progress) -> Outcome[TenantChange]:
    """The profile begun, or fields of it switched; what was so already stays and is not logged as a change.

    Raises UsageError for a tenant, a table or a field that is not there, PrerequisiteError before ``init``.
    """
    schema = request.connection.metadata_schema
    # INITIALIZE_TENANT, ENABLE_FIELD and DISABLE_FIELD stand in the log for what really changed, and nothing else.
    kind = MutationType.DISCOVER if request.dry_run else MutationType.SYSTEM_CONFIG_CHANGE
    with bookkeeping(request.connection, kind, request.record, action=f"tenant_{request.action}") as note:
        note.details(tenant=request.tenant, table=request.table)
        progress.stage("changing the profile")
        with open_metadata(request.connection, write=True) as (session, server):
            result = _changed(session, request, schema)
        _told(note, result)
    unsure = _unverified(result.tenant) if result.verified is None else ()
    status = "ok" if result.changed else "skipped"
    after = (f"indexpilot tenant show {result.tenant}",)
    return Outcome("tenant_change", result, status, 0, server, (*unsure, *note.warnings), after)


def _told(note: Note, result: TenantChange) -> None:
    """A change has its rows already; what changed nothing only looked."""
    note.elsewhere = bool(result.changed) and not result.dry_run
    if not result.changed:
        note.type(MutationType.DISCOVER)
    note.details(changed=result.changed, dry_run=result.dry_run)


def _changed(session: Session, request: TenantChangeRequest, schema: str) -> TenantChange:
    tenant = checked_tenant(request.tenant)
    change = _begun if request.action == INIT else _switched
    with session.transaction(rollback=request.dry_run):  # all fields or none
        return change(session, request, tenant, schema)


def _begun(session: Session, request: TenantChangeRequest, tenant: int, schema: str) -> TenantChange:
    done = profiles.initialize_tenant(session, tenant, known=request.known, schema=schema, by=request.record)
    return TenantChange(INIT, tenant, (), done.created, request.dry_run, done.verified)


def _switched(session: Session, request: TenantChangeRequest, tenant: int, schema: str) -> TenantChange:
    fields = named_fields(session, request.table, request.fields, schema)
    verified = profiled_tenant(session, tenant, known=request.known, schema=schema)
    on, by = request.action == ENABLE, request.record
    switched = [profiles.switch_field(session, tenant, f.key, on, schema=schema, by=by) for f in fields]
    named = tuple((f.table, f.name) for f in fields)
    return TenantChange(request.action, tenant, named, sum(switched), request.dry_run, verified)


def _unverified(tenant: int) -> tuple[Warn, ...]:
    text = "nothing tells whether this tenant exists: no table tenants with an id, and no foreign key of a tenant_id"
    return (Warn("tenant_unverified", f"tenant {tenant}", text),)
