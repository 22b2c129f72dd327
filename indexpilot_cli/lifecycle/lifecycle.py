"""``lifecycle``: what no longer pays, what decays and what is missing, with the evidence for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.advise.recommend import keep_plan
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Outcome, Progress, TableFilter
from indexpilot_cli.core.mutation import Event, MutationType, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.units import seconds
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError
from indexpilot_cli.execute.build import STANDING
from indexpilot_cli.execute.reconcile import pending_of
from indexpilot_cli.lifecycle.counters import Look, earlier, keep, leaf_pages, look, look_at_standby, with_rebuilt
from indexpilot_cli.lifecycle.findings.bloat import (
    bloat_findings,
    by_leaves,
    by_rows,
    is_confirmed,
    looked_into,
    sizes_after,
    suspects,
)
from indexpilot_cli.lifecycle.findings.find import by_gravity, find
from indexpilot_cli.lifecycle.findings.unused import too_young
from indexpilot_cli.lifecycle.growth import growth_of, with_history
from indexpilot_cli.lifecycle.plan import PLANNABLE, make_plan
from indexpilot_cli.lifecycle.pricing import DropPrices, is_priced, priced, statements_of, touched, unpriced
from indexpilot_cli.lifecycle.sampling import key_samples
from indexpilot_cli.lifecycle.together import columns_together
from indexpilot_cli.lifecycle.usage import UsageSnapshot, usage_of
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleRequest,
    LifecycleResult,
    LifecycleState,
    LoggedIndex,
    MetadataFacts,
    TableUpkeep,
    parts_by_whole,
)
from indexpilot_cli.log import intents
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.metadata import question
from indexpilot_cli.methods.size import SizeEstimate
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_source, wanted_tables
from indexpilot_cli.workload.referential import with_referential
from indexpilot_cli.workload.templates import fold_workload

# Findings that recorded statements speak for or against; for the others they need not be read.
_TOLD_BY_STATEMENTS = frozenset(LifecycleState) - {
    LifecycleState.INVALID,
    LifecycleState.NEVER_ANALYZED,
    LifecycleState.WRAPAROUND,
    LifecycleState.METADATA_MISMATCH,
}


def run(request: LifecycleRequest, progress: Progress) -> Outcome[LifecycleResult]:
    """Findings of the database, gravest first; the counters are kept for the next run.

    Raises UsageError for an unknown table or what is no standby of this server, UnreachableError.
    """
    with (
        bookkeeping(
            request.connection, MutationType.LIFECYCLE_RUN, request.record, offline=bool(request.snapshot)
        ) as note,
        open_source(SourceRequest(request.connection, request.snapshot), progress) as source,
    ):
        seen = look_at_counters(source, request, progress)
        facts = gather(source, request, seen, _workload(source, request, progress))
        found = _priced(find(facts), source, request, facts, progress)
        sizes = sizes_after(facts) if _asked(request, LifecycleState.BLOATED) else {}
        seen = seen.with_sizes(sizes)
        growth = growth_of(facts.catalog.indexes(), seen.snapshots, facts.now, facts.bloat_ratio)
        found = (*found, *_bloated(found, source, sizes, facts, progress))
        together, unknown = _together(source, request, facts, progress)
        found = (*found, *together)
        found = with_history(found, growth)
        findings = tuple(sorted(_chosen(found, facts.catalog, request), key=by_gravity))
        plan, kept = _planned(findings, source, request, facts)
        counts = {state.value: n for state, n in _counts(findings).items()}
        note.idle = None if findings else request.idle
        whole = not request.states and request.filter == TableFilter() and not request.min_bytes
        note.details(findings=counts, whole=whole, standbys=max(0, len(seen.looks) - 1), plan=plan or "")
    warning = keep_counters(request, source, seen)
    result = LifecycleResult(
        findings,
        facts.now,
        facts.counters_since,
        seen.since,
        len(facts.standbys),
        sum(1 for _ in facts.catalog.indexes()),
        plan,
        (*notes_of(facts, seen, request), *unknown),
        growth,
    )
    warnings = (*source.warnings, *seen.warnings, *((warning,) if warning is not None else ()), *kept, *note.warnings)
    status = "findings" if findings else "ok"
    return Outcome("lifecycle", result, status, server=source.server, warnings=warnings, next=_next(result, source))


def _planned(
    findings: tuple[LifecycleFinding, ...], source: Source, request: LifecycleRequest, facts: LifecycleFacts
) -> tuple[str | None, tuple[Warn, ...]]:
    """The id of the plan that was asked for, None where there is nothing to plan; and why it could not be kept."""
    if not request.plan or source.session is None:
        return None, ()
    plan = make_plan(findings, source, database_identity(source.session), facts.now)
    return (plan.id, keep_plan(plan, source, request.record)) if plan.recommendations or plan.upkeep else (None, ())


def _next(result: LifecycleResult, source: Source) -> tuple[str, ...]:
    if result.plan is not None:
        return (f"indexpilot apply {result.plan} --dry-run",)
    to_do = any(f.action in PLANNABLE for f in result.findings) and source.session is not None
    return ("indexpilot lifecycle --plan",) if to_do else ()


def _priced(
    findings: tuple[LifecycleFinding, ...],
    source: Source,
    request: LifecycleRequest,
    facts: LifecycleFacts,
    progress: Progress,
) -> tuple[LifecycleFinding, ...]:
    """The findings, each drop with what it does to the recorded statements."""
    offers = [f for f in findings if is_priced(f)]
    if not offers:
        return findings
    if facts.workload is None:
        return unpriced(findings, "no recorded statements: what the drop makes dearer was not looked at")
    tables = touched(offers, facts)
    if not any(tables.intersection(t.relations) for t in facts.templates) and not facts.catalog.foreign_keys:
        return unpriced(findings, f"none of {len(facts.templates)} recorded statements reads or writes its table")
    try:
        with open_estimator(source, request.planner, progress) as estimator:
            if not estimator.hides:
                why = f"{estimator.name} cannot hide an index: what the drop makes dearer was not looked at"
                return unpriced(findings, why)
            folded = prepared(facts.workload, facts.catalog, types_from(estimator))
            folded = with_referential(folded, facts.catalog, estimator)
            statements = statements_of(folded.templates, tables, estimator, progress)
            return priced(findings, DropPrices(facts, estimator, statements, 1 + request.max_slower))
    except PrerequisiteError as error:
        return unpriced(findings, f"what the drop makes dearer was not looked at: {error.message}")


def _bloated(
    findings: tuple[LifecycleFinding, ...],
    source: Source,
    sizes: Mapping[int, SizeEstimate],
    facts: LifecycleFacts,
    progress: Progress,
) -> tuple[LifecycleFinding, ...]:
    """Indexes worth a rebuilding, those aside that are to go anyway. The largest of them are looked into."""
    gone = {f.index for f in findings if f.action is LifecycleAction.DROP}
    found = tuple(s for s in suspects(facts, sizes) if s.index.name not in gone)
    if not found or source.session is None:
        return tuple(bloat_findings(facts, found, {}))
    trees = {s.index.oid: s for s in looked_into(found)}
    progress.stage("looking into large indexes", len(trees))
    leaves = leaf_pages(source.session, list(trees), progress)
    rebuilt = {oid: by_leaves(trees[oid], counted) for oid, counted in leaves.items()}
    # Leaves full of entries of rows that nobody has vacuumed yet look full; rows decide where both disagree.
    sure = [oid for oid, looked in rebuilt.items() if is_confirmed(trees[oid], looked, facts)]
    others = [(s.index, s.table) for oid, s in trees.items() if oid not in sure]
    for oid, sample in key_samples(source.session, others, progress).items():
        rebuilt[oid] = by_rows(trees[oid], sample, facts.catalog)
    return tuple(bloat_findings(facts, found, rebuilt))


def _asked(request: LifecycleRequest, state: LifecycleState) -> bool:
    return not request.states or state in request.states


def _together(
    source: Source, request: LifecycleRequest, facts: LifecycleFacts, progress: Progress
) -> tuple[tuple[LifecycleFinding, ...], tuple[str, ...]]:
    """Columns that statements name together and the planner takes as independent, and what is not known of them."""
    if source.session is None or not _asked(request, LifecycleState.STATISTICS_MISSING):
        return (), ()
    return columns_together(source.session, facts, progress)


@dataclass(frozen=True, slots=True)
class CountersSeen:
    """The looks at the primary and its standbys, the kept ones, and what could not be had."""

    looks: tuple[Look, ...] = ()
    before: tuple[UsageSnapshot, ...] = ()
    warnings: tuple[Warn, ...] = ()

    @property
    def since(self) -> datetime | None:
        """The moment of the oldest snapshot of ours."""
        return min((s.taken_at for s in self.before), default=None)

    @property
    def snapshots(self) -> tuple[UsageSnapshot, ...]:
        """Those of now and the kept ones."""
        return (*(one.snapshot for one in self.looks), *self.before)

    def with_sizes(self, sizes: Mapping[int, SizeEstimate]) -> CountersSeen:
        """The same with the sizes after REINDEX on the primary, where statistics tell them."""
        rebuilt = {oid: built.pages for oid, built in sizes.items() if built.confidence != "low"}
        primary = (with_rebuilt(one, rebuilt) for one in self.looks[:1])
        return replace(self, looks=(*primary, *self.looks[1:]))


def look_at_counters(source: Source, request: LifecycleRequest, progress: Progress) -> CountersSeen:
    """The counters of the server and of the standbys that were named, and those that were kept earlier."""
    if source.session is None:
        return CountersSeen()
    progress.stage("reading the counters")
    schema = request.connection.metadata_schema
    primary = look(source.session, schema)
    standbys = [look_at_standby(request.connection, dsn, primary, source.catalog.database) for dsn in request.standbys]
    if not source.is_initialised:
        return CountersSeen((primary, *standbys))
    try:
        before = earlier(source.session, schema, primary.cluster)
    except IndexPilotError as error:
        warning = Warn("not_readable", "counter_snapshots", f"the kept counters cannot be read: {error.message}")
        return CountersSeen((primary, *standbys), (), (warning,))
    return CountersSeen((primary, *standbys), before)


def keep_counters(request: LifecycleRequest, source: Source, seen: CountersSeen) -> Warn | None:
    """Keep what was seen for later runs; why that failed."""
    if not seen.looks or not request.record.enabled or not source.is_initialised:
        return None
    _, warning = keep(request.connection, seen.looks)
    return warning


def gather(
    source: Source, request: LifecycleRequest, seen: CountersSeen, workload: FoldedWorkload | None
) -> LifecycleFacts:
    """Everything the findings are made from."""
    catalog = source.catalog
    facts = LifecycleFacts(
        catalog,
        seen.looks[0].snapshot.taken_at if seen.looks else catalog.taken_at or datetime.now(UTC),
        request.min_age,
        request.bloat_ratio,
        parts=parts_by_whole(catalog),
        workload=workload,
        periods=request.periods,
    )
    session = source.session
    if session is None:
        return facts
    events = _events(session, request.connection.metadata_schema) if source.is_initialised else None
    return replace(
        facts,
        usage=usage_of([one.snapshot for one in seen.looks], seen.before),
        upkeep=_upkeep(session, catalog),
        counters_since=seen.looks[0].snapshot.counters_since,
        known=frozenset(item.event.index for item in pending_of(session, events or ())),
        standbys=tuple(one.snapshot.place for one in seen.looks[1:]),
        untold=max(0, seen.looks[0].standbys - len(seen.looks) + 1),
        metadata=_metadata(session, events, request.connection.metadata_schema) if events is not None else None,
    )


def _workload(source: Source, request: LifecycleRequest, progress: Progress) -> FoldedWorkload | None:
    """The recorded statements, where any are; without them less is known, and no finding is made of it."""
    if request.states and not _TOLD_BY_STATEMENTS.intersection(request.states):
        return None
    try:
        folded = fold_workload(source, request.workload, TableFilter(), progress)
    except (PrerequisiteError, RefusedError):
        return None
    return folded if folded.templates else None


def _upkeep(session: Session, catalog: Catalog) -> Mapping[int, TableUpkeep]:
    rows = session.rows("lifecycle/upkeep", {"oids": [t.oid for t in catalog.tables]})
    return MappingProxyType(
        {r.oid: TableUpkeep(r.xid_age, r.multixact_age, r.populated, r.dead, r.last_vacuum) for r in rows}
    )


def _events(session: Session, schema: str) -> tuple[Event, ...] | None:
    try:
        return intents.latest(session, schema=schema)
    except IndexPilotError:
        return None  # no right to read the log, or a metadata version from before it


def _metadata(session: Session, events: Sequence[Event], schema: str) -> MetadataFacts:
    last: dict[QualifiedName, Event] = {}
    for event in sorted(events, key=lambda e: e.id or 0):
        if event.kind in (OperationKind.CREATE, OperationKind.DROP):
            last[event.index] = event
    logged = tuple(
        LoggedIndex(e.table, e.index, e.id or 0, e.kind is OperationKind.CREATE, e.relid)
        for e in last.values()
        if e.state in STANDING
    )
    orphans = session.rows(question(session, "lifecycle/orphans", schema), {})
    profiles = tuple((QualifiedName(o.schema_name, o.table_name), o.field_name) for o in orphans)
    return MetadataFacts(logged, frozenset(e.op_id for e in events), profiles)


def _chosen(
    findings: Sequence[LifecycleFinding], catalog: Catalog, request: LifecycleRequest
) -> tuple[LifecycleFinding, ...]:
    """Those that were asked for; of a size that matters, where they have one."""
    tables = {t.name for t in wanted_tables(catalog, request.filter)}
    everything = request.filter == TableFilter()
    return tuple(
        f
        for f in findings
        if (not request.states or f.state in request.states)
        and (everything or f.table in tables)
        and (f.size_bytes is None or f.index is None or f.size_bytes >= request.min_bytes)
    )


def _counts(findings: Sequence[LifecycleFinding]) -> dict[LifecycleState, int]:
    found: dict[LifecycleState, int] = {}
    for finding in findings:
        found[finding.state] = found.get(finding.state, 0) + 1
    return found


def notes_of(facts: LifecycleFacts, seen: CountersSeen, request: LifecycleRequest) -> Iterator[str]:
    """What the counters do not tell, and why."""
    if not seen.looks:
        yield "a snapshot knows the structure of indexes, not who read them over time: none is called unused"
        return
    young = too_young(facts)
    if young:
        asked = seconds(request.min_age.total_seconds())
        yield (
            f"{len(young)} {'index' if len(young) == 1 else 'indexes'} without a scan "
            f"{'was' if len(young) == 1 else 'were'} not watched for {asked} yet: {_watched(facts, seen)}"
        )
    if facts.catalog.settings.get("track_counts") == "off":
        yield "the server counts nothing: track_counts is off"


def _watched(facts: LifecycleFacts, seen: CountersSeen) -> str:
    def age(moment: datetime) -> str:
        return seconds(max(0.0, (facts.now - moment).total_seconds()))

    counters = "since when the server counts is not known"
    if facts.counters_since is not None:
        counters = f"the server counts since {age(facts.counters_since)} ago"
    ours = f"our first snapshot is of {age(seen.since)} ago" if seen.since is not None else "this is our first snapshot"
    return f"{counters}, {ours}"
