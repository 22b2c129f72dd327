"""``indexpilot apply``."""

from __future__ import annotations

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import apply as own
from indexpilot_cli.cli.options import common as opt
from indexpilot_cli.cli.session import Session

EXAMPLES = """Examples:

  indexpilot apply P-7c1e -d shop --dry-run

  indexpilot apply --window --yes --max 1 --quiet

  indexpilot apply R-7f3a1c09 --verify replay --workload postgresql.json
"""


@command("apply", *SERVER, sql=True)
def apply(
    session: Session,
    *,
    targets: own.Targets = None,
    window: own.Window = None,
    window_hard: own.WindowHard = False,
    max_builds: own.Max = None,
    budget: own.Budget = None,
    lock_timeout: own.LockTimeout = None,
    retries: own.Retries = 5,
    build_timeout: own.BuildTimeout = None,
    stop_on_error: own.StopOnError = False,
    verify: own.VerifyOption = None,
    workload: own.Workload = None,
    replay_on: own.ReplayOn = None,
    auto_revert: own.AutoRevert = False,
    no_analyze: own.NoAnalyze = False,
    require_approval: own.RequireApproval = False,
    source: opt.SourceOption = None,
    what_if: opt.WhatIfOption = None,
    workers: opt.Workers = None,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
    force: own.ApplyForce = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Build the indexes of a plan: one at a time, without blocking writes, each recorded before it begins."""
    from indexpilot_cli.cli import change
    from indexpilot_cli.cli.requests import apply_request, planner_flags

    limits = own.lock_flags(lock_timeout, build_timeout)
    session.load({**limits, **planner_flags(what_if, workers), "advisor.budget": ("--budget", budget)})
    own.check_verification(verify, replay_on, workload, auto_revert=auto_revert)
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
