"""The program without a solver: greedy by saving and by saving per size, then swaps. No bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product

from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.program import Option, Program, Solution, StandIns, option_cost, themselves


def solve_greedily(
    program: Program,
    options: Sequence[Sequence[Option]],
    stand_ins: StandIns = themselves,
) -> Solution:
    """A selection no single addition, removal or swap of indexes makes better; ``bound`` is None."""
    climb = _Climb(program, options, stand_ins)
    # By size it fills a budget better, by what is saved it is better where there is room: the better of both.
    mask = min((climb.settled(program.start, per_size) for per_size in (True, False)), key=climb.value)
    return Solution(mask, climb.value(mask), None)


class _Climb:
    """Values of selections, remembered."""

    def __init__(self, program: Program, options: Sequence[Sequence[Option]], stand_ins: StandIns):
        self.program = program
        self.options = options
        self.stand_ins = stand_ins
        present = 0
        for case, choices in enumerate(options):
            for option in choices:
                for number in members(option.present):
                    present |= stand_ins(case, number) | 1 << number
        self.indexes = tuple(members(present | program.start))
        self.sets = {option.present for option in chain.from_iterable(options) if option.present}
        self._values: dict[Mask, float] = {}

    def value(self, mask: Mask) -> float:
        if mask not in self._values:
            costs = [option_cost(o, case, mask, self.stand_ins) for case, o in enumerate(self.options)]
            self._values[mask] = self.program.objective(mask, costs)
        return self._values[mask]

    def settled(self, mask: Mask, per_size: bool) -> Mask:
        """Grow, exchange, grow again until neither helps."""
        better: Mask | None = mask
        while better is not None:
            mask = self.grow(better, per_size)
            better = self.exchange(mask)
        return mask

    def grow(self, mask: Mask, per_size: bool) -> Mask:
        """Add what saves most (per share of the tightest limit) until nothing saves anything."""
        while True:
            best = max(self._additions(mask, per_size), default=(0.0, mask))
            if best[0] <= 0:
                return mask
            mask = best[1]

    def _additions(self, mask: Mask, per_size: bool) -> Iterator[tuple[float, Mask]]:
        for added in {1 << n for n in self.indexes} | self.sets:
            new = mask | added
            if new != mask and self.program.allows(new):
                saved = self.value(mask) - self.value(new)
                yield saved / (self._weight(new & ~mask) if per_size else 1.0), new

    def _weight(self, added: Mask) -> float:
        shares = [
            sum(v for n, v in row.coefficients if added >> n & 1) / row.limit
            for row in self.program.rows
            if row.limit > 0
        ]
        return max([*shares, 1e-6])  # what takes nothing of any limit would be worth more than everything

    def exchange(self, mask: Mask) -> Mask | None:
        """A removal or swap that helps, the best of them; None when there is none."""
        smaller = [mask & ~(1 << n) for n in members(mask)]
        absent = [1 << n for n in self.indexes if not mask >> n & 1]
        swaps = [without | added for without, added in product(smaller, absent)]
        fitting = [m for m in (*smaller, *swaps) if self.program.allows(m)]
        best = min(fitting, key=self.value, default=mask)
        # Less than that is the order of a sum, and would go round for ever.
        return best if self.value(best) < self.value(mask) * (1 - 1e-9) else None
