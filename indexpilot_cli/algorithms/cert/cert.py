"""CERT: where the planner's row estimates are wrong, statistics are mended before an index is judged by them.

Jinsheng Ba and Manuel Rigger, "CERT: Finding Performance Issues in Database Systems Through the Lens of Cardinality
Estimation", ICSE 2024, https://arxiv.org/abs/2306.00355. The paper never counts rows: a statement with one restriction
more must not be estimated larger. That is ``restrictions`` here, and rarely broken by PostgreSQL. What often goes by
the paper's name, holding an estimate against what is there, is ``survey``: counted on a sample of whole pages.

What is wrong is mended in the planner first: what ANALYZE or CREATE STATISTICS would find is worked out from the
sample and assumed by the twin, where it makes the estimates right it becomes a step of the plan, and indexes are chosen
with it. An index that pays at one end of the interval and not at the other is held. Costs are always the planner's.

It cannot tell of conditions across joins, of what fewer than about ten sampled rows match, of rows that our role may
not see, and of foreign tables.

Off by default: of sixty planted conditions it leaves 9 decisions wrong in place of 20, and 12 of the 13 that it
changes are right. But of ten that it changes in designed cases, really built and measured, joins among them, four or
five are better and five or four worse, by the run. Where an estimate is only a few times off, an index that it leaves
out is often some per cent faster all the same: with all in memory a nested loop costs less than the planner believes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.algorithms.base import Algorithm, Found, PresentChoice, Study
from indexpilot_cli.algorithms.cert.conditions import conjunctions
from indexpilot_cli.algorithms.cert.consistency import Unreliable, contradictions, without_worth
from indexpilot_cli.algorithms.cert.remedies import Remedy, remedy_for
from indexpilot_cli.algorithms.cert.restrictions import BrokenRestriction, broken
from indexpilot_cli.algorithms.cert.survey import OFF, Misestimate, Survey, parents_without_statistics, survey
from indexpilot_cli.core.catalog import Catalog, ColumnStatistics, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import AssumedStatistics, PlannedStatement, WhatIf
from indexpilot_cli.core.index import Candidate, IndexDefinition, Proposal, Reason, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.core.units import count
from indexpilot_cli.core.workload import Plannable, RelationUse

_PAYS = 0.1  # of a statement's cost, from which an index is worth having for it: less is not seen in times
_QUESTIONS = 400  # asked at each end of the intervals
_CANNOT_TELL = "conditions across joins, and what fewer than ten sampled rows match"


class Cert(Algorithm):
    """Row estimates against counted rows."""

    name = "cert"
    title = "estimates held against counted rows; adapted from tests of planners"
    source = "Ba and Rigger, ICSE 2024, arXiv:2306.00355"

    def learn(self, study: Study) -> Found[Catalog]:
        """The catalog with the statistics that the findings ask for; the study's planner assumes them from then on."""
        times = max(OFF, 1 + study.features.cert.max_error_pct / 100)
        asked = conjunctions(study.templates, study.catalog)
        looked = survey(study, asked, times)
        remedies = tuple(_remedies(study, looked, times))
        study.memory[self.name] = remedies
        restrictions = tuple(broken(study, asked))
        _assume_all(study, remedies)
        findings = (*_findings(study, remedies, looked), *map(_restriction, restrictions))
        return Found(_corrected(study.catalog, remedies), findings)

    def judge(self, study: Study, choice: PresentChoice) -> Found[Mapping[IndexDefinition, str]]:
        """Chosen indexes that are worth nothing once the worse of two answers counts where the planner contradicts
        itself.
        """
        found: dict[IndexDefinition, list[Unreliable]] = {}
        for one in contradictions(study, choice):
            found.setdefault(one.index.candidate.definition, []).append(one)
        held = {d: f"{found[d][0].why}: the answer is not to be relied on" for d in without_worth(found, choice)}
        told = (_contradiction(own[0], held) for own in found.values())
        return Found(held, tuple(told))

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """The proposal without candidates that pay only by estimates that are wrong, each held with what settles it."""
        remedies: tuple[Remedy, ...] = study.memory.get(self.name, ())
        held = tuple(_held(study, proposal.candidates, remedies))
        _assume_all(study, remedies)
        gone = {r.definition for r in held}
        kept = tuple(c for c in proposal.candidates if c.definition not in gone)
        told = tuple(map(_holding, held))
        return Found(replace(proposal, candidates=kept, rejections=(*proposal.rejections, *held)), told)


def _assume_all(study: Study, remedies: Iterable[Remedy]) -> None:
    study.estimator.assume(tuple(r.assumed for r in remedies if r.assumed is not None))


def _corrected(catalog: Catalog, remedies: Iterable[Remedy]) -> Catalog:
    new = {r.table.name: r for r in remedies if r.assumed is not None and r.analyze}
    tables = (_with_statistics(t, new[t.name]) if t.name in new else t for t in catalog.tables)
    return replace(catalog, tables=tuple(tables)) if new else catalog


def _with_statistics(table: Table, remedy: Remedy) -> Table:
    known: dict[str, ColumnStatistics] = dict(remedy.assumed.columns) if remedy.assumed is not None else {}
    columns = (replace(c, statistics=known.get(c.name, c.statistics)) for c in table.columns)
    return replace(table, columns=tuple(columns), tuples=remedy.wrong[0].whole.rows)


def _remedies(study: Study, looked: Survey, times: float) -> Iterator[Remedy]:
    wrong: dict[QualifiedName, list[Misestimate]] = {}
    for one in looked.wrong:
        wrong.setdefault(one.conjunction.table, []).append(one)
    for name, own in wrong.items():
        table = study.catalog.table(name)
        uses = chain.from_iterable(t.uses for t in study.templates)
        read = set[str]().union(*(use.tested | _compared(use) for use in uses if use.table == name))
        if table is not None:
            yield remedy_for(study, table, tuple(own), read, times)


def _compared(use: RelationUse) -> set[str]:
    return {atom.column for atom in use.atoms if atom.column is not None}


# -- candidates


@dataclass(frozen=True, slots=True)
class _Concerned:
    """Candidates and statements that hang on wrong estimates of one table."""

    remedy: Remedy
    candidates: tuple[Candidate, ...]
    statements: tuple[Plannable, ...]


def _held(study: Study, candidates: Sequence[Candidate], remedies: Iterable[Remedy]) -> Iterator[Rejection]:
    for remedy in remedies:
        if not remedy.statements:
            continue  # nothing would settle it
        concerned = _concerned(study, candidates, remedy)
        settle = "; ".join(remedy.statements)
        for candidate, why in _unsettled(study, concerned):
            detail = f"{_range(remedy, candidate)}: {why}. To settle it: {settle}; then recommend again"
            definition = candidate.definition
            yield Rejection(summary(definition), "hold", detail, definition, templates=candidate.templates)


def _concerned(study: Study, candidates: Sequence[Candidate], remedy: Remedy) -> _Concerned:
    templates = frozenset().union(*(w.conjunction.templates for w in remedy.wrong))
    on_table = (c for c in candidates if c.definition.table == remedy.table.name)
    # Those that other statements want too are left to the choice among all.
    mine = tuple(c for c in on_table if c.templates and c.templates <= templates)
    scenarios = chain.from_iterable(t.scenarios for t in study.templates if t.id in templates)
    statements = [s.statement for s in scenarios]
    most = max(1, _QUESTIONS // max(1, len(mine)))
    return _Concerned(remedy, mine, tuple(dict.fromkeys(statements))[:most])


def _unsettled(study: Study, concerned: _Concerned) -> Iterator[tuple[Candidate, str]]:
    remedy = concerned.remedy
    if remedy.assumed is None or remedy.low is None or remedy.high is None:
        # More rows than expected never make an index more useful, fewer never less.
        if any(w.whole.expected < w.whole.low for w in remedy.wrong):
            yield from ((c, "this planner cannot be asked by other statistics") for c in concerned.candidates)
        return
    definitions = [c.definition for c in concerned.candidates]
    study.sizes.tell(study.estimator, definitions)
    study.estimator.prepare(definitions)
    now = _paying(study, concerned, ())
    ends = [_paying(study, concerned, (end,)) for end in (remedy.low, remedy.high)]
    study.estimator.assume(())
    for candidate in concerned.candidates:
        low, high = (candidate.definition in end for end in ends)
        if low != high:
            yield candidate, f"it pays at the {'lower' if low else 'upper'} number and not at the other"
        elif candidate.definition in now and not low:
            yield candidate, "it pays only by the number that is expected now"


def _paying(study: Study, concerned: _Concerned, assumed: tuple[AssumedStatistics, ...]) -> frozenset[IndexDefinition]:
    """The candidates that a statement's plan uses and gets cheaper by."""
    study.estimator.assume(assumed)
    before = study.estimator.plan([WhatIf(s) for s in concerned.statements])
    found = set()
    for candidate in concerned.candidates:
        own = frozenset({candidate.definition})
        after = study.estimator.plan([WhatIf(s, own) for s in concerned.statements])
        if any(_pays(a, b, candidate.definition) for a, b in zip(before, after, strict=True)):
            found.add(candidate.definition)
    return frozenset(found)


def _pays(before: PlannedStatement, after: PlannedStatement, definition: IndexDefinition) -> bool:
    both = before.ok and after.ok and definition in after.hypothetical
    return both and after.total_cost <= before.total_cost * (1 - _PAYS)


# -- what is told


def _range(remedy: Remedy, candidate: Candidate) -> str:
    mine = [w for w in remedy.wrong if w.conjunction.templates & candidate.templates]
    worst = max(mine or remedy.wrong, key=_times)
    return f"for {_subject(worst)} {_told(worst)}"


def _times(wrong: Misestimate) -> float:
    """How far off, either way."""
    middle = max(1.0, wrong.whole.share.share * wrong.whole.rows)
    return max(wrong.whole.expected / middle, middle / max(1.0, wrong.whole.expected))


def _told(wrong: Misestimate) -> str:
    low, high = (count(round(rows)) for rows in (wrong.whole.low, wrong.whole.high))
    there = f"there are {low}" if low == high else f"a sample allows {low} to {high}"
    return f"the planner expects {count(round(wrong.whole.expected))} rows, {there}"


def _subject(wrong: Misestimate) -> str:
    """The table and what is asked of it, without the values."""
    named = (atom.column or atom.expression or "a condition" for atom in wrong.conjunction.atoms)
    newest = "newest " if wrong.conjunction.newest else ""
    return f"{wrong.conjunction.table.short} ({newest}{', '.join(dict.fromkeys(named))})"


def _findings(study: Study, remedies: Iterable[Remedy], looked: Survey) -> Iterator[AlgorithmFinding]:
    first = True
    for remedy in remedies:
        after: Mapping[int, float] = {id(w): rows for w, rows in remedy.mended}
        for wrong in _one_each(remedy.wrong):
            yield _finding(remedy, wrong, after.get(id(wrong)), looked if first else Survey())
            first = False
    for table in parents_without_statistics(study):
        yield AlgorithmFinding(
            Cert.name,
            "parent_without_statistics",
            table.name.short,
            Effect.REPORT_ONLY,
            f"ANALYZE {table.name}: autovacuum never analyzes a partitioned table as a whole",
            (Reason("catalog", f"the parts of {table.name.short} have statistics, it has none of its own", "catalog"),),
            "certain",
            analyze=table.name,
        )


def _one_each(wrong: Sequence[Misestimate]) -> Iterator[Misestimate]:
    """Of those about the same columns the one that is most wrong."""
    worst: dict[tuple[str, str], Misestimate] = {}
    for one in wrong:
        key = one.cause.value, _subject(one)
        if key not in worst or _times(one) > _times(worst[key]):
            worst[key] = one
    return iter(worst.values())


def _finding(remedy: Remedy, wrong: Misestimate, after: float | None, looked: Survey) -> AlgorithmFinding:
    reasons = [Reason("estimate", _told(wrong), "sample"), Reason("cause", wrong.why, "catalog")]
    if after is not None:
        reasons.append(Reason("after", f"with it the planner expects {count(round(after))} rows", "planner"))
    share = wrong.whole.share
    return AlgorithmFinding(
        Cert.name,
        wrong.cause.value,
        _subject(wrong),
        Effect.REPORT_ONLY if remedy.assumed is None or after is None else Effect.REPRICED,
        _decision(remedy, after),
        tuple(reasons),
        f"99 % interval over {share.pages} pages, {count(share.rows)} rows"
        if share.low < share.high
        else "all rows read",
        _CANNOT_TELL,
        looked.statements,
        looked.pages,
        statistics=next(iter(_statistics(remedy, wrong)), None),
        analyze=remedy.table.name if remedy.statements else None,
        targets=tuple(t for t in remedy.targets if t.column in wrong.conjunction.columns),
    )


def _statistics(remedy: Remedy, wrong: Misestimate) -> Iterator[ExtendedStatistics]:
    asked = {atom.expression for atom in wrong.conjunction.atoms}
    for made in remedy.statistics:
        if set(made.columns) & set(wrong.conjunction.columns) or asked & set(made.expressions):
            yield made


def _decision(remedy: Remedy, after: float | None) -> str:
    if not remedy.statements:
        return "no statistics that can be made would mend it: nothing is changed"
    steps = "; ".join(remedy.statements)
    if after is None:
        return f"{steps}; then recommend again"
    return f"{steps}: indexes are chosen by what the planner expects then"


def _restriction(one: BrokenRestriction) -> AlgorithmFinding:
    before, after = (count(round(rows)) for rows in (one.before, one.after))
    text = f"with {one.pair.rule.value} the planner expects {after} rows, {before} without"
    return AlgorithmFinding(
        Cert.name,
        "restriction",
        one.table,
        Effect.REPORT_ONLY,
        "an estimator contradicts itself: an operator, an extension or extended statistics; nothing is changed",
        (Reason("restriction", text, "planner"),),
        "certain",
    )


def _contradiction(one: Unreliable, held: Mapping[IndexDefinition, str]) -> AlgorithmFinding:
    definition = one.index.candidate.definition
    return AlgorithmFinding(
        Cert.name,
        "contradiction",
        summary(definition),
        Effect.HELD if definition in held else Effect.REPORT_ONLY,
        "not built" if definition in held else "other statements that it serves are reason enough",
        (Reason("contradiction", one.why, "planner"),),
        "certain",
        definition=definition,
    )


def _holding(held: Rejection) -> AlgorithmFinding:
    return AlgorithmFinding(
        Cert.name,
        "hold",
        held.subject,
        Effect.HELD,
        "not built until its selectivity is settled",
        (Reason("hold", held.detail, "planner"),),
        "99 % interval",
        _CANNOT_TELL,
        definition=held.definition,
    )
