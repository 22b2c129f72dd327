"""Putting one variant in the place of the other, by the engine of ``apply`` and under its guards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli.apply import apply, rollback
from indexpilot_cli.apply.experiments.status import indexes_of, next_command
from indexpilot_cli.apply.experiments.values import BEFORE
from indexpilot_cli.apply.experiments.variants import Indexes, impossible, in_place, missing_from, swap_plan, there
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult, RollbackRequest
from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import Event, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.db.session import Session
from indexpilot_cli.execute import events
from indexpilot_cli.execute.build import STANDING
from indexpilot_cli.log import experiments, intents, plans
from indexpilot_cli.log.experiments import Experiment
from indexpilot_cli.methods.existing import same_structure
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_source

Confirm = Callable[[ApplyResult], bool]


@dataclass(slots=True)
class ExperimentWork:
    """A command under way. ``answered`` keeps that the question was put and answered with yes."""

    apply: ApplyRequest
    progress: Progress
    confirm: Confirm
    session: Session
    server: Server
    outcomes: list[Outcome[ApplyResult]] = field(default_factory=list)
    what: list[str] = field(default_factory=list)
    touched: list[Experiment] = field(default_factory=list)
    answered: bool = False

    @property
    def schema(self) -> str:
        """The schema of our tables."""
        return self.apply.connection.metadata_schema

    def ask(self, planned: ApplyResult) -> bool:
        """The question of the engine, put once."""
        self.answered = self.answered or self.confirm(planned)
        return self.answered

    def move(self, experiment: Experiment, state: dict[str, Any], **more: Any) -> Experiment:
        """The experiment in its new state; its plans stay known."""
        kept = {"plans": experiment.state.get("plans", [])}
        return experiments.move(self.session, experiment, {**kept, **state}, schema=self.schema, **more)


def swap(work: ExperimentWork, experiment: Experiment, to: Indexes, away: Indexes) -> Experiment | None:
    """The experiment once all of ``to`` is there and nothing else of ``away``; None where it is not (or a dry run)."""
    with open_source(SourceRequest(work.apply.connection), work.progress) as source:
        never = next((why for d in to if (why := impossible(source.catalog, d)) is not None), None)
        lost = _lost(experiment, missing_from(to, there(source.catalog, to)))
        plan = _planned(work, source, experiment, to, away) if never is None else None
    if plan is None:
        work.what.append(f"{experiment.name}: {never}; {next_command('stop', experiment.name)} ends it")
        return None
    if lost and not work.apply.dry_run:
        _bring_back(work, experiment, lost)
        with open_source(SourceRequest(work.apply.connection), work.progress) as source:
            plan = _planned(work, source, experiment, to, away)
    if not plan.recommendations:
        return experiment
    if not work.apply.dry_run:
        # Known before it is carried out: what it drops is brought back as it was, comment and all.
        known = [*experiment.state.get("plans", []), plan.id]
        experiment = work.move(experiment, {**experiment.state, "plans": known}, winner=experiment.winner)
    plans.store(work.session, plan, schema=work.schema)
    asked = replace(work.apply, targets=(plan.id,), confirmed=work.apply.confirmed or work.answered)
    work.outcomes.append(apply.run(asked, work.progress, work.ask))
    with open_source(SourceRequest(work.apply.connection), work.progress) as source:
        return experiment if in_place(source.catalog, to, away) else None


def _planned(work: ExperimentWork, source: Source, experiment: Experiment, to: Indexes, away: Indexes) -> Plan:
    why = f"experiment {experiment.name}"
    return swap_plan(source, to, away, why, database_identity(work.session), datetime.now(UTC))


def _lost(experiment: Experiment, missing: Indexes) -> Indexes:
    """Those of the missing ones that were there before us."""
    before = indexes_of(experiment, BEFORE)
    return tuple(d for d in missing if any(same_structure(d, b) for b in before))


def _bring_back(work: ExperimentWork, experiment: Experiment, lost: Indexes) -> None:
    """Indexes that were there before us and that a swap dropped come back as they were."""
    latest = intents.latest(work.session, schema=work.schema)
    numbers: list[str] = []
    for definition in lost:
        for event in _dropped(latest, experiment, definition.table):
            structure = events.structure(event)
            if structure is not None and same_structure(structure, definition):
                numbers.append(f"M-{event.id}")
    if numbers:
        asked = work.apply
        request = RollbackRequest(
            connection=asked.connection,
            targets=tuple(numbers),
            confirmed=asked.confirmed or work.answered,
            lock_timeout=asked.lock_timeout,
            retries=asked.retries,
            bypass=asked.bypass,
            record=asked.record,
        )
        work.outcomes.append(rollback.run(request, work.progress, work.ask))


def _dropped(latest: tuple[Event, ...], experiment: Experiment, table: QualifiedName) -> tuple[Event, ...]:
    """Drops of the experiment's own plans on the table that were not taken back."""
    known = experiment.state.get("plans", [])
    return tuple(
        e
        for e in latest
        if e.table == table and e.state in STANDING and e.kind is OperationKind.DROP and e.details.get("plan") in known
    )
