"""The size of a B-tree just built, from rows that were read: their keys as they are, how often each comes, together.

Statistics are of one column each: they know nothing of columns that follow one another, of expressions nobody
analyzed, and of the share of rows that a predicate of several columns keeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.methods.deduplication import POINTER, posting_bytes
from indexpilot_cli.methods.fields import Field
from indexpilot_cli.methods.frequencies import rare_groups
from indexpilot_cli.methods.kinds.btree import FILL, TreeSize, btree_size, packed

_TUPLE = 8  # bytes of an index tuple before its data
_WIDTHS = 40
_LISTED = 100  # keys that count by their own frequency, as ANALYZE lists them
_HEAVY = 0.05  # share of the rows of one key
_OFTEN = 3  # times a key is seen, at least, for its frequency to be believed


@dataclass(frozen=True, slots=True)
class KeySample:
    """Rows of an index's table. ``groups``: (times a key was seen, bytes of its tuple, how many such keys).

    ``rows``: how many the index holds; ``whole``: all of them were read. ``wide``: some values are so long that the
    index compresses them, and how far is not known: the size is too large then.
    """

    groups: tuple[tuple[int, int, int], ...]
    rows: float
    whole: bool
    wide: bool = False

    @property
    def seen(self) -> int:
        """Rows that were read."""
        return sum(times * keys for times, _, keys in self.groups)


def sampled_tree(sample: KeySample, *, folds: bool, fill: int = FILL) -> TreeSize:
    """The tree that a build makes of these keys; ``folds``: equal ones share one copy."""
    if not sample.groups or sample.rows < 1:
        return TreeSize(1, 0, 0)
    field = _field(sample)
    if not sample.whole:
        return btree_size([field], (), sample.rows, folds=folds, fillfactor=fill)
    total = sum(
        keys * (posting_bytes(times, size) if folds else times * (size + POINTER))
        for times, size, keys in sample.groups
    )
    pivot = sum(times * size * keys for times, size, keys in sample.groups) / sample.seen
    return packed([field], pivot, total, sample.rows, fillfactor=fill, repeats=folds)


def _field(sample: KeySample) -> Field:
    """All keys of the index together as one."""
    seen = sample.seen
    # A few keys with most rows (NULL often) would hide how many the others are: those are counted by themselves.
    heavy = [(times, keys) for times, _, keys in sample.groups if times >= max(_OFTEN, _HEAVY * seen)]
    held = sum(times * keys for times, keys in heavy)
    rest = [group for group in sample.groups if group[0] < max(_OFTEN, _HEAVY * seen)]
    common = _common(rest, seen)
    distinct = distinct_keys(rest, sample.rows * (1.0 - held / seen))
    target = max(float(_LISTED), seen / 300)
    rare = rare_groups(common, held / seen, distinct, sample.rows, target) if sum(common) + held / seen < 1 else ()
    commonest = (*chain.from_iterable([times / seen] * keys for times, keys in heavy), *common)
    return Field(
        _widths(sample.groups, seen),
        8,
        0.0,
        distinct + sum(keys for _, keys in heavy),
        commonest,
        rare,
        0.0,
        True,
        True,
    )


def distinct_keys(groups: Sequence[tuple[int, int, int]], rows: float) -> float:
    """How many different keys so many rows have, by the estimator that ANALYZE uses (Haas and Stokes, JASA 1998: Duj1).

    Of all rows that is the number that was seen.
    """
    seen = sum(times * keys for times, _, keys in groups)
    different = sum(keys for _, _, keys in groups)
    once = sum(keys for times, _, keys in groups if times == 1)
    if once == 0 or seen >= rows:
        return float(different)
    return rows if once == seen else seen * different / (seen - once + once * seen / rows)


def _common(groups: Sequence[tuple[int, int, int]], seen: int) -> tuple[float, ...]:
    """Frequencies of the commonest keys, most frequent first."""
    average = sum(times * keys for times, _, keys in groups) / max(1, sum(keys for _, _, keys in groups))
    found: list[float] = []
    for times, _, keys in sorted(groups, reverse=True):
        if times < max(_OFTEN, 1.25 * average) or len(found) >= _LISTED:
            break
        found += [times / seen] * min(keys, _LISTED - len(found))
    return tuple(found)


def _widths(groups: Sequence[tuple[int, int, int]], seen: int) -> tuple[int, ...]:
    """Bytes of data of rows spread evenly over the sizes there are."""
    sizes = sorted((size, times * keys) for times, size, keys in groups)
    if sizes[0][0] == sizes[-1][0]:
        return (sizes[0][0] - _TUPLE,)
    step, reached = seen / _WIDTHS, 0.0
    found: list[int] = []
    for size, rows in sizes:
        reached += rows
        found += [size - _TUPLE] * (math.floor(reached / step) - len(found))
    return tuple(found)
