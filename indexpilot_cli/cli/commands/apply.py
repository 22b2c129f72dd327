"""``indexpilot apply``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import RUN, option, targets
from indexpilot_cli.cli.session import Session
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    pass


class Verify(StrEnum):
    """How to find out whether an index paid."""

    PLANNER = "planner"
    STATISTICS = "statistics"
    REPLAY = "replay"


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PLAN|FILE|ID",
        help="P-…, a file of recommend --json, or R-… ids; without any: the latest plan.",
        show_default=False,
        autocompletion=targets,
    ),
]
Window = Annotated[
    str | None,
    option(
        "--window [SPEC]",
        'Only in the window, else do nothing and exit with 0: "22:00-05:00 Europe/Berlin mon-fri"; '
        "alone: the configured one.",
    ),
]
WindowHard = Annotated[bool, option("--window-hard", "Cancel a build when the window ends.")]
Max = Annotated[int | None, option("--max N", "Build at most so many.", min=1)]
Budget = Annotated[str | None, option("--budget SIZE", "Storage for new indexes: 5GB.")]
BuildTimeout = Annotated[str | None, option("--build-timeout TIME", "Longest build: 2h; 0 is no limit.")]
StopOnError = Annotated[bool, option("--stop-on-error", "End at the first failure.")]
VerifyOption = Annotated[Verify | None, option("--verify", "Find out afterwards whether it paid.", metavar=None)]
Workload = Annotated[
    list[str] | None, option("--workload FILE", "Verify with these statements: SQL or server logs (repeatable).")
]
ReplayOn = Annotated[str | None, option("--replay-on DSN", "Replay on this standby or clone, not here.")]
AutoRevert = Annotated[bool, option("--auto-revert", "Take an index back that does not pay.")]
NoAnalyze = Annotated[bool, option("--no-analyze", "No ANALYZE after the build.")]
RequireApproval = Annotated[bool, option("--require-approval", "Only a plan somebody approved.")]
ApplyForce = Annotated[bool, option("--force", "Go ahead where a guard may be overruled.", panel=RUN)]


def check_verification(
    verify: Verify | None, replay_on: str | None, workload: Sequence[str] | None, *, auto_revert: bool
) -> None:
    """Raises UsageError for options that need another."""
    if workload and verify not in (Verify.PLANNER, Verify.REPLAY):
        raise UsageError("--workload needs --verify planner or --verify replay", hint="indexpilot apply --help")
    if replay_on is not None and verify is not Verify.REPLAY:
        raise UsageError("--replay-on needs --verify replay", hint="indexpilot apply --help")
    if auto_revert and verify is None:
        raise UsageError("--auto-revert needs --verify", hint="--verify planner, statistics or replay")


EXAMPLES = """Examples:

  indexpilot apply P-7c1e -d shop --dry-run

  indexpilot apply --window --yes --max 1 --quiet

  indexpilot apply R-7f3a1c09 --verify replay --workload postgresql.json
"""


@command("apply", *SERVER, sql=True)
def apply(
    session: Session,
    *,
    targets: Targets = None,
    window: Window = None,
    window_hard: WindowHard = False,
    max_builds: Max = None,
    budget: Budget = None,
    lock_timeout: opt.LockTimeout = None,
    retries: opt.Retries = 5,
    build_timeout: BuildTimeout = None,
    stop_on_error: StopOnError = False,
    verify: VerifyOption = None,
    workload: Workload = None,
    replay_on: ReplayOn = None,
    auto_revert: AutoRevert = False,
    no_analyze: NoAnalyze = False,
    require_approval: RequireApproval = False,
    source: opt.SourceOption = None,
    what_if: opt.WhatIfOption = None,
    workers: opt.Workers = None,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
    force: ApplyForce = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Build the indexes of a plan: one at a time, without blocking writes, each recorded before it begins."""
    from indexpilot_cli.cli import change
    from indexpilot_cli.cli.requests import apply_request, planner_flags

    limits = opt.lock_flags(lock_timeout, build_timeout)
    session.load({**limits, **planner_flags(what_if, workers), "advisor.budget": ("--budget", budget)})
    check_verification(verify, replay_on, workload, auto_revert=auto_revert)
    change.answerable(session, yes=yes, dry_run=dry_run)
    from indexpilot_cli.apply.apply import run
    from indexpilot_cli.render.views.apply import view

    request = apply_request(
        session,
        source,
        workload,
        targets=tuple(targets or ()),
        window=window or None,
        cron=window is not None,
        window_hard=window_hard,
        dry_run=dry_run,
        confirmed=yes,
        max_builds=max_builds,
        retries=retries,
        stop_on_error=stop_on_error,
        analyze=not no_analyze,
        verify=verify.value if verify else None,
        replay_conninfo=replay_on,
        auto_revert=auto_revert,
        force=force,
        require_approval=require_approval,
    )
    return change.carry_out(session, run, request, view, exit_code=exit_code)


COMMANDS = {"apply": apply}
