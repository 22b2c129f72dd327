"""Options of ``recommend`` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli.options.common import WHAT

if TYPE_CHECKING:
    from indexpilot_cli.cli.flags import Flags

Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="SIZE", help="Storage for new indexes: 5GB.", rich_help_panel=WHAT),
]
MaxIndexes = Annotated[
    int | None,
    typer.Option("--max-indexes", metavar="N", help="At most so many indexes.", rich_help_panel=WHAT),
]
MaxPerTable = Annotated[
    int | None,
    typer.Option("--max-per-table", metavar="N", help="At most so many on one table.", rich_help_panel=WHAT),
]
Queries = Annotated[
    list[str] | None,
    typer.Option("--query", metavar="SQL", help="Advise on this statement (repeatable).", rich_help_panel=WHAT),
]
CrossCheck = Annotated[
    bool, typer.Option("--cross-check", metavar="", help="Ask HypoPG and the twin, compare.", rich_help_panel=WHAT)
]
MaxCalls = Annotated[
    int | None,
    typer.Option("--max-calls", metavar="N", help="Most planner calls.", rich_help_panel=WHAT),
]
MaxSeconds = Annotated[
    str | None,
    typer.Option("--max-seconds", metavar="TIME", help="Longest search.", rich_help_panel=WHAT),
]
ShowRejected = Annotated[
    bool, typer.Option("--show-rejected", metavar="", help="List what was rejected and why.", rich_help_panel=WHAT)
]


def limit_flags(
    budget: str | None,
    max_indexes: int | None,
    max_per_table: int | None,
    min_benefit: str | None,
    max_calls: int | None,
    max_seconds: str | None,
) -> Flags:
    """The limits, as flags of their settings."""
    return {
        "advisor.budget": ("--budget", budget),
        "advisor.max_indexes": ("--max-indexes", max_indexes),
        "advisor.max_per_table": ("--max-per-table", max_per_table),
        "advisor.min_benefit": ("--min-benefit", min_benefit),
        "advisor.max_calls": ("--max-calls", max_calls),
        "advisor.max_seconds": ("--max-seconds", max_seconds),
    }
