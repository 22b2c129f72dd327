"""Bx-tree: times, and intervals that hold a moment.

Jensen, Lin and Ooi, "Query and update efficient B+-tree based indexing of moving objects", VLDB 2004,
https://www.vldb.org/conf/2004/RS20P3.PDF. As one reads it elsewhere it stands beside iDistance without an algorithm.

PostgreSQL has no such index and rows do not move; what is used is the paper's way with time: what comes in the order of
time lies in that order (BRIN instead of a B-tree, and partitions that go as a whole), and an object that holds for a
while is found by one structure over the line of time: a range, where two B-tree conditions each keep half the table.

What cannot be told: rows that will come late, and a statement that somebody sends in yet another form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.pgm_index.predict import compared_columns, layout, predictions, question_of
from indexpilot_cli.algorithms.rewriting import (
    FLIPPED,
    OtherForm,
    clauses,
    column_of,
    conjuncts_of,
    moving,
    priced,
    same_type,
    usual_statement,
    with_conditions,
)
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import BRIN, GIST, Candidate, IndexDefinition, IndexKey, Proposal, Reason
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.plan import AlgorithmFinding, Effect, Rewrite
from indexpilot_cli.core.workload import AtomKind, QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.methods.existing import covers
from indexpilot_cli.sql.bounds import TIMES, about_now
from indexpilot_cli.sql.parser import Node, deparse_expression

RANGES = {"timestamptz": "tstzrange", "timestamp": "tsrange", "date": "daterange"}
IN_ORDER = 0.9  # correlation from which rows lie in the order of a column
_PARTITION_FROM = 64 * 1024**2  # bytes of a table from which deleting by time is worth partitions
_LAST_DATE = "but for the last date there is (5874897-12-31), which the index could not hold"


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
        if table.kind not in "rm" or any(_brin_on(d, name) for d in _indexes(table, proposal)):
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


def _brin_on(definition: IndexDefinition, column: str) -> bool:
    return definition.method == BRIN and column in definition.columns


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
    wanted = {u.template for u in uses if u.pattern is TemporalPattern.VALIDITY}
    for template in study.templates:
        usual = usual_statement(template) if template.id in wanted else None
        if usual is None:
            continue
        for form in interval_forms(usual[1], study.catalog):
            table = study.catalog.table(form.index.table)
            there = table is not None and any(covers(i.definition, form.index) for i in table.indexes if i.valid)
            rewrite = priced(study, proposal, template, usual[0], form) if not there else None
            if rewrite is not None:
                yield form, rewrite


def interval_forms(statement: Node, catalog: Catalog) -> Iterator[OtherForm]:
    """``s <= t AND e >= t`` as a range that holds t: true for the same rows. It cannot fail where s > e, is NULL where
    the two conditions are not both true for any t, and takes an end that may be NULL for one that never comes.
    """
    for query, where in clauses(statement):
        sides = [(place, side) for place, c in enumerate(conjuncts_of(where)) if (side := _side(c, query, catalog))]
        for one, low in sides:
            for other, high in sides:
                if low.starts and not high.starts and low.fits(high):
                    yield _as_range(statement, where, (one, other), low, high)
        for place, condition in enumerate(conjuncts_of(where)):
            both = _between(condition, query, catalog)
            if both is not None:
                yield _as_range(statement, where, (place,), *both)


@dataclass(frozen=True, slots=True)
class _Side:
    """A time column beside a moment: it ``starts`` the interval where it is not after the moment."""

    table: Table
    column: Column
    name: str
    moment: str
    starts: bool
    closed: bool
    open_ended: bool = False

    def fits(self, other: _Side) -> bool:
        same = self.table == other.table and self.moment == other.moment and self.column != other.column
        qualified = self.name.rpartition(".")[0] == other.name.rpartition(".")[0]
        return same and qualified and self.column.base_type == other.column.base_type


def _side(condition: Node, query: Node, catalog: Catalog) -> _Side | None:
    if condition.kind == "BoolExpr" and condition.enum("boolop") == "OR_EXPR":
        arms = condition.children("args")
        tests = [a.child("arg") for a in arms if a.kind == "NullTest" and a.enum("nulltesttype") == "IS_NULL"]
        sides = [s for a in arms if (s := _side(a, query, catalog)) is not None]
        if len(arms) != 2 or len(tests) != 1 or len(sides) != 1 or tests[0] is None or sides[0].starts:
            return None
        return replace(sides[0], open_ended=True) if deparse_expression(tests[0]) == sides[0].name else None
    if condition.kind != "A_Expr" or condition.enum("kind") != "AEXPR_OP":
        return None
    left, right, operator = condition.child("lexpr"), condition.child("rexpr"), condition.names("name")[-1]
    if left is None or right is None:
        return None
    if left.kind != "ColumnRef":
        left, right, operator = right, left, FLIPPED.get(operator, "")
    return _of(left, right, operator, query, catalog)


def _between(condition: Node, query: Node, catalog: Catalog) -> tuple[_Side, _Side] | None:
    """``t BETWEEN s AND e``."""
    if condition.kind != "A_Expr" or condition.enum("kind") != "AEXPR_BETWEEN":
        return None
    moment, ends = condition.child("lexpr"), condition.child("rexpr")
    if moment is None or ends is None:
        return None
    pair = ends.children("items")
    low, high = _of(pair[0], moment, "<=", query, catalog), _of(pair[1], moment, ">=", query, catalog)
    return (low, high) if low is not None and high is not None and low.fits(high) else None


def _of(left: Node, right: Node, operator: str, query: Node, catalog: Catalog) -> _Side | None:
    if left.kind != "ColumnRef" or operator not in FLIPPED or moving(right):
        return None
    found = column_of(left, query, catalog)
    if found is None or found[1].base_type not in RANGES or not same_type(right, found[1].base_type):
        return None
    table, column = found
    starts, closed = operator in ("<", "<="), operator.endswith("=")
    return _Side(table, column, deparse_expression(left), deparse_expression(right), starts, closed)


def _as_range(statement: Node, where: Node, places: tuple[int, ...], low: _Side, high: _Side) -> OtherForm:
    conditions = [_in_and(c) for c in conjuncts_of(where)]
    before = " AND ".join(conditions[place] for place in sorted(places))
    kind = low.column.base_type
    after = f"{_range(low.name, high.name, low, high)} @> ({low.moment})::{kind}"
    rest = [text for place, text in enumerate(conditions) if place not in places]
    bare = _range(quote_identifier(low.column.name), quote_identifier(high.column.name), low, high)
    index = IndexDefinition(low.table.name, (IndexKey(expression=bare),), GIST)
    why = "each of the two conditions alone keeps a large part of the table"
    only = _LAST_DATE if kind == "date" else ""
    return OtherForm("interval", before, after, why, only, with_conditions(statement, where, [*rest, after]), index)


def _in_and(condition: Node) -> str:
    text = deparse_expression(condition)
    return f"({text})" if condition.kind == "BoolExpr" else text


def _range(start: str, end: str, low: _Side, high: _Side) -> str:
    bounds = ("[" if low.closed else "(") + ("]" if high.closed else ")")
    least = f"COALESCE({end}, {start})" if high.open_ended else end
    made = f"{RANGES[low.column.base_type]}({start}, {end}, '{bounds}')"
    return f"CASE WHEN {start} <= {least} THEN {made} END"


def _range_finding(form: OtherForm, rewrite: Rewrite) -> AlgorithmFinding:
    text = f"cost {rewrite.cost_before:.0f} with the best index for two conditions, {rewrite.cost_after:.0f} as a range"
    return AlgorithmFinding(
        BxTree.name, "interval", rewrite.table.short, Effect.REPORT_ONLY,
        f"write {form.after}, with {rewrite.index}; the application has to",
        (Reason("interval", text, "planner"),), "by the planner", "intervals that nearly all hold the moment",
        definition=form.index,
    )  # fmt: skip
