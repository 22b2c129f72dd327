"""Kept plans, and work that writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from indexpilot_cli.core.codec import From
from indexpilot_cli.log.plans import KeptPlan
from indexpilot_cli.render.views.api.frame import ApiDocument


class ApiPlansDocument(ApiDocument):
    """The plans that are kept in the database, newest first. Null: not known."""

    plans: Annotated[tuple[KeptPlan, ...] | None, From("result.plans")]


@dataclass(frozen=True, slots=True)
class WorkReport:
    """A piece of work that writes; ``result`` is what the command prints as JSON, null while it runs."""

    id: str
    kind: Annotated[str, "the command"]
    state: Annotated[str, "running, done, failed"]
    started_at: datetime
    ended_at: Annotated[datetime | None, "null: it runs"] = None
    stage: Annotated[str | None, "what is done just now"] = None
    exit_code: Annotated[int | None, "of the command; null: it runs"] = None
    result: Mapping[str, Any] | None = None


class ApiWorkDocument(ApiDocument):
    """A piece of work that writes, as it stands."""

    work: Annotated[WorkReport, From("result")]


class ApiWorksDocument(ApiDocument):
    """The latest pieces of work, newest first."""

    works: Annotated[tuple[WorkReport, ...], From("result")]
