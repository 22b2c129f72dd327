"""``indexpilot schema``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.command import LOCAL, command
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot schema recommend

  indexpilot schema error > error.schema.json
"""


@command("schema", *LOCAL)
def schema(
    session: CommandSession,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A command, or error; without it all names are listed.")
    ] = None,
) -> int:
    """Print the JSON schema (draft 2020-12) of a command's result, or list the names."""
    session.load()
    from indexpilot_cli.cli.show import payload
    from indexpilot_cli.render.schema import names, text

    payload(session, text(name) if name else "".join(f"{n}\n" for n in names()))
    return 0


COMMANDS = {"schema": schema}
