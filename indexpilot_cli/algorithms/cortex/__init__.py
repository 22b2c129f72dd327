"""Cortex: a column is reached through another that decides it, or that it follows at a small distance.

Nathan, Ding, Kraska and Alizadeh, "Cortex: harnessing correlations to boost query performance", 2020,
https://arxiv.org/abs/2012.06683. The paper avoids secondary indexes by means of the clustered one; elsewhere one reads
that it adds composite indexes, which is nearly the opposite.

What is used of it: a key of a composite index that another key decides is left out (``dependence``), the planner, which
multiplies their shares, gets extended statistics instead; and a column that keeps within a band of an indexed one is
read through that index, with a small partial index for the rows outside of the band (``band``), where that spares most
of a full index. That columns follow the order of the rows is seen by pgm_index.

What cannot be told: whether tomorrow's rows keep to it, and exceptions that are on none of the 300 pages read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.cortex.band import KINDS, MOST_OF_HOST, Band, SampledNumbers, band_forms, find_band
from indexpilot_cli.algorithms.cortex.dependence import Dependence, dependence
from indexpilot_cli.algorithms.rewriting import OtherForm, as_rewrite, prices_of, usual_statement
from indexpilot_cli.algorithms.statistics import named
from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import BTREE, Candidate, Proposal, Reason, Rejection
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.core.plan import AlgorithmFinding, Effect, Rewrite
from indexpilot_cli.core.samples import PageSample
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind
from indexpilot_cli.core.units import size
from indexpilot_cli.core.workload import AtomKind, Plannable, RelationUse, StatementKind
from indexpilot_cli.sql.selectivity import row_count

_EQUAL = (AtomKind.EQUAL, AtomKind.IN)
_ASKED = 5  # pairs of values for which the planner is asked
_OFF, _ROWS = 5.0, 100.0  # it is wrong from this factor and number of rows on
_ENTRY, _POINTER = 12.0, 6.0  # bytes of an index entry beside its keys, and of each row that shares them
_SMALLER = 0.75  # of its size is what a composite without a key has to be
_LEAST_PAGES = 1280  # 10 MB: the index of its own of a smaller table is small itself
_CANNOT_TELL = "rows that come later, and exceptions that are on none of the pages read"


class Cortex(Algorithm):
    """See the module."""

    name = "cortex"
    title = "columns that follow from others"
    source = "Nathan, Ding, Kraska and Alizadeh, 2020, arXiv:2012.06683"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """Composites without keys that their other keys decide; statistics where the planner needs them."""
        findings: list[AlgorithmFinding] = []
        known: dict[tuple[QualifiedName, str, str], Dependence | None] = {}
        for candidate in proposal.candidates:
            found = _decided(candidate, study, known)
            if found is not None and _smaller(candidate, found, study):
                proposal, finding = _narrower(proposal, candidate, found, study)
                proposal = _without_decided(proposal, candidate.definition.table, found, study)
                findings.append(finding)
        for (name, *_), decided in known.items():
            table = study.catalog.table(name)
            if table is not None and decided is not None and decided.decides:
                findings += _statistics(table, decided, study)
        banded = tuple(_banded(study, proposal))
        return Found(proposal, (*findings, *(f for f, _ in banded)), tuple(r for _, r in banded))


def _smaller(candidate: Candidate, found: Dependence, study: Study) -> bool:
    """Whether the index without the decided key takes much less. Where many rows share a key they share its one copy
    (deduplication), and without it each of them is compared again: measured, a tenth more time for the same bytes.
    """
    table = study.catalog.table(candidate.definition.table)
    if table is None:
        return False
    rows, distinct, width, decided = row_count(table), 1.0, _ENTRY, 0.0
    for column in (c for name in candidate.definition.columns if (c := table.column(name)) is not None):
        known = column.statistics
        bytes_ = float(known.avg_width) if known is not None else 8.0
        if column.name == found.column:
            decided = bytes_
        else:
            width += bytes_
            distinct *= known.distinct(rows) if known is not None else 1.0
    pointers = _POINTER * rows / max(min(distinct, rows), 1.0)
    return width + pointers <= _SMALLER * (width + decided + pointers)


def _without_decided(proposal: Proposal, table: QualifiedName, found: Dependence, study: Study) -> Proposal:
    """Without indexes on the decided column for statements that compare the deciding one too: as the planner takes the
    columns for independent, it would combine both.
    """
    gone = [
        c
        for c in proposal.candidates
        if c.definition.table == table
        and found.column in (columns := _equal_keys(c, study, least=1))
        and found.by not in columns
        and all(found.by in _compared(use) for use in _uses(c, study))
    ]
    detail = f"{_reason(found).text}, and the same statements compare {quote_identifier(found.by)}"
    rejections = (
        Rejection(summary(c.definition), "correlated", detail, c.definition, templates=c.templates) for c in gone
    )
    kept = tuple(c for c in proposal.candidates if c not in gone)
    return replace(proposal, candidates=kept, rejections=(*proposal.rejections, *rejections))


def _decided(
    candidate: Candidate, study: Study, known: dict[tuple[QualifiedName, str, str], Dependence | None]
) -> Dependence | None:
    """The first key of a composite that another of its keys decides, where all who ask compare both for equality."""
    definition = candidate.definition
    names = _equal_keys(candidate, study)
    sample = study.samples.of(definition.table) if len(names) > 1 else None
    if sample is None:
        return None
    for by, column in permutations(names, 2):
        place = (definition.table, by, column)
        if place not in known:
            both = {by, column} <= set(sample.columns)
            known[place] = dependence(sample, by, column) if both else None
        found = known[place]
        if found is not None and found.decides:
            return found
    return None


def _equal_keys(candidate: Candidate, study: Study, least: int = 2) -> tuple[str, ...]:
    """Key columns that every statement that asks for the index compares for equality; none of an index that would
    spare visits of the table, or has other work to do.
    """
    definition = candidate.definition
    plain = definition.method == BTREE and not (definition.include or definition.unique or definition.predicate)
    if not plain or len(definition.columns) < least or len(definition.columns) != len(definition.keys):
        return ()
    names = set(definition.columns)
    for use in _uses(candidate, study):
        if not use.whole_row and use.columns <= set(definition.columns):
            return ()
        names &= _compared(use)
    return tuple(c for c in definition.columns if c in names)


def _compared(use: RelationUse) -> set[str]:
    return {a.column for a in use.atoms if a.kind in _EQUAL and a.conjunctive and a.column is not None}


def _uses(candidate: Candidate, study: Study) -> Iterator[RelationUse]:
    for template in study.templates:
        if template.id in candidate.templates:
            yield from (u for u in template.uses if u.table == candidate.definition.table)


def _narrower(
    proposal: Proposal, candidate: Candidate, found: Dependence, study: Study
) -> tuple[Proposal, AlgorithmFinding]:
    """The proposal with the composite without the key that follows from another."""
    wide = candidate.definition
    definition = replace(wide, keys=tuple(k for k in wide.keys if k.column != found.column))
    reason = _reason(found)
    detail = f"{reason.text}: {summary(definition)} finds the same rows"
    rejection = Rejection(summary(wide), "correlated", detail, wide, templates=candidate.templates)
    others = [c for c in proposal.candidates if c.definition not in (wide, definition)]
    same = [c for c in proposal.candidates if c.definition == definition]
    table = study.catalog.table(wide.table)
    there = table is not None and any(i.definition == definition and i.valid for i in table.indexes)
    merged = Candidate(
        definition,
        same[0].kind if same else candidate.kind,
        candidate.templates.union(*(c.templates for c in same)),
        (*(same[0].reasons if same else candidate.reasons), reason),
    )
    candidates = (*others, *(() if there else (merged,)))
    decision = f"proposed as {summary(definition)}" if not there else f"{summary(definition)} is there"
    finding = AlgorithmFinding(
        Cortex.name, "decided_key", summary(wide), Effect.RETYPED, decision, (reason,),
        f"at least {found.low:.1%} (95 %)", _CANNOT_TELL, 1, _pages(study, wide.table), definition,
    )  # fmt: skip
    return replace(proposal, candidates=candidates, rejections=(*proposal.rejections, rejection)), finding


def _reason(found: Dependence) -> Reason:
    by, column = quote_identifier(found.by), quote_identifier(found.column)
    text = (
        f"{by} decides {column}: of rows with the same {by} {found.strength:.1%} have the same {column},"
        f" {found.anyway:.1%} of any two ({found.values} values on several pages)"
    )
    return Reason("decides", text, "sample")


def _pages(study: Study, table: QualifiedName) -> int:
    sample = study.samples.of(table)
    return len(sample.pages) if sample is not None else 0


# -- what the planner makes of it


def _statistics(table: Table, found: Dependence, study: Study) -> Iterator[AlgorithmFinding]:
    """Extended statistics, where the planner expects far fewer rows for both columns than for the one that decides."""
    sample = study.samples.of(table.name)
    if sample is None or table.kind not in "rm":
        return
    alone, both = _expected(table, found, sample, study)
    if alone < _ROWS or alone < _OFF * both:
        return
    columns = (found.by, found.column)
    wanted = named(study, ExtendedStatistics(table.name, table.name, columns, (StatisticsKind.DEPENDENCIES,)))
    estimate = f"the planner expects {both:.0f} rows of a value of both and {alone:.0f} of {quote_identifier(found.by)}"
    yield AlgorithmFinding(
        Cortex.name, "dependence", wanted.text, Effect.ADDED, "extended statistics are part of the plan",
        (_reason(found), Reason("estimate", estimate, "planner")),
        f"at least {found.low:.1%} (95 %)", _CANNOT_TELL, _ASKED, len(sample.pages), statistics=wanted,
    )  # fmt: skip


def _expected(table: Table, found: Dependence, sample: PageSample, study: Study) -> tuple[float, float]:
    """The planner's mean number of rows for values that occur, of the deciding column alone and of both."""
    one, other = sample.columns.index(found.by), sample.columns.index(found.column)
    first_rows = (page.rows[0] for page in sample.pages if page.rows)
    rows = [row for row in first_rows if row[one] is not None and row[other] is not None]
    chosen = rows[:: max(1, len(rows) // _ASKED)][:_ASKED]
    by, column = quote_identifier(found.by), quote_identifier(found.column)
    asked: list[WhatIf] = []
    for row in chosen:
        first = f"{by} = {quote_literal(str(row[one]))}"
        conditions = (first, f"{first} AND {column} = {quote_literal(str(row[other]))}")
        asked += [WhatIf(Plannable(_select(table, condition))) for condition in conditions]
    answers = study.estimator.plan(asked)
    if not answers or not all(a.ok for a in answers):
        return 0.0, 0.0
    return _mean([a.rows for a in answers[::2]]), max(_mean([a.rows for a in answers[1::2]]), 1.0)


def _select(table: Table, condition: str) -> str:
    return " ".join(("SELECT", "1", "FROM", str(table.name), "WHERE", condition))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / max(len(numbers), 1)


# -- columns that keep close to an indexed one


def _banded(study: Study, proposal: Proposal) -> Iterator[tuple[AlgorithmFinding, Rewrite]]:
    """Statements that could read a column through an indexed one, where that spares most of an index of its own."""
    known: dict[QualifiedName, tuple[Band, ...]] = {}
    for template in study.templates:
        tables = [t for name in template.relations if (t := study.catalog.table(name)) is not None]
        bands: list[Band] = []
        for table in tables:
            if table.name not in known:
                known[table.name] = tuple(bands_of(table, study))
            bands += known[table.name]
        usual = usual_statement(template) if bands else None
        for form in band_forms(usual[1], study.catalog, bands) if usual is not None else ():
            prices = prices_of(study, proposal, template, usual[0], form) if usual is not None else None
            if prices is not None and prices[2] <= MOST_OF_HOST * prices[0]:
                rewrite = as_rewrite(template, form, prices[0], prices[2])
                yield _band_finding(form, rewrite, study), rewrite


def bands_of(table: Table, study: Study) -> Iterator[Band]:
    """The bands in which compared columns without an index of their own keep to indexed ones."""
    leading = {i.definition.keys[0].column for i in table.indexes if _usable(i)}
    compared = _targets(table, study) - leading if table.pages >= _LEAST_PAGES else set()
    columns = [c for c in table.columns if c.base_type in KINDS]
    targets, hosts = ([c for c in columns if c.name in names] for names in (compared, leading))
    alike = any(t.base_type == h.base_type for t, h in product(targets, hosts))
    sample = study.samples.of(table.name) if alike else None
    if sample is None:
        return
    numbers = SampledNumbers(sample)
    for target in (t for t in targets if t.name in sample.columns):
        able = (h for h in hosts if h.base_type == target.base_type and h.name in sample.columns)
        found = [band for host in able if (band := find_band(numbers, target, host)) is not None]
        yield from sorted(found, key=lambda band: band.width + band.outside)[:1]


def _usable(index: Index) -> bool:
    definition = index.definition
    return index.valid and definition.method == BTREE and definition.predicate is None


def _targets(table: Table, study: Study) -> set[str]:
    wanted = (AtomKind.EQUAL, AtomKind.RANGE)
    found: set[str] = set()
    for template in study.templates:
        for use in (u for u in template.uses if u.table == table.name and template.kind is StatementKind.SELECT):
            found |= {a.column for a in use.atoms if a.kind in wanted and a.conjunctive and a.column is not None}
    return found


def _band_finding(form: OtherForm, rewrite: Rewrite, study: Study) -> AlgorithmFinding:
    full = study.sizes.of(replace(form.index, predicate=None))
    text = f"{form.why}; an index of its own takes {size(full.bytes)}, one of the others a small part of it"
    return AlgorithmFinding(
        Cortex.name, "band", summary(replace(form.index, predicate=None)), Effect.REPORT_ONLY,
        "a rewrite with a partial index; the application has to write it", (Reason("band", text, "sample"),),
        "", f"{_CANNOT_TELL}: count the rows of {summary(form.index)}", 1, _pages(study, rewrite.table),
        definition=form.index,
    )  # fmt: skip
