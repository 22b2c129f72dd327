"""``indexpilot schema-evolve``: ``check`` here, the operations beside it; and how a path stands for ``check``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, workload
from indexpilot_cli.cli.commands import schema_evolve_operations
from indexpilot_cli.cli.options import RUN, hazards, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.core import files
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.cli.session import CommandSession
    from indexpilot_cli.core.command import WorkloadRequest
    from indexpilot_cli.evolve.requests import CheckRequest
    from indexpilot_cli.evolve.review.values import CheckResult


class FailOn(StrEnum):
    """Gravity from which findings end with 3."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


class Transaction(StrEnum):
    """What the migration runner wraps in a transaction. ``as-written`` and ``single`` are the older names."""

    PER_STATEMENT = "per-statement"
    FILE = "file"
    AUTO = "auto"
    AS_WRITTEN = "as-written"
    SINGLE = "single"


Migrations = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Migrations: files, directories of *.sql; - is stdin.", show_default=False),
]
GitDiff = Annotated[str | None, option("--git-diff BASE", "The *.sql files that differ from BASE.")]
Offline = Annotated[bool, option("--offline", "Ask no server, run nothing: rules only.")]
ServerVersion = Annotated[int | None, option("--server-version N", "Review for this major version: 16.")]
Fix = Annotated[bool, option("--fix", "Show a safer form of each file.")]
Write = Annotated[bool, option("--write", "With --fix: write it into the file.")]
_SETTINGS = "operational.schema_evolution"


@dataclass(frozen=True, slots=True)
class RuleOptions(opt.SettingOptions):
    """What the runner does, and which hazards are no matter."""

    sets = opt.settings_of(_SETTINGS, "transaction", "ignore")

    transaction: Annotated[
        Transaction | None,
        option(
            "--transaction WRAPS",
            "What your runner wraps: per-statement (nothing), file, or auto (each file of several statements).",
            autocompletion=lambda: ["per-statement", "file", "auto"],
        ),
    ] = None
    ignore: Annotated[
        list[str] | None, option("--ignore ID", "Not this kind of hazard: L01 (repeatable).", autocompletion=hazards)
    ] = None


@dataclass(frozen=True, slots=True)
class EndOptions(opt.SettingOptions):
    """What makes the review end with 3."""

    sets = opt.settings_of(_SETTINGS, "fail_on")

    fail_on: Annotated[
        FailOn | None, option("--fail-on", "Exit with 3 from this gravity on.", metavar=None, panel=RUN)
    ] = None
    exit_zero: Annotated[bool, option("--exit-zero", "Findings do not change the exit code.", panel=RUN)] = False


class PathsGroup(TyperGroup):
    """``schema-evolve migrations/`` is ``schema-evolve check migrations/``: a path or an option names no command."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The arguments, with the command put in front where it was left out."""
        rest: list[Any] = super().parse_args(ctx, ["check", *args] if args and self._implied(args[0]) else args)
        return rest

    def _implied(self, word: str) -> bool:
        if word in self.commands or word == "--help":
            return False
        return word.startswith("-") or "/" in word or "." in word or files.is_file(word) or files.is_directory(word)


_OLDEST = 13


def check_request(session: CommandSession, recorded: WorkloadRequest, **asked: Any) -> CheckRequest:
    """The request; limits come from the settings, where flags have gone already. Raises UsageError, RefusedError."""
    from indexpilot_cli.cli.command import planner
    from indexpilot_cli.evolve.requests import CheckRequest

    asked_to = asked.pop("exit_zero", False)
    by_settings = CheckRequest.by(session.settings)
    request = replace(
        by_settings,
        connection=session.connection(),
        workload=recorded,
        planner=planner(session),
        exit_zero=asked_to or by_settings.exit_zero,
        record=session.record(),
        **asked,
    )
    _possible(request)
    return request


def _possible(request: CheckRequest) -> None:
    if not request.files and request.git_diff is None:
        raise UsageError(
            "give files or directories to review, or --git-diff BASE", hint="indexpilot schema-evolve --help"
        )
    if request.write_fix and "-" in request.files:
        raise UsageError("--write needs a file: standard input cannot be written to")
    if request.server_version is not None and request.server_version < _OLDEST:
        raise UsageError(f"--server-version: PostgreSQL {_OLDEST} or newer, such as 16")


def review(session: CommandSession, request: CheckRequest) -> int:
    """Run the review, print it, write what ``--write`` asked for; the exit code."""
    from indexpilot_cli.cli.show import show
    from indexpilot_cli.evolve.review.check import concluded, run
    from indexpilot_cli.evolve.review.registry import HAZARDS
    from indexpilot_cli.render.views.review.view import view

    outcome = concluded(session.call(run, request), exit_zero=request.exit_zero)
    document = view(outcome.result, hazards=HAZARDS, verbose=session.verbose, fix=request.fix)
    show(session, outcome, document, outcome.exit_code, news=outcome.status != "ok" or request.fix)
    if request.write_fix:
        write_fixes(session, outcome.result)
    return outcome.exit_code


def write_fixes(session: CommandSession, result: CheckResult) -> None:
    """Write the safer forms that were found to be no worse than the file. Raises UsageError."""
    from indexpilot_cli.cli.terminal import write_file
    from indexpilot_cli.render.units import visible
    from indexpilot_cli.render.views.review.entries import better

    for file in result.files:
        if better(file) and files.plain_suffix(Path(file.path)) != Path(file.path).suffix.lower():
            raise UsageError(f"{visible(file.path)} is packed: unpack it, then write into it", code="packed")
        if better(file):
            write_file(file.path, file.fixed or "")
            if not session.output.quiet:
                sys.stderr.write(f"written to {visible(file.path)}\n")


GROUP = PathsGroup
EXAMPLES = """Examples:

  indexpilot schema-evolve check migrations/0042_orders.sql -d shop

  indexpilot schema-evolve --git-diff origin/main migrations/ --snapshot shop.snapshot --format sarif

  indexpilot schema-evolve check 0042_orders.sql -d shop --fix --write

  indexpilot schema-evolve add-column orders tier --type int --default 0 --not-null -d shop

  indexpilot schema-evolve rollback --last --execute -d shop
"""


@command("schema-evolve", *SERVER, also=("sarif", "github"))
def check(
    session: CommandSession,
    *,
    files: Migrations = None,
    git_diff: GitDiff = None,
    snapshot: opt.Snapshot = None,
    offline: Offline = False,
    server_version: ServerVersion = None,
    rules: RuleOptions,
    with_files: opt.QueryFiles = None,
    statements: opt.StatementOptions,
    workers: opt.Workers = None,
    fix: Fix = False,
    write: Write = False,
    end: EndOptions,
) -> int:
    """Say of each migration whom it blocks, for how long, what it breaks and whether it fails. Changes nothing."""
    session.load(statements, opt.PlannerOptions(workers=workers), rules, end)
    recorded = workload(session, statements, with_files)
    request = check_request(
        session,
        recorded,
        files=tuple(files or ()),
        git_diff=git_diff,
        snapshot=snapshot,
        offline=offline,
        server_version=server_version,
        fix=fix or write,
        write_fix=write,
        exit_zero=end.exit_zero,
    )
    return review(session, request)


COMMANDS = {"check": check, **schema_evolve_operations.COMMANDS}
