"""Bytes of the entries of a B-tree just built, where equal keys share posting lists (nbtdedup.c)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product

from indexpilot_cli.methods.fields import Field, aligned

POINTER = 4
TID = 6
POSTING = 812  # longest posting tuple of a build: a tenth of a page, less a line pointer
_CLASSES = 600


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


def deduplicated(keys: Sequence[Field], rows: float, most_groups: float, joint: Field | None) -> float:
    """Bytes of all leaf items when equal keys share posting lists; NULLs are equal to each other here."""
    independent = math.prod(k.distinct + (k.nulls > 0) for k in keys)
    shrink = min(_joint_distinct(keys), most_groups) / independent if independent > 0 else 1.0
    if joint is None and len(keys) == 1 and keys[0].listed:
        return _by_width(keys[0], rows, shrink)
    total = 0.0
    for share, present in _null_patterns(keys):
        base = (8 if len(present) == len(keys) else 16) + _data_size(present)
        # Of a hundred common values many are as common as another, for a sample counts in whole rows.
        for (part, values), alike in Counter(_column_groups(joint) if joint else _groups(present)).items():
            there = values * share if joint else max(1.0, values * shrink)
            total += alike * _group_bytes(share * part * rows, there, base)
    return total


def _by_width(key: Field, rows: float, shrink: float) -> float:
    """The same of one column whose common values are not as long as the others (kinds of facts in one column)."""
    rest = 8 + _data_size([replace(key, widths=key.others)])
    total = posting_bytes(key.nulls * rows, 16)
    for share, width in zip(key.common, key.listed, strict=True):
        total += posting_bytes(share * rows, 8 + aligned(width))
    return total + sum(_group_bytes(share * rows, max(1.0, values * shrink), rest) for share, values in key.rare)


def _groups(keys: Sequence[Field]) -> Iterator[tuple[float, float]]:
    """Key combinations of like frequency among rows without NULL: share of them, combinations there may be."""
    if len(keys) == 1:
        yield from _column_groups(keys[0])
        return
    most = max(2, int(_CLASSES ** (1 / max(1, len(keys)))))
    for combination in product(*(_coalesced(_column_groups(k), most) for k in keys)):
        yield math.prod(c[0] for c in combination), math.prod(c[1] for c in combination)


def _column_groups(field: Field) -> list[tuple[float, float]]:
    there = 1.0 - field.nulls
    return [*((f / there, 1.0) for f in field.common), *((share / there, values) for share, values in field.rare)]


def different_keys(keys: Sequence[Field], drawn: float) -> float:
    """How many keys to expect among so many rows drawn by chance, when the columns are independent."""
    found = 0.0
    for share, present in _null_patterns(keys):
        for part, values in _groups(present):
            rows = drawn * share * part
            found += rows if math.isinf(values) else -values * math.expm1(-rows / values)
    return found


def _coalesced(groups: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many groups: those whose values are about as frequent become one."""
    if len(groups) <= most:
        return list(groups)
    places = [math.log(max(share / values, 1e-15)) for share, values in groups]
    least = min(places)
    step = (max(places) - least) / most or 1.0
    joined: dict[int, tuple[float, float]] = {}
    for place, (share, values) in zip(places, groups, strict=True):
        number = min(most - 1, int((place - least) / step))
        known = joined.get(number, (0.0, 0.0))
        joined[number] = (known[0] + share, known[1] + values)
    return list(joined.values())


def _joint_distinct(keys: Sequence[Field]) -> float:
    """Distinct combinations. Columns that both follow the physical order also follow each other."""
    independent = math.prod(k.distinct + (k.nulls > 0) for k in keys)
    if sum(abs(k.correlation) > 0.95 for k in keys) == len(keys):
        return min(independent, sum(k.distinct for k in keys))
    return independent


def _group_bytes(rows: float, values: float, base: float) -> float:
    """Bytes of groups of equal keys, when ``rows`` rows are spread by chance over ``values`` keys there may be."""
    mean = rows / values
    if mean >= 40:
        return values * posting_bytes(mean, base)
    return values * _poisson_bytes(mean, base) if mean > 1e-4 else rows * (base + POINTER)


def posting_bytes(count: float, base: float) -> float:
    """Bytes of one key's items, line pointers included, when ``count`` rows share it."""
    capacity = max(1, int((POSTING // 8 * 8 - base) // TID))
    if capacity < 2:
        return count * (base + POINTER)
    full, rest = divmod(count, capacity)
    size = full * (aligned(base + capacity * TID) + POINTER)
    if rest >= 2:
        size += aligned(base + rest * TID) + POINTER
    elif rest > 0:
        size += min(rest, 1.0) * (base + POINTER) + max(rest - 1.0, 0.0) * 16
    return size


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
