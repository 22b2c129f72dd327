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
