"""Options of ``recommend`` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from indexpilot_cli.cli.options.common import option

if TYPE_CHECKING:
    from indexpilot_cli.cli.flags import Flags

Budget = Annotated[str | None, option("--budget SIZE", "Storage for new indexes: 5GB.")]
MaxIndexes = Annotated[int | None, option("--max-indexes N", "At most so many indexes.")]
MaxPerTable = Annotated[int | None, option("--max-per-table N", "At most so many on one table.")]
Queries = Annotated[list[str] | None, option("--query SQL", "Advise on this statement (repeatable).")]
CrossCheck = Annotated[bool, option("--cross-check", "Ask HypoPG and the twin, compare.")]
MaxCalls = Annotated[int | None, option("--max-calls N", "Most planner calls.")]
MaxSeconds = Annotated[str | None, option("--max-seconds TIME", "Longest search.")]
ShowRejected = Annotated[bool, option("--show-rejected", "List what was rejected and why.")]


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
