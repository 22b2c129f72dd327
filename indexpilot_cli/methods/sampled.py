"""The size of a B-tree just built, from rows that were read: their keys as they are, how often each comes, together.

Statistics are of one column each: they know nothing of columns that follow one another, of expressions nobody
analyzed, and of the share of rows that a predicate of several columns keeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.methods.fields import Field, rare_groups
from indexpilot_cli.methods.kinds.btree import FILL, TreeSize, btree_size, packed, posting_bytes

_TUPLE = 8  # bytes of an index tuple before its data
_POINTER = 4
_WIDTHS = 40
_LISTED = 100  # keys that count by their own frequency, as ANALYZE lists them
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
        keys * (posting_bytes(times, size) if folds else times * (size + _POINTER))
        for times, size, keys in sample.groups
    )
    pivot = sum(times * size * keys for times, size, keys in sample.groups) / sample.seen
    return packed([field], pivot, total, sample.rows, fillfactor=fill, repeats=folds)


def _field(sample: KeySample) -> Field:
    """All keys of the index together as one."""
    seen = sample.seen
    common, rest = _common(sample.groups, seen)
    distinct = distinct_keys(sample)
    target = max(float(_LISTED), seen / 300)
    rare = rare_groups(common, 0.0, distinct, sample.rows, target) if rest else ()
    return Field(_widths(sample.groups, seen), 8, 0.0, distinct, common, rare, 0.0, True, True)


def distinct_keys(sample: KeySample) -> float:
    """How many different keys there are, by the estimator that ANALYZE uses (Haas and Stokes, JASA 1998: Duj1)."""
    seen = sample.seen
    different = sum(keys for _, _, keys in sample.groups)
    once = sum(keys for times, _, keys in sample.groups if times == 1)
    if sample.whole or once == 0:
        return float(different)
    if once == seen:
        return sample.rows
    return seen * different / (seen - once + once * seen / max(sample.rows, float(seen)))


def _common(groups: Sequence[tuple[int, int, int]], seen: int) -> tuple[tuple[float, ...], bool]:
    """Frequencies of the commonest keys, and whether there are others."""
    average = seen / max(1, sum(keys for _, _, keys in groups))
    found: list[float] = []
    for times, _, keys in sorted(groups, reverse=True):
        few = sum(k for _, _, k in groups) <= _LISTED
        if times < _OFTEN or (times < 1.25 * average and not few) or len(found) >= _LISTED:
            break
        found += [times / seen] * min(keys, _LISTED - len(found))
    return tuple(found), sum(found) < 1.0 - 1e-9


def _widths(groups: Sequence[tuple[int, int, int]], seen: int) -> tuple[int, ...]:
    """Bytes of data of rows spread evenly over the sizes there are."""
    sizes = sorted((size, times * keys) for times, size, keys in groups)
    if sizes[0][0] == sizes[-1][0]:
        return (sizes[0][0] - _TUPLE,)
    step, reached, found = seen / _WIDTHS, 0.0, []
    for size, rows in sizes:
        reached += rows
        found += [size - _TUPLE] * (math.floor(reached / step) - len(found))
    return tuple(found)
