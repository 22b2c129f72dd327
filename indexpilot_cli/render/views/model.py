"""What was learned from outcomes: the card of each model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from indexpilot_cli.admin.model import ModelCard, ModelResult
from indexpilot_cli.algorithms.xgboost.model import BenefitKind
from indexpilot_cli.algorithms.xgboost.training import CrossValidated
from indexpilot_cli.core.codec import Amount, Count, DocumentShape, Portion
from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import Block, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import notes, percent, plural


class CrossValidatedDocument(DocumentShape):
    """How one way to predict did on templates that it was not trained on."""

    kind: BenefitKind
    error: Annotated[Amount, "mean absolute error of the log of time after by time before"]
    less: Annotated[float, "share by which that is smaller than the planner's"]
    low: Annotated[float, "lower end of its 95 % interval over resampled templates"]
    high: Annotated[float, "upper end of it"]
    covered: Annotated[Portion | None, "share of changes inside the 80 % interval; null: it has none"]


class ModelCardDocument(DocumentShape):
    """A model, or why there is none."""

    name: str
    version: Annotated[Count | None, "null: none was kept"]
    trained_at: Annotated[datetime | None, "null: none was kept"]
    samples: Annotated[Count, "measured changes it was trained on"]
    groups: Annotated[Count, "templates they are of"]
    used: Annotated[bool, "false: advice takes the planner's word"]
    verdict: Annotated[str, "xgboost, log_linear or planner; used or none for other models"]
    why: str
    lines: tuple[CrossValidatedDocument, ...]


class ModelDocument(DocumentShape):
    """What was learned, trained or forgotten."""

    action: Annotated[str, "train, show or forget"]
    models: tuple[ModelCardDocument, ...]
    outcomes: Annotated[Count, "measured changes in the log now"]
    forgotten: Annotated[Count, "versions that were deleted"]
    notes: tuple[str, ...]


_LINES = columns(
    "predicts by|text", "error|number", "less than the planner|number", "95 % interval|short", "covered|number"
)


def model_view(result: ModelResult) -> Document:
    """The card of each model, its cross-validation and the verdict."""
    blocks: list[Block] = []
    for card in result.models:
        blocks += _card(card)
    known = plural(result.outcomes, "measured change is", "measured changes are")
    blocks.append(
        Lines((_done(result), f"{known} in the log") if result.action == "forget" else (f"{known} in the log",))
    )
    return Document((*blocks, *notes(result.notes)), result, ModelDocument)


def _card(card: ModelCard) -> Iterator[Block]:
    trained = "not trained" if card.trained_at is None else f"{card.trained_at:%Y-%m-%d %H:%M}Z"
    facts = [("model", card.name if card.version is None else f"{card.name} (version {card.version})")]
    facts += [("trained", trained), ("changes", f"{card.samples} of {plural(card.groups, 'template')}")]
    facts += [("verdict", f"{card.verdict}: {card.why}" if card.why else card.verdict)]
    yield Facts(tuple(facts))
    if card.lines:
        yield TableBlock(_LINES, tuple(map(_row, card.lines)))


def _row(line: CrossValidated) -> tuple[str, ...]:
    if line.kind is BenefitKind.PLANNER:
        return (line.kind.value, f"{line.error:.3f}", DASH, DASH, DASH)
    interval = f"{line.low:+.0%} to {line.high:+.0%}"
    return (line.kind.value, f"{line.error:.3f}", f"{line.less:+.0%}", interval, percent(line.covered, 0))


def _done(result: ModelResult) -> str:
    return f"{plural(result.forgotten, 'version')} forgotten" if result.forgotten else "nothing to forget"
