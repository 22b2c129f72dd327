"""What was learned from outcomes: the card of each model."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.admin.model import ModelCard, ModelResult
from indexpilot_cli.algorithms.xgboost.model import BenefitKind
from indexpilot_cli.algorithms.xgboost.training import CrossValidated
from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import Block, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import notes, percent, plural

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
    return Document((*blocks, *notes(result.notes)), result, ModelResult)


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
