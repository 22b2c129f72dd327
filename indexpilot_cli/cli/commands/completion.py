"""``indexpilot completion``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from indexpilot_cli.cli.command import LOCAL, command
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

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
    from indexpilot_cli.cli.show import payload

    payload(session, script(shell.value))
    return 0


def script(shell: str) -> str:
    """The script as text. It asks the program itself, which answers from local files only."""
    from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

    completion_init()
    text: str = get_completion_script(prog_name="indexpilot", complete_var="_INDEXPILOT_COMPLETE", shell=shell)
    return text.strip() + "\n"


COMMANDS = {"completion": completion}
