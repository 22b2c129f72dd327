"""How many pages a freshly built B-tree has.

Follows nbtsort.c and nbtdedup.c: index tuples of 8 bytes and aligned keys, line pointers of 4, leaves filled to
the fillfactor, inner pages to 70 per cent, and from version 13 posting lists of at most a tenth of a page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from indexpilot_cli.methods.fields import Field

PAGE = 8192
_HEADERS = 24 + 16  # page header and B-tree special space
_POINTER = 4
_TID = 6
_POSTING = 812  # longest posting tuple of a build: a tenth of a page, less a line pointer
_INNER_FREE = PAGE * 30 // 100
_CLASSES = 600


@dataclass(frozen=True, slots=True)
class Tree:
    """Pages of a B-tree with its metapage, the level of its root (0: a single leaf) and its leaf pages."""

    pages: int
    height: int
    leaves: int


def btree_size(
    keys: Sequence[Field],
    include: Sequence[Field],
    rows: float,
    *,
    unique: bool,
    fillfactor: int,
    major: int,
    most_groups: float = math.inf,
) -> Tree:
    """The size of a B-tree just built over ``rows`` rows, of which at most ``most_groups`` differ in the keys."""
    if rows < 1:
        return Tree(1, 0, 0)
    fields = (*keys, *include)
    base = tuple_size(fields)
    repeats = major >= 13 and not unique and not include and all(k.equal_image for k in keys)
    total = _deduplicated(keys, rows, base, most_groups) if repeats else rows * (base + _POINTER)
    usable = PAGE - _HEADERS - _POINTER - PAGE * (100 - fillfactor) // 100
    leaves = max(1, math.ceil(total / _filled(usable, total / rows, base, fields, repeats)))
    inner, height = _levels(leaves, tuple_size(keys))
    return Tree(1 + leaves + inner, height, leaves)


def tuple_size(fields: Sequence[Field]) -> float:
    """Expected bytes of an index tuple without line pointer: header, null bitmap, aligned values."""
    total = 0.0
    for share, present in _null_patterns(fields):
        header = 8 if len(present) == len(fields) else 16
        total += share * (header + _data_size(present))
    return total


def _null_patterns(fields: Sequence[Field]) -> Iterator[tuple[float, tuple[Field, ...]]]:
    nullable = [f for f in fields if f.nulls > 0.001][:6]
    for pattern in product((True, False), repeat=len(nullable)):
        share = math.prod(1 - f.nulls if there else f.nulls for f, there in zip(nullable, pattern, strict=True))
        absent = [f for f, there in zip(nullable, pattern, strict=True) if not there]
        yield share, tuple(f for f in fields if not any(f is a for a in absent))


def _data_size(fields: Sequence[Field]) -> float:
    """Mean aligned size over typical widths, the lists of several columns read at different paces."""
    count = max((len(f.widths) for f in fields), default=1)
    total = 0
    for turn in range(count):
        size = 0
        for place, field in enumerate(fields):
            width = field.widths[turn * (2 * place + 1) % len(field.widths)]
            align = field.align if width > 127 or len(field.widths) == 1 else min(field.align, 1)
            size = -(-size // align) * align + width
        total += -(-size // 8) * 8
    return total / count


def _filled(usable: float, row_bytes: float, base: float, fields: Sequence[Field], repeats: bool) -> float:
    """Bytes of items on a full leaf: whole items, the last of which moved on and left its key behind."""
    item = base + _POINTER
    if not repeats or row_bytes >= 0.95 * item:
        fixed = all(len(f.widths) == 1 for f in fields)
        count = math.floor(usable / item) if fixed else usable / item - 0.5
        return max(1.0, count) * item
    if row_bytes < _TID * 1.3:
        return max(1, int(usable // _POSTING)) * (_POSTING)
    return usable - item


def _levels(leaves: int, pivot: float) -> tuple[int, int]:
    fanout = max(2, int((PAGE - _HEADERS - _INNER_FREE) // (pivot + _POINTER)))
    inner, height, below = 0, 0, leaves
    while below > 1:
        below = math.ceil(below / fanout)
        inner, height = inner + below, height + 1
    return inner, height


def _deduplicated(keys: Sequence[Field], rows: float, base: float, most_groups: float) -> float:
    """Bytes of all leaf items when equal keys share posting lists."""
    total = 0.0
    for share, values in _classes(keys, most_groups):
        total += _group_bytes(share * rows, values, base, len(keys) == 1)
    return total


def _classes(keys: Sequence[Field], most_groups: float) -> Iterator[tuple[float, float]]:
    """Groups of key combinations of like frequency: share of the rows, number of combinations."""
    if len(keys) == 1:
        yield from _column_classes(keys[0], 10_000)
        return
    most = max(2, int(_CLASSES ** (1 / len(keys))))
    cells = min(_joint_distinct(keys), most_groups)
    independent = math.prod(k.distinct + (k.nulls > 0) for k in keys)
    shrink = cells / independent if independent > 0 else 1.0
    for combination in product(*(tuple(_column_classes(k, most)) for k in keys)):
        share = math.prod(c[0] for c in combination)
        yield share, max(1.0, math.prod(c[1] for c in combination) * shrink)


def _column_classes(field: Field, most: int) -> Iterator[tuple[float, float]]:
    common = field.common[:most]
    yield from ((f, 1.0) for f in common)
    rest = 1.0 - field.nulls - sum(common)
    if field.nulls > 0:
        yield field.nulls, 1.0
    if rest > 1e-6:
        yield rest, max(1.0, field.distinct - len(common))


def _joint_distinct(keys: Sequence[Field]) -> float:
    """Distinct combinations. Columns that both follow the physical order also follow each other."""
    independent = math.prod(k.distinct + (k.nulls > 0) for k in keys)
    if sum(abs(k.correlation) > 0.95 for k in keys) == len(keys):
        return min(independent, sum(k.distinct for k in keys))
    return independent


def _group_bytes(rows: float, values: float, base: float, exact: bool) -> float:
    """Bytes of ``values`` groups of equal keys that share ``rows`` rows; ``exact``: each group has a row."""
    if rows <= 0:
        return 0.0
    mean = rows / values
    if mean >= 40:
        return values * posting_bytes(mean, base)
    if exact:
        mean = max(mean, 1.0 + 1e-6)
        rate = _untruncated(round(mean, 3))
        return values * _poisson_bytes(rate, base) / -math.expm1(-rate) if mean > 1.001 else rows * (base + _POINTER)
    return values * _poisson_bytes(mean, base)


def posting_bytes(count: float, base: float) -> float:
    """Bytes of one key's items, line pointers included, when ``count`` rows share it."""
    capacity = max(1, int((_POSTING // 8 * 8 - base) // _TID))
    if capacity < 2:
        return count * (base + _POINTER)
    full, rest = divmod(count, capacity)
    size = full * (_aligned(base + capacity * _TID) + _POINTER)
    if rest >= 2:
        size += _aligned(base + rest * _TID) + _POINTER
    elif rest > 0:
        size += min(rest, 1.0) * (base + _POINTER) + max(rest - 1.0, 0.0) * 16
    return size


def _aligned(size: float) -> float:
    return math.ceil(size / 8) * 8


@lru_cache(maxsize=4096)
def _untruncated(mean: float) -> float:
    """The rate of a Poisson law whose mean, zero left out, is ``mean``."""
    rate = mean
    for _ in range(60):
        rate = mean * -math.expm1(-rate)
    return max(rate, 1e-9)


def _poisson_bytes(rate: float, base: float) -> float:
    return _poisson_table(round(math.log(max(rate, 1e-9)) * 50), round(base * 2))


@lru_cache(maxsize=65536)
def _poisson_table(step: int, double_base: int) -> float:
    rate, base = math.exp(step / 50), double_base / 2
    total, chance = 0.0, math.exp(-rate)
    for count in range(1, int(rate + 7 * math.sqrt(rate) + 8)):
        chance *= rate / count
        total += chance * posting_bytes(count, base)
    return total
