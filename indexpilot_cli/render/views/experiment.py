"""Experiments: what is compared, how far it is, what the measurements say, and what was changed for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from indexpilot_cli.apply.experiments.judge import ExperimentAnswer
from indexpilot_cli.apply.experiments.values import ExperimentReport, ExperimentResult, ExperimentsResult
from indexpilot_cli.apply.verify.verdict import MeasuredEffect, TemplateVerdict
from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import Block, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import one_line, plural, stamp
from indexpilot_cli.render.views.apply import statements, view
from indexpilot_cli.render.views.history import ApplyDocument


class MeasuredTemplateDocument(DocumentShape):
    """One template: means with a and with b."""

    template: str
    effect: Annotated[MeasuredEffect, "of b against a"]
    a: Annotated[float, "of a call, in the unit", From("before")]
    b: Annotated[float, From("after")]
    unit: str
    p: Annotated[float | None, "adjusted for the number of templates"]
    calls: Annotated[tuple[float, float], "with a, with b"]
    why: str


class ExperimentVerdictDocument(DocumentShape):
    """What the measurements say."""

    answer: ExperimentAnswer
    text: str
    templates: tuple[MeasuredTemplateDocument, ...]
    notes: tuple[str, ...]


class MetricVerdictDocument(DocumentShape):
    """What the outcomes of one metric say."""

    metric: Annotated[str, From(lambda pair: pair[0])]
    answer: Annotated[ExperimentAnswer, From(lambda pair: pair[1].answer)]
    text: Annotated[str, From(lambda pair: pair[1].text)]


class ExperimentDocument(DocumentShape):
    """One experiment."""

    name: str
    table: QualifiedName
    kind: Annotated[str, "index: we swap the variants; host: the application does"]
    status: Annotated[str, "running, stopped"]
    variant_a: Annotated[tuple[str, ...], From(lambda one: one.variants["a"])]
    variant_b: Annotated[tuple[str, ...], "empty: without those of a", From(lambda one: one.variants["b"])]
    created_at: datetime | None
    ended_at: datetime | None
    winner: Annotated[str | None, "a, b, undecided, not_enough_evidence; null before an answer"]
    in_place: Annotated[str | None, "the variant that was put there and stays until the next step"]
    windows: Annotated[Count, "measured"]
    planned: Annotated[Count, "at most"]
    ends_at: datetime | None
    predicted: Annotated[str, "what the planner says of b against a"]
    split: Annotated[float | None, "share of keys that get b"]
    verdict: ExperimentVerdictDocument
    metrics: Annotated[tuple[MetricVerdictDocument, ...], From(lambda one: tuple(one.metrics.items()))]


class ExperimentsDocument(DocumentShape):
    """Experiments, those that run first."""

    experiments: tuple[ExperimentDocument, ...]


class ExperimentChangeDocument(ApplyDocument):
    """What was changed for experiments, and how they stand then."""

    what: tuple[str, ...]
    experiments: tuple[ExperimentDocument, ...]


_COLUMNS = columns("experiment|short", "state|state", "table", "measured|number", "in place|short", "says|text")
_TEMPLATES = columns("template|short", "effect|state", "a|number", "b|number", "p|number", "details|text")


def status_view(result: ExperimentsResult, *, verbose: bool = False) -> Document:
    """A line for each; one alone, or with ``verbose`` each, in full."""
    if not result.experiments:
        return Document((Lines(("no experiments yet",)),), result, ExperimentsDocument)
    blocks: list[Block] = [TableBlock(_COLUMNS, tuple(map(_row, result.experiments)))]
    for one in result.experiments if verbose or len(result.experiments) == 1 else ():
        blocks += _whole(one)
    blocks.append(Lines((plural(len(result.experiments), "experiment"),)))
    return Document(tuple(blocks), result, ExperimentsDocument)


def change_view(result: ExperimentResult, *, verbose: bool = False) -> Document:
    """What was built and dropped, then what that means for the experiment."""
    changed: tuple[Block, ...] = view(result, verbose=verbose).blocks if result.mutations or result.dry_run else ()
    nothing = () if result.dry_run else ("no experiment runs",)
    told = (Lines(tuple(map(one_line, result.what or nothing))),) if result.what or nothing else ()
    return Document((*changed, *told), result, ExperimentChangeDocument, statements(result))


def _row(one: ExperimentReport) -> tuple[str, ...]:
    return (
        one_line(one.name),
        one.status,
        one.table.short,
        f"{one.windows} of {one.planned}" if one.planned else "",
        one.in_place or DASH,
        one_line(one.verdict.told(one.winner)),
    )


def _whole(one: ExperimentReport) -> Iterator[Block]:
    rows = [
        (f"Variant {side}", ", ".join(texts) or "none of the other's indexes") for side, texts in one.variants.items()
    ]
    if one.predicted:
        rows.append(("Predicted", f"b against a: {one.predicted}"))
    if one.split is not None:
        rows.append(("Split", f"{one.split:.0%} of the keys get b"))
    rows += [(f"Metric {name}", v.told()) for name, v in one.metrics.items()]
    rows += [("Window", f"ends at {stamp(one.ends_at)} at the earliest")] if one.ends_at else []
    rows += [("Note", note) for note in one.verdict.notes]
    yield Facts(tuple((label, one_line(text)) for label, text in rows))
    if one.verdict.templates:
        yield TableBlock(_TEMPLATES, tuple(map(_template, one.verdict.templates)))


def _template(found: TemplateVerdict) -> tuple[str, ...]:
    p = "" if found.p is None else f"{found.p:.2g}"
    before, after = (f"{value:,.3g} {found.unit}" for value in (found.before, found.after))
    return found.template, found.effect.value, before, after, p, one_line(found.why)
