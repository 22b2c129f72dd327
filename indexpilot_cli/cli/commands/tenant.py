"""``indexpilot tenant list``, ``show``, ``init``, ``enable`` and ``disable``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.commands.genome import TheFields, TheTable
from indexpilot_cli.cli.options import DryRun, option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot tenant init 7 -d shop

  indexpilot tenant disable 7 orders note

  indexpilot tenant show 7 --table orders --disabled
"""
TheTenant = Annotated[int, typer.Argument(metavar="TENANT", help="The tenant's id.", min=-(2**31), max=2**31 - 1)]
Known = Annotated[bool, option("--known", "The tenant exists, whatever the table of tenants says.")]


@command("tenant list", *SERVER)
def list_(session: CommandSession) -> int:
    """Show the tenants that have a profile."""
    session.load()
    from indexpilot_cli.admin.tenant import TenantListRequest, list_tenants
    from indexpilot_cli.render.views.genome import tenants_view

    return answer(session, list_tenants, TenantListRequest(), tenants_view)


@command("tenant show", *SERVER)
def show(
    session: CommandSession,
    *,
    tenant: TheTenant,
    table: Annotated[str | None, option("--table T", "Only this table.")] = None,
    enabled: Annotated[
        bool | None, option("--enabled/--disabled", "Only the fields it uses, or those it does not.")
    ] = None,
) -> int:
    """Show which fields a tenant uses; without a profile it uses the defaults."""
    session.load()
    from indexpilot_cli.admin.tenant import TenantShowRequest, show_tenant
    from indexpilot_cli.render.views.genome import tenant_view

    return answer(session, show_tenant, TenantShowRequest(session.connection(), tenant, table, enabled), tenant_view)


@command("tenant init", *SERVER)
def init(session: CommandSession, *, tenant: TheTenant, known: Known = False, dry_run: DryRun = False) -> int:
    """Begin a tenant's profile with the default of every field; again it adds what is new."""
    return _change(session, "init", tenant, known=known, dry_run=dry_run)


@command("tenant enable", *SERVER)
def enable(
    session: CommandSession,
    *,
    tenant: TheTenant,
    table: TheTable,
    field: TheFields = None,
    known: Known = False,
    dry_run: DryRun = False,
) -> int:
    """Switch fields on for a tenant."""
    return _change(session, "enable", tenant, table, field, known=known, dry_run=dry_run)


@command("tenant disable", *SERVER)
def disable(
    session: CommandSession,
    *,
    tenant: TheTenant,
    table: TheTable,
    field: TheFields = None,
    known: Known = False,
    dry_run: DryRun = False,
) -> int:
    """Switch fields off for a tenant. What all tenants have switched off is not recommended for an index."""
    return _change(session, "disable", tenant, table, field, known=known, dry_run=dry_run)


def _change(
    session: CommandSession,
    action: str,
    tenant: int,
    table: str = "",
    fields: list[str] | None = None,
    *,
    known: bool,
    dry_run: bool,
) -> int:
    session.load()
    from indexpilot_cli.admin.tenant import TenantChangeRequest, change_tenant
    from indexpilot_cli.render.views.genome import tenant_change_view

    request = TenantChangeRequest(action, session.connection(), tenant, table, tuple(fields or ()), known, dry_run)
    return answer(session, change_tenant, request, tenant_change_view)


COMMANDS = {"list": list_, "show": show, "init": init, "enable": enable, "disable": disable}
