"""``ablate``: each algorithm with what it changes of the plan."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.advise.ablate import AblationResult, AlgorithmAblation, ChangedIndex
from indexpilot_cli.core.codec import Amount, Count, DocumentShape, From
from indexpilot_cli.core.units import size
from indexpilot_cli.render.document import Block, Document, Facts, TableBlock, columns
from indexpilot_cli.render.units import facts, milliseconds, percent


class AblationEntryDocument(DocumentShape):
    """What the plan with one algorithm does that the one without it does not."""

    name: str
    title: str
    enabled: Annotated[bool, "whether it is on now"]
    added: Annotated[tuple[str, ...], "indexes, statistics, tables to analyze", From("difference.added")]
    removed: Annotated[tuple[str, ...], From("difference.removed")]
    changed: Annotated[tuple[ChangedIndex, ...], From("difference.changed")]
    cost_delta: Annotated[float, "workload cost with it less without, in unit", From("difference.cost_delta")]
    size_delta: Annotated[int, "bytes of new indexes, likewise", From("difference.size_delta")]
    calls: Annotated[int, "EXPLAINs, likewise", From("difference.calls")]
    with_ms: Annotated[Amount | None, "the same reads, measured under the plan with it"]
    without_ms: Amount | None


class AblateDocument(DocumentShape):
    """The published algorithms, each left out in turn."""

    algorithms: tuple[AblationEntryDocument, ...]
    unit: str
    cost_before: Amount
    cost_after: Annotated[Amount, "of the plan with the present settings"]
    size_bytes: Count
    estimator: str


_COLUMNS = columns("algorithm|label", "now|short", "changes", "cost|number", "size|number", "EXPLAINs|number")


def view(result: AblationResult) -> Document:
    """A line for each algorithm, then what each of them changes."""
    rows = tuple(_row(entry, result) for entry in result.algorithms)
    blocks: list[Block] = [TableBlock(_COLUMNS, rows)]
    for entry in result.algorithms:
        found = entry.difference
        lines = [*(f"adds {text}" for text in found.added), *(f"takes out {text}" for text in found.removed)]
        lines += (f"makes {pair.before} into {pair.after}" for pair in found.changed)
        if entry.with_ms is not None and entry.without_ms is not None:
            lines.append(f"reads took {milliseconds(entry.with_ms)} with it, {milliseconds(entry.without_ms)} without")
        blocks += [Facts(tuple((entry.name, line) for line in lines))] if lines else []
    blocks.append(facts(("Planner", result.estimator)))
    return Document(tuple(blocks), result, AblateDocument)


def _row(entry: AlgorithmAblation, result: AblationResult) -> tuple[str, ...]:
    found = entry.difference
    now = "on" if entry.enabled else "off"
    if found.is_empty:
        return (entry.name, now, "nothing", "", "", f"{found.calls:+,}")
    number = len(found.added) + len(found.removed) + len(found.changed)
    cost = percent(found.cost_delta / result.cost_before, signed=True) if result.cost_before > 0 else ""
    sign = "-" if found.size_delta < 0 else "+"
    return (entry.name, now, str(number), cost, f"{sign}{size(abs(found.size_delta))}", f"{found.calls:+,}")
