"""From a selection to the plan that is printed, kept and applied."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from indexpilot_cli.advise.drops import dropping, replaced_by, replacing, standing_beside
from indexpilot_cli.advise.select.problem import Selection
from indexpilot_cli.advise.siblings import Places, in_each
from indexpilot_cli.core import units
from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.ddl import index_name, summary
from indexpilot_cli.core.estimator import CostEstimator, NotModelled, PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, Reason, Rejection, SpareIndex
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan, PlanAction, Recommendation, Rewrite, Warn, WriteEffect, schema_digest
from indexpilot_cli.core.siblings import Siblings
from indexpilot_cli.core.workload import FoldedWorkload, Skipped, Stage
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.methods.existing import covers
from indexpilot_cli.methods.partitioned import build_sql, completing, drop_sql, unfinished
from indexpilot_cli.methods.size import SizeEstimate
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.aside import Fault, attempted, fault_warnings
from indexpilot_cli.workload.templates import unplanned, with_shares

if TYPE_CHECKING:
    from indexpilot_cli.advise.select.problem import Choice


def assemble(source: Source, estimator: CostEstimator, advice: Advice) -> Plan:
    """The plan, with names that collide with nothing and warnings that belong to it."""
    selection = advice.selection
    recommendations = _recommendations(advice, source.catalog, source.siblings)
    skipped = with_shares((*advice.folded.skipped, *_unplanned(advice, source.catalog)), advice.folded)
    created = datetime.now(UTC)
    return Plan(
        id=_plan_id(source.catalog, recommendations, created),
        created_at=created,
        server=source.server,
        estimator=estimator.name,
        templates=len(advice.folded.templates),
        statements=advice.folded.statements,
        candidates=len(advice.priceable.candidates),
        cost_before=selection.cost_before,
        cost_after=selection.cost_after,
        unit=selection.unit,
        recommendations=recommendations,
        rejections=_ordered((*selection.rejections, *advice.priceable.rejections, *map(_to_rewrite, advice.rewrites))),
        bound=selection.bound,
        budget_bytes=selection.budget_bytes,
        size_bytes=selection.size_bytes,
        write_cost=_added_writes(advice),
        skipped=skipped,
        skipped_share=sum(s.share for s in skipped if s.reason != "compressed"),
        calls=estimator.calls,
        cache_hits=selection.cache_hits,
        seconds=advice.seconds,
        schema_digest=schema_digest(
            source.catalog, {r.definition.table for r in recommendations if not r.table_digest}
        ),
        warnings=(*fault_warnings(skipped), *plan_warnings(source, estimator, advice.folded, recommendations)),
        notes=(*(source.siblings.notes if source.siblings is not None else ()), *_notes(advice)),
        budget_curve=selection.budget_curve,
        budget_sets=selection.budget_sets,
        rewrites=advice.rewrites,
        database=database_identity(source.session) if source.session is not None else "",
    )


def _to_rewrite(item: Rewrite) -> Rejection:
    """No index for a condition as it is written: what to write instead."""
    detail = f"{item.before}: {item.why}; write {item.after}" + (f" (the same {item.only})" if item.only else "")
    return Rejection(item.table.short, "rewrite", detail, templates=frozenset({item.template}))


def _recommendations(advice: Advice, catalog: Catalog, siblings: Siblings | None) -> tuple[Recommendation, ...]:
    taken: dict[str, set[str]] = {}
    for table in catalog.tables if siblings is None else siblings.whole.tables:
        names = taken.setdefault(table.name.schema, set())
        names.add(table.name.name)
        names.update(i.name.name for i in table.indexes)
    found: list[Recommendation] = []
    concerned = _Concerned(advice)
    for choice in sorted(advice.selection.chosen, key=lambda c: -c.benefit):
        recommendation = _recommendation(choice, concerned.of(choice), catalog, taken)
        if siblings is not None and recommendation.definition in advice.priceable.places:
            places = advice.priceable.places[recommendation.definition]
            found += in_each(recommendation, places, siblings, taken)
            continue
        taken[recommendation.definition.table.schema].add(recommendation.name)
        found.append(replacing(recommendation, replaced_by(advice.selection, recommendation.definition)))
    # What goes by itself goes last: some of it may count on what is built before.
    return (*found, *dropping(advice.selection))


class _Concerned:
    """The advice as far as it concerns one index: of thousands of templates and plans each looks at its own."""

    def __init__(self, advice: Advice):
        self._advice = advice
        self._places = {template.id: place for place, template in enumerate(advice.kept.templates)}
        self._plans: dict[IndexDefinition, dict[tuple[str, str], PlannedStatement]] = {}
        for name, plan in advice.selection.plans.items():
            for definition in plan.hypothetical:
                self._plans.setdefault(definition, {})[name] = plan

    def of(self, choice: Choice) -> Advice:
        """With the templates that the choice has an effect on, and the plans that use it."""
        kept = self._advice.kept
        places = sorted(self._places[e.template] for e in choice.effects if e.template in self._places)
        plans = self._plans.get(choice.candidate.definition, {})
        return replace(
            self._advice,
            kept=replace(kept, templates=tuple(kept.templates[place] for place in places)),
            selection=replace(self._advice.selection, plans=plans),
        )


def _recommendation(choice: Choice, advice: Advice, catalog: Catalog, taken: dict[str, set[str]]) -> Recommendation:
    from indexpilot_cli.advise.explain.risks import Assessment, assess

    candidate = choice.candidate
    definition = candidate.definition
    begun = unfinished(definition, catalog)
    name = index_name(definition, taken[definition.table.schema]) if begun is None else begun.name.name
    size = advice.priceable.sizes[definition]
    known = advice.learned or catalog
    assessed = attempted(
        Stage.EXPLAIN,
        lambda: assess(choice, advice.selection, advice.kept.templates, known, limits=advice.limits),
    )
    if isinstance(assessed, Fault):
        assessed = Assessment((), "low", f"its risks could not be assessed ({assessed}): please report it")
    return Recommendation(
        id=candidate.id,
        definition=definition,
        name=name,
        ddl=build_sql(definition, name, catalog, taken[definition.table.schema]),
        undo=drop_sql(definition, name, catalog),
        summary=summary(definition),
        kind=candidate.kind,
        size_bytes=size.bytes,
        size_method=f"{size.method} model, {size.confidence} confidence",
        benefit=choice.benefit,
        reduction=choice.reduction,
        write_cost=choice.write.relative,
        hot_loss=choice.write.hot_loss,
        templates=choice.effects,
        reasons=(*candidate.reasons, Reason("write_cost", choice.write.text, choice.write.basis)),
        risks=assessed.risks,
        confidence=assessed.confidence,
        confidence_why=assessed.why,
        writes=_write_effect(choice.write),
    )


def _write_effect(write: WriteCost) -> WriteEffect | None:
    if not write.kind:
        return None
    return WriteEffect(
        insert_us=write.per_insert_us,
        insert_wal_bytes=write.wal_bytes,
        update_us=write.per_update_us,
        update_wal_bytes=write.update_wal_bytes,
        share=write.relative,
        kind=write.kind,
    )


def _added_writes(advice: Advice) -> float:
    """What the plan adds to the cost of all writes of the tables it is about (0.5: half as much again, -0.1: a tenth
    less).
    """
    chosen, gone = advice.selection.chosen, advice.selection.dropped
    tables = {c.candidate.definition.table for c in chosen} | {d.spare.definition.table for d in gone}
    base = sum(us for table, us in advice.writes.base_us.items() if table in tables)
    added = sum(c.write.total_us for c in chosen) - sum(d.write.total_us for d in gone)
    return added / base if base > 0 else 0.0


def _unplanned(advice: Advice, catalog: Catalog) -> tuple[Skipped, ...]:
    messages = dict(advice.selection.unplanned)
    return tuple(unplanned(t, Stage.PRICE, messages[t.id], catalog) for t in advice.kept.templates if t.id in messages)


def _ordered(rejections: tuple[Rejection, ...]) -> tuple[Rejection, ...]:
    """Best known benefit first, then by what they are about; one of each."""
    unique = dict.fromkeys(rejections)
    return tuple(sorted(unique, key=lambda r: (-(r.benefit or 0.0), r.reason, r.subject)))


def _notes(advice: Advice) -> tuple[str, ...]:
    lost = advice.kept.compression_loss
    compressed = (
        (
            f"{len(advice.kept.templates)} of {len(advice.folded.templates)} templates priced, "
            f"the others hold at most {lost:.1%} of the possible gain",
        )
        if len(advice.kept.templates) < len(advice.folded.templates)
        else ()
    )
    binding = tuple(f"the limit that costs most: {family}" for family in advice.selection.conflicts)
    return (*advice.folded.notes, *compressed, *advice.selection.notes, *_counted(advice), *binding, *advice.checked)


def _counted(advice: Advice) -> Iterator[str]:
    """How sizes count against a storage budget."""
    if advice.selection.budget_bytes is None:
        return
    sized = {c.candidate.definition: c.size_bytes for c in advice.selection.chosen}
    error = math.hypot(*(size * advice.priceable.sizes[d].error for d, size in sized.items()))
    most = units.size(math.ceil(sum(sized.values()) + error))
    yield f"sizes count against the budget with the errors measured for their kinds together: {most} at most"


def _plan_id(catalog: Catalog, recommendations: tuple[Recommendation, ...], created: datetime) -> str:
    # With the moment: the same advice given again is a plan of its own.
    content = [catalog.database, created.isoformat(), *(r.id for r in recommendations)]
    return "P-" + hashlib.sha256("\n".join(content).encode()).hexdigest()[:6]


_MODIFIED = 0.2  # share of rows changed since ANALYZE
_LISTED = 8
_OF_RELATIONS = ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "ROW SECURITY", "STATISTICS")
_PARTS = re.compile(r'"(?:[^"]|"")*"|[^".]+')


def plan_warnings(
    source: Source, estimator: CostEstimator, folded: FoldedWorkload, recommendations: Sequence[Recommendation]
) -> tuple[Warn, ...]:
    """Old statistics of tables the workload reads, what the planner could not model, and leftovers in the way."""
    return (
        *_statistics(source.catalog, folded),
        *_planner(estimator, _read(source.catalog, folded)),
        *_invalid(source.catalog, recommendations),
        *standing_beside(recommendations, source.catalog),
    )


def _statistics(catalog: Catalog, folded: FoldedWorkload) -> Iterator[Warn]:
    for table in _read(catalog, folded):
        if table.kind in "rm":
            yield from _of_table(table)


def _read(catalog: Catalog, folded: FoldedWorkload) -> list[Table]:
    """The tables that the workload reads, in its order."""
    names = dict.fromkeys(chain.from_iterable(template.relations for template in folded.templates))
    return [table for name in names if (table := catalog.table(name)) is not None]


def _of_table(table: Table) -> Iterator[Warn]:
    run = f"run ANALYZE {table.name};"
    if table.tuples < 0 and table.pages > 0:
        yield Warn("stats_missing", str(table.name), f"{table.name.short} was never analyzed; {run}")
        return
    share = table.activity.modified_since_analyze / max(table.rows, 1.0)
    if share > _MODIFIED:
        text = f"{share:.0%} of {table.name.short} changed since it was analyzed; its estimates may be off: {run}"
        yield Warn("stats_stale", str(table.name), text)


def _planner(estimator: CostEstimator, read: Sequence[Table]) -> Iterator[Warn]:
    for note in estimator.notes:
        yield Warn("planner", estimator.name, note)
    names = {str(table.name) for table in read} | {str(i.name) for table in read for i in table.indexes}
    missing = [item for item in estimator.not_modelled if _matters(item, names)]
    for item in missing[:_LISTED]:
        yield Warn("not_modelled", item.name, str(item))
    if missing[_LISTED:]:
        yield Warn("not_modelled", "", f"{len(missing) - _LISTED} more objects are not modelled: doctor lists them")


def _matters(item: NotModelled, names: Set[str]) -> bool:
    """Whether a statement can be planned otherwise without it; ``names`` are the relations that statements read.

    Tables of extensions (PostGIS's spatial_ref_sys) and our own are not among them, and a sequence is in no plan.
    """
    if item.kind not in _OF_RELATIONS:
        return item.kind != "SEQUENCE"
    parts = _PARTS.findall(item.name)
    # Statistics of a column have three parts; a statistics object has a name of its own.
    return ".".join(parts[:2]) in names or (item.kind == "STATISTICS" and len(parts) < 3)


def _invalid(catalog: Catalog, recommendations: Sequence[Recommendation]) -> Iterator[Warn]:
    for name in dict.fromkeys(r.definition.table for r in recommendations):
        table = catalog.table(name)
        for index in table.indexes if table else ():
            if index.valid:
                continue
            text = f"{index.name.short} is invalid: {index.upkeep}, no query uses it; drop it first"
            if table is not None and table.kind == "p":
                missing = ", ".join(p.table.name.short for p in completing(index, catalog) if p.attaches)
                text = f"{index.name.short} waits for its part on {missing}: no query uses it as a whole until then"
            yield Warn("index_invalid", str(index.name), text)


@dataclass(frozen=True, slots=True)
class Priceable:
    """Candidates with their sizes, what was set aside before pricing, and what is there and may go.

    ``places`` are where an index on a table that stands for others is missing.
    """

    candidates: tuple[Candidate, ...]
    sizes: Mapping[IndexDefinition, SizeEstimate]
    rejections: tuple[Rejection, ...]
    spare: tuple[SpareIndex, ...] = ()
    places: Places = field(default_factory=dict)

    @property
    def tuples(self) -> Mapping[IndexDefinition, float]:
        """How many entries each would have."""
        return {definition: size.tuples for definition, size in self.sizes.items()}

    def bytes_of(self, definition: IndexDefinition) -> int:
        """What it takes wherever it is built."""
        return sum(p.bytes for p in self.places.get(definition, ())) or self.sizes[definition].bytes


@dataclass(frozen=True, slots=True)
class Advice:
    """Everything the stages gave: the whole workload, what was priced, what was chosen, what a second planner says, and
    the catalog with the statistics that the run has learned.
    """

    folded: FoldedWorkload
    kept: FoldedWorkload
    priceable: Priceable
    writes: WriteModel
    selection: Selection
    seconds: float
    checked: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    learned: Catalog | None = None


_MOST_KEY = "production_safeguards.write_performance.max_indexes_per_table"


def crowded_tables(plan: Plan, catalog: Catalog, most: int) -> Iterator[Warn]:
    """A warning for each table of the plan that would have more than ``most`` indexes, with what could go."""
    by_table: dict[QualifiedName, list[Recommendation]] = {}
    for recommendation in plan.advised:
        by_table.setdefault(recommendation.definition.table, []).append(recommendation)
    for name, own in by_table.items():
        table = catalog.table(name)
        added = sum(r.action is PlanAction.CREATE for r in own) - sum(r.action is PlanAction.DROP for r in own)
        if table is not None and len(table.indexes) + added > most:
            has = f"{name.short} has {len(table.indexes)} indexes and the plan adds {added}"
            text = f"{has}; apply stops at {most} ({_MOST_KEY}); {_instead(plan, table, catalog)}"
            yield Warn("too_many_indexes", str(name), text)


def _instead(plan: Plan, table: Table, catalog: Catalog) -> str:
    found = dict(_replaceable(plan, table, catalog))
    if not found:
        return "every index there is is used, unique or of a constraint, so none can be given up for it"
    return "it could replace " + ", ".join(f"{name} ({why})" for name, why in found.items())


def _replaceable(plan: Plan, table: Table, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Names of indexes that nothing needs once the plan is built, and why."""
    needless = {r.name: r.by.name for r in plan.redundant}
    for index in table.indexes:
        if _is_needed(index):
            continue
        mine = (r for r in plan.recommendations if covers(r.definition, index.definition, partial_by_full=False))
        new = next(mine, None)
        if not index.valid:
            yield index.name.name, "invalid"
        elif index.name in needless:
            yield index.name.name, f"{needless[index.name]} does its work"
        elif new is not None:
            yield index.name.name, f"{new.id} does its work"
        elif index.scans == 0 and catalog.statistics_since is not None:
            yield index.name.name, f"not used since {catalog.statistics_since:%Y-%m-%d}"
        elif index.scans == 0:
            yield index.name.name, "no scan counted"


def _is_needed(index: Index) -> bool:
    unique = index.definition.unique or index.primary or index.constraint is not None
    return unique or index.replica_identity  # by which logical replication tells rows apart
