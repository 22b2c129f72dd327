"""PGM-index: how regular keys are, and how regularly they lie in the table, measured instead of believed.

Ferragina and Vinciguerra, "The PGM-index: a fully-dynamic compressed learned index with provable worst-case bounds",
PVLDB 13(8), 2020, https://arxiv.org/abs/1910.06169. The citation is right; "2-10x faster, 50-80 % smaller", as one
reads elsewhere, is not a claim of the paper and hangs on the data.

PostgreSQL has no such index. What is used of it: the lines of bounded error over keys (``segments``: what a learned
index would take, a report only), and the same question about key and page, which BRIN lives by: ranges of whole pages
are read, the summaries that each operator class would keep are made, and the workload's conditions are counted against
them (``ranges``, ``predict``). BRIN candidates are added, changed or removed by what they would read, and priced by it
(``repriced``), where the planner goes by the correlation alone; a B-tree beside such a one by the same pages.

What cannot be told: later rows in old ranges (they widen summaries), ranges that autosummarize has not come to, and
a few far values that none of the sampled ranges holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypeAlias

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.pgm_index.predict import (
    BrinPrediction,
    BrinQuestion,
    compared_columns,
    layout,
    pages_per_range,
    predicted,
    predictions,
    question_of,
    work_of,
)
from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator, DelegatingEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import BRIN, BTREE, Candidate, IndexDefinition, Proposal, Reason, Rejection
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.samples import UNIT_PAGES, KeyRange
from indexpilot_cli.core.workload import Plannable

_LEAST_PAGES = 1280  # 10 MB: below, everything is read as quickly
_MUCH = 1.25  # of the work of the best index, up to which another that is proposed already stays
_CANNOT_TELL = "rows that come later in old ranges; ranges that are not summarised yet"


class PgmIndex(Algorithm):
    """See the module."""

    name = "pgm_index"
    title = "BRIN indexes by the pages they would read"
    source = "Ferragina and Vinciguerra, PVLDB 13(8) 2020, arXiv:1910.06169"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """BRIN candidates as the pages that were read bear them out."""
        findings: list[AlgorithmFinding] = []
        read = study.memory[self.name] = tuple(_read(study))
        for question, ranges, size in read:
            own = tuple(c for c in proposal.on(question.table.name) if _is_on(c.definition, question))
            options = predictions(question, ranges, size, study.catalog)
            best = options[0] if options else None
            if best is None:
                continue
            spared = 1.0 - best.share.share
            if spared < study.features.pgm_index.min_suitability:
                proposal = _without(proposal, own, _rejections(own, best, question))
                findings += [_finding(best, question, Effect.REMOVED, "not proposed")] if own else []
            elif any(work_of(question, c.definition, ranges, size, study.catalog) <= best.work * _MUCH for c in own):
                continue  # the difference would not be seen
            elif own:
                kept = _candidate(best, question, own)
                proposal = _without(proposal, own, (), kept)
                changed = [c for c in own if c.definition != best.definition]
                if changed:
                    was = ", ".join(summary(c.definition) for c in changed)
                    findings.append(_finding(best, question, Effect.RETYPED, f"proposed in place of {was}"))
            else:
                proposal, finding = _added(study, proposal, best, question)
                findings.append(finding)
        return Found(proposal, tuple(findings))

    def reprice(self, study: Study, candidates: Sequence[Candidate]) -> Found[CostEstimator]:
        """The planner with the cost of BRIN scans as the pages that were read make it."""
        shares: dict[tuple[IndexDefinition, Plannable], tuple[float, int]] = {}
        findings: list[AlgorithmFinding] = []
        if not any(c.definition.method == BRIN for c in candidates):
            return Found(study.estimator)
        read: _Read = study.memory.get(self.name, ())
        for question, ranges, unit in read:
            beside = [c.definition for c in candidates if _begins_with(c.definition, question)]
            if any(_is_on(c.definition, question) for c in candidates) and beside:
                # Rows that lie together are few pages for a B-tree too: else the one index would be flattered.
                for least in predictions(question, ranges, unit, study.catalog)[:1]:
                    for tree in beside:
                        shares |= {(tree, s): (share, UNIT_PAGES) for s, share in least.by_statement.items()}
            for candidate in candidates:
                definition = candidate.definition
                known = _is_on(definition, question)
                prediction = predicted(question, definition, ranges, study.catalog) if known else None
                if prediction is None:
                    continue
                size = pages_per_range(definition)
                shares |= {(definition, s): (share, size) for s, share in prediction.by_statement.items()}
                decision = "priced by the pages predicted, not by the correlation"
                findings.append(_finding(prediction, question, Effect.REPRICED, decision))
        if not shares:
            return Found(study.estimator)
        return Found(RepricedEstimator(study.estimator, shares, study.catalog), tuple(findings))


_Read: TypeAlias = tuple[tuple[BrinQuestion, Sequence[KeyRange], int], ...]


def _read(study: Study) -> Iterator[tuple[BrinQuestion, Sequence[KeyRange], int]]:
    """The columns BRIN could serve, with ranges of their table: one statement a table reads them all."""
    settings = study.features.pgm_index
    size, count = layout(settings.pages)
    for name in dict.fromkeys(use.table for use in chain.from_iterable(t.uses for t in study.templates)):
        table = study.catalog.table(name)
        if table is None or table.pages < _LEAST_PAGES:
            continue
        compared = compared_columns(study, table, settings.min_rows)
        ranges = study.samples.ranges(name, tuple(compared), size, count) if compared else {}
        for text, templates in compared.items():
            own, column = ranges.get(text, ()), table.column(text)
            known = column is not None and any(any(some.units) for some in own)
            question = question_of(study, table, column, templates.values()) if column is not None and known else None
            if question is not None:
                yield question, own, size


def _is_on(definition: IndexDefinition, question: BrinQuestion) -> bool:
    alone = len(definition.keys) == 1 and definition.predicate is None
    here = definition.table == question.table.name and definition.keys[0].column == question.column.name
    return definition.method == BRIN and alone and here


def _begins_with(definition: IndexDefinition, question: BrinQuestion) -> bool:
    whole = definition.method == BTREE and definition.predicate is None and definition.table == question.table.name
    return whole and definition.keys[0].column == question.column.name


def _candidate(best: BrinPrediction, question: BrinQuestion, own: Sequence[Candidate] = ()) -> Candidate:
    reasons: dict[Reason, None] = {}
    for candidate in own:
        reasons |= dict.fromkeys(candidate.reasons)
    templates = question.templates.union(*(c.templates for c in own))
    return Candidate(best.definition, "brin", templates, (*reasons, _reason(best, question)))


def _reason(best: BrinPrediction, question: BrinQuestion) -> Reason:
    share, correlation = best.share, question.column.statistics.correlation if question.column.statistics else None
    believed = f"; correlation {correlation:.2f}" if correlation is not None else ""
    text = (
        f"a scan reads {share.share:.1%} of the table ({share.low:.1%} to {share.high:.1%},"
        f" {share.ranges} ranges of pages read{believed})"
    )
    return Reason("pages_read", text, "pages")


def _finding(best: BrinPrediction, question: BrinQuestion, effect: Effect, decision: str) -> AlgorithmFinding:
    share = best.share
    return AlgorithmFinding(
        PgmIndex.name,
        "brin",
        summary(best.definition),
        effect,
        decision,
        (_reason(best, question),),
        f"{share.low:.1%} to {share.high:.1%} (99 %)",
        _CANNOT_TELL,
        statements=1,
        pages=share.ranges * pages_per_range(best.definition),
        definition=best.definition,
    )


def _rejections(own: Sequence[Candidate], best: BrinPrediction, question: BrinQuestion) -> Iterator[Rejection]:
    for candidate in own:
        detail = f"{_reason(best, question).text}: the planner would take it by the correlation and read them"
        definition = candidate.definition
        yield Rejection(summary(definition), "low_selectivity", detail, definition, templates=candidate.templates)


def _without(
    proposal: Proposal, own: Sequence[Candidate], rejected: Iterator[Rejection] | tuple[()], *more: Candidate
) -> Proposal:
    kept = tuple(c for c in proposal.candidates if c not in own)
    return replace(proposal, candidates=(*kept, *more), rejections=(*proposal.rejections, *rejected))


def _added(
    study: Study, proposal: Proposal, best: BrinPrediction, question: BrinQuestion
) -> tuple[Proposal, AlgorithmFinding]:
    """A candidate where the planner would use it; a report where it goes by the correlation and would not."""
    estimator, definition = study.estimator, best.definition
    refused = estimator.refuses(definition)
    estimator.set_size(definition, best.index_pages, question.table.rows)
    statements = list(dict.fromkeys(a.statement for a in question.asked))[:8]
    asked = [WhatIf(s, frozenset({definition})) for s in statements] if refused is None else []
    if any(definition in answer.hypothetical for answer in estimator.plan(asked)):
        candidate = _candidate(best, question)
        added = replace(proposal, candidates=(*proposal.candidates, candidate))
        return added, _finding(best, question, Effect.ADDED, "proposed: the correlation alone does not tell of it")
    decision = f"reported only: {refused or 'the planner goes by the correlation and would not use it'}"
    return proposal, _finding(best, question, Effect.REPORT_ONLY, decision)


Shares = Mapping[tuple[IndexDefinition, Plannable], tuple[float, int]]
_HEAP, _INDEX, _TREE = "Bitmap Heap Scan", "Bitmap Index Scan", "Index Scan"
_NOT_ADDED = ("Limit", "Nested Loop", "SubPlan")  # above these a scan's cost is not simply a part of the whole


class RepricedEstimator(DelegatingEstimator):
    """The planner's answers, where a plan reads a table by a BRIN index that pages were sampled for, or by a B-tree
    beside one, with the cost of that scan worked out anew. ``shares`` has the share of the heap and the pages of a
    range by index and statement.
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
                reckoned = _scan_cost if definition.method == BRIN else _tree_cost
                total += reckoned(scan, definition, *known, table, self._catalog) - float(scan["Total Cost"])
        return replace(answer, total_cost=max(total, 0.01), tree=answer.tree if question.keep_tree else None)


def _only_scan(answer: PlannedStatement, definition: IndexDefinition) -> Mapping[str, Any] | None:
    """The one scan of the table by that index alone, where its cost is a part of the whole plan's."""
    if sum(d.table == definition.table for d in answer.hypothetical) != 1:
        return None
    tree = answer.tree or {}
    found = [n for n in _scans(tree) if n.get("Relation Name") == definition.table.name]
    if len(found) != 1 or (found[0]["Node Type"] == _HEAP and found[0]["Plans"][0]["Node Type"] != _INDEX):
        return None
    return found[0]


def _scans(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if node.get("Node Type") in (_HEAP, _TREE):
        yield node
    if node.get("Node Type") not in _NOT_ADDED:
        for child in node.get("Plans", ()):
            if child.get("Parent Relationship") not in ("SubPlan", "InitPlan"):
                yield from _scans(child)


def _scan_cost(
    scan: Mapping[str, Any], _: IndexDefinition, share: float, size: int, table: Table, catalog: Catalog
) -> float:
    """What cost_bitmap_heap_scan would say of so many pages. The planner expects the rows of the ranges to lie
    anywhere (Mackert and Lohman); they fill whole ranges, which are read one page after the other.
    """
    index = scan["Plans"][0]
    rows, entry = max(float(index["Plan Rows"]), 1.0), float(index["Total Cost"])
    expected, each, in_order = _page_costs(rows, size, table, catalog)
    computing = max(0.0, float(scan["Total Cost"]) - entry - expected * each)
    believed = min(1.0, rows / max(table.rows, 1.0))
    return entry + share * max(table.pages, 1) * in_order + computing * share / max(believed, 1e-9)


def _page_costs(rows: float, size: int, table: Table, catalog: Catalog) -> tuple[float, float, float]:
    """The pages that so many rows are expected on anywhere in the table, what one of these costs in a bitmap's order,
    and what one does where whole ranges are read.
    """
    sequential, random = _setting(catalog, "seq_page_cost", 1.0), _setting(catalog, "random_page_cost", 4.0)
    pages = max(table.pages, 1)
    expected = min(2.0 * pages * rows / (2.0 * pages + rows), pages)
    each = random - (random - sequential) * math.sqrt(expected / pages)
    return expected, each, (random + (size - 1) * sequential) / size


def _tree_cost(
    scan: Mapping[str, Any], definition: IndexDefinition, share: float, size: int, table: Table, catalog: Catalog
) -> float:
    """What a B-tree's scan costs when its rows lie on so many pages, where the planner expects more of them."""
    bitmap = scan["Node Type"] == _HEAP
    rows = max(float((scan["Plans"][0] if bitmap else scan)["Plan Rows"]), 1.0)
    expected, each, in_order = _page_costs(rows, size, table, catalog)
    believed = expected * each
    if not bitmap:  # cost_index: between a page for each row and rows that lie in the order of the keys
        column = table.column(definition.columns[0])
        known = column.statistics if column is not None else None
        most, least = expected * _setting(catalog, "random_page_cost", 4.0), rows / max(table.rows, 1.0) * table.pages
        believed = most + ((known.correlation if known else None) or 0.0) ** 2 * (least - most)
    return float(scan["Total Cost"]) - max(0.0, believed - share * max(table.pages, 1) * in_order)


def _setting(catalog: Catalog, name: str, default: float) -> float:
    try:
        return float(catalog.settings.get(name, default))
    except ValueError:
        return default
