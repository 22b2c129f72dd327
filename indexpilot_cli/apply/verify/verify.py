"""Did it pay? Called around every build of ``apply``, and later for indexes still under observation.

with open_verifier(ctx, request) as verifier:
    verifier.before(operation)
    ... build it ...
    report = verifier.after(operation, report)
    reports = verifier.final(reports)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.apply.undo import take_back
from indexpilot_cli.apply.values import VerificationRequest
from indexpilot_cli.apply.verify import statistics
from indexpilot_cli.apply.verify.replay import ReplayTrial, open_trial
from indexpilot_cli.apply.verify.trial import family, reads_on, templates_of
from indexpilot_cli.apply.verify.verdict import (
    COSTLIER,
    IndexVerdict,
    MeasuredEffect,
    TemplateVerdict,
    Verification,
    numbers,
    worst_first,
)
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import PlannerRequest
from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import Event, MutationReport, Operation, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute import events
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.events import report_of_event
from indexpilot_cli.log import intents
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import SourceRequest, open_source

if TYPE_CHECKING:
    from indexpilot_cli.db.statements import StatementsSnapshot


PLANNER = "planner"
STATISTICS = "statistics"
_GONE = frozenset({"done", "already_done"})


@dataclass(slots=True)
class Verifier:
    """The verification of one run. Without a method every step does nothing."""

    ctx: RunContext
    asked: VerificationRequest
    catalog: Catalog | None = None
    folded: FoldedWorkload | None = None
    trial: ReplayTrial | None = None
    reading: StatementsSnapshot | None = None
    operations: dict[str, Operation] = field(default_factory=dict)
    missing: str | None = None

    def before(self, operation: Operation) -> None:
        """What must be known before the index is there; what cannot be had is told by ``after``."""
        self.missing = None
        try:
            if self.trial is not None:
                self.trial.before(operation)
            if self.asked.method == STATISTICS:
                self.reading = statistics.reading(self.ctx.look)
        except IndexPilotError as error:
            self.missing = f"not enough evidence yet: {error.detail or error.message}"

    def after(self, operation: Operation, done: MutationReport) -> MutationReport:
        """The build's report with the verdict; reverted when the verdict and the request say so.

        Only an index that this run built is judged. What cannot be found out is not enough evidence, not an error.
        """
        if self.asked.method is None or done.outcome != "done":
            return done
        self.operations[operation.name] = operation
        try:
            found = self._judge(operation)
        except IndexPilotError as error:
            found = Verification(IndexVerdict.NOT_ENOUGH, f"not enough evidence yet: {error.detail or error.message}")
        if found.verdict is IndexVerdict.NO_GAIN and self.trial is not None:  # an index may need another to be of use
            text = f"{found.text}; asked again when all are built"
            return replace(done, verification=IndexVerdict.NOT_ENOUGH.value, verification_text=text)
        return self._settle(operation, found, done)

    def final(self, reports: Sequence[MutationReport]) -> tuple[MutationReport, ...]:
        """The reports after the last look at all indexes together."""
        if self.trial is None:
            return tuple(reports)
        try:
            found = {o.name: v for o, v in self.trial.final()}
        except IndexPilotError as error:
            self.ctx.progress.say(f"the final look failed: {error.detail or error.message}")
            return tuple(reports)
        return tuple(self._finally(report, found.get(report.index)) for report in reports)

    # -- inside

    def _judge(self, operation: Operation) -> Verification:
        if self.missing is not None:
            return Verification(IndexVerdict.NOT_ENOUGH, self.missing)
        if self.trial is not None:
            return self.trial.after(operation)
        if self.folded is not None:
            return check(self.ctx, operation, self.folded, self.asked.planner)
        assert self.catalog is not None and self.reading is not None
        return statistics.begin(self.ctx.look, self.ctx.log, operation, self.reading, self.catalog, self.ctx.schema)

    def _settle(self, operation: Operation, found: Verification, done: MutationReport) -> MutationReport:
        settled = settle(self.ctx, operation, found, done, auto_revert=self.asked.auto_revert)
        if settled.outcome == "reverted" and self.trial is not None:
            self.trial.taken_back(operation)
        return settled

    def _finally(self, report: MutationReport, found: Verification | None) -> MutationReport:
        if report.outcome != "done" or found is None:
            return report
        return self._settle(self.operations[report.index], found, report)


@contextmanager
def open_verifier(ctx: RunContext, asked: VerificationRequest) -> Iterator[Verifier]:
    """The verifier for one run, with its sessions.

    Raises PrerequisiteError before anything is built when the evidence asked for cannot be had: no
    pg_stat_statements, an unreachable standby; UsageError when a file of statements cannot be read.
    """
    if asked.method is None:
        yield Verifier(ctx, asked)
        return
    with ExitStack() as stack:
        source = stack.enter_context(open_source(SourceRequest(ctx.connection), ctx.progress))
        verifier = Verifier(ctx, asked, source.catalog)
        if asked.method == STATISTICS:
            statistics.reading(ctx.look)
        elif asked.method == PLANNER:
            verifier.folded = templates_of(source, asked.workload)
        else:
            templates = prepared(templates_of(source, asked.workload), source.catalog, None).templates
            verifier.trial = stack.enter_context(open_trial(ctx, source.catalog, templates, asked.replay_conninfo))
        yield verifier


def settle(
    ctx: RunContext, operation: Operation, found: Verification, done: MutationReport, *, auto_revert: bool
) -> MutationReport:
    """Act on a verdict and log it: VERIFIED, KEPT (harmful, but nobody asked us to act), or taken back."""
    event = _newest(ctx, operation)
    if found.verdict is IndexVerdict.NOT_ENOUGH or event is None:
        return replace(done, verification=IndexVerdict.NOT_ENOUGH.value, verification_text=found.text)
    whole = "; ".join((found.text, *found.notes))
    if not found.harmful:
        _log(ctx, event, OperationState.VERIFIED, found)
        return replace(done, verification="verified", verification_text=whole)
    if not auto_revert:
        _log(ctx, event, OperationState.KEPT, found)
        note = f"indexpilot rollback M-{event.id}  removes it"
        return replace(done, verification="kept", verification_text=whole, notes=(*done.notes, note))
    return _revert(ctx, _with(ctx, event, found), found, done)


def look_again(ctx: RunContext, *, auto_revert: bool) -> tuple[MutationReport, ...]:
    """Indexes under observation that can be judged now, judged; those that cannot yet are left out.

    Raises PrerequisiteError where pg_stat_statements is missing.
    """
    with open_source(SourceRequest(ctx.connection), ctx.progress) as source:
        observed = statistics.look(ctx.look, source.catalog, ctx.schema)
    return tuple(report for one in observed if (report := _observed(ctx, one, auto_revert=auto_revert)) is not None)


def _observed(ctx: RunContext, one: statistics.Observed, *, auto_revert: bool) -> MutationReport | None:
    event = _newest(ctx, one.operation)
    if event is None or event.state is OperationState.REVERTED:
        statistics.close(ctx.log, one, ctx.schema)
        return None
    if one.crashed:
        return _observed_anew(ctx, one, event)
    if one.verification.verdict is IndexVerdict.NOT_ENOUGH and not one.expired:
        return None
    if not statistics.close(ctx.log, one, ctx.schema):
        return None
    done = report_of_event(event, "done")
    return settle(ctx, one.operation, one.verification, done, auto_revert=auto_revert)


def _observed_anew(ctx: RunContext, one: statistics.Observed, event: Event) -> MutationReport | None:
    if not statistics.begin_again(ctx.look, ctx.log, one, ctx.schema):
        return None
    done = report_of_event(event, "done", notes=("observed anew",))
    return replace(done, verification=IndexVerdict.NOT_ENOUGH.value, verification_text=one.verification.text)


def _revert(ctx: RunContext, event: Event, found: Verification, done: MutationReport) -> MutationReport:
    try:
        gone = take_back(ctx, event, reason=found.text)
    except IndexPilotError as error:
        why = f"it should go and could not be removed: {error.message}"
        return replace(done, verification="kept", verification_text=found.text, notes=(*done.notes, why))
    if gone.outcome not in _GONE:
        why = f"it should go and could not be removed: {gone.error}"
        return replace(done, verification="kept", verification_text=found.text, notes=(*done.notes, why))
    text = "; ".join((found.text, *found.notes))
    return replace(done, outcome="reverted", verification="reverted", verification_text=text)


def _log(ctx: RunContext, event: Event, state: OperationState, found: Verification) -> None:
    ctx.write(events.follow(_with(ctx, event, found), state), done=True)


def _with(ctx: RunContext, event: Event, found: Verification) -> Event:
    """The event with what was measured; later advice learns from it."""
    told: dict[str, object] = {"verdict": found.verdict.value, "text": found.text, "notes": list(found.notes)}
    told |= {"templates": [_numbers(t) for t in found.templates], "table_bytes": _table_bytes(ctx, event)}
    return replace(event, details={**event.details, "verification": told})


def _numbers(found: TemplateVerdict) -> dict[str, object]:
    told: dict[str, object] = {"template": found.template, "effect": found.effect.value}
    told |= {"before": found.before, "after": found.after, "unit": found.unit}
    if found.unit == "ms":
        told |= {"p": found.p, "calls": list(found.calls)}
    return told


def _table_bytes(ctx: RunContext, event: Event) -> int | None:
    try:
        return int(ctx.look.value("verify/table_bytes", {"relid": event.relid}))
    except IndexPilotError:  # it belongs to the numbers, not to the verdict
        return None


def _newest(ctx: RunContext, operation: Operation) -> Event | None:
    groups = intents.operations(ctx.log, intents.Which(op_ids=(operation.op_id,)), schema=ctx.schema)
    return groups[0][-1] if groups else None


_CHEAPER = 0.999  # costs of one planner do not scatter


def check(ctx: RunContext, operation: Operation, folded: FoldedWorkload, planner: PlannerRequest) -> Verification:
    """Plan costs of every read of the table in ``folded`` with the built index, at its real size, and without it.

    Both sides have the statistics of now, so a difference is the index's. Raises PrerequisiteError without a planner.
    """
    with (
        open_source(SourceRequest(ctx.connection), ctx.progress) as source,
        open_estimator(source, planner, ctx.progress) as estimator,
    ):
        ready = prepared(folded, source.catalog, types_from(estimator))
        affected = reads_on(ready.templates, family(source.catalog, operation.table))
        # PostgreSQL has no invisible index: BEGIN, DROP INDEX, EXPLAIN, ROLLBACK would take ACCESS EXCLUSIVE on the
        # table, so it is hidden from the estimator only.
        hidden = frozenset({QualifiedName(operation.table.schema, operation.name)})
        ctx.progress.stage(f"planning {len(affected)} templates with and without {operation.name}")
        return compared(estimator, affected, Indexed(hidden=hidden), Indexed())


@dataclass(frozen=True, slots=True)
class Indexed:
    """Indexes that the planner is to see beside those that are there, and some of these that it is not to see."""

    indexes: frozenset[IndexDefinition] = frozenset()
    hidden: frozenset[QualifiedName] = frozenset()


def compared(
    estimator: CostEstimator, templates: tuple[QueryTemplate, ...], before: Indexed, after: Indexed
) -> Verification:
    """What the planner says of the templates with the second set of indexes against the first."""
    scenarios = list(chain.from_iterable(((t, s) for s in t.scenarios) for t in templates))
    new = estimator.plan([WhatIf(s.statement, after.indexes, after.hidden) for _, s in scenarios])
    old = estimator.plan([WhatIf(s.statement, before.indexes, before.hidden) for _, s in scenarios])
    was: dict[str, float] = defaultdict(float)
    now: dict[str, float] = defaultdict(float)
    for (template, scenario), first, second in zip(scenarios, old, new, strict=True):
        was[template.id] += scenario.share * first.total_cost
        now[template.id] += scenario.share * second.total_cost
    return judge_costs([Cost(t.id, was[t.id], now[t.id], t.calls) for t in templates])


@dataclass(frozen=True, slots=True)
class Cost:
    """Planner costs of one call of a template; NaN where there is no plan. ``calls`` weighs them against others."""

    template: str
    before: float
    after: float
    calls: float = 1.0


def judge_costs(costs: Sequence[Cost], *, costlier: float = COSTLIER) -> Verification:
    """Revert when a template's cost rises by more than five per cent, no gain when none falls."""
    found = worst_first(tuple(_effect(cost, costlier) for cost in costs))
    planned = [t for t in found if t.effect is not MeasuredEffect.UNKNOWN]
    slower = [t for t in planned if t.effect is MeasuredEffect.SLOWER]
    faster = [t for t in planned if t.effect is MeasuredEffect.FASTER]
    if slower:
        return Verification(IndexVerdict.REVERT, f"the planner finds it dearer: {numbers(slower[0])}", found)
    if not planned:
        return Verification(
            IndexVerdict.NOT_ENOUGH, "not enough evidence yet: no affected template could be planned", found
        )
    if not faster:
        return Verification(IndexVerdict.NO_GAIN, "the planner finds no template cheaper with the index", found)
    return Verification(
        IndexVerdict.KEPT, f"the planner finds {_all(costs):.0%} less cost: {numbers(faster[-1])}", found
    )


def _effect(cost: Cost, costlier: float) -> TemplateVerdict:
    if math.isnan(cost.before) or math.isnan(cost.after):
        return TemplateVerdict(cost.template, MeasuredEffect.UNKNOWN, cost.before, cost.after, "cost", why="no plan")
    effect = MeasuredEffect.SAME
    if cost.after > costlier * cost.before:
        effect = MeasuredEffect.SLOWER
    elif cost.after < _CHEAPER * cost.before:
        effect = MeasuredEffect.FASTER
    return TemplateVerdict(cost.template, effect, cost.before, cost.after, "cost")


def _all(costs: Sequence[Cost]) -> float:
    known = [c for c in costs if not math.isnan(c.before + c.after)]
    before = sum(c.calls * c.before for c in known)
    return 1 - sum(c.calls * c.after for c in known) / before if before > 0 else 0.0
