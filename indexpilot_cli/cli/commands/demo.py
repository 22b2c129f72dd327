"""``indexpilot demo``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import LOCAL, command, planner
from indexpilot_cli.cli.commands.serve import Port, serving
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession, require_extra
from indexpilot_cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.simulate.proof import DemoRequest

EXAMPLES = """Examples:

  indexpilot demo

  indexpilot demo --keep

  indexpilot demo --serve

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
    serve: Annotated[bool, option("--serve", "Then serve the dashboard of it, until it is stopped.")] = False,
    port: Port = 8080,
    workers: opt.Workers = None,
) -> int:
    """Build a private server with data and a workload, advise on it, and show what the advice changes."""
    session.load(opt.PlannerOptions(workers=workers))
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.demo import view
    from indexpilot_cli.simulate.demo import run
    from indexpilot_cli.simulate.proof import DemoRequest

    stop = action is DemoAction.STOP
    request = DemoRequest(keep=keep, stop=stop, seed=seed, rows=rows, planner=planner(session), record=session.record())
    with _served(request, port) if serve else nullcontext(request) as asked:
        with session.progress() as progress:
            outcome = run(asked, progress)
        code = finish(session, outcome, view(outcome.result, verbose=session.verbose))
        return _serve(session, asked, port) if serve else code


@contextmanager
def _served(request: DemoRequest, port: int) -> Iterator[DemoRequest]:
    """The request of a server that stays while its pages are served, and ends then unless it was to be kept.

    Raises UsageError and PrerequisiteError before minutes of work are in vain.
    """
    from indexpilot_cli.core.command import Silent
    from indexpilot_cli.simulate.demo import kept_server, run

    if request.stop:
        raise UsageError("--serve does not go with stop", hint="indexpilot demo --help")
    require_extra()
    from indexpilot_cli.serve.server import listen
    from indexpilot_cli.serve.values import ServeRequest

    listen(ServeRequest(port=port)).close()
    stays = request.keep or kept_server(request) is not None
    try:
        yield replace(request, keep=True)
    finally:
        if not stays and kept_server(request) is not None:
            run(replace(request, stop=True), Silent())


def _serve(session: CommandSession, request: DemoRequest, port: int) -> int:
    from indexpilot_cli.admin import init
    from indexpilot_cli.admin.init import InitRequest
    from indexpilot_cli.core.command import Connection, Silent
    from indexpilot_cli.serve.server import run
    from indexpilot_cli.serve.values import ServeRequest
    from indexpilot_cli.simulate import server
    from indexpilot_cli.simulate.demo import demo_workload, kept_server

    running = kept_server(request)
    if running is None:
        raise RefusedError("the demo server was stopped by somebody else", hint="indexpilot demo --serve")
    connection = Connection(server.dsn(running))
    init.run(InitRequest(connection, record=request.record), Silent())  # where the log and kept plans go
    asked = ServeRequest(
        connection,
        port=port,
        settings=session.settings,
        workload=demo_workload(running),
        planner=request.planner,
        record=request.record,
    )
    return run(asked, partial(serving, session)).exit_code


COMMANDS = {"demo": demo}
