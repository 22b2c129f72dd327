"""A decision tree per case: which candidates are present and absent, and what the case costs there at least.

The root knows the plan with every candidate present. Where the plan uses an index that a selection lacks, the
tree branches on that index and the larger half of its kin (the candidates with the same leading key) which the
selection lacks as well: either some of them is present, at the cost so far at least, or none is, and that is priced
only when some selection needs it. Halves, since a smaller one that does not do the work as well would else be the
next to be tried, and each of them alone. So every leaf carries a lower bound that holds for each selection in it, and
a leaf whose plan uses only present indexes is exact. Peeling as in algorithms.md 13.5, made exhaustive and lazy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.advise.costing import Answer, Pricer
from indexpilot_cli.advise.masks import Mask, group_by_member, members
from indexpilot_cli.advise.select.program import Option


@dataclass(frozen=True, slots=True)
class Leaf:
    """Selections with all of ``present``, at least one of each of ``some`` and none of ``absent``.

    They cost at least ``bound``. ``answer`` is the plan with everything but ``absent`` available, None until it
    was asked.
    """

    present: Mask
    absent: Mask
    bound: float
    answer: Answer | None
    some: tuple[Mask, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the bound is the cost itself, for every selection that has ``present``."""
        return self.answer is not None and not self.answer.used & ~self.present

    def holds(self, selection: Mask) -> bool:
        """Whether the selection belongs to the leaf."""
        return not self.absent & selection and self.serves(selection)

    def serves(self, selection: Mask) -> bool:
        """Whether the selection has what the leaf needs, whatever it has besides: more never makes a plan dearer."""
        return not self.present & ~selection and all(group & selection for group in self.some)

    def needs_no_more(self, other: Leaf) -> bool:
        """Whether every selection that the other leaf serves is served by this one."""
        return not self.present & ~other.present and all(
            group & other.present or any(not held & ~group for held in other.some) for group in self.some
        )


class CaseTree:
    """The tree of one case, kept as its leaves. ``groups`` are the kin of the case's candidates, ``sizes`` the bytes of
    each; ``splits`` counts how often it branched.
    """

    def __init__(self, case: int, pricer: Pricer, groups: Sequence[Mask] = (), sizes: Sequence[float] = ()):
        self._case = case
        self._relevant = pricer.cases[case].relevant
        self._pricer = pricer
        self._kin = group_by_member(groups)
        self._sizes = sizes or (0,) * len(pricer.pool)
        self._leaves: list[Leaf] = [Leaf(0, 0, 0.0, None)]
        self._lower: dict[Mask, tuple[int, float]] = {}
        self._options: tuple[tuple[int, int], tuple[Option, ...]] = ((-1, -1), ())
        self.splits = 0

    @property
    def leaves(self) -> Sequence[Leaf]:
        """The partition of all selections."""
        return self._leaves

    def options(self) -> tuple[Option, ...]:
        """What the case costs at least with what is there; what must be absent is left out.

        A leaf's bound holds also for selections that have more than it allows when no leaf of their own says less, so
        the least bound of all that serve a selection is one for it. The program without conditions on absence is the
        facility location problem, whose relaxation is tight; with them it was not solved within minutes.
        """
        state = self.splits, len(self._pricer.answers(self._case))
        if self._options[0] != state:  # most trees are as they were a round ago
            self._options = state, self._undominated()
        return self._options[1]

    def _undominated(self) -> tuple[Option, ...]:
        kept: list[Leaf] = []
        found: list[Option] = []
        bounded = [(self._bound(leaf), leaf) for leaf in self._leaves]
        for bound, leaf in sorted(bounded, key=lambda pair: (pair[0], pair[1].present.bit_count(), len(pair[1].some))):
            missing = ~leaf.present
            # Most need another index outright, which is quickly seen: thousands of pairs are looked at in every round.
            if not any(not other.present & missing and other.needs_no_more(leaf) for other in kept):
                kept.append(leaf)
                found.append(Option(leaf.present, 0, bound, leaf.some))
        return tuple(found)

    def _bound(self, leaf: Leaf) -> float:
        if leaf.answer is not None:
            return leaf.bound
        answers = self._pricer.answers(self._case)
        seen, least = self._lower.get(leaf.absent, (0, 0.0))
        if seen < len(answers):  # each answer is looked at once: the trees are asked far more often than the planner
            least = max(least, self._pricer.lower(self._case, self._relevant & ~leaf.absent, seen))
            self._lower[leaf.absent] = len(answers), least
        return max(leaf.bound, least)

    def cheapest(self, selection: Mask) -> Leaf:
        """The leaf with the least bound of those that serve the selection; of equals one that is exact."""
        serving = (leaf for leaf in self._leaves if leaf.serves(selection))
        return min(serving, key=lambda leaf: (self._bound(leaf), not leaf.exact))

    def least(self, selection: Mask) -> float:
        """What the case costs with the selection, at least."""
        return self._bound(self.cheapest(selection))

    def unsure(self, selection: Mask) -> float:
        """Between what costs the case may lie with the selection: how far they are apart."""
        return self._pricer.upper(self._case, selection) - self.least(selection)

    def question(self, selection: Mask) -> Mask | None:
        """The set to price next in order to learn what this selection costs; None when that is known.

        Branches on the way down as far as memory carries.
        """
        while True:
            leaf = self.cheapest(selection)
            if leaf.exact:
                return None
            answer = leaf.answer or self._pricer.known(self._case, self._relevant & ~leaf.absent)
            if answer is None:
                return self._relevant & ~leaf.absent
            self._split(leaf, answer, selection & ~leaf.absent)

    def _split(self, leaf: Leaf, answer: Answer, selection: Mask) -> None:
        """Branch on used indexes: on those the selection lacks, with their kin, else on those it has."""
        bound = max(leaf.bound, answer.cost)
        self._leaves.remove(leaf)
        self.splits += 1
        missing = answer.used & ~selection
        absent, present = leaf.absent, leaf.present
        for number in members(missing):
            if not absent >> number & 1:
                lacking = self._larger(number, leaf, selection, absent)
                kept = answer if absent == leaf.absent else None
                self._add(present, absent, bound, kept, (*leaf.some, lacking))
                absent |= lacking
        if missing:
            self._add(present, absent, bound, None, leaf.some)
            return
        for number in members(answer.used & ~present):
            self._add(present, absent | 1 << number, bound, None, leaf.some)
            present |= 1 << number
        self._add(present, absent, bound, answer, leaf.some)

    def _larger(self, number: int, leaf: Leaf, selection: Mask, absent: Mask) -> Mask:
        """The larger half of the kin of an index which the selection lacks, it and all that are larger at least.

        Only those of which the leaf needs one anyway, where it does: the others are known not to do its work.
        """
        needed = min((g for g in leaf.some if g >> number & 1), key=int.bit_count, default=-1)
        kin = (self._kin.get(number, 0) | 1 << number) & self._relevant & ~absent & needed
        lacking = sorted(members(kin & ~selection), key=lambda n: (self._sizes[n], n))
        first = min(lacking.index(number), len(lacking) // 2)
        return sum(1 << n for n in lacking[first:])

    def _add(self, present: Mask, absent: Mask, bound: float, answer: Answer | None, some: Sequence[Mask]) -> None:
        """A leaf in simplest form; none where the conditions contradict each other."""
        groups = []
        for group in some:
            rest = group & ~absent
            if rest & (rest - 1) == 0:  # at most one candidate is left to choose
                present |= rest
            if not rest:
                return
            groups.append(rest)
        if present & absent:
            return
        left = [group for group in dict.fromkeys(groups) if not group & present]
        open_ = tuple(group for group in left if not any(other != group and not other & ~group for other in left))
        self._leaves.append(Leaf(present, absent, bound, answer, open_))
