"""Did the index pay? Two windows of statement statistics, before and after, and a test that is hard to fool.

A template counts as slower only when its mean time rose by more than a tenth beyond chance (Welch's test, Holm's
correction over the templates asked about, times scaled by control templates on untouched tables) and, where blocks
are known, it also reads more than a tenth more of them per call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.apply.verify.verdict import (
    SLOWER,
    IndexVerdict,
    MeasuredEffect,
    TemplateVerdict,
    Verification,
    numbers,
    worst_first,
)

ENOUGH_CALLS = 100  # per template and window
ALPHA = 0.045  # of calling one harmless index harmful; measured on log-normal times: 2.6-4.4 %
MUCH = 1.5  # so many times faster is a gain although the blocks stay the same: a sort saved, not a calmer machine
JUDGED = 0.8  # share of the affected time that must be judged before an index is kept or given up
WATCH_HOURS = 72
_IDLE = "no query has used the index: it was not scanned once"


@dataclass(frozen=True, slots=True)
class StatWindow:
    """One template over one window. ``variance`` is Σ calls·sd² in ms² (about the window's own mean).

    ``blocks`` are pages hit or read by all calls, None when unknown.
    """

    template: str
    calls: float
    total_ms: float
    variance: float
    blocks: float | None = None

    @property
    def mean(self) -> float:
        """Milliseconds per call."""
        return self.total_ms / self.calls if self.calls > 0 else 0.0

    @property
    def blocks_per_call(self) -> float | None:
        """Pages per call."""
        return None if self.blocks is None or self.calls <= 0 else self.blocks / self.calls

    def spread(self) -> VarianceTerm:
        """The variance of the mean."""
        freedom = max(self.calls - 1, 1.0)
        return VarianceTerm(self.variance / freedom / max(self.calls, 1.0), freedom)


Pair = tuple[StatWindow, StatWindow]


@dataclass(frozen=True, slots=True)
class Drift:
    """By what the untouched templates' times changed meanwhile, and the variance and freedom of that factor."""

    factor: float = 1.0
    variance: float = 0.0
    freedom: float = math.inf
    templates: int = 0


def drift(controls: Sequence[Pair]) -> Drift:
    """The common change of load, from templates that the index cannot touch; 1 when there are none."""
    usable = [(b, a) for b, a in controls if _enough(b, a) and b.mean > 0 and a.mean > 0]
    if not usable:
        return Drift()
    centre = sum(math.log(a.mean / b.mean) for b, a in usable) / len(usable)
    spread = sum(w.spread().variance / w.mean**2 for w in chain.from_iterable(usable)) / len(usable) ** 2
    freedom = sum(min(b.calls, a.calls) - 1 for b, a in usable)
    factor = math.exp(centre)
    return Drift(factor, factor**2 * spread, freedom, len(usable))


def judge(affected: Sequence[Pair], controls: Sequence[Pair] = (), *, idle: bool = False) -> Verification:
    """What two windows say of an index: ``affected`` templates that could use it, ``controls`` that cannot.

    Templates are paired before and after. Fewer than a hundred calls on either side make a template unknown.
    ``idle``: the index was never scanned, so it made nothing faster or slower, whatever the times say.
    """
    load = drift(controls)
    enough = [(b, a) for b, a in affected if _enough(b, a)]
    # Measured on 20 harmless templates of log-normal times: calling a mean that is 10 % higher slower takes the index
    # back in all trials at 100 calls and 56 % at 1,000; corrected and scaled by controls in 3 % and 5 %.
    worse = holm([_chance(b, a, load, 1) for b, a in enough])
    better = holm([_chance(b, a, load, -1) for b, a in enough])
    tested = [_tested(b, a, load, min(p, q)) for (b, a), p, q in zip(enough, worse, better, strict=True)]
    if idle:
        tested = [replace(t, effect=MeasuredEffect.SAME, why="") for t in tested]
    waiting = [_untested(b, a) for b, a in affected if not _enough(b, a)]
    found = worst_first((*tested, *waiting))
    answer = _answer(found, _judged_share(affected), _notes(load, tested))
    return replace(answer, text=_IDLE) if idle and answer.verdict is IndexVerdict.NO_GAIN else answer


def _enough(before: StatWindow, after: StatWindow) -> bool:
    return min(before.calls, after.calls) >= ENOUGH_CALLS


def _chance(before: StatWindow, after: StatWindow, load: Drift, sign: int) -> float:
    """The p of being slower (sign 1) or faster (-1) now than before under today's load."""
    old, new = before.spread(), after.spread()
    parts = (
        new,
        VarianceTerm(old.variance * load.factor**2, old.freedom),
        VarianceTerm(before.mean**2 * load.variance, load.freedom),
    )
    return chance_above(sign * (after.mean - load.factor * before.mean), parts)


def _tested(before: StatWindow, after: StatWindow, load: Drift, p: float) -> TemplateVerdict:
    plain = TemplateVerdict(
        before.template,
        MeasuredEffect.SAME,
        before.mean * load.factor,
        after.mean,
        "ms",
        before.blocks_per_call,
        after.blocks_per_call,
        p,
        (before.calls, after.calls),
    )
    return _with_effect(plain, p < ALPHA)


def _with_effect(found: TemplateVerdict, sure: bool) -> TemplateVerdict:
    blocks = found.blocks_ratio
    if sure and found.ratio > SLOWER:
        # Pages per call do not change with the machine's load, so a slowdown without more of them proves nothing
        # against the index.
        if blocks is None or blocks > SLOWER:
            return replace(found, effect=MeasuredEffect.SLOWER)
        return replace(found, why="slower without reading more: not the index's doing by this evidence")
    fewer = blocks is not None and blocks < 1 / SLOWER and found.ratio < 1
    quicker = found.ratio < 1 / (SLOWER if blocks is None else MUCH)
    return replace(found, effect=MeasuredEffect.FASTER) if fewer or (sure and quicker) else found


def _untested(before: StatWindow, after: StatWindow) -> TemplateVerdict:
    calls = (before.calls, after.calls)
    why = f"{min(calls):,.0f} calls, {ENOUGH_CALLS} needed in each window"
    unknown = (None, None, None)
    return TemplateVerdict(before.template, MeasuredEffect.UNKNOWN, before.mean, after.mean, "ms", *unknown, calls, why)


def _judged_share(affected: Sequence[Pair]) -> float:
    total = sum(b.total_ms for b, _ in affected)
    if total <= 0:
        return sum(_enough(b, a) for b, a in affected) / max(len(affected), 1)
    return sum(b.total_ms for b, a in affected if _enough(b, a)) / total


def _answer(found: tuple[TemplateVerdict, ...], judged: float, notes: tuple[str, ...]) -> Verification:
    slower = [t for t in found if t.effect is MeasuredEffect.SLOWER]
    faster = [t for t in found if t.effect is MeasuredEffect.FASTER]
    if slower:
        return Verification(IndexVerdict.REVERT, f"slower beyond chance: {numbers(slower[0])}", found, notes)
    if judged < JUDGED:
        return Verification(IndexVerdict.NOT_ENOUGH, _missing(found, judged), found, notes)
    if not faster:
        return Verification(IndexVerdict.NO_GAIN, "no template became faster beyond chance", found, notes)
    best = min(faster, key=lambda t: t.ratio)
    return Verification(IndexVerdict.KEPT, f"{len(faster)} of {len(found)} faster: {numbers(best)}", found, notes)


def _missing(found: tuple[TemplateVerdict, ...], judged: float) -> str:
    if not found:
        return "not enough evidence yet: none of the templates it is for has run"
    waiting = sum(t.effect is MeasuredEffect.UNKNOWN for t in found)
    return (
        f"not enough evidence yet: {waiting} of {len(found)} templates ran fewer than {ENOUGH_CALLS} times "
        f"in one of the windows ({judged:.0%} of the time can be judged)"
    )


def _notes(load: Drift, tested: Sequence[TemplateVerdict]) -> tuple[str, ...]:
    control = (
        f"times scaled by {load.factor:.2f}, the change of {load.templates} templates on untouched tables"
        if load.templates
        else "no control templates: a change of the server's load cannot be told from the index's effect"
    )
    return (control, *(f"{t.template}: {t.why}" for t in tested if t.why))


@dataclass(frozen=True, slots=True)
class VarianceTerm:
    """One independent term of a difference: the variance of its mean, and the degrees of freedom behind it."""

    variance: float
    freedom: float


def chance_above(difference: float, parts: Sequence[VarianceTerm]) -> float:
    """The probability of a difference this large or larger when there is none (Welch's one-sided test, 0–1)."""
    from scipy.special import stdtr

    spread = sum(part.variance for part in parts)
    if spread <= 0:
        return 0.0 if difference > 0 else 1.0
    freedom = spread**2 / sum(part.variance**2 / part.freedom for part in parts if part.variance > 0)
    return float(stdtr(freedom, -difference / math.sqrt(spread)))


def holm(values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted probabilities in the order given: below α they keep the family's error rate at α."""
    adjusted = [1.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return tuple(adjusted)
