"""``rollback``: what is taken back, with its SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.operation import MutationReport
from indexpilot_cli.render.document import Block, Count, Document, Facts
from indexpilot_cli.render.units import stamp
from indexpilot_cli.render.views import apply


class UndoneDocument(apply.ChangeDocument):
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
    guards: Annotated[tuple[apply.GuardDocument, ...], From("verdicts")]
    undone: Annotated[tuple[UndoneDocument, ...], From("mutations")]
    reconciled: tuple[UndoneDocument, ...]


_UNDONE = "undone already"


def view(result: ApplyResult, *, verbose: bool = False) -> Document:
    """One line per mutation; the exact SQL in a dry run."""
    told = tuple(replace(m, outcome=_UNDONE) if m.outcome == "already_done" else m for m in result.mutations)
    shown = apply.view(replace(result, mutations=told), verbose=verbose)
    made = tuple((_label(m), f"made {stamp(m.started_at)}") for m in result.mutations if m.started_at)
    extra: tuple[Block, ...] = (Facts(made),) if verbose and made else ()
    return Document((*extra, *shown.blocks), result, RollbackDocument, shown.statements)


def _label(item: MutationReport) -> str:
    return f"M-{item.id}" if item.id is not None else item.index
