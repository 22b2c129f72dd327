"""Bx-tree: times, and intervals that hold a moment.

Jensen, Lin and Ooi, "Query and update efficient B+-tree based indexing of moving objects", VLDB 2004,
https://www.vldb.org/conf/2004/RS20P3.PDF. As one reads it elsewhere it stands beside iDistance without an algorithm.

PostgreSQL has no such index and rows do not move; what is used is the paper's way with time: what comes in the order of
time lies in that order (BRIN instead of a B-tree, and partitions that go as a whole), and an object that holds for a
while is found by one structure over the line of time: a range, where two B-tree conditions each keep half the table.
Where it is known how long they last, as the paper knows how fast objects move, the start has two bounds (``bounded``).

What cannot be told: rows that will come late, and a statement that somebody sends in yet another form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.bx_tree.bounded import bounded_forms
from indexpilot_cli.algorithms.bx_tree.intervals import interval_forms
from indexpilot_cli.algorithms.pgm_index.predict import compared_columns, layout, predictions, question_of
from indexpilot_cli.algorithms.rewriting import OtherForm, priced, usual_statement
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import BRIN, Candidate, IndexDefinition, IndexKey, Proposal, Reason
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.plan import AlgorithmFinding, Effect, Rewrite
from indexpilot_cli.core.workload import AtomKind, Plannable, QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.methods.existing import covers
from indexpilot_cli.sql.bounds import TIMES, about_now
from indexpilot_cli.sql.parser import Node

IN_ORDER = 0.9  # correlation from which rows lie in the order of a column
_PARTITION_FROM = 64 * 1024**2  # bytes of a table from which deleting by time is worth partitions


class TemporalPattern(StrEnum):
    """How a statement uses a time column."""

    RECENT = "recent"  # from some time before now on
    WINDOW = "window"
    LATEST = "latest"  # of one object the newest first
    VALIDITY = "validity"  # an interval that holds a moment
    RETENTION = "retention"  # old rows are deleted


@dataclass(frozen=True, slots=True)
class TemporalUse:
    """A statement's use of a time column; ``until`` is the end's column of an interval."""

    template: str
    table: QualifiedName
    column: str
    pattern: TemporalPattern
    until: str | None = None


def temporal_uses(template: QueryTemplate, catalog: Catalog) -> Iterator[TemporalUse]:
    """How the template uses time columns, one word for each column of a table."""
    for use in template.uses:
        table = catalog.table(use.table)
        if table is None or use.write is StatementKind.INSERT:
            continue
        times = {c.name for c in table.columns if c.base_type in TIMES}
        compared = {a.column for a in use.atoms if a.kind is AtomKind.RANGE and a.column in times}
        for column in sorted(c for c in compared if c is not None):
            until = _end_of(use, column, table)
            if until != "":
                yield TemporalUse(template.id, use.table, column, _pattern(use, column, until), until)
        if use.limited and use.order_by and use.order_by[0].column in times - compared:
            equal = any(a.kind is AtomKind.EQUAL and a.conjunctive for a in use.atoms)
            if equal and use.order_by[0].descending:
                yield TemporalUse(template.id, use.table, use.order_by[0].column or "", TemporalPattern.LATEST)


def _end_of(use: RelationUse, column: str, table: Table) -> str | None:
    """The end of the interval that the column begins, '' where it is itself an end, None where it is alone."""
    operators = {a.column: a.operator.rstrip("=") for a in use.atoms if a.kind is AtomKind.RANGE}
    same = {a.column: a.parameters or (a.constant,) for a in use.atoms if a.kind is AtomKind.RANGE}
    kinds = {c.name: c.base_type for c in table.columns}
    for other, operator in operators.items():
        if other in (None, column) or kinds.get(other or "") != kinds.get(column) or same[other] != same[column]:
            continue
        if {operators[column], operator} == {"<", ">"}:
            return other if operators[column] == "<" else ""
    return None


def _pattern(use: RelationUse, column: str, until: str | None) -> TemporalPattern:
    own = [a for a in use.atoms if a.column == column and a.kind is AtomKind.RANGE]
    if until:
        return TemporalPattern.VALIDITY
    if use.write is StatementKind.DELETE and all(a.operator.startswith("<") for a in own):
        return TemporalPattern.RETENTION
    moving = any(map(about_now, own)) and not any(a.operator.startswith("<") for a in own)
    return TemporalPattern.RECENT if moving else TemporalPattern.WINDOW


class BxTree(Algorithm):
    """See the module."""

    name = "bx_tree"
    title = "BRIN for times in the order of the rows, ranges for intervals"
    source = "Jensen, Lin and Ooi, VLDB 2004"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """BRIN on times in the order of the rows; intervals as ranges; partitions where old rows are deleted."""
        uses = list(chain.from_iterable(temporal_uses(template, study.catalog) for template in study.templates))
        findings: list[AlgorithmFinding] = []
        for table, own in _looked_at(uses, study):
            for candidate, finding in _in_order(table, own, study, proposal):
                proposal = replace(proposal, candidates=(*proposal.candidates, candidate))
                findings.append(finding)
            findings += _partitions(table, own, study)
        forms = tuple(_intervals(uses, study, proposal))
        findings += [_range_finding(form, rewrite) for form, rewrite in forms]
        return Found(proposal, tuple(findings), tuple(rewrite for _, rewrite in forms))


def _looked_at(uses: Sequence[TemporalUse], study: Study) -> Iterator[tuple[Table, Sequence[TemporalUse]]]:
    settings = study.features.bx_tree
    calls = {t.id: t.calls for t in study.templates}
    by_table: dict[QualifiedName, list[TemporalUse]] = {}
    for use in uses:
        by_table.setdefault(use.table, []).append(use)
    for name, own in by_table.items():
        table = study.catalog.table(name)
        asked = sum(calls[t] for t in {u.template for u in own})
        large = table is not None and table.readable and table.size_bytes >= settings.min_table_size
        if table is not None and large and asked >= settings.min_temporal_queries:
            yield table, own


# -- in the order of the rows


def _in_order(
    table: Table, uses: Sequence[TemporalUse], study: Study, proposal: Proposal
) -> Iterator[tuple[Candidate, AlgorithmFinding]]:
    served = (TemporalPattern.RECENT, TemporalPattern.WINDOW, TemporalPattern.RETENTION)
    for name in sorted({u.column for u in uses if u.pattern in served}):
        column = table.column(name)
        known = column.statistics if column is not None else None
        if column is None or not column.indexable or known is None or abs(known.correlation or 0.0) <= IN_ORDER:
            continue
        if table.kind not in "rm" or any(d.method == BRIN and name in d.columns for d in _indexes(table, proposal)):
            continue
        templates = frozenset(u.template for u in uses if u.column == name)
        definition, why = time_index(table, column, study)
        if definition is None:
            continue
        correlation = f"rows lie in the order of {name} (correlation {known.correlation:.2f})"
        reasons = (Reason("physical_order", correlation, "pg_stats"), *why)
        decision = "proposed: a few pages in place of a B-tree that every insert extends"
        yield (
            Candidate(definition, "brin", templates, reasons),
            AlgorithmFinding(
                BxTree.name, "order", summary(definition), Effect.ADDED, decision, reasons,
                "by pages read" if why else "by statistics", "rows that will come late", len(why), 0, definition,
            ),
        )  # fmt: skip


def _indexes(table: Table, proposal: Proposal) -> Iterator[IndexDefinition]:
    yield from (i.definition for i in table.indexes if i.valid)
    yield from (c.definition for c in proposal.on(table.name))


def time_index(table: Table, column: Column, study: Study) -> tuple[IndexDefinition | None, tuple[Reason, ...]]:
    """The BRIN index that reads the least by the pages that may be read, else one with small ranges; None where it
    would read too much.
    """
    usual = IndexDefinition(table.name, (IndexKey(column.name),), BRIN, options=(("pages_per_range", "8"),))
    size, count = layout(study.features.pgm_index.pages)
    ranges = study.samples.ranges(table.name, (column.name,), size, count).get(column.name, ())
    known = any(any(some.units) for some in ranges)
    compared = compared_columns(study, table, 0).get(column.name, {}) if known else {}
    question = question_of(study, table, column, compared.values())
    if question is None:
        return usual, ()
    best = predictions(question, ranges, size, study.catalog)[0]
    if 1.0 - best.share.share < study.features.bx_tree.min_suitability_score:
        return None, ()
    text = f"a scan reads {best.share.share:.1%} of the table ({best.share.low:.1%} to {best.share.high:.1%})"
    return best.definition, (Reason("pages_read", text, "pages"),)


# -- old rows that go


def _partitions(table: Table, uses: Sequence[TemporalUse], study: Study) -> Iterator[AlgorithmFinding]:
    """Where old rows of a large table are deleted by their time: what partitions would mean for statements and keys."""
    column = next((u.column for u in uses if u.pattern is TemporalPattern.RETENTION), None)
    if column is None or table.kind != "r" or table.is_partition or table.size_bytes < _PARTITION_FROM:
        return
    others = {t.id for t, _ in study.uses_of(table.name)}
    blind = len(others - {u.template for u in uses if u.column == column})
    keys = [i.name.name for i in table.indexes if i.definition.unique and column not in i.definition.columns]
    referring = {str(k.table) for k in study.catalog.foreign_keys if k.referenced == table.name}
    evidence = [Reason("retention", f"old rows are deleted by {column}; a partition goes as a whole")]
    if blind:
        evidence.append(Reason("all_partitions", f"{blind} of {len(others)} statements would visit every partition"))
    if keys:
        evidence.append(Reason("unique", f"{', '.join(keys)}: unique only together with {column}", "catalog"))
    if referring:
        evidence.append(Reason("referenced", f"foreign keys of {', '.join(sorted(referring))} refer to it", "catalog"))
    decision = f"consider PARTITION BY RANGE ({quote_identifier(column)}); nothing is done about it"
    yield AlgorithmFinding(
        BxTree.name, "partitions", table.name.short, Effect.REPORT_ONLY, decision, tuple(evidence), "by the workload"
    )


# -- intervals that hold a moment


def _intervals(uses: Sequence[TemporalUse], study: Study, proposal: Proposal) -> Iterator[tuple[OtherForm, Rewrite]]:
    """A start with two bounds where that is cheaper, since a B-tree is smaller than ranges and easier to keep; else the
    range.
    """
    wanted = {u.template for u in uses if u.pattern is TemporalPattern.VALIDITY}
    for template in study.templates:
        usual = usual_statement(template) if template.id in wanted else None
        if usual is None:
            continue
        statement, tree = usual
        bounded = _cheapest(bounded_forms(tree, study.catalog, study.samples), study, proposal, template, statement)
        ranges = (form for form in _ranges(tree, study.catalog) if form.table not in bounded)
        yield from bounded.values()
        yield from _cheapest(ranges, study, proposal, template, statement).values()


def _cheapest(
    forms: Iterable[OtherForm], study: Study, proposal: Proposal, template: QueryTemplate, usual: Plannable
) -> dict[QualifiedName, tuple[OtherForm, Rewrite]]:
    """Of each table the form that costs the least, where one is worth it."""
    best: dict[QualifiedName, tuple[OtherForm, Rewrite]] = {}
    for form in forms:
        rewrite = priced(study, proposal, template, usual, form)
        known = best.get(form.table)
        if rewrite is not None and (known is None or rewrite.cost_after < known[1].cost_after):
            best[form.table] = form, rewrite
    return best


def _ranges(statement: Node, catalog: Catalog) -> Iterator[OtherForm]:
    for form in interval_forms(statement, catalog):
        table = catalog.table(form.table)
        if table is not None and not any(covers(i.definition, form.index) for i in table.indexes if i.valid):
            yield form


def _range_finding(form: OtherForm, rewrite: Rewrite) -> AlgorithmFinding:
    before, after = rewrite.cost_before, rewrite.cost_after
    text = f"{form.why}; cost {before:.0f} with the best index for the conditions as they are, {after:.0f} written so"
    index = f", with {rewrite.index}" if rewrite.index else ""
    return AlgorithmFinding(
        BxTree.name, "interval", rewrite.table.short, Effect.REPORT_ONLY,
        f"write {form.after}{index}; the application has to",
        (Reason("interval", text, "planner"),), "by the planner", "intervals that nearly all hold the moment",
        definition=form.wants[-1] if form.wants else None,
    )  # fmt: skip
