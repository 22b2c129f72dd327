"""A trial judged: the same statements run before and after a build, by processor time and blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from indexpilot_cli.apply.verify.verdict import (
    SLOWER,
    IndexVerdict,
    MeasuredEffect,
    TemplateVerdict,
    Verification,
    numbers,
    worst_first,
)

LEAST_MS = 1.0  # a statement that loses less per call is not called slower: clocks are not that good
SAME_BLOCKS = 0.005  # two runs that read the same pages, within this share, did the same work
SAME_WORK_SLOWER = 1.25  # then only this much more time is the index's: the machine alone makes up to that
_DRIFT = (0.5, 2.0)  # a factor beyond is no change of load and not scaled away


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One run of one statement. ``cpu_ms`` is user and system time of the server process for the whole of it; None
    without the right to see it, and for plans with parallel workers, whose time is not in it. ``blocks`` hit or read.
    """

    elapsed_ms: float
    blocks: float
    cpu_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The runs of one statement of a template with the caches warm; ``failed`` says why there are none.

    ``over`` marks a statement stopped at the time limit ``limit_ms``. ``share`` weighs it among the template's.
    """

    template: str
    statement: str
    runs: tuple[TrialRun, ...] = ()
    share: float = 1.0
    failed: str | None = None
    over: bool = False
    limit_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One statement in two states: milliseconds (processor time where both sides have it) and blocks.

    Both are those of the run that the rest of the machine disturbed least: others only ever make a run slower.
    """

    before: float
    after: float
    blocks_before: float
    blocks_after: float
    share: float


def judge_trial(before: Iterable[Timing], after: Iterable[Timing], controls: Iterable[str] = ()) -> Verification:
    """What two trials say: a template is slower when even its quickest run takes more than a tenth longer than the
    quickest before, scaled by the controls. Blocks may fall meanwhile: a nested loop may read fewer and take longer.
    Where they are the same, only a quarter longer is not the machine's doing.

    ``controls`` are templates on untouched tables among the timings; they only tell how the machine changed.
    """
    old = {(t.template, t.statement): t for t in before}
    pairs = [(old[key], t) for t in after if (key := (t.template, t.statement)) in old]
    steady = set(controls)
    load = drift([pair for pair in pairs if pair[0].template in steady])
    by_template: dict[str, list[tuple[Timing, Timing]]] = {}
    for pair in pairs:
        if pair[0].template not in steady:
            by_template.setdefault(pair[0].template, []).append(pair)
    found = worst_first(tuple(_template(name, timings, load) for name, timings in by_template.items()))
    return _answer(found, load)


def drift(controls: Sequence[tuple[Timing, Timing]]) -> float:
    """By what statements that the index cannot touch changed: the median of their ratios, 1 without any."""
    ratios = [c.after / c.before for pair in controls if (c := _compared(*pair)) and c.before >= LEAST_MS]
    found = median(ratios) if ratios else 1.0
    return found if _DRIFT[0] <= found <= _DRIFT[1] else 1.0


def time_of(timing: Timing) -> float | None:
    """Milliseconds of one statement: its quickest run, the limit when it was stopped there, None when it failed."""
    if timing.over:
        return timing.limit_ms
    return min(_times(timing, _by_cpu(timing))) if timing.runs else None


def _template(name: str, pairs: Sequence[tuple[Timing, Timing]], load: float) -> TemplateVerdict:
    compared = [c for pair in pairs if (c := _compared(*pair))]
    if not compared:
        why = next((t.failed for t in itertools.chain.from_iterable(pairs) if t.failed), "not run")
        return TemplateVerdict(name, MeasuredEffect.UNKNOWN, 0.0, 0.0, why=why or "")
    weight = sum(c.share for c in compared) or 1.0
    sums = [sum(getattr(c, f) * c.share for c in compared) / weight for f in ("before", "after")]
    blocks = [sum(getattr(c, f) * c.share for c in compared) / weight for f in ("blocks_before", "blocks_after")]
    before, after = sums[0] * load, sums[1]
    effect = MeasuredEffect.SAME
    if any(_is_slower(c, load) for c in compared) and after > _margin(*blocks) * before:
        effect = MeasuredEffect.SLOWER
    elif after < before / SLOWER:
        effect = MeasuredEffect.FASTER
    runs = min(len(t.runs) for t in itertools.chain.from_iterable(pairs))
    return TemplateVerdict(name, effect, before, after, "ms", blocks[0], blocks[1], calls=(runs, runs))


def _is_slower(found: Compared, load: float) -> bool:
    margin = _margin(found.blocks_before, found.blocks_after)
    return found.after > margin * found.before * load and found.after - found.before * load >= LEAST_MS


def _margin(blocks_before: float, blocks_after: float) -> float:
    """How many times as long a statement may take before it counts as slower."""
    same = abs(blocks_after - blocks_before) <= SAME_BLOCKS * max(blocks_before, 1.0)
    return SAME_WORK_SLOWER if same else SLOWER


def _compared(before: Timing, after: Timing) -> Compared | None:
    """None when a side failed, or when both were stopped at the limit."""
    if (before.over and after.over) or not (before.runs or before.over) or not (after.runs or after.over):
        return None
    by_cpu = not before.over and not after.over and _by_cpu(before) and _by_cpu(after)
    old, new = _times(before, by_cpu), _times(after, by_cpu)
    blocks = [median([r.blocks for r in t.runs]) if t.runs else 0.0 for t in (before, after)]
    return Compared(min(old), min(new), blocks[0], blocks[1], before.share)


def _by_cpu(timing: Timing) -> bool:
    return bool(timing.runs) and all(run.cpu_ms is not None for run in timing.runs)


def _times(timing: Timing, by_cpu: bool) -> list[float]:
    if timing.over:
        return [timing.limit_ms]
    return [run.cpu_ms if by_cpu and run.cpu_ms is not None else run.elapsed_ms for run in timing.runs]


def _answer(found: tuple[TemplateVerdict, ...], load: float) -> Verification:
    known = [t for t in found if t.effect is not MeasuredEffect.UNKNOWN]
    notes = (f"times scaled by {load:.2f}, the change of statements on untouched tables",) if load != 1 else ()
    slower = [t for t in known if t.effect is MeasuredEffect.SLOWER]
    faster = [t for t in known if t.effect is MeasuredEffect.FASTER]
    if slower:
        return Verification(IndexVerdict.REVERT, f"slower when really run: {numbers(slower[0])}", found, notes)
    if not known:
        text = "not enough evidence yet: none of the affected statements could be run"
        return Verification(IndexVerdict.NOT_ENOUGH, text, found, notes)
    if not faster:
        return Verification(IndexVerdict.NO_GAIN, f"none of {len(known)} templates really ran faster", found, notes)
    text = f"{len(faster)} of {len(known)} templates really ran faster: {numbers(faster[-1])}"
    return Verification(IndexVerdict.KEPT, text, found, notes)


def culprit(states: Sequence[Sequence[Timing]], template: str) -> int | None:
    """Which build made the template slower most: n for the step from state n to n + 1, None when none did.

    ``states`` are all timings before the first build and after each one.
    """
    times = [_template_time(state, template) for state in states]
    steps = [late / early for early, late in itertools.pairwise(times) if early and late]
    if len(steps) != len(states) - 1 or not steps or max(steps) <= 1:
        return None
    return steps.index(max(steps))


def _template_time(state: Sequence[Timing], template: str) -> float:
    return sum(t.share * (time_of(t) or 0.0) for t in state if t.template == template)
