"""``indexpilot schema`` and ``completion``: texts for other programs."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from indexpilot_cli.cli.command import LOCAL, command
from indexpilot_cli.cli.session import CommandSession

SCHEMA_EXAMPLES = """Examples:

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
    session.only("table", "json")
    from indexpilot_cli.cli.show import payload
    from indexpilot_cli.render.schema import names, text

    if name:
        payload(session, text(name))
    else:
        listed = "\n".join(names())
        payload(session, f"{json.dumps({'schemas': names()}) if session.machine else listed}\n")
    return 0


COMPLETION_EXAMPLES = """Examples:

  indexpilot completion bash > ~/.local/share/bash-completion/completions/indexpilot

  indexpilot completion zsh > "${fpath[1]}/_indexpilot"

  indexpilot completion fish > ~/.config/fish/completions/indexpilot.fish
"""


class Shell(StrEnum):
    """Shells with a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@command("completion", *LOCAL)
def completion(
    session: CommandSession,
    *,
    shell: Annotated[Shell, typer.Argument(help="The shell.", show_default=False)],
) -> int:
    """Print the completion script of a shell."""
    session.load()
    session.only("table")
    from indexpilot_cli.cli.show import payload

    payload(session, script(shell.value))
    return 0


def script(shell: str) -> str:
    """The script as text. It asks the program itself, which answers from local files only."""
    from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

    completion_init()
    text: str = get_completion_script(prog_name="indexpilot", complete_var="_INDEXPILOT_COMPLETE", shell=shell)
    return text.strip() + "\n"


COMMANDS = {"schema": schema, "completion": completion}
EXAMPLES = {"schema": SCHEMA_EXAMPLES, "completion": COMPLETION_EXAMPLES}
