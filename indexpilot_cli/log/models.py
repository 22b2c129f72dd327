"""Trained models and what their training said: ``ml_model_metadata``. A model is JSON; no code is ever kept or run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexpilot_cli.core.measured import BENEFIT_MODEL, RISK_MODEL
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Session
from indexpilot_cli.log.metadata import SCHEMA, question

NAMES = (BENEFIT_MODEL, RISK_MODEL)


@dataclass(frozen=True, slots=True)
class KeptModel:
    """The newest version of a model. ``parameters`` is None where training kept nothing that is to be used."""

    name: str
    version: int
    samples: int
    parameters: Mapping[str, Any] | None
    metrics: Mapping[str, Any]
    created_at: datetime


def models(session: Session, name: str | None = None, *, schema: str = SCHEMA) -> tuple[KeptModel, ...]:
    """The newest version of each model, or of the one of that name, by name."""
    rows = session.rows(question(session, "log/models", schema), {"name": name})
    return tuple(KeptModel(r.name, r.version, r.samples, r.parameters, r.metrics or {}, r.created_at) for r in rows)


def add(
    session: Session,
    name: str,
    samples: int,
    parameters: Mapping[str, Any] | None,
    metrics: Mapping[str, Any],
    *,
    schema: str = SCHEMA,
) -> int:
    """Keep a model as the newest version of its name; gives the version."""
    kept = None if parameters is None else Jsonb(dict(parameters))
    values = {"name": name, "samples": samples, "parameters": kept, "metrics": Jsonb(dict(metrics))}
    return int(session.value(question(session, "log/model_add", schema), values))


def forget(session: Session, name: str | None, *, schema: str = SCHEMA) -> int:
    """Delete all versions of a model, or of all of them; gives how many there were."""
    return int(session.value(question(session, "log/model_forget", schema), {"name": name}))
