"""``indexpilot genome list`` and ``genome set``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.options import RUN, ExitCode, Schemas, Tables, option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot genome list -d shop --table orders

  indexpilot genome set orders note raw --not-indexable --write

  indexpilot genome set orders status --group workflow
"""
TheTable = Annotated[str, typer.Argument(metavar="TABLE", help="The table, such as orders or sales.orders.")]
TheFields = Annotated[
    list[str] | None,
    typer.Argument(metavar="FIELD", help="Its fields; none: all of them.", show_default=False),
]
Write = Annotated[bool, option("--write", "Do it; without this it is only shown.", panel=RUN)]


@command("genome list", *SERVER)
def list_(
    session: CommandSession,
    *,
    table: Tables = None,
    schema: Schemas = None,
    group: Annotated[str | None, option("--group NAME", "Only this feature group.")] = None,
    not_indexable: Annotated[bool, option("--not-indexable", "Only what may not be indexed.")] = False,
) -> int:
    """Show the fields of the genome catalog: types, groups, and what may be indexed."""
    session.load()
    from indexpilot_cli.admin.genome import GenomeListRequest, list_fields
    from indexpilot_cli.render.views.genome import genome_view

    request = GenomeListRequest(
        tables=tuple(table or ()), schemas=tuple(schema or ()), group=group, only_forbidden=not_indexable
    )
    return answer(session, list_fields, request, genome_view)


@command("genome set", *SERVER)
def set_(
    session: CommandSession,
    *,
    table: TheTable,
    field: TheFields = None,
    indexable: Annotated[
        bool | None, option("--indexable/--not-indexable", "Whether indexes on them may be recommended.")
    ] = None,
    group: Annotated[str | None, option("--group NAME", "Their feature group.")] = None,
    write: Write = False,
    exit_code: ExitCode = False,
) -> int:
    """Say which fields may be indexed, and what group they are of. Shown first; --write does it."""
    session.load()
    from indexpilot_cli.admin.genome import GenomeSetRequest, set_fields
    from indexpilot_cli.genome.profiles import FieldSettings
    from indexpilot_cli.render.views.genome import genome_set_view

    wanted = FieldSettings(indexable, group)
    request = GenomeSetRequest(session.connection(), table, tuple(field or ()), wanted, write)
    return answer(session, set_fields, request, genome_set_view, exit_code=exit_code)


COMMANDS = {"list": list_, "set": set_}
