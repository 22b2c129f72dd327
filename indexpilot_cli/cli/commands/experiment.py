"""``indexpilot experiment start``, ``step``, ``status`` and ``stop``."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli import change
from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, seconds_of
from indexpilot_cli.cli.commands.apply import VerifyOptions, Window, apply_request
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

if TYPE_CHECKING:
    from indexpilot_cli.apply.values import ApplyRequest

EXAMPLES = """Examples:

  indexpilot experiment start status-first -d shop \\
      --a "CREATE INDEX ON orders (status, customer_id)" --b "CREATE INDEX ON orders (customer_id, status)"

  7 * * * *  indexpilot experiment step -d shop --yes --quiet

  indexpilot experiment stop status-first --keep winner
"""
Name = Annotated[str, typer.Argument(metavar="NAME", help="The experiment's name.", show_default=False)]
MaybeName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Only this one; none: all of them.", show_default=False)
]
_VARIANT = "CREATE INDEX statement or R-… of variant {} (repeatable); none: without the indexes of the other."
VariantA = Annotated[list[str] | None, option("--a INDEX", _VARIANT.format("a"))]
VariantB = Annotated[list[str] | None, option("--b INDEX", _VARIANT.format("b"))]


class Keep(StrEnum):
    """What stays when an experiment ends."""

    WINNER = "winner"
    A = "a"
    B = "b"
    BEFORE = "before"


@command("experiment start", *SERVER, sql=True)
def start(
    session: CommandSession,
    *,
    name: Name,
    a: VariantA = None,
    b: VariantB = None,
    length: Annotated[str, option("--length TIME", "Least length of a window: 1h.")] = "1h",
    rounds: Annotated[int, option("--rounds N", "At most so many pairs of windows.", min=1, max=100)] = 3,
    window: Window = None,
    build: opt.BuildOptions,
    what_if: opt.WhatIfOption = None,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
) -> int:
    """Compare two variants of indexes: predicted now, then measured in turn, a b b a, in windows of equal length."""
    session.load(build, opt.PlannerOptions(what_if))
    asked = _asked(session, window, build, dry_run=dry_run, yes=yes)
    from indexpilot_cli.apply.experiments.run import start as run
    from indexpilot_cli.apply.experiments.values import ExperimentStart
    from indexpilot_cli.render.views.experiment import change_view

    request = ExperimentStart(
        name, tuple(a or ()), tuple(b or ()), asked, seconds_of("--length", length) or 0.0, rounds
    )
    return change.carry_out(session, run, request, change_view, settles=False)


@command("experiment step", *SERVER, sql=True)
def step(
    session: CommandSession,
    *,
    name: MaybeName = None,
    window: Window = None,
    build: opt.BuildOptions,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
) -> int:
    """End windows that are over, judge, and put the other variant in place; for cron."""
    session.load(build)
    asked = _asked(session, window, build, dry_run=dry_run, yes=yes)
    from indexpilot_cli.apply.experiments.run import step as run
    from indexpilot_cli.apply.experiments.values import ExperimentStep
    from indexpilot_cli.render.views.experiment import change_view

    return change.carry_out(session, run, ExperimentStep(name, asked), change_view, settles=False)


@command("experiment status", *SERVER)
def status(session: CommandSession, *, name: MaybeName = None) -> int:
    """Show experiments: what is compared, how far it is, what the measurements say."""
    session.load()
    from indexpilot_cli.apply.experiments.status import status as run
    from indexpilot_cli.apply.experiments.values import ExperimentStatusRequest
    from indexpilot_cli.render.views.experiment import status_view

    return answer(session, run, ExperimentStatusRequest(name), partial(status_view, verbose=session.verbose))


@command("experiment stop", *SERVER, sql=True)
def stop(
    session: CommandSession,
    *,
    name: Name,
    keep: Annotated[
        Keep, option("--keep", "What stays; without a winner: the indexes from before.", metavar=None)
    ] = Keep.WINNER,
    window: Window = None,
    build: opt.BuildOptions,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
) -> int:
    """End an experiment and leave the winner, or the indexes there were before."""
    session.load(build)
    asked = _asked(session, window, build, dry_run=dry_run, yes=yes)
    from indexpilot_cli.apply.experiments.run import stop as run
    from indexpilot_cli.apply.experiments.values import ExperimentStop
    from indexpilot_cli.render.views.experiment import change_view

    return change.carry_out(session, run, ExperimentStop(name, keep.value, asked), change_view, settles=False)


def _asked(
    session: CommandSession, window: str | None, build: opt.BuildOptions, *, dry_run: bool, yes: bool
) -> ApplyRequest:
    """How indexes are built: as ``apply`` is asked."""
    change.answerable(session, yes=yes, dry_run=dry_run)
    after = VerifyOptions(None, None, None, False)
    return apply_request(session, None, after, window, dry_run=dry_run, confirmed=yes, retries=build.retries)


COMMANDS = {"start": start, "step": step, "status": status, "stop": stop}
