"""``indexpilot bypass status``, ``bypass enable`` and ``bypass disable``."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.cli.command import SERVER, answer, command
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
    from indexpilot_cli.render.views.config import bypass_view

    settings, seconds = session.settings, seconds_of("--for", length)
    request = BypassRequest(action, reason=reason, for_seconds=seconds, bypass=settings.bypass, origins=settings.places)
    return answer(session, run, request, bypass_view)


COMMANDS = {"status": status, "enable": enable, "disable": disable}
