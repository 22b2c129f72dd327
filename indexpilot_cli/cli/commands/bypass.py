"""``indexpilot bypass status``, ``bypass enable`` and ``bypass disable``."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot bypass status -d shop

  indexpilot bypass disable --reason "release tonight" --for 4h

  indexpilot bypass enable --reason "release is out"
"""
Reason = Annotated[str, option("--reason TEXT", "Why, for the log.")]


@command("bypass status", *SERVER)
def status(session: CommandSession) -> int:
    """Show what is switched off, by whom and why."""
    return _run(session, "status")


@command("bypass enable", *SERVER)
def enable(session: CommandSession, *, reason: Reason = "") -> int:
    """Switch IndexPilot on again, for every process that uses this database."""
    return _run(session, "enable", reason)


@command("bypass disable", *SERVER)
def disable(
    session: CommandSession,
    *,
    reason: Reason = "",
    for_: Annotated[str | None, option("--for TIME", "Back on by itself after: 4h.")] = None,
) -> int:
    """Switch IndexPilot off, for every process that uses this database; a reason is needed."""
    return _run(session, "disable", reason, for_)


def _run(session: CommandSession, action: str, reason: str = "", length: str | None = None) -> int:
    session.load()
    from indexpilot_cli.apply.bypass import run
    from indexpilot_cli.apply.values import BypassRequest
    from indexpilot_cli.cli.command import seconds_of
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.config import bypass_view

    seconds = seconds_of("--for", length)
    settings = session.settings
    request = BypassRequest(
        action, session.connection(), reason, seconds, settings.bypass, settings.places, session.record()
    )
    outcome = session.call(run, request)
    return finish(session, outcome, bypass_view(outcome.result))


COMMANDS = {"status": status, "enable": enable, "disable": disable}
