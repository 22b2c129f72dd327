"""Options of ``apply`` and ``rollback``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli.complete import targets
from indexpilot_cli.cli.options.common import RUN, option
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.cli.flags import Flags


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
Retries = Annotated[int, option("--retries N", "Tries after a lock timeout.", min=0, max=100)]
LockTimeout = Annotated[str | None, option("--lock-timeout TIME", "Longest wait for a table lock: 2s.")]
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
Undo = Annotated[
    list[str] | None, typer.Argument(metavar="M-ID|P-ID", help="Mutations, or all of a plan.", show_default=False)
]
Last = Annotated[bool, option("--last", "The newest change.")]
UndoForce = Annotated[bool, option("--force", "Also when the index was changed since.", panel=RUN)]


def lock_flags(lock_timeout: str | None, build_timeout: str | None = None) -> Flags:
    """The deadlines, as flags of their settings."""
    return {
        "production_safeguards.lock_manager.lock_timeout_seconds": ("--lock-timeout", lock_timeout),
        "production_safeguards.lock_manager.build_timeout_seconds": ("--build-timeout", build_timeout),
    }


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
