"""``rollback``: what is taken back, with its SQL."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.core.operation import ApplyResult, MutationReport
from indexpilot_cli.render.document import Block, Document, Facts, Json
from indexpilot_cli.render.units import stamp
from indexpilot_cli.render.views import apply
from indexpilot_cli.render.views.common import when

_UNDONE = "undone already"


def view(result: ApplyResult, *, verbose: bool = False) -> Document:
    """One line per mutation; the exact SQL in a dry run."""
    told = tuple(replace(m, outcome=_UNDONE) if m.outcome == "already_done" else m for m in result.mutations)
    shown = apply.view(replace(result, mutations=told), verbose=verbose)
    made = tuple((_label(m), f"made {stamp(m.started_at)}") for m in result.mutations if m.started_at)
    extra: tuple[Block, ...] = (Facts(made),) if verbose and made else ()
    return Document((*extra, *shown.blocks), payload(result), shown.statements)


def _label(item: MutationReport) -> str:
    return f"M-{item.id}" if item.id is not None else item.index


def payload(result: ApplyResult) -> Json:
    """The result as JSON."""
    return {
        "plan": result.plan,
        "dry_run": result.dry_run,
        "skipped": result.skipped,
        "next_opening": when(result.next_opening),
        "guards": apply.payload(result)["guards"],
        "undone": [_undone_json(m) for m in result.mutations],
        "reconciled": [_undone_json(m) for m in result.reconciled],
    }


def _undone_json(item: MutationReport) -> Json:
    return {**apply.mutation_json(item), "slower_templates": item.slower_templates}
