"""A decision tree per case: which candidates are present and absent, and what the case costs there at least.

The root knows the plan with every candidate present. Where the plan uses an index that a selection lacks, the
tree branches on that index and its kin (the candidates with the same leading key) which the selection lacks as
well: either some of them is present, at the cost so far at least, or none is, and that is priced only when some
selection needs it. So every leaf carries a lower bound that holds for each selection in it, and a leaf whose
plan uses only present indexes is exact. Peeling as in algorithms.md 13.5, made exhaustive and lazy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.advise.costing import Answer, Mask, Pricer, group_by_member, members
from indexpilot_cli.advise.select.highs import Option


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
        """Whether the bound is the cost itself, for every selection of the leaf."""
        return self.answer is not None and not self.answer.used & ~self.present

    def holds(self, selection: Mask) -> bool:
        """Whether the selection belongs to the leaf."""
        if self.present & ~selection or self.absent & selection:
            return False
        return all(group & selection for group in self.some)


class CaseTree:
    """The tree of one case, kept as its leaves. ``groups`` are the kin of the case's candidates."""

    def __init__(self, case: int, pricer: Pricer, groups: Sequence[Mask] = ()):
        self._case = case
        self._relevant = pricer.cases[case].relevant
        self._pricer = pricer
        self._kin = group_by_member(groups)
        self._leaves: list[Leaf] = [Leaf(0, 0, 0.0, None)]

    @property
    def leaves(self) -> Sequence[Leaf]:
        """The partition of all selections."""
        return self._leaves

    def options(self) -> tuple[Option, ...]:
        """What the case costs at least, by leaf."""
        return tuple(Option(leaf.present, leaf.absent, self._bound(leaf), leaf.some) for leaf in self._leaves)

    def _bound(self, leaf: Leaf) -> float:
        if leaf.answer is not None:
            return leaf.bound
        return max(leaf.bound, self._pricer.lower(self._case, self._relevant & ~leaf.absent))

    def find(self, selection: Mask) -> Leaf:
        """The leaf a selection belongs to."""
        return next(leaf for leaf in self._leaves if leaf.holds(selection))

    def question(self, selection: Mask) -> Mask | None:
        """The set to price next in order to learn what this selection costs; None when that is known.

        Branches on the way down as far as memory carries.
        """
        while True:
            leaf = self.find(selection)
            if leaf.exact:
                return None
            answer = leaf.answer or self._pricer.known(self._case, self._relevant & ~leaf.absent)
            if answer is None:
                return self._relevant & ~leaf.absent
            self._split(leaf, answer, selection)

    def _split(self, leaf: Leaf, answer: Answer, selection: Mask) -> None:
        """Branch on used indexes: on those the selection lacks, with their kin, else on those it has."""
        bound = max(leaf.bound, answer.cost)
        self._leaves.remove(leaf)
        missing = answer.used & ~selection
        absent, present = leaf.absent, leaf.present
        for number in members(missing):
            lacking = (self._kin.get(number, 0) | 1 << number) & self._relevant & ~selection & ~absent
            if lacking:
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

    def _add(self, present: Mask, absent: Mask, bound: float, answer: Answer | None, some: Sequence[Mask]) -> None:
        """A leaf in simplest form; none where the conditions contradict each other."""
        groups = []
        for group in some:
            left = group & ~absent
            if left & (left - 1) == 0:  # at most one candidate is left to choose
                present |= left
            if not left:
                return
            groups.append(left)
        if present & absent:
            return
        open_ = tuple(group for group in groups if not group & present)
        self._leaves.append(Leaf(present, absent, bound, answer, open_))
