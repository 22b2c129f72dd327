"""The main job: templates to a plan. Each stage is one call; what a stage drops goes on with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from indexpilot_cli.advise import drops
from indexpilot_cli.advise.assemble import Advice, Priceable, assemble, crowded_tables
from indexpilot_cli.advise.candidates.tenants import skew
from indexpilot_cli.advise.consult import Consultation, consultation
from indexpilot_cli.advise.costing import unit_of
from indexpilot_cli.advise.explain.limits import limit_prices
from indexpilot_cli.advise.rewrites.price import priced_rewrites, rules_left_out
from indexpilot_cli.advise.select.limits import ENOUGH, Limits
from indexpilot_cli.advise.select.problem import Selection
from indexpilot_cli.advise.siblings import places_of, wanted_somewhere
from indexpilot_cli.advise.tenants import columns_of, for_all_tenants, within_tenants
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress, TableFilter
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.core.index import Candidate, IndexDefinition, Proposal, Rejection, SpareIndex, TenantUse
from indexpilot_cli.core.mutation import Event, MutationType, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.siblings import Siblings
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate, Stage
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute import events
from indexpilot_cli.log import calibrations
from indexpilot_cli.methods.existing import redundant_indexes
from indexpilot_cli.methods.rates import WriteRates
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.methods.writes import WriteModel, write_model
from indexpilot_cli.methods.written import TableWrites, table_writes
from indexpilot_cli.planner.open import cross_checked, open_hypopg
from indexpilot_cli.settings.features import ConstraintOptimizerSettings, FeatureSettings
from indexpilot_cli.snapshot.source import Source, restrict, wanted_tables
from indexpilot_cli.workload.aside import Attempt, together
from indexpilot_cli.workload.referential import with_referential
from indexpilot_cli.workload.templates import unplanned, with_scenarios

if TYPE_CHECKING:
    from indexpilot_cli.workload.plannable import TypesOf

LARGE_WORKLOAD = 300  # templates from which compression pays for itself


def make_plan(
    source: Source,
    folded: FoldedWorkload,
    estimator: CostEstimator,
    request: RecommendRequest,
    progress: Progress,
    spare: Sequence[SpareIndex] = (),
) -> Plan:
    """The plan for the folded workload. ``spare`` are indexes that are there and may go."""
    plannable = prepared(folded, source.catalog, types_from(estimator))
    return advise_on(source, plannable, estimator, request, progress, spare)


def prepared(folded: FoldedWorkload, catalog: Catalog, types_of: TypesOf | None) -> FoldedWorkload:
    """Templates with scenarios; those that no planner could take are set aside as unplanned.

    So are those on a table that the role may not read: it sees no statistics of it, and a plan made without them
    says nothing about the server's.
    """
    hidden = {t.name for t in catalog.tables if not t.readable}
    readable = tuple(t for t in folded.templates if hidden.isdisjoint(t.relations))
    filled = with_scenarios(replace(folded, templates=readable), catalog, types_of)
    usable = tuple(t for t in filled.templates if t.scenarios)
    lost = [t for t in filled.templates if not t.scenarios]
    lost += [t for t in folded.templates if not hidden.isdisjoint(t.relations)]
    why = "no statement the planner takes"
    skipped = (unplanned(t, Stage.PARAMETERS, why, catalog) for t in lost)
    return replace(filled, templates=usable, skipped=(*filled.skipped, *skipped))


def types_from(estimator: CostEstimator) -> TypesOf:
    """How the estimator names the types of ``$n``."""

    @cache
    def types_of(text: str) -> Sequence[str] | None:
        try:
            return estimator.parameter_types(text)
        except IndexPilotError:
            return None  # the statement is planned from its predicates' columns alone, or reported as unplanned

    return types_of


def advise_on(
    source: Source,
    folded: FoldedWorkload,
    estimator: CostEstimator,
    request: RecommendRequest,
    progress: Progress,
    spare: Sequence[SpareIndex] = (),
) -> Plan:
    """Propose, size, price, select, explain."""
    from indexpilot_cli.workload.compress import compress

    begun = time.monotonic()
    estimator.assume(())  # the same planner may have made another plan, with an algorithm that assumes statistics
    set_limits, uncounted = for_all_tenants(source, request.features.constraint_optimizer)
    catalog = _open_to_advice(source.catalog, request.filter)
    folded = _without_faulty(Stage.FOREIGN_KEYS, folded, lambda some: with_referential(some, catalog, estimator))
    study = Study(catalog, folded.templates, request.features, NoSamples(), estimator, Sizes(catalog))
    algorithms = consultation(source, study, time_model=request.time_model == "auto")
    kept = folded = algorithms.weighed(folded)
    catalog, sizes = algorithms.learned()
    if len(folded.templates) > LARGE_WORKLOAD:
        kept = _without_faulty(Stage.COMPRESS, folded, lambda some: compress(some, catalog))
    progress.stage("proposing candidates")
    columns = columns_of(kept.templates, catalog, asked=bool(request.tenants))
    proposed = _proposed(kept.templates, catalog, sizes, request, columns)
    folded, kept = proposed.without_lost(folded), proposed.without_lost(kept)
    calibrated = calibrations.kept(source.session, source.connection.metadata_schema)
    written = _written(folded, catalog, calibrated.rates)
    folded, kept = written.without_lost(folded), written.without_lost(kept)
    proposal = algorithms.proposed(proposed.result, kept.templates, written.result)
    priceable = _priceable(without_taken_back(proposal, source), sizes, estimator, progress)
    estimator, spent = _repriced(algorithms, estimator, priceable)
    priceable = _with_places(priceable, source.siblings, [s for s in spare if catalog.table(s.definition.table)])
    model = _write_model(catalog, written.result, priceable, kept, request.features)
    limits = within_tenants(limits_of(request, set_limits).left(spent, estimator.each), priceable, columns)

    def chosen(templates: tuple[QueryTemplate, ...]) -> Selection:
        return _select(templates, priceable, model, estimator, request, progress, limits, algorithms.held)

    priced = together(Stage.PRICE, kept.templates, chosen)
    folded, kept, selection = priced.without_lost(folded), priced.without_lost(kept), priced.result
    selection = drops.checked(selection, folded, kept, estimator, 1 + request.max_slower)
    checked = _cross_checked(source, kept, selection, estimator, request, progress)
    advice = Advice(folded, kept, priceable, model, selection, time.monotonic() - begun, checked, algorithms.rewrites)
    progress.stage("explaining")
    plan = algorithms.told(_explained(source, advice, catalog, estimator, request))
    warnings = (*plan.warnings, *uncounted, *calibrated.warnings)
    read = frozenset().union(*(t.relations for t in folded.templates))
    tenants = skew({name: column for name, column in columns.items() if name in read}, catalog)
    return replace(plan, warnings=warnings, notes=(*plan.notes, *tenants))


def _repriced(algorithms: Consultation, estimator: CostEstimator, priceable: Priceable) -> tuple[CostEstimator, int]:
    """The planner to ask, and the EXPLAINs that the algorithms have spent on it."""
    before = estimator.calls
    found = algorithms.repriced(priceable.candidates)
    return found, found.calls - before


def _written(
    folded: FoldedWorkload, catalog: Catalog, rates: WriteRates
) -> Attempt[Mapping[QualifiedName, TableWrites]]:
    """What is written to each table, and the templates of which that cannot be told."""
    span = (folded.since, folded.until, rates)
    return together(Stage.PRICE, folded.templates, lambda some: table_writes(catalog, some, *span))


def _write_model(
    catalog: Catalog,
    writes: Mapping[QualifiedName, TableWrites],
    priceable: Priceable,
    kept: FoldedWorkload,
    features: FeatureSettings,
) -> WriteModel:
    unit = unit_of(kept.templates)
    model = write_model(catalog, writes, priceable.sizes, unit, priceable.tuples, priceable.spare)
    return model if features.fractal_tree.enabled else model.uncounted


def _proposed(
    templates: tuple[QueryTemplate, ...],
    catalog: Catalog,
    sizes: Sizes,
    request: RecommendRequest,
    columns: Mapping[QualifiedName, str],
) -> Attempt[Proposal]:
    """The candidates; kinds of an algorithm that is off are not made."""
    from indexpilot_cli.advise.candidates import propose
    from indexpilot_cli.advise.candidates.site import CandidateOptions

    strings = request.features.radix_string_spline
    options = CandidateOptions(
        hash_width=strings.min_avg_string_length if strings.enabled else None,
        hash_distinct=strings.min_cardinality_ratio,
        nearest=request.features.idistance.enabled,
        tenants=TenantUse(request.tenants, 0) if request.tenants else None,
        tenant_columns=columns,
    )
    return together(Stage.PROPOSE, templates, lambda some: propose(some, catalog, options, sizes=sizes))


def _cross_checked(
    source: Source,
    kept: FoldedWorkload,
    selection: Selection,
    estimator: CostEstimator,
    request: RecommendRequest,
    progress: Progress,
) -> tuple[str, ...]:
    if not request.planner.cross_check:
        return ()
    progress.stage("cross-checking with HypoPG")
    hypopg = partial(open_hypopg, source, request.planner)
    return cross_checked(hypopg, kept.templates, selection.definitions, estimator)


def _explained(
    source: Source, advice: Advice, catalog: Catalog, estimator: CostEstimator, request: RecommendRequest
) -> Plan:
    """The plan of what was chosen, with what else the statements and the indexes that stay could do with."""
    selection, templates = advice.selection, advice.kept.templates
    left_out, guard = rules_left_out(request.features), request.safeguards.write_performance
    priced = priced_rewrites(templates, selection.definitions, catalog, estimator, left_out)
    rewrites = (*advice.rewrites, *priced)
    limits = limit_prices(templates, selection.definitions, catalog, estimator) if selection.chosen else {}
    plan = assemble(source, estimator, replace(advice, rewrites=rewrites, limits=limits, learned=catalog))
    gone = {d.spare.name for d in selection.dropped}
    plan = replace(plan, redundant=tuple(r for r in redundant_indexes(catalog.tables) if r.name not in gone))
    crowded = crowded_tables(plan, catalog, guard.max_indexes_per_table) if guard.enabled else ()
    return replace(plan, warnings=(*plan.warnings, *crowded))


def _without_faulty(
    stage: Stage, folded: FoldedWorkload, work: Callable[[FoldedWorkload], FoldedWorkload]
) -> FoldedWorkload:
    """The workload as the work leaves it, without the templates that make the work fail."""
    done = together(stage, folded.templates, lambda templates: work(replace(folded, templates=templates)))
    return done.without_lost(done.result)


def _open_to_advice(catalog: Catalog, wanted: TableFilter) -> Catalog:
    return catalog if wanted == TableFilter() else restrict(catalog, wanted_tables(catalog, wanted))


def _priceable(proposal: Proposal, sizes: Sizes, estimator: CostEstimator, progress: Progress) -> Priceable:
    progress.stage("sizing candidates", len(proposal.candidates))
    sized = {c.definition: sizes.of(c.definition) for c in proposal.candidates}
    for definition in sized:
        progress.advance()
        sizes.tell(estimator, (definition,))
    estimator.prepare(tuple(sized))
    return Priceable(proposal.candidates, sized, proposal.rejections)


def _with_places(priceable: Priceable, siblings: Siblings | None, spare: Sequence[SpareIndex]) -> Priceable:
    """With what may go, and the schemas that lack each index; without what none lacks."""
    places = places_of(priceable.sizes, siblings)
    candidates, there = wanted_somewhere(priceable.candidates, places)
    rejections = (*priceable.rejections, *there)
    return replace(priceable, candidates=candidates, rejections=rejections, places=places, spare=tuple(spare))


def _select(
    templates: tuple[QueryTemplate, ...],
    priceable: Priceable,
    model: WriteModel,
    estimator: CostEstimator,
    request: RecommendRequest,
    progress: Progress,
    limits: Limits,
    held: Callable[[Selection], Mapping[IndexDefinition, Rejection]],
) -> Selection:
    from indexpilot_cli.advise.safe import RiskLevel, without_dangers
    from indexpilot_cli.advise.select.advise import advise

    bytes_of = {definition: priceable.bytes_of(definition) for definition in priceable.sizes}
    limits = replace(limits, errors={definition: size.error for definition, size in priceable.sizes.items()})
    # With drops the smaller of both: these are to keep to what was asked of them.
    if priceable.spare and limits.protection is not None:
        limits = replace(limits, protection=min(limits.protection, request.max_slower))
    begun = time.monotonic()

    def choose(candidates: tuple[Candidate, ...]) -> Selection:
        left = None if limits.seconds is None else max(0.1, limits.seconds - (time.monotonic() - begun))
        within = replace(limits, seconds=left)
        return advise(
            templates,
            candidates,
            estimator,
            within,
            model,
            bytes_of,
            progress,
            clock=time.monotonic,
            spare=priceable.spare,
        )

    least = request.features.constraint_optimizer
    return without_dangers(priceable.candidates, choose, RiskLevel(request.risk), least.min_improvement_pct, held)


def limits_of(request: RecommendRequest, set_limits: ConstraintOptimizerSettings) -> Limits:
    """What the flags ask for; where they are silent, what is set."""
    return Limits(
        budget_bytes=_first(request.budget_bytes, set_limits.max_storage),
        max_indexes=_first(request.max_indexes, set_limits.max_indexes),
        # New ones; how many a table may have in all is apply's guard.
        indexes_per_table=_first(request.max_per_table, set_limits.max_indexes_per_table),
        write_overhead=set_limits.max_write_overhead,
        min_benefit=request.min_benefit,
        calls=request.planner.max_calls,
        seconds=request.planner.max_seconds,
        tenant_bytes=_first(request.tenant_budget, set_limits.max_storage_per_tenant),
        tenant_indexes=set_limits.max_indexes_per_tenant,
        max_changes=set_limits.max_changes,
        greedy=not set_limits.enabled,
        least_gain=ENOUGH,
    )


def _first(flag: int | None, setting: int | None) -> int | None:
    return setting if flag is None else flag


REMEMBERED = timedelta(days=30)  # data and statements change; then it is worth another trial


def without_taken_back(proposal: Proposal, source: Source) -> Proposal:
    """The proposal without candidates that measured evidence spoke against, each a rejection with that evidence."""
    known = reasons_against(source)
    if not known:
        return proposal
    kept = tuple(c for c in proposal.candidates if c.id not in known)
    gone = tuple(
        Rejection(summary(c.definition), "ignored", known[c.id], c.definition, templates=c.templates)
        for c in proposal.candidates
        if c.id in known
    )
    return replace(proposal, candidates=kept, rejections=(*proposal.rejections, *gone))


def reasons_against(source: Source) -> Mapping[str, str]:
    """Why and when, by recommendation id; empty without a log to read."""
    if source.session is None or not source.is_initialised:
        return {}
    from indexpilot_cli.log import intents

    try:
        latest = intents.latest(source.session, schema=source.connection.metadata_schema)
    except IndexPilotError:
        return {}  # no right to read the log, or a metadata version from before it
    now = source.catalog.taken_at or datetime.now(UTC)
    return dict(_reasons(latest, now))


def _reasons(latest: tuple[Event, ...], now: datetime) -> Iterator[tuple[str, str]]:
    for event in latest:
        why = event.details.get("rollback_reason")
        definition = events.structure(event)
        taken_back = event.type is MutationType.ROLLBACK_INDEX  # what a plan drops was not given up for that
        if (
            not why
            or not taken_back
            or definition is None
            or event.state is not OperationState.VALID
            or event.created_at is None
        ):
            continue
        if now - event.created_at <= REMEMBERED:
            yield definition.id, f"taken back on {event.created_at:%Y-%m-%d}: {why}"
