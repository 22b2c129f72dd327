"""A planner whose BRIN scans cost the pages that their ranges hold, not those that the correlation makes it expect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.estimator import CostEstimator, DelegatingEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import BRIN, IndexDefinition
from indexpilot_cli.core.workload import Plannable

Shares = Mapping[tuple[IndexDefinition, Plannable], tuple[float, int]]
_HEAP, _INDEX = "Bitmap Heap Scan", "Bitmap Index Scan"
_NOT_ADDED = ("Limit", "Nested Loop", "SubPlan")  # above these a scan's cost is not simply a part of the whole


class RepricedEstimator(DelegatingEstimator):
    """The planner's answers, where a plan reads a table by a BRIN index that pages were sampled for, with the cost of
    that scan worked out anew. ``shares`` has the share of the heap and the pages of a range by index and statement.
    """

    def __init__(self, planner: CostEstimator, shares: Shares, catalog: Catalog):
        super().__init__(planner)
        self._shares = shares
        self._catalog = catalog
        self._indexes = frozenset(definition for definition, _ in shares)

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """See CostEstimator."""
        concerned = [bool(q.indexes & self._indexes) for q in questions]
        asked = [replace(q, keep_tree=q.keep_tree or own) for q, own in zip(questions, concerned, strict=True)]
        answers = self._planner.plan(asked)
        return tuple(
            self._priced(question, answer) if own else answer
            for question, answer, own in zip(questions, answers, concerned, strict=True)
        )

    def _priced(self, question: WhatIf, answer: PlannedStatement) -> PlannedStatement:
        total = answer.total_cost
        for definition in answer.hypothetical & self._indexes:
            known = self._shares.get((definition, question.statement))
            table = self._catalog.table(definition.table)
            scan = _only_scan(answer, definition) if answer.tree is not None else None
            if known is not None and table is not None and scan is not None:
                total += _scan_cost(scan, *known, table, self._catalog) - float(scan["Total Cost"])
        return replace(answer, total_cost=max(total, 0.01), tree=answer.tree if question.keep_tree else None)


def _only_scan(answer: PlannedStatement, definition: IndexDefinition) -> Mapping[str, Any] | None:
    """The one scan of the table by a bitmap of that index alone, where its cost is a part of the whole plan's."""
    if sum(d.method == BRIN and d.table == definition.table for d in answer.hypothetical) != 1:
        return None
    tree = answer.tree or {}
    found = [n for n in _scans(tree) if n.get("Relation Name") == definition.table.name]
    return found[0] if len(found) == 1 and found[0]["Plans"][0]["Node Type"] == _INDEX else None


def _scans(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if node.get("Node Type") == _HEAP:
        yield node
    if node.get("Node Type") not in _NOT_ADDED:
        for child in node.get("Plans", ()):
            if child.get("Parent Relationship") not in ("SubPlan", "InitPlan"):
                yield from _scans(child)


def _scan_cost(scan: Mapping[str, Any], share: float, size: int, table: Table, catalog: Catalog) -> float:
    """What cost_bitmap_heap_scan would say of so many pages. The planner expects the rows of the ranges to lie
    anywhere (Mackert and Lohman); they fill whole ranges, which are read one page after the other.
    """
    index = scan["Plans"][0]
    sequential, random = _setting(catalog, "seq_page_cost", 1.0), _setting(catalog, "random_page_cost", 4.0)
    pages, rows = max(table.pages, 1), max(float(index["Plan Rows"]), 1.0)
    expected = min(2.0 * pages * rows / (2.0 * pages + rows), pages)
    each = random - (random - sequential) * math.sqrt(expected / pages)
    entry = float(index["Total Cost"])
    computing = max(0.0, float(scan["Total Cost"]) - entry - expected * each)
    believed = min(1.0, rows / max(table.rows, 1.0))
    in_order = (random + (size - 1) * sequential) / size
    return entry + share * pages * in_order + computing * share / max(believed, 1e-9)


def _setting(catalog: Catalog, name: str, default: float) -> float:
    try:
        return float(catalog.settings.get(name, default))
    except ValueError:
        return default
