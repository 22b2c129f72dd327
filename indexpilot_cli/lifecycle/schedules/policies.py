"""What a tenant's own runs look for, and when: policies in our own tables, and the tables that a tenant uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from indexpilot_cli.core.command import TableFilter
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.schedules.timetable import Job
from indexpilot_cli.log.metadata import question

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
    if not session.value(question(session, "lifecycle/tenant_known", schema), {"tenant": tenant}):
        raise UsageError(
            f"tenant {tenant} has no expression profile",
            hint="the host application makes one: indexpilot_cli.host.initialize_tenant_expression",
            code="unknown_tenant",
        )


def tables_of(session: Session, tenant: int, schema: str) -> TableFilter:
    """The tables with a field the tenant uses; none: its profile switches every field off, or they are gone."""
    rows = session.rows(question(session, "lifecycle/tenant_tables", schema), {"tenant": tenant})
    return TableFilter(tables=tuple(str(QualifiedName(r.schema_name, r.table_name)) for r in rows))
