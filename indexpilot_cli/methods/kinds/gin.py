"""GIN: what values contain - elements, words, JSON keys and paths, trigrams.

Sizes come from element statistics, or from the values that the statistics keep.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from indexpilot_cli.core.catalog import BLOCK, Column, ColumnStatistics, Table
from indexpilot_cli.core.index import GIN, IndexDefinition, IndexKey, Reason
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.methods.elements import OF_KIND, hstore_keys, json_keys, json_paths, lexemes, trigrams
from indexpilot_cli.methods.fields import aligned, column_field
from indexpilot_cli.methods.frequencies import STEEPEST, power_law
from indexpilot_cli.methods.kind import (
    HEADER_SIZE,
    NO_BLOCK,
    BuiltSize,
    GinPages,
    IndexBuild,
    IndexKind,
    KeyCondition,
    NoService,
    RelationFile,
    Service,
    make_page,
)
from indexpilot_cli.methods.rates import EntryClass
from indexpilot_cli.sql.normal import columns, tree_of
from indexpilot_cli.sql.selectivity import index_statistics
from indexpilot_cli.sql.volatility import result_type

_META = 1 << 3
_VERSION = 2
_JSON = (AtomKind.CONTAINS, AtomKind.HAS_KEY, AtomKind.JSON_PATH)
_INSIDE = (*_JSON, AtomKind.CONTAINED, AtomKind.OVERLAPS, AtomKind.TEXT_SEARCH, AtomKind.MATCHES)
_ENTRY_FREE = (BLOCK - 24 - 8) * 0.53  # entries come in order and pages split in the middle
_POSTING_FREE = (BLOCK - 24 - 8 - 32) * 0.92
_NUMBERED = re.compile(r"(.*?)(\d{1,18})", re.DOTALL)
_ENOUGH = 20  # different keys without a repeat: every row has its own
_FREQUENT = 0.1  # of the values, from which on a key is one that most have
_INLINE = 2704  # longest entry tuple; longer posting lists move to trees of their own


@dataclass(frozen=True, slots=True)
class GinKeys:
    """What a GIN index stores: for each distinct key how many rows have it. ``width`` is bytes of a key.

    ``common`` are row counts of the frequent keys; ``rest`` further items spread over ``rare`` further keys. ``known``:
    statistics tell both.
    """

    common: tuple[float, ...]
    rest: float
    rare: float
    width: float
    known: bool


def gin_pages(keys: GinKeys, heap_pages: int) -> int:
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
    size = aligned(8 + width + 2 + listed) + 4
    if size <= _INLINE:
        return size, 0.0
    leaves = math.ceil(listed / _POSTING_FREE)
    return aligned(8 + width) + 4, leaves + (1 if leaves > 1 else 0)


def item_bytes(count: float, heap_pages: int) -> float:
    """Mean bytes of a compressed row pointer when ``count`` rows, spread by chance, hold the key.

    ginpostinglist.c: differences of (page << 11 | offset) in groups of seven bits.
    """
    density = max(count, 1e-9) / max(heap_pages, 1)
    same_page = 1.0 - -math.expm1(-density) / density
    further = sum(math.exp(-density * (pages - 1)) for pages in (8, 1024, 131072))
    return same_page + (1.0 - same_page) * (2.0 + further)


def element_keys(statistics: ColumnStatistics, rows: float, width: float) -> GinKeys | None:
    """Keys of an array or tsvector column from its most common elements, or None without element statistics."""
    frequencies = statistics.most_common_elem_freqs[: len(statistics.most_common_elems)]
    if not frequencies:
        return None
    present = rows * (1.0 - statistics.null_frac)
    common = tuple(f * present for f in frequencies)
    sizes = [len(e.encode()) + 1 for e in statistics.most_common_elems]
    average = _elements(statistics, sum(sizes) / len(sizes), sum(frequencies))
    rest = max(0.0, average * present - sum(common))
    mean = sum(sizes) / len(sizes) if width <= 0 else width
    # Nobody counted the elements of a tsvector: where most are none of the common ones their number is a guess.
    known = bool(statistics.elem_count_histogram) or rest <= sum(common)
    return GinKeys(common, rest, _rare_elements(common, rest, average * present), mean, known)


def _rare_elements(common: tuple[float, ...], rest: float, items: float) -> float:
    """How many elements the list does not name, which ``rest`` items hold."""
    if rest <= 0.01 * sum(common):
        return 0.0
    # The list ends where it is full (a multiple of 1,000 at the usual target) or at what lossy counting saw.
    if len(common) % 1000 == 0:
        falling = sorted(common, reverse=True)
        last = falling[-1]
        steepness = min(STEEPEST, math.log(falling[len(falling) // 2] / last) / math.log(2))
        groups = power_law(len(falling) + 0.5, last / items, rest / items, steepness)
        return sum(values * -math.expm1(-share * items / values) for share, values in groups)
    return rest / max(1.0, min(min(common) / 2, 6.3e-5 * items / 2))


def word_count(statistics: ColumnStatistics) -> float:
    """Mean number of words of a tsvector."""
    sizes = [len(e.encode()) + 1 for e in statistics.most_common_elems]
    known = sum(statistics.most_common_elem_freqs[: len(sizes)])
    return _elements(statistics, sum(sizes) / len(sizes) if sizes else 8.0, known)


def _elements(statistics: ColumnStatistics, size: float, known: float) -> float:
    """Mean number of elements of a value: counted for arrays, from the bytes of a lexeme for tsvector."""
    if statistics.elem_count_histogram:
        return statistics.elem_count_histogram[-1]
    return max(known, (statistics.avg_width - 8) / (4 + size - 1 + 4.5))


def sampled_keys(
    values: Iterable[str], extract: Callable[[str], Iterable[str]], rows: float, width: float | None = None
) -> GinKeys | None:
    """Keys of a column from a sample of its values: frequent ones counted, unseen ones estimated.

    Keys of one kind (JSON values below the same keys) are judged together: where none came twice every row has
    its own, else by Chao's estimate ("Nonparametric estimation of the number of classes in a population", Scand. J.
    Statist. 1984).
    """
    kinds: dict[str, Counter[str]] = {}
    size = 0
    for value in values:
        for key in dict.fromkeys(extract(value)):
            kinds.setdefault(key.rpartition(OF_KIND)[0], Counter())[key] += 1
        size += 1
    if not kinds:
        return None
    scale = rows / size
    counted = list(chain.from_iterable(counts.items() for counts in kinds.values()))
    common = tuple(c * scale for _, c in counted if c > 1)
    once = sum(c == 1 for _, c in counted)
    rare = sum(_unseen(counts, scale, rows) for counts in kinds.values())
    keys = [k.rpartition(OF_KIND)[2] for k, _ in counted]
    mean = width if width is not None else sum(len(k.encode()) + 1 for k in keys) / len(keys)
    return GinKeys(common, once * scale, rare, mean, size >= 30)


def _unseen(counts: Counter[str], scale: float, rows: float) -> float:
    """Keys of one kind that came once in the sample or not at all."""
    once = sum(1 for c in counts.values() if c == 1)
    if once == len(counts) >= _ENOUGH:
        return min(_numbers(counts), once * scale, rows)
    if once >= _ENOUGH and not any(1 < c < _FREQUENT * rows / scale for c in counts.values()):
        return once * scale  # beside words of every row none came twice: the others are a row's own
    twice = sum(1 for c in counts.values() if c == 2)
    return min(once + once * (once - 1) / (2.0 * (twice + 1)), once * scale) if once else 0.0


def _numbers(counts: Counter[str]) -> float:
    """How many whole numbers lie between the least and the largest of these keys, after a head that all share.

    Without end for keys of another form.
    """
    found = [match for k in counts if (match := _NUMBERED.fullmatch(k.rpartition(OF_KIND)[2])) is not None]
    numbers, heads = [int(match[2]) for match in found], {match[1] for match in found}
    alike = len(numbers) == len(counts) and len(heads) == 1
    return 1.0 + max(numbers) - min(numbers) if alike else math.inf


def gin_metapage(pages: GinPages) -> bytes:
    """The GIN metapage with these counts (zeros: the planner assumes its own split)."""
    body = struct.pack(
        "<IIIIqIIIxxxxqi",
        *(NO_BLOCK, NO_BLOCK, 0, pages.pending, 0, pages.total, pages.entry, pages.data, pages.entries),
        _VERSION,
    )
    return make_page(body, struct.pack("<IHH", NO_BLOCK, 0, _META), lower=HEADER_SIZE + len(body))


def _gin_keys(key: IndexKey, table: Table, rows: float) -> GinKeys:
    names = (key.column,) if key.column is not None else tuple(columns(key.expression or ""))
    column = table.column(names[0]) if len(names) == 1 else None
    statistics = column.statistics if column is not None else None
    own = index_statistics(key.expression, table) if key.expression is not None else None
    if own is not None and (
        key.operator_class == "gin_trgm_ops" or result_type(key.expression or "", table) == "jsonb"
    ):
        extract = _trigram_keys if key.operator_class == "gin_trgm_ops" else partial(_document_keys, key)
        return extract(own, rows) or _guessed(rows, float(own.avg_width))
    if column is None or statistics is None:
        return _guessed(rows, 80.0)
    found = _known_keys(key, column, statistics, rows)
    return found or _guessed(rows * (1.0 - statistics.null_frac), float(statistics.avg_width))


def _guessed(rows: float, width: float) -> GinKeys:
    """A key for every eight bytes, and as many distinct ones as the square root of all."""
    items = rows * max(1.0, width / 8)
    return GinKeys((), items, max(1.0, math.sqrt(items)), 8, False)


def _trigram_keys(statistics: ColumnStatistics, rows: float) -> GinKeys | None:
    values = (*statistics.histogram_bounds, *statistics.most_common_vals)
    return sampled_keys(values, trigrams, rows * (1.0 - statistics.null_frac), width=4)


def _document_keys(key: IndexKey, statistics: ColumnStatistics, rows: float) -> GinKeys | None:
    values = (*statistics.histogram_bounds, *statistics.most_common_vals)
    paths = key.operator_class == "jsonb_path_ops"
    extract = json_paths if paths else json_keys
    return sampled_keys(values, extract, rows * (1.0 - statistics.null_frac), width=4 if paths else None)


def _whole_values(column: Column, rows: float) -> GinKeys:
    """A value is a key (btree_gin)."""
    field = column_field(column, rows, 0)
    rare = sum(min(values, share * rows) for share, values in field.rare)
    rest, common = sum(share for share, _ in field.rare) * rows, tuple(f * rows for f in field.common)
    return GinKeys(common, rest, rare, sum(field.widths) / len(field.widths), field.known)


def _known_keys(key: IndexKey, column: Column, statistics: ColumnStatistics, rows: float) -> GinKeys | None:
    values = (*statistics.histogram_bounds, *statistics.most_common_vals)
    base_type, category = column.base_type, column.category
    if key.operator_class == "gin_trgm_ops":
        return _trigram_keys(statistics, rows)
    if key.expression is not None:
        tree = tree_of(key.expression)
        words = tree is not None and tree.value == "to_tsvector" and category == "S"
        return sampled_keys(values, lexemes, rows * (1.0 - statistics.null_frac)) if words else None
    if base_type == "jsonb":
        return _document_keys(key, statistics, rows)
    if base_type == "hstore":
        return sampled_keys(values, hstore_keys, rows * (1.0 - statistics.null_frac))
    if category in "NSDU" and base_type != "tsvector":
        return _whole_values(column, rows)
    if category == "A" or base_type == "tsvector":
        return element_keys(statistics, rows, 4 if base_type in ("_int4", "_int2") else 0)
    return None


class GinKind(IndexKind):
    """See the module."""

    name = GIN
    assumed = True
    any_order = True
    metapage_matters = True

    def built(self, build: IndexBuild) -> BuiltSize:
        """See IndexKind."""
        keys = [_gin_keys(k, build.table, build.rows) for k in build.definition.keys]
        return BuiltSize(sum(gin_pages(k, build.table.pages) for k in keys), sure=all(k.known for k in keys))

    def entry_class(self, definition: IndexDefinition, _table: Table) -> EntryClass:
        """See IndexKind."""
        return EntryClass.GIN if keeps_pending(definition) else EntryClass.GIN_AT_ONCE

    def first_pages(self, file: RelationFile) -> bytes:
        """See IndexKind."""
        return gin_metapage(file.gin or GinPages(0, 0, 0, 0, 0))

    def answers(self, have: IndexKey, want: IndexKey) -> bool:
        """The default class of jsonb answers everything that jsonb_path_ops does."""
        return want.operator_class == "jsonb_path_ops" and have.operator_class is None

    def serves(self, condition: KeyCondition) -> Iterator[Service | NoService]:
        """See IndexKind."""
        kind = condition.atom.kind
        if kind in (AtomKind.LIKE_INFIX, AtomKind.SIMILAR):
            yield _trigrams(condition)
        elif kind in _INSIDE:
            yield from _inside(condition)
        elif kind is AtomKind.DISTANCE and condition.type == "hstore":
            yield _json(condition, "hstore")


def _inside(condition: KeyCondition) -> Iterator[Service | NoService]:
    atom, kind, column, text = condition.atom, condition.type, condition.column, condition.key.text
    if atom.operator.upper() == "= ANY":
        detail = f"value = ANY ({text}) is not an indexable condition; {text} @> ARRAY[value] is, by a GIN index"
        yield NoService("function_mismatch", detail)
    elif kind == "jsonb" and atom.kind in _JSON:
        yield _jsonb(condition)
    elif kind == "hstore":
        yield _json(condition, "hstore")
    elif kind == "tsvector" or (atom.kind is AtomKind.TEXT_SEARCH and kind in ("text", "varchar", "")):
        yield Service(condition.key, "text_search", Reason("text_search", f"text search in {text}"))
    elif atom.kind in (AtomKind.MATCHES, AtomKind.TEXT_SEARCH):
        yield from _by_class(condition)
    elif (column is not None and column.category == "A") or kind.endswith("[]") or kind.startswith("_"):
        key = replace(condition.key, operator_class=_exact_class(condition))
        yield Service(key, "array", Reason("array_contains", f"arrays compared with {atom.operator}"))
    elif kind == "json":
        yield NoService("no_operator_class", "json has no gin operator class; store it as jsonb")


def _exact_class(condition: KeyCondition) -> str | None:
    """A class for arrays of this very type: an operator of theirs (intarray) goes before that of all arrays."""
    own = (c for c in condition.catalog.classes(GIN, condition.type) if c.type == condition.type and not c.is_default)
    return next((c.name for c in own if condition.atom.operator in c.searches), None)


def _by_class(condition: KeyCondition) -> Iterator[Service]:
    for found in condition.catalog.classes(GIN, condition.type):
        if condition.atom.operator in found.searches:
            key = condition.key if found.is_default else replace(condition.key, operator_class=found.name)
            yield Service(key, "gin", Reason("gin", f"{condition.type} compared with {condition.atom.operator}"))
            return


def _json(condition: KeyCondition, what: str) -> Service:
    return Service(condition.key, "json", Reason("json_contains", f"{what} compared with {condition.atom.operator}"))


def _jsonb(condition: KeyCondition) -> Service:
    if AtomKind.HAS_KEY in condition.alike:
        found = _json(condition, "jsonb")
        return replace(found, reason=replace(found.reason, text=f"{found.reason.text}; keys are asked for too"))
    why = "only @>, @? and @@ are used, which the smaller jsonb_path_ops serves"
    reason = Reason("json_contains", f"jsonb compared with {condition.atom.operator}; {why}")
    return Service(replace(condition.key, operator_class="jsonb_path_ops"), "json", reason)


def _trigrams(condition: KeyCondition) -> Service | NoService:
    text, atom = condition.key.text, condition.atom
    if condition.type in ("citext", "bpchar", "name"):
        detail = f"trigrams need text and {text} is {condition.type}; queries that cast it to text could use an index"
        return NoService("no_operator_class", detail, "gin_trgm_ops")
    if not condition.catalog.has_extension("pg_trgm"):
        detail = "patterns without a fixed beginning need trigrams: CREATE EXTENSION pg_trgm; then ask again"
        return NoService("extension_missing", detail, "gin_trgm_ops")
    known = _trigram_length(atom)
    if known is not None and known < 3:
        detail = f"the pattern {atom.constant} has fewer than three letters in a row, so no trigram can find it"
        return NoService("not_used", detail, "gin_trgm_ops")
    reason = Reason("trigram", f"{text} {atom.operator} with a pattern that may start anywhere")
    return Service(replace(condition.key, operator_class="gin_trgm_ops"), "trigram", reason)


def _trigram_length(atom: Atom) -> int | None:
    """Longest run of letters in a known LIKE pattern."""
    if atom.constant is None or atom.operator.upper() not in ("~~", "~~*", "LIKE", "ILIKE"):
        return None
    runs = "".join(c if c.isalnum() else " " for c in atom.constant.split("::")[0].replace("_", " ")).split()
    return max((len(r) for r in runs), default=0)


def keeps_pending(definition: IndexDefinition) -> bool:
    """Whether new entries wait in a list until there are enough to sort in at once: unless ``fastupdate`` is off."""
    return dict(definition.options).get("fastupdate", "on").lower() in ("on", "true", "yes", "1")


KIND = GinKind()
