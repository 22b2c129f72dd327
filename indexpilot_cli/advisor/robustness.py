"""In how many parameter classes an index holds, and what the worst class loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FALLS = 0.98  # the planner's own fuzz: cheaper by less is not cheaper


@dataclass(frozen=True, slots=True)
class ClassEffect:
    """One parameter class of one template: cost before and after, and whether the index is used."""

    label: str
    share: float
    before: float
    after: float
    used: bool

    @property
    def holds(self) -> bool:
        """The index is used and the cost falls noticeably."""
        return self.used and self.after < self.before * FALLS


def holds_in(effects: Sequence[ClassEffect]) -> tuple[int, int]:
    """(classes in which the index holds, classes)."""
    return sum(e.holds for e in effects), len(effects)


def worst_loss(effects: Sequence[ClassEffect]) -> float:
    """The largest relative rise of cost over the classes; 0 when none rises."""
    return max((e.after / e.before - 1 for e in effects if e.before > 0), default=0.0) if effects else 0.0


def sentence(effects: Sequence[ClassEffect]) -> str:
    """Such as ``holds in 3 of 4 parameter classes (not: common)``; empty for a single class that holds."""
    good, every = holds_in(effects)
    if every <= 1:
        return ""
    missing = ", ".join(dict.fromkeys(e.label for e in effects if not e.holds))
    return f"holds in {good} of {every} parameter classes" + (f" (not: {missing})" if missing else "")
