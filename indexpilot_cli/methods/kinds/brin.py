"""BRIN: the smallest and largest value of each range of pages, for tables in the order of a column."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

from indexpilot_cli.core.catalog import BLOCK, Table
from indexpilot_cli.core.index import BRIN, IndexDefinition, Reason
from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.methods.fields import Field, aligned
from indexpilot_cli.methods.kind import (
    HEADER_SIZE,
    BuiltSize,
    IndexBuild,
    IndexKind,
    KeyCondition,
    NoService,
    RelationFile,
    Service,
    make_page,
)
from indexpilot_cli.methods.rates import EntryClass

_MAGIC, _META_PAGE = 0xA8109CFA, 0xF091
_REVMAP_ITEMS = 1360  # ranges one revmap page addresses
_TYPES = {"int2", "int4", "int8", "date", "timestamp", "timestamptz", "numeric", "float8", "float4", "oid", "uuid"}
_PAGES_PER_RANGE = 32


_MULTI_VALUES, _MULTI_HEADER = 32, 20  # ends of 16 intervals, and SerializedRanges of brin_minmax_multi.c


def brin_pages(heap_pages: int, pages_per_range: int, keys: Sequence[Field], classes: Sequence[str | None]) -> int:
    """Pages of a BRIN index: a metapage, the range map and per range and key two bounds, or at most 16 intervals."""
    ranges = max(1, math.ceil(heap_pages / pages_per_range))
    width = 0.0
    for key, name in zip(keys, classes, strict=True):
        bound = sum(key.widths) / len(key.widths)
        width += _MULTI_HEADER + _MULTI_VALUES * bound if "minmax_multi" in (name or "") else 2 * bound
    item = aligned(8 + width) + 4
    per_page = max(1, int((BLOCK - 24 - 8) // item))
    return 1 + math.ceil(ranges / _REVMAP_ITEMS) + math.ceil(ranges / per_page)


def brin_metapage(pages_per_range: int, heap_pages: int) -> bytes:
    """The BRIN metapage of an index over a table of that many pages."""
    ranges = max(1, math.ceil(heap_pages / pages_per_range))
    body = struct.pack("<IIII", _MAGIC, 1, pages_per_range, math.ceil(ranges / _REVMAP_ITEMS))
    return make_page(body, struct.pack("<HHHH", 0, 0, 0, _META_PAGE), lower=HEADER_SIZE + len(body))


class BrinKind(IndexKind):
    """See the module."""

    name = BRIN
    summarizing = True
    any_order = True
    metapage_matters = True

    def built(self, build: IndexBuild) -> BuiltSize:
        """See IndexKind."""
        classes = [key.operator_class for key in build.definition.keys]
        return BuiltSize(brin_pages(build.table.pages, build.option("pages_per_range", 128), build.fields, classes))

    def entry_class(self, _definition: IndexDefinition, _table: Table) -> EntryClass:
        """See IndexKind."""
        return EntryClass.BRIN

    def first_pages(self, file: RelationFile) -> bytes:
        """See IndexKind."""
        return brin_metapage(file.pages_per_range, file.heap_pages)

    def serves(self, condition: KeyCondition) -> Iterator[Service | NoService]:
        """Ranges, and values that many rows share, of a column that follows the physical order of a large table."""
        column, limits = condition.column, condition.thresholds
        if condition.atom.kind not in (AtomKind.RANGE, AtomKind.EQUAL) or column is None or column.statistics is None:
            return
        correlation = column.statistics.correlation
        if column.base_type not in _TYPES or condition.pages < limits.brin_pages or correlation is None:
            return
        single = condition.atom.kind is AtomKind.EQUAL
        scattered = abs(correlation) < limits.brin_correlation
        if scattered or (single and column.statistics.distinct(condition.rows) > condition.rows / 50):
            return
        text = f"{column.name} follows the table's physical order (correlation {correlation:.2f})"
        reason = Reason("physical_order", text, "pg_stats")
        pages = _PAGES_PER_RANGE if condition.pages > 8 * _PAGES_PER_RANGE else 8
        yield Service(condition.key, "brin", reason, (("pages_per_range", str(pages)),))


KIND = BrinKind()
