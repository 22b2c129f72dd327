"""Sizes of GIN indexes just built, from element statistics or from the values the statistics keep."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from indexpilot_cli.core.catalog import ColumnStatistics

PAGE = 8192
_ENTRY_FREE = (PAGE - 24 - 8) * 0.53  # entries come in order and pages split in the middle
_POSTING_FREE = (PAGE - 24 - 8 - 32) * 0.92
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
    """Mean bytes of a compressed row pointer when ``count`` rows, spread by chance, hold the key.

    ginpostinglist.c: differences of (page << 11 | offset) in groups of seven bits.
    """
    density = max(count, 1e-9) / max(heap_pages, 1)
    same_page = 1.0 - -math.expm1(-density) / density
    further = sum(math.exp(-density * (pages - 1)) for pages in (8, 1024, 131072))
    return same_page + (1.0 - same_page) * (2.0 + further)


def element_keys(statistics: ColumnStatistics, rows: float, width: float) -> Keys | None:
    """Keys of an array or tsvector column from its most common elements, or None without element statistics."""
    frequencies = statistics.most_common_elem_freqs[: len(statistics.most_common_elems)]
    if not frequencies:
        return None
    present = rows * (1.0 - statistics.null_frac)
    common = tuple(f * present for f in frequencies)
    sizes = [len(e.encode()) + 1 for e in statistics.most_common_elems]
    average = _elements(statistics, sum(sizes) / len(sizes), sum(frequencies))
    rest = max(0.0, average * present - sum(common))
    # The list ends where it is full (a multiple of 1,000 at the usual target) or at what lossy counting saw.
    full = len(frequencies) % 1000 == 0
    each = 0.6 * min(common) if full else min(min(common) / 2, 6.3e-5 * average * present / 2)
    rare = rest / max(1.0, each) if rest > 0.01 * sum(common) else 0.0
    mean = sum(sizes) / len(sizes) if width <= 0 else width
    return Keys(common, rest, rare, mean, True)


def _elements(statistics: ColumnStatistics, size: float, known: float) -> float:
    """Mean number of elements of a value: counted for arrays, from the bytes of a lexeme for tsvector."""
    if statistics.elem_count_histogram:
        return statistics.elem_count_histogram[-1]
    return max(known, (statistics.avg_width - 8) / (4 + size - 1 + 4.5))


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


def lexemes(text: str) -> set[str]:
    """Words in lower case, for what to_tsvector would keep."""
    return set("".join(c if c.isalnum() else " " for c in text.lower()).split())


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
