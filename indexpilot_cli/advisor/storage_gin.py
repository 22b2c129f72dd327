"""Sizes of GIN indexes just built, from element statistics or from the values the statistics keep."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from indexpilot_cli.model.catalog import ColumnStatistics

PAGE = 8192
_ENTRY_FREE = (PAGE - 24 - 8) * 0.9
_POSTING_FREE = (PAGE - 24 - 8 - 32) * 0.75
_INLINE = 2704  # longest entry tuple; longer posting lists move to trees of their own


@dataclass(frozen=True, slots=True)
class Keys:
    """What a GIN index stores: for each distinct key how many rows have it. ``width`` is bytes of a key.

    ``common`` are row counts of the frequent keys; ``rest`` further items spread over ``rare`` further keys.
    """

    common: tuple[float, ...]
    rest: float
    rare: float
    width: float
    known: bool


def gin_pages(keys: Keys, heap_pages: int) -> int:
    """Pages of a GIN index: metapage and root, entry tree with short posting lists inside, and posting trees."""
    entries, trees = 0.0, 0.0
    for count in keys.common:
        size, pages = _entry(count, heap_pages, keys.width)
        entries, trees = entries + size, trees + pages
    if keys.rare >= 1:
        size, pages = _entry(keys.rest / keys.rare, heap_pages, keys.width)
        entries, trees = entries + size * keys.rare, trees + pages * keys.rare
    leaves = max(1, math.ceil(entries / _ENTRY_FREE))
    inner = math.ceil(leaves / 200) if leaves > 1 else 0
    return math.ceil(1 + leaves + inner + trees)


def _entry(count: float, heap_pages: int, width: float) -> tuple[float, float]:
    listed = count * item_bytes(count, heap_pages)
    size = math.ceil((8 + width + 2 + listed) / 8) * 8 + 4
    if size <= _INLINE:
        return size, 0.0
    leaves = math.ceil(listed / _POSTING_FREE)
    return math.ceil((8 + width) / 8) * 8 + 4, leaves + (1 if leaves > 1 else 0)


def item_bytes(count: float, heap_pages: int) -> float:
    """Bytes of one compressed row pointer when ``count`` rows of the table hold the key (varbyte deltas)."""
    gap = max(1.0, heap_pages * 2048.0 / max(count, 1.0))
    if count > heap_pages:
        # Several on a page: most steps stay on it and take one byte or two, one step a page goes on.
        return 1.0 + heap_pages / count
    return float(max(2, math.ceil(math.log2(gap) / 7 + 0.15)))


def element_keys(statistics: ColumnStatistics, rows: float, width: float) -> Keys | None:
    """Keys of an array or tsvector column from its most common elements, or None without element statistics."""
    frequencies = statistics.most_common_elem_freqs[: len(statistics.most_common_elems)]
    if not frequencies:
        return None
    present = rows * (1.0 - statistics.null_frac)
    common = tuple(f * present for f in frequencies)
    average = statistics.elem_count_histogram[-1] if statistics.elem_count_histogram else sum(frequencies)
    rest = max(0.0, average * present - sum(common))
    rare = rest / max(1.0, min(common) / 3) if rest > 0.01 * sum(common) else 0.0
    sizes = [len(e.encode()) + 1 for e in statistics.most_common_elems]
    mean = sum(sizes) / len(sizes) if width <= 0 else width
    return Keys(common, rest, rare, mean, True)


def sampled_keys(
    values: Iterable[str], extract: Callable[[str], Iterable[str]], rows: float, width: float | None = None
) -> Keys | None:
    """Keys of a column from a sample of its values: frequent ones counted, unseen ones by Chao's estimate.

    Chao, "Nonparametric estimation of the number of classes in a population", Scand. J. Statist. 1984.
    """
    counts: Counter[str] = Counter()
    size = 0
    for value in values:
        counts.update(set(extract(value)))
        size += 1
    if size == 0 or not counts:
        return None
    scale = rows / size
    common = tuple(c * scale for c in counts.values() if c > 1)
    once = sum(1 for c in counts.values() if c == 1)
    twice = sum(1 for c in counts.values() if c == 2)
    rare = once + once * (once - 1) / (2.0 * (twice + 1)) if once else 0.0
    rest = once * scale
    mean = width if width is not None else sum(len(k.encode()) + 1 for k in counts) / len(counts)
    return Keys(common, rest, min(rare, rest), mean, size >= 30)


def trigrams(text: str) -> set[str]:
    """Trigrams as pg_trgm makes them: of each word in lower case with two blanks before and one after."""
    cleaned = "".join(c if c.isalnum() else " " for c in text.lower())
    return {f"  {w} "[i : i + 3] for w in cleaned.split() for i in range(len(w) + 1)}


def json_paths(text: str) -> set[str]:
    """The hashed items of jsonb_path_ops: each value together with the keys above it."""
    return {" ".join(path) for path in _walk(_parsed(text), ())}


def json_keys(text: str) -> set[str]:
    """The items of jsonb_ops: every key and every value."""
    found: set[str] = set()
    for path in _walk(_parsed(text), ()):
        found.update("K" + p for p in path[:-1])
        found.add("V" + path[-1])
    return found


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _walk(value: object, above: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*above, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, above)
    else:
        yield (*above, str(value))
