"""Extend, the strongest public advisor on TPC-H, written anew from its description as a yardstick.

Schlosser, Kossmann, Boissier, "Efficient Scalable Multi-Attribute Index Selection Using Recursive Strategies",
ICDE 2019. Start from nothing; in every step either add a one-column index or append a column to an index
already chosen, whichever buys most cost per byte; stop when no step fits the budget and improves the cost by
the factor ``min_improvement``. As in the public benchmark (Kossmann et al., PVLDB 13(11), 2020) the cost of a
query is cached by the set of chosen indexes that share a column with the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.workload import Plannable


@dataclass(frozen=True)
class Query:
    """A statement and the columns (as (table, column)) that occur in it."""

    statement: Plannable
    columns: frozenset


@dataclass(frozen=True)
class ExtendResult:
    """The chosen indexes, the workload's cost with them and without, and EXPLAINs sent."""

    indexes: tuple[IndexDefinition, ...]
    cost: float
    initial: float
    calls: int


class Extend:
    """One run with one budget in bytes; ``sizes`` are bytes of every one- and two-column index."""

    def __init__(self, queries: Sequence[Query], estimator: CostEstimator, sizes: Mapping, budget: int, width: int = 2):
        self.queries = queries
        self.estimator = estimator
        self.sizes = sizes
        self.budget = budget
        self.width = width
        self.min_improvement = 1.003
        self.calls = 0
        self._cache: dict = {}

    def run(self) -> ExtendResult:
        columns = sorted({c for q in self.queries for c in q.columns})
        singles = [IndexDefinition(table, (IndexKey(column),)) for table, column in columns]
        chosen: list[IndexDefinition] = []
        initial = current = self.cost(chosen)
        while True:
            best = self._best_step(chosen, current, singles)
            if best is None:
                return ExtendResult(tuple(chosen), current, initial, self.calls)
            chosen, current = best

    def _best_step(self, chosen, current, singles):
        best, best_ratio = None, 0.0
        for combination, old in self._steps(chosen, singles):
            if sum(self.sizes[i] for i in combination) > self.budget:
                continue
            cost = self.cost(combination)
            if cost * self.min_improvement >= current:
                continue
            ratio = (current - cost) / (self.sizes[combination[-1]] - old)
            if ratio > best_ratio:
                best, best_ratio = (combination, cost), ratio
        return best

    def _steps(self, chosen, singles):
        """Every combination one step away, the new index last, with the bytes of the index it replaces."""
        for single in singles:
            if single not in chosen:
                yield [*chosen, single], 0
        for single in singles:
            for position, index in enumerate(chosen):
                longer = self._appended(index, single)
                if longer is not None and longer not in chosen:
                    yield [*chosen[:position], *chosen[position + 1 :], longer], self.sizes[index]

    def _appended(self, index, single):
        if index.table != single.table or len(index.keys) >= self.width or single.columns[0] in index.columns:
            return None
        return IndexDefinition(index.table, index.keys + single.keys)

    def cost(self, combination) -> float:
        """The workload's cost; one EXPLAIN per query whose relevant indexes were not seen before."""
        total = 0.0
        for number, query in enumerate(self.queries):
            relevant = frozenset(i for i in combination if any((i.table, c) in query.columns for c in i.columns))
            if (number, relevant) not in self._cache:
                (plan,) = self.estimator.plan([WhatIf(query.statement, relevant)])
                self.calls += 1
                self._cache[number, relevant] = plan.total_cost
            total += self._cache[number, relevant]
        return total
