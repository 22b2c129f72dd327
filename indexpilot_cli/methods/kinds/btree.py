"""B-tree: equality, ranges and order. Which keys in which order is the candidate generator's question.

The size model follows nbtsort.c and nbtdedup.c: index tuples of 8 bytes and aligned keys, line pointers of 4, leaves
filled to the fillfactor, inner pages to 70 per cent, from version 13 posting lists of at most a tenth of a page.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.core.catalog import BLOCK, Table
from indexpilot_cli.core.index import BTREE, IndexDefinition
from indexpilot_cli.methods.deduplication import POINTER, POSTING, TID, deduplicated, tuple_size
from indexpilot_cli.methods.fields import Field, column_field, key_field
from indexpilot_cli.methods.kind import HEADER_SIZE, BuiltSize, IndexBuild, IndexKind, RelationFile, make_page
from indexpilot_cli.methods.rates import EntryClass, WriteRates
from indexpilot_cli.sql.selectivity import row_count

# Types without a default B-tree operator class (pg_opclass, PostgreSQL 13 to 18).
WITHOUT_BTREE = frozenset(
    {
        *(
            "json",
            "xml",
            "point",
            "line",
            "lseg",
            "box",
            "path",
            "polygon",
            "circle",
            "xid",
            "cid",
            "aclitem",
            "jsonpath",
        ),
        *(
            "txid_snapshot",
            "pg_snapshot",
            "gtsvector",
            "pg_node_tree",
            "geometry",
            "geography",
            "_json",
            "_xml",
            "_point",
        ),
    }
)
# Operator classes that compare byte by byte, for LIKE 'prefix%' in other collations than C.
PATTERN_CLASSES = {"text": "text_pattern_ops", "varchar": "varchar_pattern_ops", "bpchar": "bpchar_pattern_ops"}
_MAGIC, _VERSION = 0x053162, 4
_LEAF, _ROOT, _META = 1, 2, 8
_ALTERNATIVE_TID = 0x2000
_NORMAL_ITEM = 1 << 15
MAX_HEIGHT = 16
_SPREAD = 1.1  # pages with independent over pages with fully dependent columns, from which we are unsure
_MORE = 0.5  # microseconds of an entry for more than one column (tests/benchmarks/writes.py)
_FEW = 1000  # values that keep to few pages
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext", "jsonb", "json", "bytea"})

_HEADERS = 24 + 16  # page header and B-tree special space
FILL = 90  # per cent of a leaf that a build fills, unless told otherwise
_INNER_FREE = BLOCK * 30 // 100


@dataclass(frozen=True, slots=True)
class TreeSize:
    """Pages of a B-tree with its metapage, the level of its root (0: a single leaf) and its leaf pages."""

    pages: int
    height: int
    leaves: int


def btree_size(
    keys: Sequence[Field],
    include: Sequence[Field],
    rows: float,
    *,
    folds: bool,
    fillfactor: int,
    most_groups: float = math.inf,
    joint: Field | None = None,
) -> TreeSize:
    """The size of a B-tree just built over ``rows`` rows, of which at most ``most_groups`` differ in the keys.

    ``folds``: equal keys share posting lists, as ``may_fold`` says of an index, where the keys' types let them.
    ``joint``: how the keys come together, where that is known; else they are taken as independent.
    """
    if rows < 1:
        return TreeSize(1, 0, 0)
    base = tuple_size((*keys, *include))
    repeats = folds and all(k.equal_image and not k.unique for k in keys)
    total = deduplicated(keys, rows, most_groups, joint) if repeats else rows * (base + POINTER)
    return packed((*keys, *include), tuple_size(keys), total, rows, fillfactor=fillfactor, repeats=repeats)


def packed(
    fields: Sequence[Field], pivot: float, total: float, rows: float, *, fillfactor: int, repeats: bool
) -> TreeSize:
    """A B-tree whose leaves hold ``total`` bytes of items, line pointers included, for so many rows."""
    usable = BLOCK - _HEADERS - POINTER - BLOCK * (100 - fillfactor) // 100
    filled = _filled(usable, total / rows, tuple_size(fields), fields, repeats)
    leaves = max(1, math.ceil(total / filled))
    inner, height = _levels(leaves, pivot)
    return TreeSize(1 + leaves + inner, height, leaves)


def may_fold(definition: IndexDefinition, major: int) -> bool:
    """Whether a build puts equal keys into posting lists: not for unique ones, nor with INCLUDE columns.

    https://www.postgresql.org/docs/current/btree.html#BTREE-DEDUPLICATION
    """
    wanted = dict(definition.options).get("deduplicate_items", "on").lower() in ("on", "true", "yes", "1")
    return major >= 13 and wanted and not definition.unique and not definition.include


def btree_height(pages: int, keys: Sequence[Field]) -> int:
    """Level of the root of a B-tree of that many pages, its metapage included (0: a single leaf)."""
    pivot = tuple_size(keys)
    low, high = 1, max(1, pages - 1)
    while low < high:  # the most leaves whose tree fits in the pages
        middle = (low + high + 1) // 2
        fits = middle + _levels(middle, pivot)[0] <= pages - 1
        low, high = (middle, high) if fits else (low, middle - 1)
    return _levels(low, pivot)[1]


def _filled(usable: float, row_bytes: float, base: float, fields: Sequence[Field], repeats: bool) -> float:
    """Bytes of items on a full leaf: whole items, the last of which moved on and left its key behind."""
    item = base + POINTER
    if not repeats or row_bytes >= 0.95 * item:
        fixed = all(len(f.widths) == 1 for f in fields)
        count = math.floor(usable / item) if fixed else usable / item - 0.5
        return max(1.0, count) * item
    if row_bytes < TID * 1.3:
        return max(1, int(usable // POSTING)) * (POSTING)
    return usable - item


def _levels(leaves: int, pivot: float) -> tuple[int, int]:
    fanout = max(2, int((BLOCK - _HEADERS - _INNER_FREE) // (pivot + POINTER)))
    inner, height, below = 0, 0, leaves
    while below > 1:
        below = math.ceil(below / fanout)
        inner, height = inner + below, height + 1
    return inner, height


def btree_pages(height: int) -> bytes:
    """Metapage and a chain of ``height + 1`` pages: an empty tree whose root is on that level.

    Each internal page holds one item, the minus-infinity downlink to the page below, so descents end at an
    empty leaf instead of an error. Height 0 gives an index without a root, as CREATE INDEX leaves an empty one.
    """
    if not 0 <= height <= MAX_HEIGHT:
        raise ValueError(f"no B-tree is {height} levels high")
    root = height + 1 if height else 0
    return b"".join(
        [_btree_metapage(root, height), *(_btree_page(level, height) for level in range(height + 1))][: root + 1]
    )


def _btree_metapage(root: int, level: int) -> bytes:
    body = struct.pack("<IIIIIIIxxxxd?7x", _MAGIC, _VERSION, root, level, root, level, 0, -1.0, False)
    return make_page(body, _btree_special(0, _META), lower=HEADER_SIZE + len(body))


def _btree_page(level: int, height: int) -> bytes:
    flags = (_LEAF if level == 0 else 0) | (_ROOT if level == height else 0)
    if level == 0:
        return make_page(b"", _btree_special(level, flags), lower=HEADER_SIZE)
    # An index tuple of eight bytes: block (high, low) of the page below, no attributes, flags and size.
    downlink = struct.pack("<HHHH", 0, level, 0, _ALTERNATIVE_TID | 8)
    special = _btree_special(level, flags)
    offset = BLOCK - len(special) - len(downlink)
    pointer = struct.pack("<I", offset | _NORMAL_ITEM | len(downlink) << 17)
    return make_page(pointer, special, lower=HEADER_SIZE + len(pointer), items=downlink)


def _btree_special(level: int, flags: int) -> bytes:
    return struct.pack("<IIIHH", 0, 0, level, flags, 0)


class BtreeKind(IndexKind):
    """See the module."""

    name = BTREE
    metapage_matters = True
    without_class = WITHOUT_BTREE

    def built(self, build: IndexBuild) -> BuiltSize:
        """See IndexKind."""
        most, fewest = _most_groups(build), _fewest_groups(build)
        if build.told:
            tree = _tree(build, most)
            return BuiltSize(tree.pages, tree.height)
        tree = least = _tree(build, most)
        # How many keys differ matters only where equal ones share their entries.
        if fewest != most and may_fold(build.definition, build.catalog.major):
            least = _tree(build, fewest)
        return BuiltSize(tree.pages, tree.height, tree.pages <= _SPREAD * least.pages, min(tree.pages, least.pages))

    def entry_class(self, definition: IndexDefinition, table: Table) -> EntryClass:
        """By the type and physical order of the leading key; few values keep to few pages."""
        first = key_field(definition.keys[0], table, row_count(table), 0)
        if first.known and first.correlation > 0.99:
            return EntryClass.APPEND
        leading = table.column(definition.keys[0].column or "")
        if leading is None or (leading.base_type in _TEXTS and sum(first.widths) > 16 * len(first.widths)):
            return EntryClass.TEXT
        if len(definition.keys) == 1 and not definition.include and first.known and first.distinct < _FEW:
            return EntryClass.FEW
        return EntryClass.UUID if leading.base_type == "uuid" else EntryClass.RANDOM

    def entry_cost(self, definition: IndexDefinition, table: Table, rates: WriteRates) -> tuple[float, float]:
        """What its class costs, the bytes of the entry, and something for more columns where their order counts."""
        kind = self.entry_class(definition, table)
        fields = [key_field(k, table, row_count(table), 0) for k in definition.keys]
        fields += [column_field(c, row_count(table), 0) for n in definition.include if (c := table.column(n))]
        more = _MORE * rates.pace if len(fields) > 1 and kind is not EntryClass.APPEND else 0.0
        rate = rates.of(kind)
        return rate.us + more, rate.wal + tuple_size(fields)

    def first_pages(self, file: RelationFile) -> bytes:
        """See IndexKind."""
        return btree_pages(file.height)


def _tree(build: IndexBuild, most_groups: float) -> TreeSize:
    included = [build.table.column(name) for name in build.definition.include]
    return btree_size(
        build.fields,
        [column_field(c, build.rows, build.catalog.version) for c in included if c is not None],
        build.rows,
        folds=may_fold(build.definition, build.catalog.major),
        fillfactor=build.option("fillfactor", FILL),
        most_groups=most_groups,
        joint=build.joint,
    )


def _fewest_groups(build: IndexBuild) -> float:
    """Distinct keys when the columns follow one of them, and a predicate keeps the rows of few values."""
    if len(build.fields) == 1 and build.definition.predicate is None:
        return math.inf
    share = min(1.0, build.rows / max(1.0, row_count(build.table)))
    return max(1.0, max(f.distinct for f in build.fields) * share)


def _most_groups(build: IndexBuild) -> float:
    """Distinct keys at most: columns that reference a key together have no more values than that table has rows."""
    definition = build.definition
    most = math.inf
    for foreign in build.catalog.keys_of(build.table.name):
        parent = build.catalog.table(foreign.referenced)
        if parent is not None and set(foreign.columns) <= set(definition.columns):
            pairs = zip(definition.keys, build.fields, strict=True)
            others = math.prod(f.distinct for k, f in pairs if k.column not in foreign.columns)
            most = min(most, row_count(parent) * others)
    return most


KIND = BtreeKind()
