"""HNSW of pgvector: a graph of vectors in which the nearest are found step by step; it may miss some.

https://github.com/pgvector/pgvector#hnsw
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import BLOCK, Column, Table
from indexpilot_cli.core.index import IndexDefinition, Reason
from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.methods.fields import aligned
from indexpilot_cli.methods.kind import BuiltSize, IndexBuild, IndexKind, KeyCondition, NoService, Service
from indexpilot_cli.methods.rates import WriteRates

_PAGE = BLOCK - 24 - 8
_ELEMENT = 4 + 72 + 8  # line pointer, fixed part of an element with ten row pointers, head of the vector
_NEIGHBOURS = 4 + 8  # line pointer and head; six bytes for each of 2 m neighbours on the lowest level
_MOST = {"vector": 2000, "halfvec": 4000}  # dimensions of an index, since an element must fit on a page
_BYTES = {"vector": 4.0, "halfvec": 2.0, "bit": 0.125, "sparsevec": 8.0}


class HnswKind(IndexKind):
    """See the module."""

    name = "hnsw"
    assumed = True
    keeps_file = True  # the planner reads its options from a metapage whose layout is pgvector's own

    def built(self, build: IndexBuild) -> BuiltSize:
        """Each row is an element with its vector, and a list of neighbours; half a list more on higher levels."""
        m = build.option("m", 16)
        vector = vector_bytes(build.table.column(build.definition.keys[0].column or ""))
        row = aligned(_ELEMENT + vector) + aligned(_NEIGHBOURS + 6 * 2 * m * (1 + 1 / m))
        rows = build.rows * (1.0 - build.fields[0].nulls)
        return BuiltSize(1 + math.ceil(rows / max(1, int(_PAGE // row))), sure=False)

    def entry_cost(self, _definition: IndexDefinition, _table: Table, rates: WriteRates) -> tuple[float, float]:
        """Not measured: an insert searches the graph and rewrites the lists of its neighbours."""
        return 1000.0 * rates.pace, 20_000.0

    def build_us(self, _definition: IndexDefinition, _table: Table, rates: WriteRates) -> float:
        """Not measured: a build does for each row what an insert does."""
        return 1000.0 * rates.pace

    def serves(self, condition: KeyCondition) -> Iterator[Service | NoService]:
        """See IndexKind."""
        dimensions = _dimensions(condition.column)
        if condition.atom.kind is AtomKind.DISTANCE and dimensions > _MOST.get(condition.type, dimensions):
            most, half = _MOST[condition.type], f"({condition.key.text}::halfvec({dimensions}))"
            yield NoService(
                "too_wide", f"hnsw takes {most:,} dimensions of {condition.type}; index and query by {half}"
            )
        else:
            yield from nearest(condition, self.name, ())


def nearest(condition: KeyCondition, method: str, options: tuple[tuple[str, str], ...]) -> Iterator[Service]:
    """A key with the operator class that gives the wanted order, where the extension is installed."""
    if condition.atom.kind is not AtomKind.DISTANCE:
        return
    for found in condition.catalog.classes(method, condition.type):
        if condition.atom.operator in found.orders:
            key = condition.key if found.is_default else replace(condition.key, operator_class=found.name)
            text = f"nearest first by {condition.atom.operator}; approximate, so it may miss rows, more with a filter"
            yield Service(key, "vector", Reason("nearest", text), options)
            return


def vector_bytes(column: Column | None) -> float:
    """Bytes of a vector, by the dimensions its type gives, else by its statistics."""
    dimensions = _dimensions(column)
    if column is not None and dimensions:
        return dimensions * _BYTES.get(column.base_type, 4.0)
    return float(column.statistics.avg_width) if column is not None and column.statistics is not None else 1024.0


def _dimensions(column: Column | None) -> int:
    """Those that the type says (``vector(384)``), else 0."""
    found = re.search(r"\((\d+)\)", column.type) if column is not None else None
    return int(found[1]) if found is not None else 0


KIND = HnswKind()
