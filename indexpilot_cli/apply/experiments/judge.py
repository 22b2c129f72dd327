"""Which variant is better, looked at more than once: an error rate for the whole experiment, not for one look.

Every look spends a part of it, and all parts together are no more than the whole (alpha spending, Lan and DeMets,
Biometrika 70 (1983) 659-663, by the union bound: nothing is assumed of how looks depend on each other).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.apply.verify.verdict import IndexVerdict, MeasuredEffect, TemplateVerdict, Verification, numbers
from indexpilot_cli.apply.verify.windows import ALPHA, StatWindow, VarianceTerm, chance_above, judge
from indexpilot_cli.log.experiments import OutcomeSample

FIRST_LOOK = 100  # outcomes of each variant; every further look sees twice as many
TOTAL_ALPHA = 0.05  # of calling one of two equal variants better, in all looks together


class ExperimentAnswer(StrEnum):
    """Which one is better; UNDECIDED is an answer too, NOT_ENOUGH is none yet."""

    A = "a"
    B = "b"
    UNDECIDED = "undecided"
    NOT_ENOUGH = "not_enough_evidence"


@dataclass(frozen=True, slots=True)
class ExperimentVerdict:
    """The answer, a clause with the numbers, and of measured windows what each template showed (a before b)."""

    answer: ExperimentAnswer
    text: str
    templates: tuple[TemplateVerdict, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether one is better."""
        return self.answer in (ExperimentAnswer.A, ExperimentAnswer.B)

    def told(self, winner: str | None = None) -> str:
        """The answer (``winner`` where that was settled otherwise) and the clause behind it."""
        word = (winner or self.answer.value).replace("_", " ")
        return self.text if self.text.startswith(word) else f"{word}: {self.text}"


@dataclass(frozen=True, slots=True)
class MeasuredWindow:
    """What ran while a variant was in place: reads of the table, and of other tables as controls."""

    variant: str
    affected: tuple[StatWindow, ...]
    controls: tuple[StatWindow, ...] = ()


def judge_windows(windows: Sequence[MeasuredWindow], rounds: int) -> ExperimentVerdict:
    """What the windows say so far; ``rounds`` is how many looks there will be at most, one after each pair of windows.

    A variant wins when a template is faster with it beyond chance and none is slower (Welch's test, Holm's correction
    over the templates, the error rate divided by the looks and by the two directions).
    """
    forth = judge(_pairs(windows, "a", "b", controls=False), _pairs(windows, "a", "b", controls=True))
    back = judge(_pairs(windows, "b", "a", controls=False), _pairs(windows, "b", "a", controls=True))
    limit = ALPHA / (2 * max(rounds, 1))
    for answer, found, other in ((ExperimentAnswer.B, forth, back), (ExperimentAnswer.A, back, forth)):
        gains = _gains(found, limit)
        if found.verdict is IndexVerdict.KEPT and gains and not _gains(other, ALPHA):
            best = min(gains, key=lambda t: t.ratio)
            text = f"{len(gains)} of {len(found.templates)} templates faster with {answer.value}: {numbers(best)}"
            return ExperimentVerdict(answer, text, forth.templates, forth.notes)
    if IndexVerdict.NOT_ENOUGH in (forth.verdict, back.verdict):
        text = forth.text if forth.verdict is IndexVerdict.NOT_ENOUGH else back.text
        return ExperimentVerdict(ExperimentAnswer.NOT_ENOUGH, text, forth.templates, forth.notes)
    mixed = _gains(forth, ALPHA) and _gains(back, ALPHA)
    text = "each is better for some templates" if mixed else "no template is faster beyond chance with either"
    return ExperimentVerdict(ExperimentAnswer.UNDECIDED, text, forth.templates, forth.notes)


def _gains(found: Verification, limit: float) -> list[TemplateVerdict]:
    """Templates that are faster by that limit too; fewer pages alone are no proof here."""
    return [t for t in found.templates if t.effect is MeasuredEffect.FASTER and t.p is not None and t.p < limit]


def _pairs(
    windows: Iterable[MeasuredWindow], before: str, after: str, *, controls: bool
) -> tuple[tuple[StatWindow, StatWindow], ...]:
    sides: dict[str, dict[str, list[StatWindow]]] = {before: defaultdict(list), after: defaultdict(list)}
    for window in windows:
        for one in window.controls if controls else window.affected:
            sides[window.variant][one.template].append(one)
    names = sorted({*sides[before], *sides[after]})
    return tuple((pooled(n, sides[before][n]), pooled(n, sides[after][n])) for n in names)


def pooled(template: str, windows: Sequence[StatWindow]) -> StatWindow:
    """One template over several windows. Its variance is about the common mean, so that a load which changed from one
    window to the next counts as chance.
    """
    calls, total = sum(w.calls for w in windows), sum(w.total_ms for w in windows)
    mean = total / calls if calls > 0 else 0.0
    variance = sum(w.variance + w.calls * (w.mean - mean) ** 2 for w in windows)
    blocks = [w.blocks for w in windows]
    known = [b for b in blocks if b is not None]
    return StatWindow(template, calls, total, variance, sum(known) if len(known) == len(blocks) else None)


def judge_outcomes(
    samples: Sequence[OutcomeSample], metric: str, *, higher_is_better: bool = False
) -> ExperimentVerdict:
    """What a host's outcomes of one metric say: the first look that finds a difference decides.

    A look sees the first 100, 200, 400 … outcomes of each variant in the order they came, whenever and however often
    somebody asks: asking spends nothing. The k-th look may err with 0.05 / (k (k + 1)), which adds up to 0.05.
    """
    looks = tuple(_looks(samples, metric))
    for number, (a, b) in enumerate(looks, start=1):
        p = _chance(a, b)
        if p < TOTAL_ALPHA / (number * (number + 1)):
            better = ExperimentAnswer.B if (b.mean < a.mean) != higher_is_better else ExperimentAnswer.A
            text = f"{metric} {a.mean:,.4g} with a, {b.mean:,.4g} with b over {a.number} each (p = {p:.2g})"
            return ExperimentVerdict(better, text)
    if not looks:
        own = {v: sum(s.number for s in samples if (s.variant, s.metric) == (v, metric)) for v in ("a", "b")}
        text = f"{own['a']} outcomes of a, {own['b']} of b, {FIRST_LOOK} of each needed"
        return ExperimentVerdict(ExperimentAnswer.NOT_ENOUGH, text)
    text = f"no difference beyond chance in {looks[-1][0].number} outcomes of each"
    return ExperimentVerdict(ExperimentAnswer.UNDECIDED, text)


def _looks(samples: Sequence[OutcomeSample], metric: str) -> Iterable[tuple[OutcomeSample, OutcomeSample]]:
    """What each whole look sees of both variants."""
    by_place = {(s.variant, s.look): s for s in samples if s.metric == metric}
    seen: dict[str, OutcomeSample] = {}
    for look in range(len(by_place)):
        for variant in ("a", "b"):
            new = by_place.get((variant, look))
            if new is None:
                return
            old = seen.get(variant)
            seen[variant] = new if old is None else _together(old, new)
        if min(s.number for s in seen.values()) < FIRST_LOOK * 2**look:
            return
        yield seen["a"], seen["b"]


def _together(old: OutcomeSample, new: OutcomeSample) -> OutcomeSample:
    number = old.number + new.number
    mean = (old.number * old.mean + new.number * new.mean) / number
    within = old.number * (old.variance + (old.mean - mean) ** 2) + new.number * (new.variance + (new.mean - mean) ** 2)
    return OutcomeSample(old.variant, old.metric, new.look, number, mean, within / number)


def _chance(a: OutcomeSample, b: OutcomeSample) -> float:
    """Welch's test in both directions."""
    terms = [VarianceTerm(s.variance / (s.number - 1), s.number - 1) for s in (a, b)]
    difference = math.fabs(a.mean - b.mean)
    return min(1.0, 2 * chance_above(difference, terms))
