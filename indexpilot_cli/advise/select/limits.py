"""Limits on a selection as rows of the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.advise.costing import Pool, Pricer
from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.program import Program, Row
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.methods.writes import WriteModel

ENOUGH = 0.02  # of the objective: which of two sets nearer than that is faster, planner costs do not tell


@dataclass(frozen=True, slots=True)
class Limits:
    """What a selection must keep to. None means without limit.

    ``errors`` say by how much of its size an index may be larger once it is built, which counts against the budgets.
    ``tenant_bytes`` limits the indexes that are one tenant's own, ``tenant_indexes`` their number, ``tenant_sizes``
    says which these are and how large. ``max_changes`` counts what is made and what is dropped. ``greedy``: no program
    is solved, so nothing is proved. ``least_gain`` is the part of the objective by which the program's choice has to be
    better than the greedy one to stand in its place; 0 asks the program alone, and so do very large workloads.
    ``indexes_per_table`` counts existing indexes, whose numbers ``existing`` gives.
    ``write_overhead`` limits, per table, the added cost of writes relative to their cost now (0.5: half as much again).
    ``protection`` is how much dearer than now any statement may become. ``min_benefit`` is the share of the workload's
    cost that each index must save on its own, or ten times that share of one statement; indexes are priced by it
    (``_prices``), which is part of the objective and so of the bound; 0 is no price and no least. ``regret`` is the
    weight of the worst parameter class against the mean (0-1). ``calls`` and ``seconds`` bound the search,
    ``proof_rounds`` the rounds spent on nothing but the proven bound.
    """

    budget_bytes: int | None = None
    errors: Mapping[IndexDefinition, float] | None = None
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
    least_gain: float = 0.0
    tenant_sizes: Mapping[str, Sequence[tuple[IndexDefinition, float]]] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there are limits on storage, numbers or writes: within those, sets are what has to be weighed."""
        counted = (self.max_indexes, self.indexes_per_table, self.max_changes, self.tenant_indexes)
        return any(limit is not None for limit in (*counted, self.budget_bytes, self.tenant_bytes, self.write_overhead))

    def left(self, spent: int, each: int) -> Limits:
        """With the questions that are left after ``spent`` EXPLAINs where each takes ``each`` of them."""
        return self if self.calls is None else replace(self, calls=max(1, (self.calls - spent) // each))


def limit_rows(pool: Pool, limits: Limits, writes: WriteModel, sizes: Sequence[int]) -> tuple[Row, ...]:
    """Every limit on the new indexes that is set; ``sizes`` are their bytes by number."""
    every, errors, own = range(pool.first_spare), errors_of(pool, limits), limits.tenant_sizes or {}
    rows = []
    if limits.budget_bytes is not None:
        rows.append(budget_row({n: sizes[n] for n in every}, errors, limits.budget_bytes))
    if (most := limits.tenant_bytes) is not None:
        rows += _tenant_rows(pool, own, lambda mine, who: budget_row(mine, errors, most, "tenant_budget", who))
    if (count := limits.tenant_indexes) is not None:
        rows += _tenant_rows(pool, own, lambda mine, who: _counted(mine, count, "tenant_indexes", who))
    if limits.max_indexes is not None:
        rows.append(_counted(every, limits.max_indexes, "max_indexes"))
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


TOGETHER = 0.08  # of a budget: about what the errors of six indexes that fill it come to


def budget_row(
    sizes: Mapping[int, float], errors: Sequence[float], budget: float, family: str = "budget", subject: str = ""
) -> Row:
    """The bytes of indexes, by number, and what their errors come to together, against the budget.

    Errors of several sizes are independent of each other: they come to the root of the sum of their squares, which is
    at most (sum / r + r) / 2 for whatever r, a linear limit and exact where they come to r. None adds more than itself.
    """
    more = {number: size * errors[number] for number, size in sizes.items()}
    together = TOGETHER * budget if any(more.values()) else 0.0
    if together > 0:
        more = {number: min(error, error * error / (2 * together)) for number, error in more.items()}
    return Row(family, tuple((n, size + more[n]) for n, size in sizes.items()), budget - together / 2, subject)


def protection_rows(program: Program, pricer: Pricer, costs: Sequence[float], selection: Mask) -> list[Row]:
    """What forbids the selection for each case that costs more with it than it may.

    Where something that is there is missing, one more index at least must be.
    """
    rows = []
    for case, cost in enumerate(costs):
        answer = pricer.known(case, selection) if cost > program.charges[case].most else None
        if answer is None:
            continue
        missing = pricer.cases[case].relevant & ~selection
        if missing & pricer.pool.now:
            rows.append(Row("protection", tuple((number, -1.0) for number in members(missing)), -1.0))
        elif answer.used:
            together = tuple((number, 1.0) for number in members(answer.used))
            rows.append(Row("protection", together, answer.used.bit_count() - 1.0))
    return rows


def _counted(numbers: Iterable[int], most: float, family: str, subject: str = "") -> Row:
    return Row(family, tuple((number, 1.0) for number in numbers), float(most), subject)


def errors_of(pool: Pool, limits: Limits) -> list[float]:
    """By how much of its size each index that is not there may be larger."""
    known = limits.errors or {}
    return [known.get(pool.definition(n), 0.0) for n in range(pool.first_spare)]


def _tenant_rows(
    pool: Pool,
    sizes: Mapping[str, Sequence[tuple[IndexDefinition, float]]],
    limited: Callable[[Mapping[int, float], str], Row],
) -> Iterator[Row]:
    """A row for each tenant that could break the limit, without those that another one's row implies."""
    numbers = {pool.definition(n): n for n in range(pool.first_spare)}
    own = {tenant: {numbers[d]: size for d, size in items if d in numbers} for tenant, items in sizes.items()}
    kept: list[dict[int, float]] = []
    for tenant in sorted(own, key=lambda t: (-sum(own[t].values()), t)):
        mine, row = own[tenant], limited(own[tenant], tenant)
        # Of hundreds of schemas the largest speaks for all that are smaller in everything.
        implied = (all(size <= other.get(n, 0.0) for n, size in mine.items()) for other in kept)
        if not row.allows(-1) and not any(implied):
            kept.append(mine)
            yield row


def _table_rows(
    pool: Pool, limits: Limits, writes: WriteModel, table: QualifiedName, numbers: Sequence[int]
) -> list[Row]:
    rows = []
    if limits.indexes_per_table is not None:
        there = (limits.existing or {}).get(table, 0)
        rows.append(_counted(numbers, max(0, limits.indexes_per_table - there), "per_table"))
    base = writes.base_us.get(table, 0.0)
    if limits.write_overhead is not None and base > 0:
        bill = tuple((n, writes.of(pool.definition(n)).total_us) for n in numbers)
        rows.append(Row("write_overhead", bill, limits.write_overhead * base))
    return rows
