"""The charts of the results: what a picture says faster than the table beside it. None where there is little to see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.units import size
from indexpilot_cli.render.document import Chart, ChartKind, ChartSeries, ChartUnit
from indexpilot_cli.render.units import one_line, stamp

# Types alone: no view waits for the values of the others.
if TYPE_CHECKING:
    from indexpilot_cli.admin.discover import TableReport
    from indexpilot_cli.core.plan import Plan
    from indexpilot_cli.core.workload import TemplateReport
    from indexpilot_cli.evolve.change.values import StepReport
    from indexpilot_cli.evolve.review.values import StatementReport
    from indexpilot_cli.lifecycle.values import IndexGrowth, LifecycleFinding
    from indexpilot_cli.simulate.proof import DemoLatency
    from indexpilot_cli.simulate.values import LatencyEffect

MOST = 12  # bars of a chart
_COURSES = 5  # indexes whose growth is drawn


def _chart(
    title: str,
    unit: ChartUnit,
    axis: str,
    names: tuple[str, ...],
    rows: Sequence[tuple[str, *tuple[float | None, ...]]],
) -> Iterator[Chart]:
    """A bar for each name and row (label, value …), unless all are the same: then there is nothing to see."""
    if len({value for row in rows for value in row[1:]}) > 1:
        kind = ChartKind.PAIRS if len(names) > 1 else ChartKind.BARS
        labels, *values = zip(*rows, strict=True)
        yield Chart(kind, title, unit, axis, labels, tuple(map(ChartSeries, names, values)))


def _beside_text(charts: Iterable[Chart]) -> Iterator[Chart]:
    """Charts whose numbers stand close enough to each other in the text of a terminal."""
    for chart in charts:
        yield replace(chart, told=False)


def plan_charts(plan: Plan) -> Iterator[Chart]:
    """Calls of the statements before and after, what indexes cost writes, and what other budgets would buy."""
    effects = {e.template: e for e in chain.from_iterable(r.templates for r in plan.advised)}
    most = sorted(effects.values(), key=lambda e: (-(e.before - e.after) * e.weight, e.template))[:MOST]
    calls = [(e.template, e.before, e.after) for e in most]
    names = ("before", "after")
    yield from _beside_text(_chart("Cost of a call before and after", ChartUnit.COST, "template", names, calls))
    writes = [(summary(r.definition), r.write_cost) for r in plan.advised if r.write_cost > 0][:MOST]
    title = "What an index adds to its table's writes"
    yield from _beside_text(_chart(title, ChartUnit.SHARE, "index", ("write cost",), writes))
    if len({relative for _, relative in plan.budget_curve}) > 1:
        budgets, left = zip(*plan.budget_curve, strict=True)
        yield Chart(
            ChartKind.STEPS,
            "Workload cost within other budgets, relative to now",
            ChartUnit.SHARE,
            "budget",
            tuple(map(size, budgets)),
            (ChartSeries("workload cost", left),),
            budgets,
        )


def workload_charts(templates: Sequence[TemplateReport]) -> Iterator[Chart]:
    """The statements that carry the workload, by time or, where that is unknown, by calls."""
    shown = templates[:MOST]
    labels = [f"{t.id} {one_line(t.text)}" for t in shown]
    if all(t.total_ms is not None for t in shown):
        rows = [(label, t.total_ms) for label, t in zip(labels, shown, strict=True)]
        yield from _chart("Time of the top statements", ChartUnit.MILLISECONDS, "template", ("time",), rows)
    else:
        calls = [(label, t.calls) for label, t in zip(labels, shown, strict=True)]
        yield from _chart("Calls of the top statements", ChartUnit.COUNT, "template", ("calls",), calls)


def table_charts(tables: Sequence[TableReport]) -> Iterator[Chart]:
    """The largest tables, beside their indexes."""
    shown = sorted(tables, key=lambda t: -(t.bytes + t.index_bytes))[:MOST]
    rows = [(t.name.short, t.bytes, t.index_bytes) for t in shown]
    yield from _chart("Tables and their indexes", ChartUnit.BYTES, "table", ("table", "indexes"), rows)


def finding_charts(findings: Sequence[LifecycleFinding]) -> Iterator[Chart]:
    """The largest indexes that something is the matter with."""
    rows = [(f"{f.state.value}: {f.index.short}", f.size_bytes) for f in findings if f.index and f.size_bytes]
    rows.sort(key=lambda row: -(row[1] or 0))
    yield from _chart("Size of the indexes found", ChartUnit.BYTES, "index", ("size",), rows[:MOST])


def growth_charts(growing: Sequence[IndexGrowth]) -> Iterator[Chart]:
    """The size of each index since it was last built."""
    for growth in growing[:_COURSES]:
        moments, sizes = zip(*growth.sizes, strict=True)
        yield Chart(
            ChartKind.LINE,
            f"Size of {growth.index.short}",
            ChartUnit.BYTES,
            "time",
            tuple(map(stamp, moments)),
            (ChartSeries("size", sizes),),
            tuple(moment.timestamp() for moment in moments),
        )


def latency_charts(latencies: Sequence[DemoLatency]) -> Iterator[Chart]:
    """What was measured without and with the advice."""
    rows = [(one.template, one.before_ms, one.after_ms) for one in latencies]
    yield from _chart("Time of a call, measured", ChartUnit.MILLISECONDS, "statement", ("before", "after"), rows)


def lock_charts(statements: Sequence[StatementReport]) -> Iterator[Chart]:
    """How long each statement of a migration works, at most."""
    timed = ((s, s.verdict.duration) for s in statements)
    rows = [(f"line {s.line}: {one_line(s.sql)}", d.high * 1000) for s, d in timed if d is not None]
    title = "How long statements work and hold their locks, at most"
    yield from _beside_text(_chart(title, ChartUnit.MILLISECONDS, "statement", ("time",), rows[:MOST]))


def step_charts(steps: Sequence[StepReport]) -> Iterator[Chart]:
    """How long the steps of a change took."""
    rows = [(f"{s.title} ({s.lock})", s.milliseconds) for s in steps if s.milliseconds is not None]
    yield from _beside_text(_chart("How long the steps took", ChartUnit.MILLISECONDS, "step", ("time",), rows))


def effect_charts(parts: Sequence[tuple[str, LatencyEffect]]) -> Iterator[Chart]:
    """The slow end of a simulation's answers without and with the advice, by parts of its arrivals."""
    rows = [(name, effect.before.p95_ms, effect.after.p95_ms) for name, effect in parts[:MOST]]
    title, names = "95 of 100 answers come within this time", ("before", "after")
    yield from _beside_text(_chart(title, ChartUnit.MILLISECONDS, "part", names, rows))
