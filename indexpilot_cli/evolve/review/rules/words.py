"""Sizes, times and lists inside the sentence of a finding."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.units import count, seconds, size
from indexpilot_cli.evolve.review.values import Blocked, Duration


def span(duration: Duration | None) -> str:
    """``for 4 min to 9 min``; empty when nothing is known."""
    if duration is None:
        return ""
    low, high = seconds(duration.low), seconds(duration.high)
    return f"for {high}" if low == high else f"for {low} to {high}"


def table_size(blocked: Blocked) -> str:
    """``public.orders (11.4 GB, 48.2 M rows)``."""
    if not blocked.bytes:
        return str(blocked.table)
    return f"{blocked.table} ({size(blocked.bytes)}, {count(blocked.rows)} rows)"


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a, b, c and 3 more``."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - most} more" if len(unique) > most else ""
    return ", ".join(unique[:most]) + more
