"""Options of ``apply`` and ``rollback``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli.complete import targets
from indexpilot_cli.cli.options.common import RUN, WHAT
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
    typer.Option(
        "--window",
        metavar="[SPEC]",
        help='Only in the window, else do nothing and exit with 0: "22:00-05:00 Europe/Berlin mon-fri"; '
        "alone: the configured one.",
        rich_help_panel=WHAT,
    ),
]
WindowHard = Annotated[
    bool,
    typer.Option("--window-hard", metavar="", help="Cancel a build when the window ends.", rich_help_panel=WHAT),
]
Max = Annotated[
    int | None,
    typer.Option("--max", metavar="N", min=1, help="Build at most so many.", rich_help_panel=WHAT),
]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="SIZE", help="Storage for new indexes: 5GB.", rich_help_panel=WHAT)
]
Retries = Annotated[
    int,
    typer.Option("--retries", metavar="N", min=0, max=100, help="Tries after a lock timeout.", rich_help_panel=WHAT),
]
LockTimeout = Annotated[
    str | None,
    typer.Option("--lock-timeout", metavar="TIME", help="Longest wait for a table lock: 2s.", rich_help_panel=WHAT),
]
BuildTimeout = Annotated[
    str | None,
    typer.Option("--build-timeout", metavar="TIME", help="Longest build: 2h; 0 is no limit.", rich_help_panel=WHAT),
]
StopOnError = Annotated[
    bool, typer.Option("--stop-on-error", metavar="", help="End at the first failure.", rich_help_panel=WHAT)
]
VerifyOption = Annotated[
    Verify | None, typer.Option("--verify", help="Find out afterwards whether it paid.", rich_help_panel=WHAT)
]
Workload = Annotated[
    list[str] | None,
    typer.Option(
        "--workload",
        metavar="FILE",
        help="Verify with these statements: SQL or server logs (repeatable).",
        rich_help_panel=WHAT,
    ),
]
ReplayOn = Annotated[
    str | None,
    typer.Option("--replay-on", metavar="DSN", help="Replay on this standby or clone, not here.", rich_help_panel=WHAT),
]
AutoRevert = Annotated[
    bool,
    typer.Option("--auto-revert", metavar="", help="Take an index back that does not pay.", rich_help_panel=WHAT),
]
NoAnalyze = Annotated[
    bool, typer.Option("--no-analyze", metavar="", help="No ANALYZE after the build.", rich_help_panel=WHAT)
]
RequireApproval = Annotated[
    bool,
    typer.Option("--require-approval", metavar="", help="Only a plan somebody approved.", rich_help_panel=WHAT),
]
ApplyForce = Annotated[
    bool,
    typer.Option("--force", metavar="", help="Go ahead where a guard may be overruled.", rich_help_panel=RUN),
]
Undo = Annotated[
    list[str] | None,
    typer.Argument(metavar="M-ID|P-ID", help="Mutations, or all of a plan.", show_default=False),
]
Last = Annotated[bool, typer.Option("--last", metavar="", help="The newest change.", rich_help_panel=WHAT)]
UndoForce = Annotated[
    bool,
    typer.Option("--force", metavar="", help="Also when the index was changed since.", rich_help_panel=RUN),
]


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
