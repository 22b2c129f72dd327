"""What the planner is known to say of whole selections, neighbours told from each other by what they differ by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

from indexpilot_cli.advise.costing import Pricer
from indexpilot_cli.advise.masks import Mask, by_member, members
from indexpilot_cli.advise.select.program import Program

_ROUNDING = 1e-9  # of the objective: far more than sums of thousands of costs are off


class KnownCosts:
    """Costs of every case under selections, of which the last one looked at is remembered.

    With thousands of cases and of indexes to try without, looking at every case each time takes minutes.
    """

    def __init__(self, pricer: Pricer):
        self._pricer = pricer
        self._near = by_member(case.relevant for case in pricer.cases)
        self._last: tuple[Mask, list[float]] | None = None
        self._valued: tuple[Mask, Sequence[float], float] | None = None

    def value(self, program: Program, mask: Mask, most: float = math.inf) -> float | None:
        """The objective of a selection when the costs of every case are known and it is not above ``most``, else None.

        Thousands of selections differ in little from the one before, and of most of them that little says enough.
        """
        costs = self.of(mask)
        if costs is None or self._is_above(most, program, mask, costs):
            return None
        value = program.objective(mask, costs)
        self._valued = mask, costs, value
        return value

    def _is_above(self, most: float, program: Program, mask: Mask, costs: Sequence[float]) -> bool:
        """Whether what is different from the selection valued last puts the objective clearly above that."""
        if most == math.inf or self._valued is None:
            return False
        other, before, value = self._valued
        value += program.moved(before, costs, self.near(other ^ mask))
        value += sum(program.fixed[n] if mask >> n & 1 else -program.fixed[n] for n in members(other ^ mask))
        return value > most + _ROUNDING * program.scale

    def of(self, mask: Mask) -> list[float] | None:
        """The planner's cost of every case, None unless all are known."""
        costs = [0.0] * len(self._pricer.cases) if self._last is None else list(self._last[1])
        for case in self.moved(mask):
            answer = self._pricer.known(case, mask)
            if answer is None:
                return None
            costs[case] = answer.cost
        self._last = mask, costs
        return costs

    def moved(self, mask: Mask) -> Sequence[int]:
        """The cases that may cost something else than under the selection looked at last."""
        return range(len(self._pricer.cases)) if self._last is None else self.near(self._last[0] ^ mask)

    def near(self, mask: Mask) -> Sequence[int]:
        """The cases whose plans some of these indexes could change."""
        return sorted(set(chain.from_iterable(self._near.get(number, ()) for number in members(mask))))

    def forget(self) -> None:
        """Look at every case again: what was implied was said in so many words, and may be another cost."""
        self._last = self._valued = None
