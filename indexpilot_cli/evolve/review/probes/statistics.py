"""What ``pg_stats`` alone can say of a question: a yes where it shows a row that violates, else nothing.

https://www.postgresql.org/docs/current/view-pg-stats.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from indexpilot_cli.core.catalog import ColumnStatistics

Verdict = tuple[bool | None, str]
NOTHING: Verdict = (None, "")
_DIGITS = re.compile(r"\s*[+-]?\d+\s*")
_RANGES = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}


def nulls(seen: ColumnStatistics | None) -> Verdict:
    """NULLs were there when the table was analyzed."""
    if seen is None or seen.null_frac <= 0:
        return NOTHING
    return True, f"{seen.null_frac:.2%} were NULL when the table was analyzed"


def duplicates(seen: ColumnStatistics | None, rows: float) -> Verdict:
    """The commonest value was seen more than once."""
    common = max(seen.most_common_freqs, default=0.0) if seen else 0.0
    if common * rows < 2:
        return NOTHING
    return True, f"the commonest value had about {common * rows:.0f} rows when the table was analyzed"


def longer(seen: ColumnStatistics | None, size: int) -> Verdict:
    """A value of the statistics is longer."""
    if not any(len(value.rstrip(" ")) > size for value in _values(seen)):
        return NOTHING
    return True, f"values longer than {size} characters were seen when the table was analyzed"


def casts(seen: ColumnStatistics | None, kind: str) -> Verdict:
    """A value of the statistics is no text of the type."""
    fits = _FITS.get(kind)
    if fits is None or all(fits(value) for value in _values(seen)):
        return NOTHING
    return True, f"values that are no {kind} were seen when the table was analyzed"


def empty(rows: float, pages: int) -> Verdict:
    """Whether there are rows at all."""
    if rows >= 1:
        return True, f"the table has about {rows:.0f} rows"
    return (False, "the table has no page") if pages == 0 else NOTHING


def _values(seen: ColumnStatistics | None) -> tuple[str, ...]:
    return () if seen is None else seen.most_common_vals + seen.histogram_bounds


def _whole(limit: int) -> Callable[[str], bool]:
    """Numbers out of range do not fit; other numbers are left to the server, which rounds them."""

    def fits(value: str) -> bool:
        try:
            return -limit <= float(value) < limit if not _DIGITS.fullmatch(value) else -limit <= int(value) < limit
        except ValueError:
            return False

    return fits


def _number(value: str) -> bool:
    try:
        float(value.replace("_", "x"))
    except ValueError:
        return False
    return True


def _uuid(value: str) -> bool:
    try:
        UUID(value.strip())
    except ValueError:
        return False
    return True


_FITS: dict[str, Callable[[str], bool]] = {
    **{kind: _whole(limit) for kind, limit in _RANGES.items()},
    "numeric": _number,
    "double precision": _number,
    "uuid": _uuid,
}
