"""Options that nobody has priced yet but that look tempting, and the memory of those that disappointed.

Two guesses: an index that begins with another's keys does the other's work at the same cost, and two plans that
save on different tables save together what they save apart. Every selection they lead to is priced, so a wrong
guess costs a few calls and is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.advise.costing import Mask, Pricer, members
from indexpilot_cli.advise.select.highs import Option, allowed

PAIRS_PER_CASE = 16
NOTICEABLE = 1e-3


class Guesses:
    """Optimistic options per case, corrected by what the planner said."""

    def __init__(self, pricer: Pricer, stand_ins: Sequence[Mask]):
        self._pricer = pricer
        self._stand_ins = stand_ins
        self._dead: set[tuple[int, Mask]] = set()
        self._refused: dict[tuple[int, int], Mask] = {}
        self._needed: Mask = -1

    def stand_ins(self, case: int, number: int) -> Mask:
        """Candidates believed to do this one's work for this case, of those that some plan needs anyway.

        Others would only be this one with more columns, in as many equal selections for the solver to tell apart.
        """
        return self._stand_ins[number] & self._needed & ~self._refused.get((case, number), 0)

    def options(self, plans: Sequence[Sequence[Option]]) -> list[list[Option]]:
        """The known plans of every case and the pairs that might be better."""
        self._needed = 0
        for known in plans:
            for option in known:
                self._needed |= option.present
        return [[*known, *self._pairs(case, known)] for case, known in enumerate(plans)]

    def _pairs(self, case: int, known: Sequence[Option]) -> list[Option]:
        now = self._pricer.upper(case, 0)
        least = min(o.cost for o in known)
        useful = sorted((o for o in known if o.present), key=lambda o: o.cost)
        found: dict[Mask, float] = {}
        for n, one in enumerate(useful):
            for other in useful[:n]:
                both = one.present | other.present
                cost = max(least, one.cost + other.cost - now)
                if cost < min(one.cost, other.cost) - NOTICEABLE * now and self._open(case, both):
                    found[both] = min(cost, found.get(both, cost))
        best = sorted(found.items(), key=lambda item: item[1])[:PAIRS_PER_CASE]
        return [Option(mask, 0, cost) for mask, cost in best]

    def _open(self, case: int, mask: Mask) -> bool:
        return (case, mask) not in self._dead and self._pricer.known(case, mask) is None

    def correct(self, options: Sequence[Sequence[Option]], selection: Mask) -> bool:
        """Give up the guesses that promised this selection less than the planner says; whether any was."""
        wrong = False
        for case, choices in enumerate(options):
            answer = self._pricer.known(case, selection)
            if answer is None:
                continue
            for option in choices:
                if option.cost < answer.cost * (1 - NOTICEABLE) and allowed(option, case, selection, self.stand_ins):
                    self._give_up(case, option, selection)
                    wrong = True
        return wrong

    def _give_up(self, case: int, option: Option, selection: Mask) -> None:
        missing = option.present & ~selection
        if not missing:
            self._dead.add((case, option.present))
        for number in members(missing):
            here = self._refused.get((case, number), 0)
            self._refused[case, number] = here | (self._stand_ins[number] & selection)
