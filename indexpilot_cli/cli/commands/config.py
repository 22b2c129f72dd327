"""``indexpilot config show`` and ``config check``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli.command import LOCAL, command
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

if TYPE_CHECKING:
    from indexpilot_cli.render.views.config import Setting

EXAMPLES = """Examples:

  indexpilot config show --origin

  indexpilot config check indexpilot.yaml
"""


@command("config show", *LOCAL)
def show(
    session: CommandSession,
    *,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Only this key or section, such as advisor.budget.")
    ] = None,
    origin: Annotated[bool, option("--origin", "Say where each value comes from.")] = False,
) -> int:
    """Show the effective settings."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.core.command import Outcome
    from indexpilot_cli.render.views.config import config_view
    from indexpilot_cli.settings.keys import chosen

    settings = tuple(_setting(session, path) for path in chosen(key))
    outcome = Outcome("config", settings)
    files = session.settings.files
    return finish(session, outcome, config_view(settings, files, origins=origin, verbose=session.verbose))


@command("config check", *LOCAL)
def check(
    session: CommandSession,
    *,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="The file; without it those that count here.")
    ] = None,
) -> int:
    """Check the configuration without a server; all mistakes are reported together."""
    session.run = dataclasses.replace(session.run, config=file or session.run.config)
    settings = session.load().settings
    session.ignore_configured_output()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.core.command import Outcome
    from indexpilot_cli.render.views.config import checked

    document = checked(settings.files, len(settings.origins), settings.warnings)
    return finish(session, Outcome("config_check", settings), document)


def _setting(session: CommandSession, path: str) -> Setting:
    from indexpilot_cli.render.views.config import Setting
    from indexpilot_cli.settings.keys import keys, value_of

    key = keys()[path]
    value = value_of(session.settings, path)
    return Setting(path, value, str(session.settings.origin(path)), key.rule.secret, key.variable)


COMMANDS = {"show": show, "check": check}
