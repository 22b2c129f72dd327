"""What verification measured of built indexes, read from the mutation log, and the models trained by it.

A row of a host application (``log_audit_event``) of type CREATE_INDEX or ROLLBACK_INDEX with ``improvement_pct`` in its
details is an outcome too, of its table and field.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from indexpilot_cli.core.codec import from_json
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.measured import BENEFIT_MODEL, RISK_MODEL, ChangeOutcome
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.log.metadata import SCHEMA, question

STATISTICS, REPLAY, TOLD = "statistics", "replay", "told"
GROWTH = 0.2  # of the table between build and verdict, from which times cannot be compared
MODELS = (BENEFIT_MODEL, RISK_MODEL)
_MOST = 5_000
_TOLD = [MutationType.CREATE_INDEX.value, MutationType.ROLLBACK_INDEX.value]


def outcomes(session: Session, *, schema: str = SCHEMA) -> tuple[ChangeOutcome, ...]:
    """Each measured change of a template, newest index first; rows that cannot be read are passed over.

    Left out are templates without enough calls, and, of statistics windows, tables that another index came to or went
    from meanwhile, or that grew by more than a fifth.
    """
    rows = session.rows(question(session, "log/outcomes", schema), {"most": _MOST})
    asked = {"most": _MOST, "types": _TOLD}
    told = session.rows(question(session, "log/outcomes_told", schema), asked)
    return (*chain.from_iterable(map(_measured, rows)), *(_told(row) for row in told))


def _measured(row: Row) -> Iterator[ChangeOutcome]:
    details: Mapping[str, Any] = row.details
    try:
        definition = from_json(IndexDefinition, details["structure"])
        verification = details["verification"]
        effects = {effect["template"]: effect for effect in details.get("effects") or ()}
        grown = _has_grown(details.get("table_bytes"), verification.get("table_bytes"))
        for found in verification["templates"]:
            one = _outcome(found, effects.get(found["template"]), definition, row)
            if one is not None and not (one.how == STATISTICS and (row.disturbed or grown)):
                yield one
    except (KeyError, TypeError, ValueError, AttributeError):
        return  # another version's


def _outcome(
    found: Mapping[str, Any], effect: Mapping[str, Any] | None, definition: IndexDefinition, row: Row
) -> ChangeOutcome | None:
    before, after = float(found["before"]), float(found["after"])
    if found["unit"] != "ms" or found["effect"] == "unknown" or not before > 0 or not math.isfinite(before + after):
        return None
    calls = found.get("calls") or (0.0, 0.0)
    return ChangeOutcome(
        found["template"],
        definition,
        before,
        after,
        (float(calls[0]), float(calls[1])),
        None if effect is None else float(effect["before"]),
        None if effect is None else float(effect["after"]),
        {name: float(value) for name, value in (row.details.get("table_facts") or {}).items()},
        REPLAY if found.get("p") is None else STATISTICS,
        row.created_at,
        int(row.id),
    )


def _has_grown(then: object, now: object) -> bool:
    return isinstance(then, int) and isinstance(now, int) and then > 0 and abs(now / then - 1) > GROWTH


def _told(row: Row) -> ChangeOutcome:
    definition = IndexDefinition(
        QualifiedName(row.schema_name or "public", row.table_name), (IndexKey(row.field_name),)
    )
    after = 1 - float(row.improvement) / 100
    return ChangeOutcome("", definition, 1.0, max(after, 0.0), how=TOLD, at=row.created_at, mutation=int(row.id))


@dataclass(frozen=True, slots=True)
class KeptModel:
    """The newest version of a model, which is JSON: no code is ever kept or run.

    ``parameters`` is None where training kept nothing that is to be used.
    """

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


def add_model(
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


def forget_models(session: Session, name: str | None, *, schema: str = SCHEMA) -> int:
    """Delete all versions of a model, or of all of them; gives how many there were."""
    return int(session.value(question(session, "log/model_forget", schema), {"name": name}))
