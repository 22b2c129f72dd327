"""``demo``: a private server, a workload, the advice, and what it changed."""

from __future__ import annotations

from typing import Annotated, Literal

from indexpilot_cli.core.codec import Amount, DocumentShape
from indexpilot_cli.render.document import Block, Document, Facts, TableBlock, columns
from indexpilot_cli.render.units import facts, milliseconds, notes, one_line, saving
from indexpilot_cli.render.views.pictures import latency_charts
from indexpilot_cli.render.views.plan import PlanDocument
from indexpilot_cli.render.views.recommend import view as plan_view
from indexpilot_cli.simulate.proof import DemoLatency, DemoResult, DemoStep


class DemoDocument(DocumentShape):
    """The advice for a made-up shop, and what it changed."""

    state: Literal["finished", "running", "stopped"]
    conninfo: str | None
    steps: tuple[DemoStep, ...]
    before_ms: Amount | None
    after_ms: Amount | None
    latencies: Annotated[
        tuple[DemoLatency, ...],
        "milliseconds per call of each kind of read, measured without and with the advice",
    ]
    plan: PlanDocument | None
    notes: tuple[str, ...]


def view(result: DemoResult, *, verbose: bool = False) -> Document:
    """The steps, the plan as ``recommend`` shows it, and times before and after."""
    blocks: list[Block] = []
    if result.steps:
        head = columns("step|label", "what|text", "took|number")
        rows = tuple((s.label, one_line(s.text), milliseconds(s.milliseconds)) for s in result.steps)
        blocks.append(TableBlock(head, rows, header=False))
    if result.plan is not None:
        blocks += plan_view(result.plan, verbose=verbose).blocks
    if result.latencies:
        blocks += [_latencies(result), *latency_charts(result.latencies)]
    if result.before_ms and result.after_ms is not None:
        change = saving(1 - result.after_ms / result.before_ms)
        text = f"{milliseconds(result.before_ms)} before, {milliseconds(result.after_ms)} after ({change})"
        blocks.append(facts(("Measured", text)))
    blocks.append(Facts((("Demo", _state(result)),)))
    blocks += notes(result.notes)
    return Document(tuple(blocks), result, DemoDocument)


def _latencies(result: DemoResult) -> TableBlock:
    """Milliseconds per call of each kind of read, really measured on both sides."""
    head = columns("measured statement", "calls|number", "before|number", "after|number", "change|number")
    rows = tuple(
        (
            one.template,
            str(one.calls),
            milliseconds(one.before_ms),
            milliseconds(one.after_ms),
            saving(1 - one.after_ms / one.before_ms) if one.before_ms > 0 else "",
        )
        for one in result.latencies
    )
    return TableBlock(head, rows)


def _state(result: DemoResult) -> str:
    if result.state == "running":
        return f"the server is kept: {result.conninfo}"
    return {"stopped": "the server is gone"}.get(result.state, "finished, the server is gone")
