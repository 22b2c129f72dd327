"""``simulate``: what was sent, how fast it was answered, what the advice changed, and whether that shows anything."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from indexpilot_cli.core import units
from indexpilot_cli.core.codec import Amount, Count, DocumentShape
from indexpilot_cli.render.document import Block, Document, Facts, TableBlock, columns
from indexpilot_cli.render.units import facts, milliseconds, notes, percent, plural, stamp
from indexpilot_cli.render.views.pictures import effect_charts
from indexpilot_cli.simulate.kept import KeptSimulation, SimulationHistory
from indexpilot_cli.simulate.values import (
    LatencyEffect,
    LatencyGroup,
    PhaseResult,
    SimulatedIndex,
    SimulatedPlan,
    SimulatedWorkload,
    SimulationCheck,
    SimulationMode,
    SimulationResult,
)

_FIGURES = ("p50_ms", "p95_ms", "p99_ms")


class SimulationDocument(DocumentShape):
    """One run of a simulation."""

    id: str
    mode: SimulationMode
    started_at: datetime
    version: str
    server: str
    passed: Annotated[bool, "whether every check passed"]
    workload: SimulatedWorkload
    seeded_rows: Count
    seed_seconds: Amount
    phases: tuple[PhaseResult, ...]
    effects: Annotated[tuple[LatencyEffect, ...], "what the indexes changed, of every part of the arrivals"]
    plan: SimulatedPlan | None
    checks: tuple[SimulationCheck, ...]
    notes: tuple[str, ...]


class KeptSimulationDocument(DocumentShape):
    """A kept run, and how it compares with the one before it of the same mode and workload."""

    before: Annotated[str | None, "the run it is compared with"]
    change: Annotated[float | None, "of p95, relative: 0.1 is a tenth slower"]
    same_plan: bool | None
    p95_ms: Amount | None
    result: SimulationDocument


class SimulationHistoryDocument(DocumentShape):
    """Kept runs, the latest first."""

    directory: str
    unreadable: Annotated[tuple[str, ...], "files that hold no result"]
    simulations: tuple[KeptSimulationDocument, ...]


def view(result: SimulationResult, *, verbose: bool = False) -> Document:
    """The workload, latencies of each phase side by side, the indexes, and the checks."""
    blocks: list[Block] = [_workload(result)]
    if result.phases:
        charts = effect_charts([(_name(effect.before), effect) for effect in result.effects])
        blocks += [_latencies(result), *charts, _phases(result)]
    if result.plan is not None and result.plan.indexes:
        blocks.append(_indexes(result.plan.indexes, verbose=verbose))
    head = columns("check", "state|state", "what|text")
    rows = tuple((c.name, "ok" if c.passed else "error", c.text) for c in result.checks if verbose or not c.passed)
    if rows:
        blocks.append(TableBlock(head, rows))
    blocks.append(facts(("Simulation", _verdict(result))))
    blocks += notes(result.notes)
    return Document(tuple(blocks), result, SimulationDocument)


def _verdict(result: SimulationResult) -> str:
    failed = [check.name for check in result.checks if not check.passed]
    if failed:
        return f"{result.id} shows nothing: {', '.join(failed)}"
    return f"{result.id} is sound: {plural(len(result.checks), 'check')} passed"


def _workload(result: SimulationResult) -> Facts:
    work = result.workload
    sizes = f"{plural(work.tenants, 'tenant')}, {work.contacts:,} contacts and {work.queries:,} statements each"
    spikes = f"{work.spike_arrivals:,} in spikes of {work.spike_factor:g}x"
    rows = [
        ("Scenario", f"{work.scenario.value}, {work.pattern.value}, seed {work.seed}: {sizes}"),
        ("Arrivals", f"{work.rate:g}/s over {work.seconds:.0f} s, {spikes}; digest {work.digest[:12]}"),
        ("Data", f"{result.seeded_rows:,} rows in {result.seed_seconds:.1f} s on {result.server}"),
    ]
    if result.plan is not None:
        plan = result.plan
        text = f"{plan.built} of {plural(len(plan.indexes), 'index', 'indexes')} built, {units.size(plan.size_bytes)}"
        rows.append(("Plan", f"{text}; digest {plan.digest[:12]}"))
    return Facts(tuple(rows))


def _latencies(result: SimulationResult) -> TableBlock:
    """p50, p95 and p99 of every part; with two phases before and after."""
    if len(result.phases) == 1:
        head = columns("of", "calls|number", "p50|number", "p95|number", "p99|number", "most|number")
        rows = tuple(_single(one) for one in result.phases[0].latencies)
        return TableBlock(head, rows)
    head = columns("of", "calls|number", "p50 ms|number", "p95 ms|number", "p99 ms|number", "p95|number")
    return TableBlock(head, tuple(map(_pair, result.effects)))


def _single(one: LatencyGroup) -> tuple[str, ...]:
    figures = (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms)
    return (_name(one), f"{one.calls:,}", *map(milliseconds, figures))


def _pair(one: LatencyEffect) -> tuple[str, ...]:
    change = percent(one.p95_change, 0, signed=True) if one.p95_change is not None else ""
    pairs = (f"{_short(getattr(one.before, name))}>{_short(getattr(one.after, name))}" for name in _FIGURES)
    return (_name(one.before), f"{one.before.calls:,}", *pairs, change)


def _short(ms: float) -> str:
    return f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"


def _name(one: LatencyGroup) -> str:
    return one.name if one.by in ("all", "access", "statement", "persona") else f"{one.name} time"


def _phases(result: SimulationResult) -> TableBlock:
    head = columns("phase", "answered|number", "errors|number", "took|number", "a second|number", "longest wait|number")
    rows = tuple(
        (
            phase.name.value,
            f"{phase.done - phase.errors:,} of {phase.planned:,}",
            f"{phase.errors:,}",
            milliseconds(phase.seconds * 1000),
            f"{phase.throughput:.1f}",
            milliseconds(phase.latest_ms),
        )
        for phase in result.phases
    )
    return TableBlock(head, rows)


def _indexes(indexes: tuple[SimulatedIndex, ...], *, verbose: bool) -> TableBlock:
    head = columns("index|short", "outcome|state", "size|number", "built in|number", "statement|after")
    rows = tuple(
        (
            one.id,
            one.outcome,
            units.size(one.size_bytes) if one.size_bytes is not None else units.DASH,
            milliseconds(one.milliseconds),
            one.ddl.replace(" CONCURRENTLY", "") if not verbose else one.ddl,
        )
        for one in indexes
    )
    return TableBlock(head, rows)


def history_view(history: SimulationHistory) -> Document:
    """Kept results, the latest first, each with its change since the one before."""
    head = columns(
        *(
            "run|short",
            "at|short",
            "mode|short",
            "scenario|short",
            "workload|short",
            "p95|number",
            "change|number",
        ),
        *("indexes|number", "state|state"),
    )
    rows = tuple(_kept(one) for one in history.simulations)
    blocks: list[Block] = [TableBlock(head, rows)] if rows else [Facts((("History", "no simulation is kept"),))]
    blocks += notes(f"{name} holds no result" for name in history.unreadable)
    return Document(tuple(blocks), history, SimulationHistoryDocument)


def _kept(one: KeptSimulation) -> tuple[str, ...]:
    result = one.result
    change = "" if one.change is None else percent(one.change, 0, signed=True)
    return (
        result.id,
        stamp(result.started_at),
        result.mode.value,
        result.workload.scenario.value,
        result.workload.digest[:8],
        _p95(result),
        change,
        str(result.plan.built) if result.plan else "",
        "ok" if result.passed else "failed",
    )


def _p95(result: SimulationResult) -> str:
    found = [found.p95_ms for phase in result.phases if (found := phase.latency())]
    return ">".join(map(_short, found)) + " ms" if found else units.DASH
