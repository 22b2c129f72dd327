"""Whether one column decides another, from whole pages of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.core.samples import PageSample, coded

DECIDES = 0.95  # of pairs of rows alike in one column, how many are alike in the other
_FEWEST = 30  # values that come on several pages, for anything to be said
LESS = 0.2  # as often as among any two rows may two that share the deciding value differ
_Z = 1.645  # 95 per cent, one-sided


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
    import numpy as np

    (_, one), (_, other), pages = coded(sample.values(by)), coded(sample.values(column)), pages_of(sample)
    both = (one >= 0) & (other >= 0)
    one, other, pages = one[both], other[both], pages[both]
    alike, compared = _alike(pages, one, other)
    of_all, any_two = _alike(pages, np.zeros_like(one), other)
    told = compared > 0
    if not told.any():
        return None
    shares = (alike[told] / compared[told]).tolist()
    # Each value of the deciding column is one observation: its rows are often written by the same hand.
    strength = math.fsum(shares) / len(shares)
    low = _lower(shares, int(np.bincount(one)[told].sum()))
    return Dependence(by, column, strength, low, float(of_all[0] / any_two[0]), len(shares))


def pages_of(sample: PageSample) -> Any:
    """The number of its page for each row of the sample."""
    import numpy as np

    return np.repeat(np.arange(len(sample.pages)), [len(page.rows) for page in sample.pages])


def _alike(pages: Any, groups: Any, values: Any) -> tuple[Any, Any]:
    """For each group of rows, of its pairs of rows on different pages, how many have the same value; and how many such
    pairs there are.
    """
    import numpy as np

    number, wide = int(groups.max(initial=0)) + 1, int(values.max(initial=0)) + 1

    def pairs(keys: Any, group: Any) -> Any:
        kept, counts = np.unique(keys, return_counts=True)
        return np.bincount(group(kept), weights=counts * (counts - 1) // 2, minlength=number)

    within = pages * number + groups
    compared = pairs(groups, lambda keys: keys) - pairs(within, lambda keys: keys % number)
    same = pairs(groups * wide + values, lambda keys: keys // wide)
    return same - pairs(within * wide + values, lambda keys: keys // wide % number), compared


def _lower(shares: Sequence[float], rows: int) -> float:
    """The mean of the shares less its error; where they are all alike, three more rows could still be exceptions."""
    mean = math.fsum(shares) / len(shares)
    variance = sum((share - mean) ** 2 for share in shares) / max(len(shares) - 1, 1)
    return mean - max(_Z * math.sqrt(variance / len(shares)), 3.0 / rows)
