"""Options of ``schema-evolve check``, and how a path stands for the command."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from indexpilot_cli.cli.complete import hazards
from indexpilot_cli.cli.options.common import RUN, WHAT

if TYPE_CHECKING:
    from indexpilot_cli.cli.flags import Flags


class FailOn(StrEnum):
    """Gravity from which findings end with 3."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


class Transaction(StrEnum):
    """Who says where transactions begin and end."""

    AS_WRITTEN = "as-written"
    SINGLE = "single"


Migrations = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Migrations: files, directories of *.sql; - is stdin.", show_default=False),
]
GitDiff = Annotated[
    str | None,
    typer.Option("--git-diff", metavar="BASE", help="The *.sql files that differ from BASE.", rich_help_panel=WHAT),
]
Offline = Annotated[
    bool, typer.Option("--offline", metavar="", help="Ask no server, run nothing: rules only.", rich_help_panel=WHAT)
]
ServerVersion = Annotated[
    int | None,
    typer.Option("--server-version", metavar="N", help="Review for this major version: 16.", rich_help_panel=WHAT),
]
TransactionOption = Annotated[
    Transaction | None,
    typer.Option("--transaction", help="single: your runner wraps each file.", rich_help_panel=WHAT),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="ID",
        help="Not this kind of hazard: L01 (repeatable).",
        autocompletion=hazards,
        rich_help_panel=WHAT,
    ),
]
QueryFiles = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="FILE", help="Recorded queries: logs or SQL (repeatable).", rich_help_panel=WHAT),
]
Fix = Annotated[bool, typer.Option("--fix", metavar="", help="Show a safer form of each file.", rich_help_panel=WHAT)]
Write = Annotated[
    bool, typer.Option("--write", metavar="", help="With --fix: write it into the file.", rich_help_panel=WHAT)
]
FailOnOption = Annotated[
    FailOn | None, typer.Option("--fail-on", help="Exit with 3 from this gravity on.", rich_help_panel=RUN)
]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", metavar="", help="Findings do not change the exit code.", rich_help_panel=RUN)
]


class PathsGroup(TyperGroup):
    """``schema-evolve migrations/`` is ``schema-evolve check migrations/``: a path or an option names no command."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The arguments, with the command put in front where it was left out."""
        rest: list[Any] = super().parse_args(ctx, ["check", *args] if args and self._implied(args[0]) else args)
        return rest

    def _implied(self, word: str) -> bool:
        if word in self.commands or word == "--help":
            return False
        return word.startswith("-") or "/" in word or "." in word or Path(word).exists()


def check_flags(fail_on: FailOn | None, transaction: Transaction | None, ignore: list[str] | None) -> Flags:
    """The flags of ``check`` that are settings too."""
    section = "operational.schema_evolution"
    return {
        f"{section}.fail_on": ("--fail-on", fail_on.value if fail_on else None),
        f"{section}.transaction": ("--transaction", transaction.value if transaction else None),
        f"{section}.ignore": ("--ignore", tuple(ignore) if ignore else None),
    }
