"""``experiment status``: what is compared, how far it is, and what the measurements say."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from indexpilot_cli.apply.experiments.judge import (
    FIRST_LOOK,
    ExperimentAnswer,
    ExperimentVerdict,
    MeasuredWindow,
    judge_outcomes,
    judge_windows,
)
from indexpilot_cli.apply.experiments.values import ExperimentReport, ExperimentsResult, ExperimentStatusRequest
from indexpilot_cli.core.codec import from_json
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.session import Session
from indexpilot_cli.log import experiments
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.experiments import HOST, RUNNING, Experiment
from indexpilot_cli.snapshot.source import open_metadata

WINDOW, MEASURED = "window", "measured"
_TURNS = "abba"  # a load that rises or falls evenly weighs on both alike, and every second change is saved


def status(request: ExperimentStatusRequest, progress: Progress) -> Outcome[ExperimentsResult]:
    """How the experiments stand. Raises UsageError for an unknown name, PrerequisiteError before ``init``."""
    connection, schema = request.connection, request.connection.metadata_schema
    with bookkeeping(connection, MutationType.DISCOVER, request.record, experiment=request.name or "") as note:
        progress.stage("reading the experiments")
        with open_metadata(connection) as (session, server):
            found = experiments.read(session, request.name, schema=schema)
            told = tuple(report_of(session, one, schema) for one in found)
        note.details(experiments=len(told))
    return Outcome("experiments", ExperimentsResult(told), server=server, warnings=note.warnings)


def next_command(what: str, name: str) -> str:
    """The command line that does it to the experiment."""
    return f"indexpilot experiment {what} {shlex.quote(name)}"


def side_of(window: int) -> str:
    """Which variant is measured in the window of that number (from 0)."""
    return _TURNS[window % len(_TURNS)]


def indexes_of(experiment: Experiment, variant: str) -> tuple[IndexDefinition, ...]:
    """The definitions of a variant, or (``before``) of those that were there."""
    stored = experiment.settings["before"] if variant == "before" else experiment.variants[variant]
    return tuple(from_json(IndexDefinition, one) for one in stored)


def measured_windows(session: Session, experiment: Experiment, schema: str) -> tuple[MeasuredWindow, ...]:
    """What was measured so far."""
    kept = experiments.windows(session, experiment, schema=schema)
    return tuple(from_json(MeasuredWindow, details["window"]) for details in kept)


def report_of(session: Session, experiment: Experiment, schema: str) -> ExperimentReport:
    """The experiment as it stands."""
    return (_of_host if experiment.kind == HOST else _of_indexes)(session, experiment, schema)


def _of_indexes(session: Session, experiment: Experiment, schema: str) -> ExperimentReport:
    windows = measured_windows(session, experiment, schema)
    settings, state = experiment.settings, experiment.state
    rounds = int(settings["rounds"])
    running = state.get("phase") == WINDOW
    began = datetime.fromisoformat(state["began"]) if running else None
    return ExperimentReport(
        experiment.name,
        experiment.table,
        experiment.kind,
        experiment.status,
        {side: tuple(summary(d) for d in indexes_of(experiment, side)) for side in ("a", "b")},
        experiment.created_at,
        judge_windows(windows, rounds),
        experiment.winner,
        _in_place(experiment),
        len(windows),
        2 * rounds,
        began + timedelta(seconds=settings["window_seconds"]) if began is not None else None,
        experiment.ended_at,
        str(settings.get("predicted", "")),
    )


def _in_place(experiment: Experiment) -> str | None:
    """The variant that is there: that of the window, after the last one still that one's."""
    phase, number = experiment.state.get("phase"), int(experiment.state["window"])
    if experiment.status != RUNNING or phase not in (WINDOW, MEASURED):
        return None
    return side_of(number if phase == WINDOW else number - 1)


def _of_host(session: Session, experiment: Experiment, schema: str) -> ExperimentReport:
    metrics = _host_verdicts(session, experiment, schema)
    nothing = ExperimentVerdict(ExperimentAnswer.NOT_ENOUGH, f"no outcomes yet, {FIRST_LOOK} of each variant needed")
    primary = str(experiment.settings.get("metric", ""))
    return ExperimentReport(
        experiment.name,
        experiment.table,
        experiment.kind,
        experiment.status,
        {side: (_readable(experiment.variants[side]),) for side in ("a", "b")},
        experiment.created_at,
        metrics.get(primary, nothing),
        experiment.winner,
        ended_at=experiment.ended_at,
        split=experiment.split,
        metrics=metrics,
    )


def _host_verdicts(session: Session, experiment: Experiment, schema: str) -> Mapping[str, ExperimentVerdict]:
    """What the outcomes say, by metric. The experiment is decided by its own metric; others are told, not tested as a
    family.
    """
    samples = experiments.outcome_samples(session, experiment, FIRST_LOOK, schema=schema)
    higher = bool(experiment.settings.get("higher_is_better"))
    names = dict.fromkeys(s.metric for s in samples)
    return {name: judge_outcomes(samples, name, higher_is_better=higher) for name in names}


def settled_answer(session: Session, experiment: Experiment, keep: str, schema: str) -> str:
    """The winner a host's experiment ends with: the variant to ``keep``, else what its own metric says."""
    if keep in ("a", "b"):
        return keep
    own = _host_verdicts(session, experiment, schema).get(str(experiment.settings.get("metric", "")))
    return (ExperimentAnswer.NOT_ENOUGH if own is None else own.answer).value


def _readable(variant: Any) -> str:
    if isinstance(variant, Mapping):
        return ", ".join(f"{key}: {value}" for key, value in variant.items())
    return str(variant)


def utc(moment: datetime) -> str:
    """The moment as text that sorts and parses again."""
    return moment.astimezone(UTC).isoformat()
