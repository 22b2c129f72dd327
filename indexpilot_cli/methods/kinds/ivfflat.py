"""IVFFlat of pgvector: vectors in lists around centres; smaller and sooner built than HNSW, and it misses more.

https://github.com/pgvector/pgvector#ivfflat
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from indexpilot_cli.core.catalog import BLOCK, Table
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.methods.fields import aligned
from indexpilot_cli.methods.kind import BuiltSize, IndexBuild, IndexKind, KeyCondition, NoService, Service
from indexpilot_cli.methods.kinds.hnsw import nearest, vector_bytes
from indexpilot_cli.methods.rates import WriteRates

_PAGE = BLOCK - 24 - 8
_FEW_ROWS = 1000  # centres are learned from the rows there are


class IvfflatKind(IndexKind):
    """See the module."""

    name = "ivfflat"
    assumed = True
    keeps_file = True  # the planner reads its options from a metapage whose layout is pgvector's own

    def built(self, build: IndexBuild) -> BuiltSize:
        """The vectors as index tuples, half a page lost in each list, and a page or less for each centre."""
        lists = build.option("lists", 100)
        tuple_bytes = aligned(8 + 8 + vector_bytes(build.table.column(build.definition.keys[0].column or "")))
        per_page = max(1, int(_PAGE // (tuple_bytes + 4)))
        rows = build.rows * (1.0 - build.fields[0].nulls)
        return BuiltSize(1 + math.ceil(rows / per_page + lists / 2 + lists / per_page), sure=False)

    def entry_cost(self, _definition: IndexDefinition, _table: Table, rates: WriteRates) -> tuple[float, float]:
        """Not measured: an insert is compared with every centre."""
        return 200.0 * rates.pace, 6_000.0

    def build_us(self, _definition: IndexDefinition, _table: Table, rates: WriteRates) -> float:
        """Not measured: a build does for each row what an insert does."""
        return 200.0 * rates.pace

    def serves(self, condition: KeyCondition) -> Iterator[Service | NoService]:
        """With as many lists as its manual says: rows / 1,000, from a million rows on their square root."""
        offered = tuple(nearest(condition, "hnsw", ()))
        if offered and tuple(nearest(condition, self.name, ())):
            yield NoService(
                "dominated", "hnsw finds more of the nearest rows as quickly; ivfflat is only smaller", "ivfflat"
            )
        elif condition.rows >= _FEW_ROWS:
            lists = condition.rows / 1000 if condition.rows < 1e6 else math.sqrt(condition.rows)
            yield from nearest(condition, self.name, (("lists", str(max(1, round(lists)))),))


KIND = IvfflatKind()
