"""How long CREATE INDEX takes: reading the table, and for each entry what its kind takes to sort and to write."""

from __future__ import annotations

import math

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.index import BTREE, IndexDefinition
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.rates import SHIPPED, WriteRates
from indexpilot_cli.methods.size import SizeEstimate, leaves

_SCANS = 2  # CONCURRENTLY looks a second time for what was written meanwhile
_SORTED = 17  # comparisons per entry where the rates were measured, on 100,000 rows


def table_pages(table: Table, catalog: Catalog) -> int:
    """Pages that a build reads once; of a partitioned table those of all its parts."""
    return sum(leaf.pages for leaf in leaves(table, catalog))


def build_seconds(
    definition: IndexDefinition, table: Table, catalog: Catalog, size: SizeEstimate, rates: WriteRates = SHIPPED
) -> float:
    """Seconds of work for CREATE INDEX CONCURRENTLY without helpers and with everything in memory.

    What it waits for - transactions that began before it, a disk - is not in it: nothing here tells.
    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    sorts = definition.method == BTREE and size.tuples > 1
    deeper = max(1.0, math.log2(size.tuples) / _SORTED) if sorts else 1.0
    entries = size.tuples * deeper * index_kind(definition.method).build_us(definition, table, rates)
    return (_SCANS * table_pages(table, catalog) * rates.scan_us + entries) / 1e6
