"""``indexpilot lifecycle builds``."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, seconds_of
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

BUILDS_EXAMPLES = """Examples:

  indexpilot lifecycle builds -d shop

  indexpilot lifecycle builds -d shop --watch

  indexpilot lifecycle builds -d shop --sample 30s --json

Builds of everybody are shown: CREATE INDEX, REINDEX, and keys that
ALTER TABLE adds. Progress is looked at four times within --sample; the end
is given between the fastest and the slowest pace that was seen.
"""
Watch = Annotated[bool, option("--watch", "Go on until nothing is being built.")]
Sample = Annotated[str | None, option("--sample TIME", "How long to look at progress: 2s.")]


@command("lifecycle builds", *SERVER)
def builds(
    session: CommandSession, *, watch: Watch = False, sample: Sample = None, exit_code: opt.ExitCode = False
) -> int:
    """Show running index builds, whom they wait for and when they may end, and what builds left behind."""
    session.load()
    length = seconds_of("--sample", sample)
    from indexpilot_cli.lifecycle.builds import BuildsRequest, run
    from indexpilot_cli.render.views.builds import builds_view

    request = BuildsRequest(seconds=2.0 if length is None else length, watch=watch)
    return answer(session, run, request, builds_view, exit_code=exit_code)
