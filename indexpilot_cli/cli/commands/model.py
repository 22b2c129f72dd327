"""``indexpilot model train``, ``model show`` and ``model forget``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot apply --verify replay -d shop

  indexpilot model train -d shop

  indexpilot model show -d shop --json

  indexpilot model forget index_benefit -d shop
"""
Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="index_benefit or interceptor_risk; none: all.", show_default=False)
]


@command("model train", *SERVER)
def train(session: CommandSession) -> int:
    """Learn what indexes really save from measured builds, and use it only where it beats the planner."""
    return _run(session, "run_train", None)


@command("model show", *SERVER)
def show(session: CommandSession, *, name: Name = None) -> int:
    """Show what was learned: on how many outcomes, how it did on templates it had not seen, and whether it is used."""
    return _run(session, "run_show", name)


@command("model forget", *SERVER)
def forget(session: CommandSession, *, name: Name = None) -> int:
    """Delete what was learned; the outcomes stay in the log."""
    return _run(session, "run_forget", name)


def _run(session: CommandSession, action: str, name: str | None) -> int:
    session.load()
    from indexpilot_cli.admin import model
    from indexpilot_cli.render.views.model import model_view

    actions = {"run_train": model.run_train, "run_show": model.run_show, "run_forget": model.run_forget}
    return answer(session, actions[action], model.ModelRequest(name=name), model_view)


COMMANDS = {"train": train, "show": show, "forget": forget}
