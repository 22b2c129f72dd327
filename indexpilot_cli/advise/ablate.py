"""``ablate``: what each published algorithm changes of the plan, by leaving one after the other out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.advise.pipeline import advise_on, prepared, types_from
from indexpilot_cli.advise.recommend import by_schemas, folded_for
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms import registry
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.guards.bypass import require_on
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import SchemaGrouping, Source, SourceRequest, open_source


@dataclass(frozen=True, slots=True)
class ChangedIndex:
    """An index that both plans have in different forms: other columns included, another kind, another predicate."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """What a plan does that another does not. Texts are indexes, statistics and tables to analyze as people read them.

    ``cost_delta`` (in the plans' unit), ``size_delta`` (bytes) and ``calls`` (EXPLAINs) are those of the first less
    those of the other.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[ChangedIndex, ...] = ()
    cost_delta: float = 0.0
    size_delta: int = 0
    calls: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether both plans do the same."""
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class AlgorithmAblation:
    """What the plan with the algorithm does that the one without does not. ``enabled``: whether it is on now.

    ``with_ms`` and ``without_ms`` are what the same reads took under either plan, where both were built.
    """

    name: str
    title: str
    enabled: bool
    difference: PlanDifference
    with_ms: float | None = None
    without_ms: float | None = None


@dataclass(frozen=True, slots=True)
class AblationResult:
    """One entry for each algorithm, in the order in which they are asked. Costs are in ``unit``."""

    algorithms: tuple[AlgorithmAblation, ...]
    unit: str
    cost_before: float
    cost_after: float
    size_bytes: int
    estimator: str


MeasurePlan = Callable[[Plan], float]


def run(request: RecommendRequest, progress: Progress, measure: MeasurePlan | None = None) -> Outcome[AblationResult]:
    """The plan of these settings, and beside it the plan with each algorithm's switch turned.

    ``measure`` gives the milliseconds of the workload's reads once a plan is built; plans that differ are measured.
    Raises as ``recommend`` does.
    """
    require_on(request.bypass, "advice")
    checks = request.bypass.features.expression_checks.enabled
    looked_at = SourceRequest(request.connection, request.snapshot, checks, SchemaGrouping(request.tenant_schemas))
    offline = bool(request.snapshot)
    with (
        bookkeeping(request.connection, MutationType.ANALYZE_WORKLOAD, request.record, offline=offline) as note,
        open_source(looked_at, progress) as source,
    ):
        note.details(command="ablate")
        require_on(request.bypass, "advice", session=source.session, schema=request.connection.metadata_schema)
        folded = folded_for(source, request, progress)
        with open_estimator(source, request.planner, progress) as estimator:
            folded = prepared(folded, source.catalog, types_from(estimator))
            result, pairs = _ablated(_Trial(source, folded, estimator, progress), by_schemas(request, source.catalog))
    if measure is not None:  # behind the sessions above: a database that somebody uses cannot be copied
        result = _measured(result, pairs, measure)
    return Outcome("ablate", result, server=source.server, warnings=(*source.warnings, *note.warnings))


@dataclass(frozen=True, slots=True)
class _Trial:
    """Everything that stays the same from one plan to the next."""

    source: Source
    folded: FoldedWorkload
    estimator: CostEstimator
    progress: Progress

    def plan(self, request: RecommendRequest) -> Plan:
        """The plan, with the EXPLAINs that it alone took."""
        before = self.estimator.calls
        plan = advise_on(self.source, self.folded, self.estimator, request, self.progress)
        return replace(plan, calls=self.estimator.calls - before)


PlanPairs = Mapping[str, tuple[Plan, Plan]]


def _ablated(trial: _Trial, request: RecommendRequest) -> tuple[AblationResult, PlanPairs]:
    """The result, and for each algorithm the plan with it and the one without."""
    base = trial.plan(request)
    entries: list[AlgorithmAblation] = []
    pairs: dict[str, tuple[Plan, Plan]] = {}
    for algorithm in registry.ALGORITHMS:
        trial.progress.stage(f"leaving out {algorithm.name}")
        on = registry.is_enabled(algorithm, request.features)
        other = trial.plan(replace(request, features=registry.switched(request.features, algorithm.name, on=not on)))
        pair = pairs[algorithm.name] = (base, other) if on else (other, base)
        entries.append(AlgorithmAblation(algorithm.name, algorithm.title, on, difference(*pair)))
    name = trial.estimator.name
    return AblationResult(tuple(entries), base.unit, base.cost_before, base.cost_after, base.size_bytes, name), pairs


def _measured(result: AblationResult, pairs: PlanPairs, measure: MeasurePlan) -> AblationResult:
    entries: list[AlgorithmAblation] = []
    for entry in result.algorithms:
        if not entry.difference.is_empty:
            own, other = pairs[entry.name]
            entry = replace(entry, with_ms=measure(own), without_ms=measure(other))  # noqa: PLW2901
        entries.append(entry)
    return replace(result, algorithms=tuple(entries))


def difference(plan: Plan, other: Plan) -> PlanDifference:
    """What ``plan`` does that ``other`` does not."""
    own = {r.definition: r for r in plan.advised}
    others = {r.definition: r for r in other.advised}
    new = [r for definition, r in own.items() if definition not in others]
    gone = [r for definition, r in others.items() if definition not in own]
    pairs = tuple(_pairs(new, gone))
    matched = set(map(id, chain.from_iterable(pairs)))
    upkeep, instead = _upkeep(plan), _upkeep(other)
    return PlanDifference(
        added=(*(r.summary for r in new if id(r) not in matched), *(t for t in upkeep if t not in instead)),
        removed=(*(r.summary for r in gone if id(r) not in matched), *(t for t in instead if t not in upkeep)),
        changed=tuple(ChangedIndex(old.summary, item.summary) for item, old in pairs),
        cost_delta=plan.cost_after - other.cost_after,
        size_delta=plan.size_bytes - other.size_bytes,
        calls=plan.calls - other.calls,
    )


def _pairs(
    new: Sequence[Recommendation], gone: Sequence[Recommendation]
) -> Iterator[tuple[Recommendation, Recommendation]]:
    """An index and the one in whose place it stands: of the same table, and the same first key."""
    left = list(gone)
    for item in new:
        for old in left:
            same = item.definition.table == old.definition.table and item.action is old.action
            if same and item.definition.keys[0].text == old.definition.keys[0].text:
                left.remove(old)
                yield item, old
                break


def _upkeep(plan: Plan) -> tuple[str, ...]:
    made = (f"statistics {s.text}" for s in plan.told_planner)
    return (*made, *(f"ANALYZE {name.short}" for name in plan.analyze))
