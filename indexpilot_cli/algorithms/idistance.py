"""iDistance: nearest rows, boxes of several ranges, and when no exact index will help.

Yu, Ooi, Tan and Jagadish, "Indexing the Distance: An Efficient Method to KNN Processing", VLDB 2001; Jagadish, Ooi,
Tan, Yu and Zhang, "iDistance", TODS 30(2), 2005, https://doi.org/10.1145/1071610.1071612 (cited from the papers' known
content; the description gave no source). Points are kept by their distance from the nearest of some reference points,
and the triangle inequality spares all whose distance differs by more than the radius. Used here is that test: on
sampled vectors it says what share of the rows an exact search by such an index would still read. Points in the plane
have GiST, boxes of ranges B-trees, and which of them pays the planner prices.

What cannot be told: how far vectors that were not read lie; whether an approximate answer (hnsw, ivfflat) would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from math import prod
from typing import Any

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.core.catalog import Column, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import GIST, Candidate, IndexDefinition, IndexKey, Proposal, Reason, Rejection
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.samples import PageSample
from indexpilot_cli.core.workload import Atom, AtomKind, QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.methods.existing import covered_by, covers
from indexpilot_cli.methods.vectors import REFERENCES, ExactSearch, exact_search
from indexpilot_cli.sql.expressions import COLUMN, CONSTANT, OPERATOR, Expression
from indexpilot_cli.sql.normal import tree_of
from indexpilot_cli.sql.parser import Node, Statement, parse
from indexpilot_cli.sql.selectivity import comparable, row_count, selectivity
from indexpilot_cli.workload.predicates.blocks import relation_uses

MOST_SIDES = 3  # ranges of a box that become keys
MOST_HEADS = 2  # equalities before them
LEAST_ROWS = 100  # of a sample, for shares of it
_INSIDE = (AtomKind.CONTAINS, AtomKind.CONTAINED, AtomKind.OVERLAPS)
_NUMBERS = ("_float4", "_float8", "_numeric", "_int2", "_int4", "_int8")


class SpatialPattern(StrEnum):
    """What a statement asks of several dimensions."""

    NEAREST = "nearest"
    BOX = "box"
    INSIDE = "inside"
    VECTOR = "vector"


@dataclass(frozen=True, slots=True)
class SpatialUse:
    """A pattern, the columns it is about, and the template and use it stands in."""

    pattern: SpatialPattern
    columns: tuple[str, ...]
    template: QueryTemplate
    use: RelationUse


def spatial_uses(study: Study) -> Iterator[SpatialUse]:
    """What the workload asks of several dimensions, statement by statement."""
    for template in study.templates:
        for use in template.uses:
            table = study.catalog.table(use.table)
            if table is None or use.write is StatementKind.INSERT:
                continue
            for pattern, names in _patterns(use, table, template.text):
                yield SpatialUse(pattern, names, template, use)


def _patterns(use: RelationUse, table: Table, text: str) -> Iterator[tuple[SpatialPattern, tuple[str, ...]]]:
    atoms = [a for a in use.atoms if a.conjunctive]
    nearest = tuple(dict.fromkeys(_label(a) for a in atoms if a.kind is AtomKind.DISTANCE))
    inside = tuple(dict.fromkeys(_label(a) for a in atoms if a.kind in _INSIDE and _is_shape(a, table)))
    sides = tuple(dict.fromkeys(a.column for a in atoms if a.kind is AtomKind.RANGE and a.column is not None))
    if nearest:
        yield SpatialPattern.NEAREST, nearest
    if inside:
        yield SpatialPattern.INSIDE, inside
    if len(sides) > 1:
        yield SpatialPattern.BOX, sides
    arrays = [c.name for c in table.columns if c.base_type in _NUMBERS] if use.limited and not nearest else []
    ordered = tuple(name for name in arrays if name in _ordered_by(text)) if arrays else ()
    if ordered:
        yield SpatialPattern.VECTOR, ordered


def _label(atom: Atom) -> str:
    return atom.column if atom.column is not None else atom.expression or ""


def _is_shape(atom: Atom, table: Table) -> bool:
    column = table.column(atom.column) if atom.column is not None else None
    return column is None or column.category in ("G", "R") or column.base_type in ("geometry", "geography", "cube")


def _ordered_by(text: str) -> frozenset[str]:
    """Names in what a statement with LIMIT sorts by, output names looked up."""
    statement = parse(text)
    found: set[str] = set()
    for select in statement.node.walk() if isinstance(statement, Statement) else ():
        if select.kind == "SelectStmt" and select.child("limit_count") is not None:
            outputs = {t.text("name"): t.child("val") for t in select.children("target_list")}
            for item in select.children("sort_clause"):
                found |= set(_names(item.child("node"), outputs))
    return frozenset(found)


def _names(node: Node | None, outputs: Mapping[str, Node | None]) -> Iterator[str]:
    for inner in node.walk() if node is not None else ():
        if inner.kind == "ColumnRef":
            name = inner.names("fields")[-1]
            meant = outputs.get(name) if inner is node or len(inner.names("fields")) == 1 else None
            yield from (_names(meant, {}) if meant is not None else (name,))


class IDistance(Algorithm):
    """Nearest rows and boxes."""

    name = "idistance"
    title = "nearest rows, boxes of ranges, and where no exact index helps"
    source = "Yu et al., VLDB 2001; Jagadish et al., TODS 30(2), 2005"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """See Algorithm."""
        findings: dict[AlgorithmFinding, None] = {}
        for found in spatial_uses(study):
            table = study.catalog.table(found.use.table)
            assert table is not None  # spatial_uses gives those of the catalog only
            if found.pattern is SpatialPattern.NEAREST:
                proposal, seen = _nearest(study, proposal, found, table)
            elif found.pattern is SpatialPattern.BOX:
                proposal, seen = _boxed(study, proposal, found, table)
            else:
                seen = _exact(study, found, table) if found.pattern is SpatialPattern.VECTOR else []
            findings |= dict.fromkeys(seen)
        return Found(proposal, tuple(findings))


Step = tuple[Proposal, list[AlgorithmFinding]]

# -- nearest rows


def _nearest(study: Study, proposal: Proposal, found: SpatialUse, table: Table) -> Step:
    """Indexes that give rows nearest first, as far as they spare reading them all."""
    names = set(found.columns)

    def gives_order(candidate: Candidate) -> bool:
        own = candidate.definition
        keys = {k.column if k.column is not None else k.expression for k in own.keys}
        asked = found.template.id in candidate.templates
        return own.table == table.name and own.method != "btree" and bool(keys & names) and asked

    proposed = [c for c in proposal.candidates if gives_order(c)]
    if not proposed:
        return proposal, []
    against = _too_little(study, table, _spared_by_limit(found.use, table))
    asked = f"the {found.use.limit or 'first'} nearest by {', '.join(sorted(names))}"
    evidence = Reason("nearest", f"{asked} of {row_count(table):,.0f} rows")
    if against is None:
        decision = "an index that gives rows nearest first competes with sorting them all"
        return proposal, [_finding(table, found, Effect.ADDED, decision, (evidence,), proposed[0].definition)]
    refused = tuple(
        Rejection(summary(c.definition), "too_little_benefit", against, c.definition, templates=c.templates)
        for c in proposed
    )
    kept = tuple(c for c in proposal.candidates if c not in proposed)
    finding = _finding(table, found, Effect.REMOVED, f"no index for the order: {against}", (evidence,))
    return replace(proposal, candidates=kept, rejections=(*proposal.rejections, *refused)), [finding]


def _spared_by_limit(use: RelationUse, table: Table) -> float:
    """The share of the rows that reading them nearest first spares."""
    if not use.limited:
        return 0.0
    return max(0.0, 1.0 - (use.limit or 1) / max(row_count(table), 1.0))


def _too_little(study: Study, table: Table, spared: float) -> str | None:
    least = study.features.idistance
    if row_count(table) < least.min_table_rows:
        return f"the table has {row_count(table):,.0f} rows, min_table_rows is {least.min_table_rows:,}"
    if spared < least.min_suitability:
        return f"it spares {spared:.0%} of the rows, min_suitability is {least.min_suitability:.0%}"
    return None


# -- boxes


@dataclass(frozen=True, slots=True)
class BoxShares:
    """What shares of the rows the ranges of a box keep, each alone and all together. ``seen``: rows of the sample."""

    sides: Mapping[str, float]
    joint: float
    seen: int
    pages: int

    @property
    def spared(self) -> float:
        """The share of the rows that the best single range reads which all ranges together spare."""
        best = min(self.sides.values())
        return max(0.0, 1.0 - self.joint / best) if best > 0 else 0.0

    @property
    def reason(self) -> Reason:
        """The shares as a clause."""
        each = ", ".join(f"{name} {share:.2%}" for name, share in sorted(self.sides.items(), key=lambda s: s[1]))
        where = f"of {self.seen:,} sampled rows" if self.seen else "by the statistics, as if independent"
        return Reason("box", f"{each} and together {self.joint:.3%} {where}", "sample" if self.seen else "pg_stats")


def box_shares(study: Study, found: SpatialUse, table: Table) -> BoxShares:
    """The shares of a box, from the sample with the values of the usual scenario where both are there."""
    atoms = _with_values(study, found)
    sample = study.samples.of(table.name)
    conditions = [(a.column or "", tree) for a in atoms if a.sql and (tree := tree_of(a.sql)) is not None]
    if sample is not None and set(found.columns) == {c for c, _ in conditions} <= set(sample.columns):
        counted = _counted(sample, conditions, table)
        if counted is not None:
            return counted
    sides = {name: selectivity([a for a in atoms if a.column == name], table) for name in found.columns}
    return BoxShares(sides, prod(sides.values()), 0, 0)


def _with_values(study: Study, found: SpatialUse) -> list[Atom]:
    """The ranges of the use as the template's usual scenario has them."""
    uses: Sequence[RelationUse] = (found.use,)
    if found.template.scenarios:
        usual = max(found.template.scenarios, key=lambda s: s.share).statement
        statement = parse(usual.sql)
        uses = relation_uses(statement, study.catalog) if isinstance(statement, Statement) else uses
    same = next((u for u in uses if (u.table, u.alias) == (found.use.table, found.use.alias)), found.use)
    return [a for a in same.atoms if a.conjunctive and a.kind is AtomKind.RANGE and a.column in found.columns]


def _counted(sample: PageSample, conditions: Sequence[tuple[str, Expression]], table: Table) -> BoxShares | None:
    places = {name: (sample.columns.index(name), table.column(name)) for name, _ in conditions}
    kept: dict[str, int] = dict.fromkeys(places, 0)
    total = together = 0
    for row in chain.from_iterable(page.rows for page in sample.pages):
        holds: dict[str, bool] = dict.fromkeys(places, True)
        for name, tree in conditions:
            place, column = places[name]
            answer = _holds(tree, row[place], column)
            if answer is None:
                return None
            holds[name] = holds[name] and answer
        total, together = total + 1, together + all(holds.values())
        kept = {name: number + holds[name] for name, number in kept.items()}
    if total < LEAST_ROWS:
        return None
    least = 0.5 / total  # none was seen: fewer than one of those that were read
    sides = {name: max(number / total, least) for name, number in kept.items()}
    return BoxShares(sides, max(together / total, least), total, len(sample.pages))


def _holds(tree: Expression, value: Any, column: Column | None) -> bool | None:
    """Whether a range condition is true for the value; None where the condition cannot be read."""
    if tree.kind == OPERATOR and tree.value == "and":
        parts = [_holds(part, value, column) for part in tree.arguments]
        return None if None in parts else all(parts)
    sides = tree.arguments
    if tree.kind != OPERATOR or len(sides) != 2 or sides[0].kind != COLUMN or sides[1].kind != CONSTANT:
        return None
    kind = column.base_type if column is not None else ""
    bound = comparable(sides[1].value, kind)
    have = None if value is None else comparable(str(value), kind)
    if bound is None:
        return None
    if have is None:
        return False
    numbers = isinstance(have, float) and isinstance(bound, float)
    return _compared(tree.value, have, bound) if numbers else _compared(tree.value, str(have), str(bound))


def _compared(operator: str, have: Any, bound: Any) -> bool | None:
    answers = {"<": have < bound, "<=": have <= bound, ">": have > bound, ">=": have >= bound}
    return answers.get(operator)


def _boxed(study: Study, proposal: Proposal, found: SpatialUse, table: Table) -> Step:
    """One index with all ranges of a box as keys, beside those of each range alone that the planner may combine."""
    usable = [n for n in found.columns if _is_scalar(table.column(n))]
    if len(usable) < 2:
        return proposal, []
    shares = box_shares(study, replace(found, columns=tuple(usable)), table)
    against = _too_little(study, table, shares.spared)
    if against is not None:
        return proposal, []
    sides = sorted(usable, key=lambda name: shares.sides[name])[:MOST_SIDES]
    heads = [a.column for a in found.use.atoms if _pins(a, table) and a.column not in sides]
    keys = tuple(IndexKey(name) for name in (*dict.fromkeys(heads[:MOST_HEADS]), *sides))
    definition = IndexDefinition(table.name, keys)
    free = len(keys) - len(sides)
    there = covered_by(definition, table.indexes, free=free)
    known = any(covers(c.definition, definition, free) for c in proposal.candidates)
    added = [] if there is not None or known else [(definition, _TOGETHER)]
    tree = IndexDefinition(table.name, tuple(IndexKey(name) for name in sides), GIST)
    if _is_hollow(shares, sides) and _gist_serves(study, table, sides) and covered_by(tree, table.indexes) is None:
        added.append((tree, _HOLLOW))
    templates = frozenset({found.template.id})
    candidates = (Candidate(d, "box", templates, (shares.reason,)) for d, _ in added)
    findings = [
        _finding(table, found, Effect.ADDED, why, (shares.reason,), definition, shares.pages)
        for definition, why in added
    ]
    return replace(proposal, candidates=(*proposal.candidates, *candidates)) if added else proposal, findings


_TOGETHER = "one index of all ranges competes with one of each: entries outside the box are passed over unread"
_HOLLOW = "GiST competes: where rows lie in clumps it turns away from an empty box at once"
_HOLLOW_SHARE = 0.1


def _is_hollow(shares: BoxShares, sides: Sequence[str]) -> bool:
    """Whether the box holds far fewer rows than its sides say. Elsewhere B-trees were quicker (2 to 8 times)."""
    return shares.seen > 0 and shares.joint <= _HOLLOW_SHARE * prod(shares.sides[name] for name in sides)


def _gist_serves(study: Study, table: Table, sides: Sequence[str]) -> bool:
    """Whether GiST has a class for each of the columns (btree_gist)."""
    columns = (table.column(name) for name in sides)
    return all(c is not None and study.catalog.classes(GIST, c.base_type) for c in columns)


def _pins(atom: Atom, table: Table) -> bool:
    single = atom.kind is AtomKind.EQUAL and atom.conjunctive and atom.column is not None
    return single and _is_scalar(table.column(atom.column or ""))


def _is_scalar(column: Column | None) -> bool:
    """Numbers, moments and short texts: what a B-tree holds next to others."""
    return column is not None and column.indexable and column.category in ("N", "D", "T", "B", "S", "E")


# -- distances of arrays


_LITTLE = 0.1  # share of the rows read below which an exact index would pay


def _exact(study: Study, found: SpatialUse, table: Table) -> list[AlgorithmFinding]:
    sample = study.samples.of(table.name)
    if sample is None or row_count(table) < study.features.idistance.min_table_rows:
        return []
    findings = []
    for name in found.columns:
        vectors = [v for v in sample.values(name) if v is not None and None not in v] if name in sample.columns else []
        seen = exact_search(vectors, row_count(table), found.use.limit or 10)
        if seen is not None:
            decision = _advice(study, table, name, seen)
            pages = len(sample.pages)
            findings.append(_finding(table, found, Effect.REPORT_ONLY, decision, (seen.reason,), None, pages))
    return findings


def _advice(study: Study, table: Table, name: str, seen: ExactSearch) -> str:
    column = quote_identifier(name)
    if seen.read < _LITTLE:
        return (
            f"an exact index is feasible (experimental): store the nearest of {REFERENCES} reference points and the"
            f" distance from it beside {column}, index both, and read rings of growing radius"
        )
    near = "pgvector is installed" if study.catalog.has_extension("vector") else "CREATE EXTENSION vector"
    return (
        f"no exact index will help {table.name.short}; {near}: hnsw or ivfflat on {column}::vector answer"
        " approximately and may miss rows"
    )


def _finding(
    table: Table,
    found: SpatialUse,
    effect: Effect,
    decision: str,
    evidence: tuple[Reason, ...],
    definition: IndexDefinition | None = None,
    pages: int = 0,
) -> AlgorithmFinding:
    keys = ", ".join(quote_identifier(c) if c.isidentifier() else c for c in found.columns)
    return AlgorithmFinding(
        IDistance.name,
        str(found.pattern),
        f"{table.name.short} ({keys})",
        effect,
        decision,
        evidence,
        confidence="page sample" if pages else "rule",
        cannot_tell="how well the planner's random reads fit this storage" if effect is Effect.ADDED else "",
        statements=1 if pages else 0,
        pages=pages,
        definition=definition,
    )
