"""Limits on a selection as rows of the program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.advise.costing import Pool
from indexpilot_cli.advise.select.program import Row
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.methods.writes import WriteModel


@dataclass(frozen=True, slots=True)
class Limits:
    """What a selection must keep to. None means without limit.

    ``at_most`` are bytes that count against the budget, since sizes are not sure. ``tenant_bytes`` limits the indexes
    that are one tenant's own, ``tenant_indexes`` their number, ``tenant_sizes`` says which these are. ``max_changes``
    counts what is made and what is dropped. ``greedy``: no program is solved, so nothing is proved.
    ``indexes_per_table`` counts existing indexes, whose numbers ``existing`` gives. ``write_overhead`` limits, per
    table, the added cost of writes relative to their cost now (0.5: half as much again). ``protection`` is how much
    dearer than now any statement may become. ``min_benefit`` is the share of the workload's cost that each index must
    save on its own, or twenty times that share of one statement; indexes are priced by it (``_prices``), which is part
    of the objective and so of the bound; 0 is no price and no least. ``regret`` is the weight of the worst parameter
    class against the mean (0-1). ``calls`` and ``seconds`` bound the search, ``proof_rounds`` the rounds spent on
    nothing but the proven bound.
    """

    budget_bytes: int | None = None
    at_most: Mapping[IndexDefinition, int] | None = None
    max_indexes: int | None = None
    indexes_per_table: int | None = None
    existing: Mapping[QualifiedName, int] | None = None
    write_overhead: float | None = None
    protection: float | None = 0.05
    min_benefit: float = 0.005
    regret: float = 0.3
    calls: int | None = None
    seconds: float | None = None
    proof_rounds: int = 30
    tenant_bytes: int | None = None
    tenant_indexes: int | None = None
    max_changes: int | None = None
    greedy: bool = False
    tenant_sizes: Mapping[str, Sequence[tuple[IndexDefinition, float]]] | None = None

    def left(self, spent: int, each: int) -> Limits:
        """With the questions that are left after ``spent`` EXPLAINs where each takes ``each`` of them."""
        return self if self.calls is None else replace(self, calls=max(1, (self.calls - spent) // each))


def limit_rows(pool: Pool, limits: Limits, writes: WriteModel, sizes: Sequence[int]) -> tuple[Row, ...]:
    """Every limit on the new indexes that is set; ``sizes`` are their bytes by number."""
    every = range(pool.first_spare)
    rows = []
    if limits.budget_bytes is not None:
        most = limits.at_most or {}
        counted = tuple((n, float(most.get(pool.definition(n), sizes[n]))) for n in every)
        rows.append(Row("budget", counted, float(limits.budget_bytes)))
    if limits.tenant_bytes is not None:
        rows += _tenant_rows(pool, limits.tenant_sizes or {}, "tenant_budget", float(limits.tenant_bytes))
    if limits.tenant_indexes is not None:
        ones = {t: [(d, 1.0) for d, _ in own] for t, own in (limits.tenant_sizes or {}).items()}
        rows += _tenant_rows(pool, ones, "tenant_indexes", float(limits.tenant_indexes))
    if limits.max_indexes is not None:
        rows.append(Row("max_indexes", tuple((n, 1.0) for n in every), float(limits.max_indexes)))
    if limits.max_changes is not None:
        dropped = tuple((n, -1.0) for n in range(pool.first_spare, len(pool)))
        made = tuple((n, 1.0) for n in every)
        rows.append(Row("max_changes", (*made, *dropped), float(limits.max_changes - len(dropped))))
    by_table: dict[QualifiedName, list[int]] = {}
    for n in every:
        by_table.setdefault(pool.definition(n).table, []).append(n)
    for table, numbers in by_table.items():
        rows += _table_rows(pool, limits, writes, table, numbers)
    return tuple(rows)


def _tenant_rows(
    pool: Pool, sizes: Mapping[str, Sequence[tuple[IndexDefinition, float]]], family: str, limit: float
) -> Iterator[Row]:
    """A row for each tenant that could break the limit, without those that another one's row implies."""
    numbers = {pool.definition(n): n for n in range(pool.first_spare)}
    own = {tenant: {numbers[d]: size for d, size in items if d in numbers} for tenant, items in sizes.items()}
    kept: list[dict[int, float]] = []
    for tenant in sorted(own, key=lambda t: (-sum(own[t].values()), t)):
        mine = own[tenant]
        # Of hundreds of schemas the largest speaks for all that are smaller in everything.
        implied = (all(size <= other.get(n, 0.0) for n, size in mine.items()) for other in kept)
        if sum(mine.values()) > limit and not any(implied):
            kept.append(mine)
            yield Row(family, tuple(mine.items()), limit, tenant)


def _table_rows(
    pool: Pool, limits: Limits, writes: WriteModel, table: QualifiedName, numbers: Sequence[int]
) -> list[Row]:
    rows = []
    if limits.indexes_per_table is not None:
        there = (limits.existing or {}).get(table, 0)
        rows.append(Row("per_table", tuple((n, 1.0) for n in numbers), max(0.0, limits.indexes_per_table - there)))
    base = writes.base_us.get(table, 0.0)
    if limits.write_overhead is not None and base > 0:
        bill = tuple((n, writes.of(pool.definition(n)).total_us) for n in numbers)
        rows.append(Row("write_overhead", bill, limits.write_overhead * base))
    return rows
