"""Hash: one long value compared for equality; four bytes of it are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator

from indexpilot_cli.core.catalog import BLOCK, Table
from indexpilot_cli.core.index import HASH, IndexDefinition, Reason
from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.methods.kind import BuiltSize, IndexBuild, IndexKind, KeyCondition, NoService, Service
from indexpilot_cli.methods.kinds.btree import WITHOUT_BTREE
from indexpilot_cli.methods.rates import EntryClass

_HASH_ITEM = 16 + 4
_HASH_FREE = BLOCK - 24 - 16


def hash_pages(rows: float, nulls: float, distinct: float, fillfactor: int) -> int:
    """Pages of a hash index: buckets grow by quarters of powers of two, chains overflow by chance and repeats.

    hashpage.c (_hash_init, _hash_spareindex): one metapage, one bitmap page per 32,768 overflow pages.
    """
    present = rows * (1.0 - nulls)
    per_bucket = max(10, BLOCK * fillfactor // 100 // _HASH_ITEM)
    buckets = _buckets(max(2.0, present / per_bucket))
    half = 1 << (buckets - 1).bit_length() - 1
    capacity = _HASH_FREE // _HASH_ITEM
    repeats = present / max(distinct, 1.0)
    # Buckets that were not yet split in this round hold twice what the others do.
    double = 2 * half - buckets
    overflow = double * _overflow(present / half, capacity, repeats)
    overflow += (buckets - double) * _overflow(present / half / 2, capacity, repeats)
    return math.ceil(2 + buckets + overflow)


def _buckets(wanted: float) -> int:
    power = 1 << max(1, math.ceil(math.log2(wanted)))
    if power < 1024:
        return power
    half = power // 2
    return next(half + half // 4 * q for q in (1, 2, 3, 4) if half + half // 4 * q >= wanted)


def _overflow(mean: float, capacity: int, repeats: float) -> float:
    """Expected overflow pages of a bucket whose rows come in lumps of ``repeats``; a normal approximation."""
    spread = math.sqrt(max(mean * max(repeats, 1.0), 1e-9))
    total = 0.0
    for chain in range(1, 200):
        tail = 0.5 * math.erfc((chain * capacity - mean) / spread / math.sqrt(2))
        total += tail
        if tail < 1e-6:
            break
    return total


LONG_TYPES = ("text", "varchar", "bpchar", "citext", "bytea")


class HashKind(IndexKind):
    """See the module."""

    name = HASH
    without_class = WITHOUT_BTREE - {"xid", "cid", "aclitem"} | {
        *("tsvector", "tsquery", "money", "bit", "varbit", "oidvector")
    }

    def built(self, build: IndexBuild) -> BuiltSize:
        """See IndexKind."""
        key = build.fields[0]
        return BuiltSize(hash_pages(build.rows, key.nulls, key.distinct, build.option("fillfactor", 75)))

    def entry_class(self, _definition: IndexDefinition, _table: Table) -> EntryClass:
        """See IndexKind."""
        return EntryClass.HASH

    def serves(self, condition: KeyCondition) -> Iterator[Service | NoService]:
        """Long values, nearly all different, that nothing wants in order."""
        column = condition.column
        if condition.atom.kind is not AtomKind.EQUAL or column is None or column.statistics is None:
            return
        width, distinct = column.statistics.avg_width, column.statistics.distinct(condition.rows)
        least = condition.thresholds
        if column.base_type not in LONG_TYPES or least.hash_width is None or width < least.hash_width:
            return
        if distinct >= least.hash_distinct * condition.rows and not condition.ordered:
            text = f"{column.name} is {width} bytes long and only compared for equality: a hash keeps 4 of them"
            yield Service(condition.key, "hash", Reason("hash", text, "pg_stats"))


KIND = HashKind()
