"""``indexpilot plan show`` and ``plan approve``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.commands.recommend import ShowRejected
from indexpilot_cli.cli.options import option, targets
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot plan show P-7c1e -d shop

  indexpilot plan show P-7c1e --json --output plan.json

  indexpilot plan approve P-7c1e --reason "reviewed"
"""


@command("plan show", *SERVER, sql=True)
def show(
    session: CommandSession,
    *,
    plan: Annotated[
        str | None, typer.Argument(metavar="P-ID", help="The plan; without it the latest.", autocompletion=targets)
    ] = None,
    show_rejected: ShowRejected = False,
) -> int:
    """Show a plan that recommend kept, in any form; its JSON is what recommend printed."""
    session.load()
    from indexpilot_cli.apply.kept_plan import show_plan
    from indexpilot_cli.apply.values import PlanRequest
    from indexpilot_cli.render.views.recommend import view

    shown = partial(view, show_rejected=show_rejected, verbose=session.verbose)
    return answer(session, show_plan, PlanRequest(plan), shown)


@command("plan approve", *SERVER)
def approve(
    session: CommandSession,
    *,
    plan: Annotated[str, typer.Argument(metavar="P-ID", help="The plan.", show_default=False, autocompletion=targets)],
    reason: Annotated[str, option("--reason TEXT", "Why, for the log.")] = "",
) -> int:
    """Approve a plan for apply --require-approval; a plan that changes afterwards needs it again."""
    session.load()
    from indexpilot_cli.apply.kept_plan import approve_plan
    from indexpilot_cli.apply.values import ApproveRequest
    from indexpilot_cli.render.views.config import approved

    return answer(session, approve_plan, ApproveRequest(plan, reason=reason), approved)


COMMANDS = {"show": show, "approve": approve}
