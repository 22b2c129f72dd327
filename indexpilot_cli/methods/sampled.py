"""The size of a B-tree just built, from rows that were read: their keys as they are, how often each comes, together.

Statistics are of one column each: they know nothing of columns that follow one another, of expressions nobody
analyzed, and of the share of rows that a predicate of several columns keeps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.samples import MOST_PAGES, PageMatches, PageSample, as_key
from indexpilot_cli.methods.deduplication import POINTER, different_keys, posting_bytes
from indexpilot_cli.methods.fields import Field
from indexpilot_cli.methods.frequencies import Groups, value_groups
from indexpilot_cli.methods.kinds.btree import FILL, TreeSize, btree_size, packed

_TUPLE = 8  # bytes of an index tuple before its data
_WIDTHS = 40
_LISTED = 100  # keys that count by their own frequency, as ANALYZE lists them
_HEAVY = 0.05  # share of the rows of one key
# Rows with a key that another has, by which columns are dependent: times those that chance makes, with errors of the
# statistics; standard deviations; and so many at least.
_MORE_ALIKE, _DEVIATIONS, _FEW = 1.05, 4.0, 10.0
_OFTEN = 3  # times a key is seen, at least, for its frequency to be believed
_SURE = 3.0  # standard deviations, and rows, by which a predicate keeps others than statistics say


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


def tells(sample: PageSample, definition: IndexDefinition) -> bool:
    """Whether the rows that were read have all keys of the index."""
    plain = definition.predicate is None and all(k.column is not None for k in definition.keys)
    return plain and set(definition.columns) <= set(sample.columns) and any(page.rows for page in sample.pages)


def joint_field(sample: PageSample, definition: IndexDefinition, fields: Sequence[Field], rows: float) -> Field | None:
    """How often the keys come together in so many rows; None where it may be chance, by ``fields``, the single ones.

    Rows of one page are often alike, so a key counts once on each: the sample is one of pairs of a key and a page.
    """
    places = [sample.columns.index(c) for c in definition.columns]
    whole = sample.heap_pages <= MOST_PAGES
    times: Counter[tuple[object, ...]] = Counter()
    for page in sample.pages:
        columns = [[as_key(row[place]) for row in page.rows] for place in places]
        keys = list(zip(*columns, strict=True))
        times.update(keys if whole else set(keys))
    read = sum(len(page.rows) for page in sample.pages)
    drawn, by_chance = times.total(), times.total() - different_keys(fields, times.total())
    if drawn - len(times) <= by_chance * _MORE_ALIKE + _DEVIATIONS * math.sqrt(by_chance) + _FEW:
        return None
    pairs = drawn * max(1.0, rows / read)
    groups = tuple((seen, _TUPLE + 8, keys) for seen, keys in Counter(times.values()).items())
    found = _field(KeySample(groups, pairs, whole))
    return found if pairs >= rows else replace(found, rare=tuple(_of_rows(found.rare, pairs, rows)))


def kept_share(found: PageMatches, share: float) -> float:
    """The share of rows that the condition keeps: ``share``, unless the pages that were read contradict it."""
    read = sum(page.rows for page in found.pages)
    kept = sum(page.matches[0] for page in found.pages)
    if not read:
        return share
    seen = kept / read
    # Rows of one page are often alike: the error is one over pages.
    error = math.hypot(*(page.matches[0] - seen * page.rows for page in found.pages))
    return seen if found.whole or abs(kept - share * read) > _SURE * error + _SURE else share


def _of_rows(groups: Groups, pairs: float, rows: float) -> Iterator[tuple[float, float]]:
    """The groups of values that so many rows hold, of those found by counting a value once a page."""
    for share, values in groups:
        mean = share * pairs / values
        there = share * pairs * (-math.expm1(-mean) / mean if mean > 0 else 1.0)
        yield share, share * rows / _repeated(min(1.0, there / (share * rows)))


def _repeated(different: float) -> float:
    """How often a key comes on the average, where by chance that share of the rows has different keys."""
    low, high = 1e-9, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if -math.expm1(-middle) / middle > different else (low, middle)
    return low


def _field(sample: KeySample) -> Field:
    """All keys of the index together as one."""
    seen = sample.seen
    # A few keys with most rows (NULL often) would hide how many the others are: those are counted by themselves.
    heavy = [(times, keys) for times, _, keys in sample.groups if times >= max(_OFTEN, _HEAVY * seen)]
    held = sum(times * keys for times, keys in heavy)
    rest = [group for group in sample.groups if group[0] < max(_OFTEN, _HEAVY * seen)]
    common = _common(rest, seen)
    distinct = distinct_keys(rest, sample.rows * (1.0 - held / seen))
    common, rare = value_groups(common, held / seen, distinct, sample.rows, seen, _LISTED)
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
