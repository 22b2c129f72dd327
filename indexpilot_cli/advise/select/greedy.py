"""The program without a solver: greedy by saving and by saving per size, then swaps. No bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain
from operator import or_

from indexpilot_cli.advise.masks import Mask, by_member, members
from indexpilot_cli.advise.select.program import Option, Program, Solution, StandIns, option_cost, serving, themselves

_EXACT = 1e-9  # a smaller part of the objective is the order of a sum, and would go round for ever


def solve_greedily(
    program: Program,
    options: Sequence[Sequence[Option]],
    stand_ins: StandIns = themselves,
    is_late: Callable[[], bool] = lambda: False,
) -> Solution:
    """A selection no single addition, removal or swap of indexes makes better; ``bound`` is None.

    Once ``is_late`` says so it is the selection reached by then.
    """
    climb = _Climb(program, options, stand_ins, is_late)
    # By size it fills a budget better, by what is saved it is better where there is room: the better of both.
    value, mask = min((climb.settled(per_size) for per_size in (True, False)), key=lambda found: found[0])
    return Solution(mask, value, None)


class _Climb:
    """A selection that changes step by step, and what each next step would save.

    A step is the set of indexes that come or go. It moves the costs of a few statements, so what another would save is
    worked out anew only where it is about one of these.
    """

    def __init__(
        self,
        program: Program,
        options: Sequence[Sequence[Option]],
        stand_ins: StandIns,
        is_late: Callable[[], bool],
    ):
        self.program = program
        self.is_late = is_late
        self.options = options
        self.stand_ins = stand_ins
        self.near = by_member(serving(choices, case, stand_ins) for case, choices in enumerate(options))
        self.indexes = sorted(self.near.keys() | set(members(program.start)))
        # Thousands of steps are looked at for each that is made: of every limit only what they add is reckoned anew.
        self.rows: dict[int, list[tuple[int, float]]] = {}
        for place, row in enumerate(program.rows):
            for number, value in row.coefficients:
                self.rows.setdefault(number, []).append((place, value))
        self.sets = {option.present for option in chain.from_iterable(options) if option.present}
        # What a step is about: the statements of its indexes, and these themselves, by numbers after the statements'.
        first = 1 + max((charge.group for charge in program.charges), default=0)
        self.groups = {n: self._groups_of(self.near.get(n, ())) | 1 << first + n for n in self.indexes}
        self._rivals: dict[int, frozenset[int]] = {}

    def _groups_of(self, cases: Iterable[int]) -> Mask:
        return reduce(or_, (1 << self.program.charges[case].group for case in cases), 0)

    def settled(self, per_size: bool) -> tuple[float, Mask]:
        """Grow, exchange, grow again until neither helps; the objective and the selection."""
        self.mask = self.program.start
        self.taken = [row.taken(self.mask) for row in self.program.rows]
        self.costs = [self._cost(case, self.mask) for case in range(len(self.options))]
        self.value = self.program.objective(self.mask, self.costs)
        self._saved: dict[Mask, float] = {}
        self._about: dict[int, set[Mask]] = {}
        while self._stepped(self._additions(per_size)) or self._stepped(self._exchanges()):
            if self.is_late():
                break
        return self.value, self.mask

    def _cost(self, case: int, mask: Mask) -> float:
        return option_cost(self.options[case], case, mask, self.stand_ins)

    def _stepped(self, steps: Iterable[tuple[float, Mask]]) -> bool:
        """Make the best of the steps that the limits allow; whether there is one."""
        step = next((step for _, step in sorted(steps, reverse=True) if self._allows(step)), None)
        if step is None:
            return False
        self.costs, self.mask = self._after(step)[0], self.mask ^ step
        self.taken = [row.taken(self.mask) for row in self.program.rows]
        self.value = self.program.objective(self.mask, self.costs)
        for group in members(self._about_which(step)):
            for other in self._about.pop(group, ()):
                self._saved.pop(other, None)
        return True

    def _after(self, step: Mask) -> tuple[list[float], set[int]]:
        """The costs of all cases after the step, and which it may move."""
        costs, mask = list(self.costs), self.mask ^ step
        cases = set(chain.from_iterable(self.near.get(number, ()) for number in members(step)))
        for case in cases:
            costs[case] = self._cost(case, mask)
        return costs, cases

    def _about_which(self, step: Mask) -> Mask:
        return reduce(or_, (self.groups[number] for number in members(step)), 0)

    def _additions(self, per_size: bool) -> Iterator[tuple[float, Mask]]:
        """What saves something (per share of the tightest limit)."""
        for step in {added & ~self.mask for added in {1 << n for n in self.indexes} | self.sets} - {0}:
            saved = self._saving(step)
            if saved > 0:
                yield saved / (self._weight(step) if per_size else 1.0), step

    def _weight(self, added: Mask) -> float:
        shares = (v / limit for place, v in self._more(added).items() if (limit := self.program.rows[place].limit) > 0)
        return max([*shares, 1e-6])  # what takes nothing of any limit would be worth more than everything

    def _allows(self, step: Mask) -> bool:
        """Whether the selection, which keeps to every limit, does after the step."""
        rows, taken = self.program.rows, self.taken
        return all(rows[place].holds(taken[place] + more) for place, more in self._more(step).items())

    def _more(self, step: Mask) -> dict[int, float]:
        """What the step takes more of each limit that it is about."""
        found: dict[int, float] = {}
        for number in members(step):
            sign = -1.0 if self.mask >> number & 1 else 1.0
            for place, value in self.rows.get(number, ()):
                found[place] = found.get(place, 0.0) + sign * value
        return found

    def _exchanges(self) -> Iterator[tuple[float, Mask]]:
        """Removals and swaps that save something."""
        least = _EXACT * self.value
        added = sorted(((self._saving(1 << n), n) for n in self.indexes if not self.mask >> n & 1), reverse=True)
        for gone in members(self.mask):
            if self.is_late():  # one look at all of them takes seconds with hundreds of indexes
                return
            rivals = self._rivals_of(gone)
            swaps = (1 << gone | 1 << n for n in rivals if not self.mask >> n & 1)
            for step in (1 << gone, *swaps):
                if self._saving(step) > least:
                    yield self._saving(step), step
            # Two that have no statement in common save what each saves alone.
            alone = self._saving(1 << gone)
            for saved, number in added:
                if alone + saved <= least:
                    break
                if number not in rivals:
                    yield alone + saved, 1 << gone | 1 << number

    def _rivals_of(self, number: int) -> frozenset[int]:
        """The other indexes that have a statement in common with it."""
        if number not in self._rivals:
            about = self.groups[number]
            self._rivals[number] = frozenset(n for n in self.indexes if n != number and self.groups[n] & about)
        return self._rivals[number]

    def _saving(self, step: Mask) -> float:
        """By how much the objective falls with the step; remembered until a statement that it is about has moved."""
        if step not in self._saved:
            costs, cases = self._after(step)
            saved = -self.program.moved(self.costs, costs, cases)
            saved += sum(self.program.fixed[n] * (1 if self.mask >> n & 1 else -1) for n in members(step))
            self._saved[step] = saved
            for group in members(self._about_which(step)):
                self._about.setdefault(group, set()).add(step)
        return self._saved[step]
