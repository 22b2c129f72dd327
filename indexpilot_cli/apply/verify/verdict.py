"""What verification says of an index, whatever it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SLOWER = 1.10  # measured degradation from which an index is taken back
COSTLIER = 1.05  # the same for planner costs


class IndexVerdict(StrEnum):
    """The four answers. ``REVERT`` and ``NO_GAIN`` both ask for the index to go."""

    KEPT = "kept"
    REVERT = "revert"
    NOT_ENOUGH = "not_enough_evidence"
    NO_GAIN = "no_significant_gain"


class MeasuredEffect(StrEnum):
    """What one template showed."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TemplateVerdict:
    """One template before and after, per call. ``unit`` is ms (already scaled by the controls) or cost.

    ``p`` is the adjusted probability of such a difference by chance, None where nothing is random or tested.
    ``why`` says what is missing where the effect is unknown.
    """

    template: str
    effect: MeasuredEffect
    before: float
    after: float
    unit: str = "ms"
    blocks_before: float | None = None
    blocks_after: float | None = None
    p: float | None = None
    calls: tuple[float, float] = (0.0, 0.0)
    why: str = ""

    @property
    def ratio(self) -> float:
        """After by before; infinite when there was nothing before."""
        return self.after / self.before if self.before > 0 else (1.0 if self.after <= 0 else float("inf"))

    @property
    def blocks_ratio(self) -> float | None:
        """The same for blocks per call, None when unknown."""
        if self.blocks_before is None or self.blocks_after is None:
            return None
        if self.blocks_before <= 0:
            return 1.0 if self.blocks_after <= 0 else float("inf")
        return self.blocks_after / self.blocks_before


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer, one sentence with the numbers, and the numbers of each template, worst first."""

    verdict: IndexVerdict
    text: str
    templates: tuple[TemplateVerdict, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def harmful(self) -> bool:
        """Whether the index should go."""
        return self.verdict in (IndexVerdict.REVERT, IndexVerdict.NO_GAIN)

    @property
    def slower(self) -> tuple[TemplateVerdict, ...]:
        """Templates that became slower, worst first."""
        return tuple(t for t in self.templates if t.effect is MeasuredEffect.SLOWER)


def worst_first(found: tuple[TemplateVerdict, ...]) -> tuple[TemplateVerdict, ...]:
    """In order of after by before."""
    return tuple(sorted(found, key=lambda t: (t.effect is MeasuredEffect.UNKNOWN, -t.ratio)))


def numbers(found: TemplateVerdict) -> str:
    """Such as ``q-1a2b 3.1 -> 8.4 ms per call``."""
    blocks = ""
    if found.blocks_before is not None and found.blocks_after is not None:
        blocks = f", {found.blocks_before:,.0f} -> {found.blocks_after:,.0f} blocks"
    return f"{found.template} {found.before:,.3g} -> {found.after:,.3g} {found.unit} per call{blocks}"
