"""Bytes, counts and estimated times as a person reads them, wherever a sentence is made. JSON never uses these."""

from __future__ import annotations

import math
from collections.abc import Iterable

DASH = "-"
_SIZES = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))
_COUNTS = ((1e12, "T"), (1e9, "G"), (1e6, "M"))
_TIMES = ((1, "s", 100), (60, "min", 100), (3600, "h", 48))


def size(value: float | None) -> str:
    """``1.4 GB``. 1 MB is 1024 kB, as in the server's pg_size_pretty() and its settings.

    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-DBSIZE
    """
    if value is None:
        return DASH
    for factor, unit in _SIZES:
        if value >= factor:
            return f"{value / factor:,.1f} {unit}"
    return f"{value:.0f} B"


def count(value: float | None) -> str:
    """``48.2 M``, ``912 k``, ``1,204``."""
    if value is None or not math.isfinite(value):
        return DASH
    for factor, unit in _COUNTS:
        if value >= factor:
            return f"{value / factor:,.1f} {unit}"
    if value >= 100_000:
        return f"{value / 1000:.0f} k"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def seconds(value: float) -> str:
    """``20 ms``, ``4 s``, ``90 s``, ``4 min``, ``2.3 h``, ``3 d``: as exact as an estimate deserves."""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    for factor, unit, limit in _TIMES:
        if value / factor < limit:
            number = value / factor
            return f"{number:.1f} {unit}" if number < 10 and unit == "h" else f"{number:.0f} {unit}"
    return f"{value / 86400:.0f} d"


def listed(names: Iterable[str], most: int = 4) -> str:
    """``a, b, c and 3 more``, each once."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - most} more" if len(unique) > most else ""
    return ", ".join(unique[:most]) + more
