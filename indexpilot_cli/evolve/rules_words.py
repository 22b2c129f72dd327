"""Sizes, counts and times inside the sentence of a finding."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.model.migration import Blocked, Duration

_SIZES = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))
_COUNTS = ((1e9, "G"), (1e6, "M"))
_TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))


def size(value: float) -> str:
    """``11.4 GB``."""
    return next((f"{value / factor:,.1f} {unit}" for factor, unit in _SIZES if value >= factor), f"{value:.0f} B")


def count(value: float) -> str:
    """``48.2 M``, ``912 k``, ``120``."""
    if value < 1e6:
        return f"{value / 1000:.0f} k" if value >= 100_000 else f"{value:,.0f}"
    return next(f"{value / factor:,.1f} {unit}" for factor, unit in _COUNTS if value >= factor)


def seconds(value: float) -> str:
    """``4 min``, ``0.8 s``, ``20 ms``."""
    for factor, unit in _TIMES:
        if value >= factor:
            return f"{value / factor:.{0 if value / factor >= 10 else 1}f} {unit}".replace(".0 ", " ")
    return f"{value * 1000:.0f} ms"


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
