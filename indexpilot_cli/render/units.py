"""Numbers as a person reads them. JSON never uses these."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from indexpilot_cli.core.units import DASH

_AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def milliseconds(value: float | None) -> str:
    """``0.4 ms``, ``38 ms``, ``6.1 s``, ``6 min 41 s``, ``33.9 h``."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < 10:
        return f"{value:.1f} ms" if value >= 0.1 else f"{value:.2f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    seconds = value / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds / 3600:.1f} h"


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A ratio as ``46.2 %``; ``signed`` adds the plus."""
    if value is None or not math.isfinite(value):
        return DASH
    rounded = round(value * 100, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f} %"


def saving(value: float | None, digits: int = 1) -> str:
    """A ratio saved, as ``-46.2 %``."""
    return DASH if value is None else percent(-value, digits, signed=True)


def fall(value: float) -> str:
    """A ratio saved without decimals, as ``-92 %``, but never a rounded ``-100 %``."""
    return saving(min(value, 0.999), 1) if 0.99 <= value < 1 else saving(value, 0)


def cost(value: float | None) -> str:
    """A planner cost, as ``1,204,331`` or ``8.44``."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.2f}"


def ago(when: datetime | None, now: datetime | None) -> str:
    """``2 h ago``; ``never`` when there is no time."""
    if when is None:
        return "never"
    if now is None:
        return stamp(when)
    seconds = max((now - when).total_seconds(), 0)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "now"


def stamp(when: datetime | None) -> str:
    """``2026-11-20 02:00Z``."""
    return DASH if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def plural(number: int, word: str, words: str | None = None) -> str:
    """``1 table``, ``3 tables``, ``1,870 statements``."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """The text without control characters, so that data cannot steer a terminal. Keeps tabs and line feeds."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """The text with all white space folded: for a cell."""
    return " ".join(text.split())
