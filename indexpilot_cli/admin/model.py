"""``model train``, ``show`` and ``forget``: what was learned from outcomes, and whether it is good enough for use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

from indexpilot_cli.algorithms.xgboost.model import BenefitKind, to_parameters
from indexpilot_cli.algorithms.xgboost.training import (
    LEAST_CHANGES,
    LEAST_TEMPLATES,
    BenefitTraining,
    CrossValidated,
    train,
)
from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.measured import BENEFIT_MODEL, RISK_MODEL
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.outcomes import MODELS, KeptModel, add_model, forget_models, models, outcomes
from indexpilot_cli.snapshot.source import open_metadata


@dataclass(frozen=True, slots=True)
class ModelRequest(CommandRequest):
    """Train, show or forget; ``name`` is a model's, None: all there are."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model, or why there is none.

    ``samples`` are outcomes it was trained on, of ``groups`` templates; ``verdict`` is what is used instead of or
    beside the planner's word, ``why`` the reason in a clause; ``lines`` how each kind did in cross-validation.
    """

    name: str
    version: Annotated[Count | None, "null: none was kept"]
    trained_at: Annotated[datetime | None, "null: none was kept"]
    samples: Annotated[Count, "measured changes it was trained on"]
    groups: Annotated[Count, "templates they are of"]
    used: Annotated[bool, "false: advice takes the planner's word"]
    verdict: Annotated[str, "xgboost, log_linear or planner; used or none for other models"]
    why: str
    lines: tuple[CrossValidated, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What was learned, trained or forgotten."""

    action: Annotated[str, "train, show or forget"]
    models: tuple[ModelCard, ...]
    outcomes: Annotated[Count, "measured changes in the log now"]
    forgotten: Annotated[Count, "versions that were deleted"] = 0
    notes: tuple[str, ...] = ()


def run_train(request: ModelRequest, progress: Progress) -> Outcome[ModelResult]:
    """Train on the outcomes in the log and keep what came of it; below the least number of them nothing is kept.

    Raises PrerequisiteError before ``init``.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.ANALYZE_WORKLOAD, request.record) as note:
        with open_metadata(request.connection, write=True) as (session, server):
            progress.stage("reading outcomes")
            known = outcomes(session, schema=schema)
            progress.stage(f"training on {len(known)} outcomes")
            training = train(known)
            # The newest version of a name counts: one of too few outcomes would put a good one out of use.
            kept = _keep(session, training, schema) if training.lines and request.record.enabled else None
        card = _trained(training, kept)
        note.details(model=card.name, outcomes=training.changes, verdict=card.verdict, why=card.why)
        note.details(model_version=card.version)
    result = ModelResult("train", (card,), len(known), notes=_unusable(len(known) - training.changes))
    return Outcome("model", result, "ok" if training.lines else "skipped", 0, server, note.warnings)


def run_show(request: ModelRequest, progress: Progress) -> Outcome[ModelResult]:
    """Every model that was trained; of the one for benefits also what is missing where it was not.

    Raises UsageError for an unknown name, PrerequisiteError before ``init``.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        name = _checked(request.name)
        progress.stage("reading models")
        with open_metadata(request.connection) as (session, server):
            found = {m.name: m for m in models(session, name, schema=schema)}
            known = outcomes(session, schema=schema)
        wanted = MODELS if name is None else (name,)
        cards = tuple(_shown(n, found.get(n)) for n in wanted)
        note.details(models=len(found))
    return Outcome("model", ModelResult("show", cards, len(known)), "ok", 0, server, note.warnings)


def run_forget(request: ModelRequest, progress: Progress) -> Outcome[ModelResult]:
    """Delete a model, or all; outcomes stay in the log, so that it can be trained again.

    Raises UsageError for an unknown name, PrerequisiteError before ``init``.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.SYSTEM_CONFIG_CHANGE, request.record) as note:
        name = _checked(request.name)
        progress.stage("deleting models")
        with open_metadata(request.connection, write=True) as (session, server):
            gone = forget_models(session, name, schema=schema) if request.record.enabled else 0
            known = outcomes(session, schema=schema)
        note.details(model=name or "all", forgotten=gone)
    result = ModelResult("forget", (), len(known), gone)
    return Outcome("model", result, "ok" if gone else "skipped", 0, server, note.warnings)


def _checked(name: str | None) -> str | None:
    if name is not None and name not in MODELS:
        raise UsageError(f"no model {name[:80]!r}", hint=f"one of {', '.join(MODELS)}", code="unknown_model")
    return name


def _keep(session: Session, training: BenefitTraining, schema: str) -> KeptModel:
    # Kept without parameters, too: advice then takes the planner's word, and model show has the numbers that say why.
    parameters = None if training.model is None else to_parameters(training.model)
    lines = [asdict(line) for line in training.lines]
    metrics = {"groups": training.templates, "verdict": training.verdict, "why": training.why, "lines": lines}
    add_model(session, BENEFIT_MODEL, training.changes, parameters, metrics, schema=schema)
    return models(session, BENEFIT_MODEL, schema=schema)[0]


def _trained(training: BenefitTraining, kept: KeptModel | None) -> ModelCard:
    return ModelCard(
        BENEFIT_MODEL,
        None if kept is None else kept.version,
        None if kept is None else kept.created_at,
        training.changes,
        training.templates,
        training.model is not None,
        training.verdict.value,
        training.why,
        training.lines,
    )


def _unusable(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count} outcomes have no planner costs of one index alone, so nothing can be learned from them here",)


def _shown(name: str, kept: KeptModel | None) -> ModelCard:
    if kept is None:
        return ModelCard(name, None, None, 0, 0, False, "none", _untrained(name))
    metrics = kept.metrics
    lines = tuple(CrossValidated(**{**line, "kind": BenefitKind(line["kind"])}) for line in metrics.get("lines") or ())
    groups = int(metrics.get("groups") or metrics.get("templates") or 0)
    used = kept.parameters is not None
    verdict = str(metrics.get("verdict") or ("used" if used else "none"))
    why = str(metrics.get("why") or "") or _skill(metrics)
    return ModelCard(name, kept.version, kept.created_at, kept.samples, groups, used, verdict, why, lines)


def _untrained(name: str) -> str:
    if name == RISK_MODEL:
        return "not trained: host.learn_query_risk trains it"
    needs = f"{LEAST_CHANGES} measured changes of {LEAST_TEMPLATES} templates are needed"
    return f"not trained: {needs}, by apply --verify replay or statistics; then  indexpilot model train"


def _skill(metrics: Mapping[str, Any]) -> str:
    skill = metrics.get("skill")
    return f"skill {skill:.2f} on held-out outcomes" if isinstance(skill, float) else ""
