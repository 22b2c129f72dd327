"""Whether one column decides another, from whole pages of a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.samples import PageSample, as_key

DECIDES = 0.95  # of pairs of rows alike in one column, how many are alike in the other
_FEWEST = 30  # values that come on several pages, for anything to be said
LESS = 0.2  # as often as among any two rows may two that share the deciding value differ
_Z = 1.645  # 95 per cent, one-sided

Value = Hashable
Placed = tuple[int, Value, Value]


@dataclass(frozen=True, slots=True)
class Dependence:
    """How far ``by`` decides ``column``: ``strength`` is the share of pairs of rows of different pages alike in the one
    that are alike in the other, ``low`` its lower bound; ``anyway`` the same share among any two rows, and ``values``
    how many values of ``by`` came on several pages.
    """

    by: str
    column: str
    strength: float
    low: float
    anyway: float
    values: int

    @property
    def decides(self) -> bool:
        """Whether the column follows from the other, and would not be the same nearly always anyway."""
        differs = 1.0 - self.strength <= LESS * (1.0 - self.anyway)
        return self.values >= _FEWEST and self.low >= DECIDES and differs


def dependence(sample: PageSample, by: str, column: str) -> Dependence | None:
    """How far one column decides the other; None where nothing could be compared."""
    rows = tuple(placed(sample, by, column))
    of_value: dict[Value, list[Placed]] = {}
    for row in rows:
        of_value.setdefault(row[1], []).append(row)
    known = [(share, len(own)) for own in of_value.values() if (share := _alike(own)) is not None]
    shares = [share for share, _ in known]
    anyway = _alike(rows)
    if not shares or anyway is None:
        return None
    # Each value of the deciding column is one observation: its rows are often written by the same hand.
    strength = math.fsum(shares) / len(shares)
    low = _lower(shares, sum(number for _, number in known))
    return Dependence(by, column, strength, low, anyway, len(shares))


def placed(sample: PageSample, first: str, second: str) -> Iterator[Placed]:
    """(page, value, value) of each row that has both."""
    one, other = sample.columns.index(first), sample.columns.index(second)
    for number, page in enumerate(sample.pages):
        for row in page.rows:
            if row[one] is not None and row[other] is not None:
                yield number, as_key(row[one]), as_key(row[other])


def _alike(rows: Sequence[Placed]) -> float | None:
    """Of pairs of rows on different pages, the share alike in the last value; None without such a pair."""
    pages = Counter(page for page, _, _ in rows)
    pairs = _pairs(len(rows)) - sum(map(_pairs, pages.values()))
    if not pairs:
        return None
    values = Counter(value for _, _, value in rows)
    within = Counter((page, value) for page, _, value in rows)
    return (sum(map(_pairs, values.values())) - sum(map(_pairs, within.values()))) / pairs


def _pairs(number: int) -> int:
    return number * (number - 1) // 2


def _lower(shares: Sequence[float], rows: int) -> float:
    """The mean of the shares less its error; where they are all alike, three more rows could still be exceptions."""
    mean = math.fsum(shares) / len(shares)
    variance = sum((share - mean) ** 2 for share in shares) / max(len(shares) - 1, 1)
    return mean - max(_Z * math.sqrt(variance / len(shares)), 3.0 / rows)
