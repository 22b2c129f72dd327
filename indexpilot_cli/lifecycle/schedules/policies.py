"""What a tenant's own runs look for, and when: policies in our own tables, and the tables that a tenant uses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from indexpilot_cli.core.command import CommandRequest, Outcome, Progress, TableFilter
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.capabilities import look as look_at_server
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome.table import has_profile
from indexpilot_cli.lifecycle.schedules import store
from indexpilot_cli.lifecycle.schedules.timetable import Job
from indexpilot_cli.log.bookkeeping import bookkeeping, writer
from indexpilot_cli.log.metadata import question
from indexpilot_cli.snapshot.source import open_reader

_RHYTHMS = {"weekly": Job.WEEKLY, "monthly": Job.MONTHLY, "off": None}


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """``schedule`` is weekly, monthly or off; ``components`` None: all; ``min_age`` None: that of the settings."""

    tenant: int
    schedule: str = "off"
    components: tuple[str, ...] | None = None
    min_age: timedelta | None = None

    @property
    def rhythm(self) -> Job | None:
        """The job whose days and hours are the tenant's; None: the clock does not run it."""
        return _RHYTHMS[self.schedule]

    def parts(self, switched: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the components that the policy lets run."""
        return tuple(name for name in switched if self.components is None or name in self.components)


def policies(session: Session, schema: str) -> dict[int, TenantPolicy]:
    """The policies by tenant."""
    rows = session.rows(question(session, "lifecycle/policies", schema), {})
    return {
        r.tenant_id: TenantPolicy(
            r.tenant_id,
            r.schedule,
            None if r.components is None else tuple(r.components),
            None if r.min_age_seconds is None else timedelta(seconds=r.min_age_seconds),
        )
        for r in rows
    }


def keep_policy(session: Session, policy: TenantPolicy, actor: str, schema: str) -> None:
    """Keep the policy in place of the tenant's earlier one. Raises UsageError for a tenant nobody knows."""
    require_tenant(session, policy.tenant, schema)
    values = {
        "tenant": policy.tenant,
        "schedule": policy.schedule,
        "components": None if policy.components is None else list(policy.components),
        "min_age": None if policy.min_age is None else policy.min_age.total_seconds(),
        "actor": actor or None,
    }
    session.execute(question(session, "lifecycle/policy_set", schema), values)


def require_tenant(session: Session, tenant: int, schema: str) -> None:
    """Raises UsageError for a tenant without an expression profile."""
    if not has_profile(session, tenant, schema=schema):
        raise UsageError(
            f"tenant {tenant} has no expression profile",
            hint=f"indexpilot tenant init {tenant}",
            code="unknown_tenant",
        )


def tables_of(session: Session, tenant: int, schema: str) -> TableFilter:
    """The tables with a field the tenant uses; none: its profile switches every field off, or they are gone."""
    rows = session.rows(question(session, "lifecycle/tenant_tables", schema), {"tenant": tenant})
    return TableFilter(tables=tuple(str(QualifiedName(r.schema_name, r.table_name)) for r in rows))


@dataclass(frozen=True, slots=True)
class PolicyRequest(CommandRequest):
    """``tenant`` None: show all. What is None of the rest stays as it is; ``everything``: no component is left out."""

    tenant: int | None = None
    schedule: str | None = None
    components: tuple[str, ...] | None = None
    everything: bool = False
    min_age: timedelta | None = None

    @property
    def changes(self) -> bool:
        """Whether something is asked for beside looking."""
        return self.everything or any(v is not None for v in (self.schedule, self.components, self.min_age))


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """The policies by tenant, after the change if there was one."""

    policies: tuple[TenantPolicy, ...]
    changed: bool


def run(request: PolicyRequest, progress: Progress) -> Outcome[PolicyResult]:
    """Keep the tenant's policy, or show it.

    Raises UsageError for a tenant without a profile, PrerequisiteError before ``init``, RefusedError where nothing can
    be written.
    """
    connection, schema = request.connection, request.connection.metadata_schema
    with bookkeeping(connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the policies")
        with open_reader(connection) as session:
            server = look_at_server(session, metadata_schema=schema).server
            store.require(session, schema)
            before = policies(session, schema)
        wanted = before
        if request.tenant is not None and request.changes:
            note.type(MutationType.SYSTEM_CONFIG_CHANGE)
            wanted = {**before, request.tenant: _changed(before.get(request.tenant), request.tenant, request)}
            if wanted != before:
                with writer(connection) as session:
                    store.require_writable(session, request.record, schema)
                    keep_policy(session, wanted[request.tenant], request.record.actor, schema)
            note.details(tenant=request.tenant, schedule=wanted[request.tenant].schedule, changed=wanted != before)
    shown = tuple(p for tenant, p in sorted(wanted.items()) if request.tenant in (None, tenant))
    return Outcome("lifecycle_policy", PolicyResult(shown, wanted != before), server=server, warnings=note.warnings)


def _changed(known: TenantPolicy | None, tenant: int, request: PolicyRequest) -> TenantPolicy:
    policy = known or TenantPolicy(tenant, "weekly")
    if request.everything or request.components is not None:
        policy = replace(policy, components=None if request.everything else request.components)
    return replace(policy, schedule=request.schedule or policy.schedule, min_age=request.min_age or policy.min_age)
