"""Options of ``schema-evolve check``, and how a path stands for the command."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from indexpilot_cli.cli.complete import hazards
from indexpilot_cli.cli.options.common import RUN, option

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
GitDiff = Annotated[str | None, option("--git-diff BASE", "The *.sql files that differ from BASE.")]
Offline = Annotated[bool, option("--offline", "Ask no server, run nothing: rules only.")]
ServerVersion = Annotated[int | None, option("--server-version N", "Review for this major version: 16.")]
TransactionOption = Annotated[
    Transaction | None, option("--transaction", "single: your runner wraps each file.", metavar=None)
]
Ignore = Annotated[
    list[str] | None, option("--ignore ID", "Not this kind of hazard: L01 (repeatable).", autocompletion=hazards)
]
QueryFiles = Annotated[list[str] | None, option("--file FILE", "Recorded queries: logs or SQL (repeatable).")]
Fix = Annotated[bool, option("--fix", "Show a safer form of each file.")]
Write = Annotated[bool, option("--write", "With --fix: write it into the file.")]
FailOnOption = Annotated[
    FailOn | None, option("--fail-on", "Exit with 3 from this gravity on.", metavar=None, panel=RUN)
]
ExitZero = Annotated[bool, option("--exit-zero", "Findings do not change the exit code.", panel=RUN)]


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
