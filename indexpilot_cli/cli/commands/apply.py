"""``indexpilot apply`` and ``rollback``: build what a plan says, and take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexpilot_cli.cli import change
from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, planner
from indexpilot_cli.cli.command import workload as workload_request
from indexpilot_cli.cli.options import RUN, option, targets
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.apply.values import ApplyRequest


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
StopOnError = Annotated[bool, option("--stop-on-error", "End at the first failure.")]
VerifyOption = Annotated[Verify | None, option("--verify", "Find out afterwards whether it paid.", metavar=None)]
Workload = Annotated[
    list[str] | None, option("--workload FILE", "Verify with these statements: SQL or server logs (repeatable).")
]
ReplayOn = Annotated[str | None, option("--replay-on DSN", "Replay on this standby or clone, not here.")]
AutoRevert = Annotated[bool, option("--auto-revert", "Take an index back that does not pay.")]
NoAnalyze = Annotated[bool, option("--no-analyze", "No ANALYZE after the build.")]
RequireApproval = Annotated[bool, option("--require-approval", "Only a plan somebody approved.")]
Adopt = Annotated[bool, option("--adopt", "Take a plan made for another database: for a clone.")]
ApplyForce = Annotated[bool, option("--force", "Go ahead where a guard may be overruled.", panel=RUN)]


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What is asked of the time after the build. Raises UsageError for options that need another."""

    method: Verify | None
    workload: Sequence[str] | None
    replay_on: str | None
    auto_revert: bool

    def __post_init__(self) -> None:
        if self.workload and self.method not in (Verify.PLANNER, Verify.REPLAY):
            raise UsageError("--workload needs --verify planner or --verify replay", hint="indexpilot apply --help")
        if self.replay_on is not None and self.method is not Verify.REPLAY:
            raise UsageError("--replay-on needs --verify replay", hint="indexpilot apply --help")
        if self.auto_revert and self.method is None:
            raise UsageError("--auto-revert needs --verify", hint="--verify planner, statistics or replay")


def apply_request(
    session: CommandSession, source: opt.SourceChoice | None, after: VerifyOptions, window: str | None, **asked: Any
) -> ApplyRequest:
    """The request; deadlines, budget and safeguards come from the settings, where flags have gone."""
    from indexpilot_cli.apply.values import ApplyRequest

    return replace(
        ApplyRequest.by(session.settings),
        connection=session.connection(),
        window=window or None,
        cron=window is not None,
        verify=after.method.value if after.method else None,
        replay_conninfo=after.replay_on,
        auto_revert=after.auto_revert,
        workload=workload_request(session, opt.StatementOptions(source), after.workload),
        planner=planner(session),
        record=session.record(),
        **asked,
    )


APPLY_EXAMPLES = """Examples:

  indexpilot apply P-7c1e -d shop --dry-run

  indexpilot apply --window --yes --max 1 --quiet

  indexpilot apply R-7f3a1c09 --verify replay --workload postgresql.json
"""


@command("apply", *SERVER, sql=True)
def apply(
    session: CommandSession,
    *,
    targets: Targets = None,
    window: Window = None,
    window_hard: WindowHard = False,
    max_builds: Max = None,
    budget: opt.Budget = None,
    build: opt.BuildOptions,
    stop_on_error: StopOnError = False,
    verify: VerifyOption = None,
    workload: Workload = None,
    replay_on: ReplayOn = None,
    auto_revert: AutoRevert = False,
    no_analyze: NoAnalyze = False,
    require_approval: RequireApproval = False,
    adopt: Adopt = False,
    source: opt.SourceOption = None,
    planner: opt.PlannerOptions,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
    force: ApplyForce = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Build the indexes of a plan: one at a time, without blocking writes, each recorded before it begins."""
    session.load(build, planner, flags={"advisor.budget": ("--budget", budget)})
    permit = {"force": force, "require_approval": require_approval, "adopt": adopt}
    change.answerable(session, yes=yes, dry_run=dry_run)
    from indexpilot_cli.apply.apply import run
    from indexpilot_cli.render.views.apply import view

    request = apply_request(
        session,
        source,
        VerifyOptions(verify, workload, replay_on, auto_revert),
        targets=tuple(targets or ()),
        window=window,
        window_hard=window_hard,
        dry_run=dry_run,
        confirmed=yes,
        max_builds=max_builds,
        retries=build.retries,
        stop_on_error=stop_on_error,
        analyze=not no_analyze,
        **permit,
    )
    return change.carry_out(session, run, request, view, exit_code=exit_code)


Undo = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="M-ID|P-ID",
        help="Mutations, or all of a plan; with --to-version the name of an index, M-… or R-….",
        show_default=False,
    ),
]
ToVersion = Annotated[
    int | None,
    opt.option("--to-version N", "Build this older definition of the index first, then drop the newer one.", min=1),
]
UndoForce = Annotated[bool, opt.option("--force", "Also when the index was changed since.", panel=opt.RUN)]
ROLLBACK_EXAMPLES = """Examples:

  indexpilot rollback M-118 -d shop --dry-run

  indexpilot rollback P-7c1e --yes

  indexpilot rollback --last

  indexpilot rollback orders_status_ip_idx --to-version 1
"""


@command("rollback", *SERVER, sql=True)
def rollback(
    session: CommandSession,
    *,
    targets: Undo = None,
    last: opt.Last = False,
    since: opt.Since = None,
    to_version: ToVersion = None,
    lock: opt.LockOptions,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
    force: UndoForce = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Take back what we built, or rebuild what we dropped; never an index that is not ours."""
    session.load(lock)
    if to_version is not None and len(targets or ()) != 1:
        raise UsageError("--to-version goes with one index, M-… or R-…", hint="indexpilot history --versions")
    if not (targets or last or since):
        raise UsageError("say what to take back: M-…, P-…, --last or --since", hint="indexpilot history")
    if sum((bool(targets), last, bool(since))) > 1:
        raise UsageError("give ids, --last or --since, not two of them", hint="indexpilot rollback --help")
    change.answerable(session, yes=yes, dry_run=dry_run)
    from indexpilot_cli.apply.rollback import run
    from indexpilot_cli.apply.values import RollbackRequest
    from indexpilot_cli.render.views.apply import rollback_view

    request = RollbackRequest(
        session.connection(),
        tuple(targets or ()),
        last,
        session.since(since),
        dry_run,
        yes,
        force,
        session.settings.production_safeguards.lock_manager.lock_timeout_seconds,
        lock.retries,
        session.settings.bypass,
        to_version,
        record=session.record(),
    )
    return change.carry_out(session, run, request, rollback_view, exit_code=exit_code)


COMMANDS = {"apply": apply, "rollback": rollback}
EXAMPLES = {"apply": APPLY_EXAMPLES, "rollback": ROLLBACK_EXAMPLES}
