"""How long work on a table of the real size takes, as an honest range.

Four times the data took two to six times as long when it was measured, so a range spans a factor of about six.
"""

from __future__ import annotations

from collections.abc import Callable

from indexpilot_cli.core.observation import Work, WorkKind
from indexpilot_cli.evolve.review.sizes import Sizes
from indexpilot_cli.evolve.review.values import Duration, Rates

LOW, HIGH = 0.45, 2.6
_LEAST = 0.001  # seconds: no work on a table is faster


def timing(rates: Rates, sizes: Sizes) -> Callable[[Work], Duration | None]:
    """The function from work to seconds, for tables of these sizes; None for work on nothing."""

    def duration(work: Work) -> Duration | None:
        rows, size = sizes.rows(work.relation), sizes.bytes(work.relation)
        if rows <= 0 and size <= 0:
            return None
        seconds = max(expected(work.kind, rows, size, rates), _LEAST)
        return Duration(seconds * LOW, seconds * HIGH, rates.basis)

    return duration


def expected(kind: WorkKind, rows: float, size: float, rates: Rates) -> float:
    """Seconds in the middle of the range. A build reads the heap and sorts its rows; a rewrite reads and writes it.

    Indexes rebuilt by a rewrite are work of their own.
    """
    scan = size / rates.scan
    if kind is WorkKind.REWRITE:
        return scan + size / rates.rewrite * 0.5 + rows / rates.write * 0.05
    if kind is WorkKind.BUILD_INDEX:
        return scan + rows / rates.sort
    if kind is WorkKind.VALIDATE_FOREIGN_KEY:
        return scan + rows / rates.join
    if kind is WorkKind.MODIFY:
        return scan + rows / rates.write
    if kind is WorkKind.REFRESH:
        return scan + size / rates.rewrite
    return scan
