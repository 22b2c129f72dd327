"""The storage that new indexes may take, as somebody decided."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.units import size
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict


def judge(limit_bytes: int | None, sizes: Sequence[int], spent_bytes: int = 0) -> Verdict:
    """Whether the new indexes, with ``spent_bytes`` of this run's earlier ones, stay within the budget."""
    if limit_bytes is None:
        return Verdict("budget", True, "no storage budget is set", "advisor.budget")
    total = spent_bytes + sum(sizes)
    text = f"{size(total)} of {size(limit_bytes)}"
    if total > limit_bytes:
        return Verdict("budget", False, f"the new indexes need {text} allowed", "advisor.budget", forceable=True)
    return Verdict("budget", True, text, "advisor.budget")


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    request = context.request
    return (judge(request.budget_bytes, [o.size_bytes for o in request.creating], request.spent_bytes),)


GUARD = Guard("budget", 7, _ask)
