"""What ``apply`` and ``rollback`` look like as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.mutation import Mutation, MutationReport
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.render.document import (
    Amount,
    Count,
    MutationNumber,
)


class GuardDocument(DocumentShape):
    """One guard's answer."""

    name: Annotated[str, "stable word: window, bypass, disk …", From("guard")]
    allowed: bool
    warning: Annotated[bool, "allows, and still wants to be read"]
    detail: Annotated[str, From("reason")]
    origin: Annotated[str, "setting, view or fact the answer rests on"]
    retry_at: datetime | None
    table: QualifiedName | None


class ChangeErrorDocument(DocumentShape):
    """Why a change failed."""

    code: Annotated[str, From(lambda item: item.error_code or "failed")]
    message: Annotated[str, From(lambda item: item.error or "")]
    tries: Count


class VerificationDocument(DocumentShape):
    """What the measurements after the change say."""

    verdict: Annotated[str, "kept, verified, reverted, not_enough_evidence", From("verification")]
    text: Annotated[str, From("verification_text")]


def _failed(item: MutationReport) -> MutationReport | None:
    return item if item.error_code is not None or item.error is not None else None


def _measured(item: MutationReport) -> MutationReport | None:
    return item if item.verification else None


def mutation_number(item: MutationReport | Mutation) -> str | None:
    """``M-118``; None for what is not in the log."""
    return None if item.id is None else f"M-{item.id}"


class ChangeDocument(DocumentShape):
    """One change of one index."""

    id: Annotated[MutationNumber | None, From(mutation_number)]
    recommendation: str | None
    kind: Annotated[str, "create_index, drop_index, reindex; of a rollback what undoing does"]
    table: QualifiedName
    index: str
    summary: str
    outcome: Literal[
        "planned", "done", "already_done", "failed", "leftover", "unknown", "reverted", "conflict", "skipped"
    ]
    started_at: datetime | None
    ms: Annotated[Amount | None, From("milliseconds")]
    ddl: Annotated[str, "runs as it is", From("sql")]
    undo: Annotated[str, "runs as it is; empty when nothing is to undo", From("undo_sql")]
    size_bytes: Count | None
    tries: Count
    error: Annotated[ChangeErrorDocument | None, From(_failed)]
    verification: Annotated[VerificationDocument | None, From(_measured)]
    notes: tuple[str, ...]


class ApplyDocument(DocumentShape):
    """What was done or would be done."""

    plan: str | None
    dry_run: bool
    skipped: Annotated[str | None, "why nothing was done"]
    next_opening: datetime | None
    guards: Annotated[tuple[GuardDocument, ...], From("verdicts")]
    mutations: tuple[ChangeDocument, ...]
    reconciled: tuple[ChangeDocument, ...]


class UndoneDocument(ChangeDocument):
    """One change of one index taken back."""

    slower_templates: Annotated[
        Count | None, "templates that get slower by the drop; null where that is unknown or nothing is dropped"
    ]


class RollbackDocument(DocumentShape):
    """What was taken back or would be."""

    plan: str | None
    dry_run: bool
    skipped: Annotated[str | None, "why nothing was done"]
    next_opening: datetime | None
    guards: Annotated[tuple[GuardDocument, ...], From("verdicts")]
    undone: Annotated[tuple[UndoneDocument, ...], From("mutations")]
    reconciled: tuple[UndoneDocument, ...]
