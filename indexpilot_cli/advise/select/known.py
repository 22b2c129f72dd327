"""What the planner is known to say of whole selections, neighbours told from each other by what they differ by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from indexpilot_cli.advise.costing import Pricer
from indexpilot_cli.advise.masks import Mask, by_member, members


class KnownCosts:
    """Costs of every case under selections, of which the last one looked at is remembered.

    With thousands of cases and of indexes to try without, looking at every case each time takes minutes.
    """

    def __init__(self, pricer: Pricer):
        self._pricer = pricer
        self._near = by_member(case.relevant for case in pricer.cases)
        self._last: tuple[Mask, list[float]] | None = None

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
        if self._last is None:
            return range(len(self._pricer.cases))
        return sorted(set(chain.from_iterable(self._near.get(number, ()) for number in members(self._last[0] ^ mask))))

    def forget(self) -> None:
        """Look at every case again: what was implied was said in so many words, and may be another cost."""
        self._last = None
