"""The lower bound of every selection, and what to ask the planner so that it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from indexpilot_cli.advise.masks import Mask
from indexpilot_cli.advise.select.highs import Effort, bounded, relaxed
from indexpilot_cli.advise.select.problem import SelectionProblem
from indexpilot_cli.advise.select.program import Option, Program
from indexpilot_cli.advise.select.tree import CaseTree

PROOF = Effort(20, 2e-4)
WIDE = 0.8  # of what may be open, which the questions between two bounds are about
FEW = 8  # questions between two bounds, and cases for one of them, at least
BRANCHED = 6000  # options in all the programs with whole indexes: TPC-H's last has 1,800 and takes 12 s
LITTLE = 1000  # where the gap is no larger than PROVED: "no other choice is better" is said from there
PROVED = 0.005
CALLS, CALLS_LEAST = 1.5, 300  # of the proof: times those of the search before it, and at least
TOLD_CALLS, TOLD_LEAST = 0.4, 100  # the same where greed has chosen, so that the bound is mostly for being told
NARROW = 0.05  # a gap that is wider is worth three times as many calls
PATIENCE, GAIN = 6, 0.002  # rounds in which the bound must gain a five-hundredth
LONGER, SLOWER = 2, 5  # while the gap is wide: times the rounds, and a fifth of that gain is enough
_PART = 1e-6  # an index of which less is had is not had

Wanted = Sequence[tuple[float, int, Mask]]  # how much of a case the bound has with which indexes
Improvement = Callable[[Program, float, float | None], Wanted]


def is_stuck(bounds: Sequence[float], value: float, rounds: int) -> bool:
    """Whether the bound, of which these are the values so far, grows too slowly, or has for too many rounds, to go on.

    As long as a selection may cost less than ``value`` by more than ``NARROW``, it has more of both.
    """
    is_narrow = value - bounds[-1] <= NARROW * value
    least = GAIN * value / (1 if is_narrow else SLOWER)
    slow = len(bounds) > PATIENCE and bounds[-1] - bounds[-1 - PATIENCE] < least
    return slow or (is_narrow and len(bounds) >= rounds)


class Proof:
    """The trees of all cases, and the best bound that they have given so far.

    ``groups`` are the kin per case.
    """

    def __init__(self, problem: SelectionProblem, groups: Sequence[Sequence[Mask]]):
        self.lower = 0.0
        cases = range(len(problem.pricer.cases))
        self._trees = [CaseTree(case, problem.pricer, groups[case], problem.sizes) for case in cases]
        self._branched = 0

    def raise_to(self, bound: float) -> None:
        """Nothing costs less than this."""
        self.lower = max(bound, self.lower)

    def open_part(self, value: float) -> float:
        """How much less than ``value``, as a part of it, a selection may cost."""
        return (value - self.lower) / (value or 1.0)

    def worth(self, before: int, value: float, told: bool) -> float:
        """The calls that the gap is worth, where the search before asked so many; ``told``: greed has chosen."""
        if self.open_part(value) > NARROW:
            return 3 * max(CALLS * before, CALLS_LEAST)
        return max(TOLD_CALLS * before, TOLD_LEAST) if told else max(CALLS * before, CALLS_LEAST)

    @property
    def splits(self) -> int:
        """How often the trees have branched."""
        return sum(tree.splits for tree in self._trees)

    def options(self) -> list[tuple[Option, ...]]:
        """What each case costs at least with what is there."""
        return [tree.options() for tree in self._trees]

    def least(self, case: int, mask: Mask) -> float:
        """What the case costs with the selection, at least."""
        return self._trees[case].least(mask)

    def effort(self, value: float) -> Effort:
        """Exactness is wasted while the bound is far from ``value``."""
        return replace(PROOF, gap=max(PROOF.gap, self.open_part(value) / 20))

    def relax(self, program: Program, _value: float, _seconds: float | None) -> Wanted:
        """Improve the bound by the relaxed program; what each option that it takes needs, beside what it has anyway."""
        found = relaxed(program, self.options())
        if found is None:
            return ()
        self.raise_to(found.bound)
        surely, at_all = found.had(1 - _PART), found.had(_PART)
        wanted = []
        for case, taken in enumerate(found.taken):
            for option, share in taken:
                needed = surely | option.present
                for group in option.some:
                    needed |= group & at_all
                wanted.append((share, case, needed))
        return wanted

    def whole(self, program: Program, value: float, seconds: float | None) -> Wanted:
        """Improve the bound by the program itself while that is small; the selection it relies on."""
        options = self.options()
        self._branched += sum(map(len, options))
        if self._branched > (LITTLE if self.open_part(value) <= PROVED else BRANCHED):
            return ()
        found = bounded(program, options, replace(self.effort(value), seconds=seconds), value)
        if found is None:
            return ()
        mask, bound = found
        self.raise_to(bound)
        return [(1.0, case, mask) for case in range(len(options))]

    def questions(self, program: Program, value: float, wanted: Wanted) -> list[tuple[int, Mask]]:
        """A step down the trees towards what the bound relies on, where most of what is open may lie."""
        found = []
        for share, case, mask in wanted:
            question = self._trees[case].question(mask)
            if question is not None:
                unsure = share * program.charges[case].weight * self._trees[case].unsure(mask)
                found.append((min(unsure, value - self.lower), case, question))  # the bound grows by no more
        found.sort(key=lambda each: -each[0])
        left, least = WIDE * sum(unsure for unsure, _, _ in found), max(FEW, len(self._trees) // FEW)
        questions: list[tuple[int, Mask]] = []
        for unsure, case, question in found:
            if left <= 0 and len(questions) >= least:
                break
            left -= unsure
            questions.append((case, question))
        return questions
