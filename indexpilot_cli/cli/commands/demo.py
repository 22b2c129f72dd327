"""``indexpilot demo``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from indexpilot_cli.cli.command import LOCAL, command, planner, planner_flags
from indexpilot_cli.cli.options import Workers, option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot demo

  indexpilot demo --keep

  indexpilot demo stop
"""


class DemoAction(StrEnum):
    """What else the demo can do."""

    STOP = "stop"


@command("demo", *LOCAL)
def demo(
    session: CommandSession,
    *,
    action: Annotated[
        DemoAction | None, typer.Argument(metavar="stop", help="End a server that --keep left running.")
    ] = None,
    keep: Annotated[bool, option("--keep", "Leave the server running, to try commands on.")] = False,
    seed: Annotated[int, option("--seed N", "Same seed, same data and statements.")] = 1,
    rows: Annotated[int | None, option("--rows N", "Rows of the largest table.", min=100)] = None,
    workers: Workers = None,
) -> int:
    """Build a private server with data and a workload, advise on it, and show what the advice changes."""
    session.load(planner_flags(workers=workers))
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.demo import view
    from indexpilot_cli.simulate.demo import run
    from indexpilot_cli.simulate.proof import DemoRequest

    stop = action is DemoAction.STOP
    request = DemoRequest(keep=keep, stop=stop, seed=seed, rows=rows, planner=planner(session), record=session.record())
    with session.progress() as progress:
        outcome = run(request, progress)
    return finish(session, outcome, view(outcome.result, verbose=session.verbose))


COMMANDS = {"demo": demo}
