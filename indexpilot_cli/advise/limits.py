"""The limits of a selection, from flags and settings."""

from __future__ import annotations

from indexpilot_cli.advise.select.problem import Limits
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.catalog import Catalog

# Of two indexes that serve the same queries almost equally well, the smaller one stays in memory, in backups and
# in the way of vacuum less: a covering variant has to earn its columns.
STORAGE_PRICE = 0.05


def limits_of(request: RecommendRequest, catalog: Catalog) -> Limits:
    """What the flags ask for; where they are silent, ``features.constraint_optimizer`` and the safeguards."""
    set_limits = request.features.constraint_optimizer
    guard = request.safeguards.write_performance
    per_table = request.max_per_table or (guard.max_indexes_per_table if guard.enabled else None)
    enabled = set_limits.enabled
    return Limits(
        budget_bytes=_first(request.budget_bytes, set_limits.max_storage if enabled else None),
        max_indexes=_first(request.max_indexes, set_limits.max_indexes if enabled else None),
        indexes_per_table=per_table,
        existing={t.name: len(t.indexes) for t in catalog.tables},
        write_overhead=set_limits.max_write_overhead if enabled else None,
        min_benefit=request.min_benefit,
        price_per_index=request.min_benefit,
        price_per_byte=_price_per_byte(catalog),
        calls=request.planner.max_calls,
        seconds=request.planner.max_seconds,
    )


def _price_per_byte(catalog: Catalog) -> float:
    """Indexes as big as all tables together must bring ``STORAGE_PRICE`` of the workload's cost for their size."""
    heap = sum(t.size_bytes for t in catalog.tables)
    return STORAGE_PRICE / heap if heap else 0.0


def _first(flag: int | None, setting: int | None) -> int | None:
    return setting if flag is None else flag
