"""A decision tree per case: which candidates are present and absent, and what the case costs there at least.

The root knows the plan with every candidate present. Where the plan uses an index that a selection lacks, the
tree branches on that index; the branch without it is priced only when some selection needs it. So every leaf
carries a lower bound that holds for each selection in it, and a leaf whose plan uses only present indexes is
exact. Peeling as in algorithms.md 13.5, made exhaustive and lazy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.advisor.costing import Answer, Mask, Pricer, members
from indexpilot_cli.advisor.selection.program import Option


@dataclass(frozen=True, slots=True)
class Leaf:
    """All selections with ``present`` and without ``absent``; they cost at least ``bound``.

    ``answer`` is the plan with everything but ``absent`` available, None until it was asked.
    """

    present: Mask
    absent: Mask
    bound: float
    answer: Answer | None

    @property
    def exact(self) -> bool:
        """Whether the bound is the cost itself, for every selection of the leaf."""
        return self.answer is not None and not self.answer.used & ~self.present

    def holds(self, selection: Mask) -> bool:
        """Whether the selection belongs to the leaf."""
        return not self.present & ~selection and not self.absent & selection


class CaseTree:
    """The tree of one case, kept as its leaves."""

    def __init__(self, case: int, pricer: Pricer):
        self._case = case
        self._relevant = pricer.cases[case].relevant
        self._pricer = pricer
        self._leaves: list[Leaf] = [Leaf(0, 0, 0.0, None)]

    @property
    def leaves(self) -> Sequence[Leaf]:
        """The partition of all selections."""
        return self._leaves

    def options(self) -> tuple[Option, ...]:
        """What the case costs at least, by leaf."""
        return tuple(Option(leaf.present, leaf.absent, self._bound(leaf)) for leaf in self._leaves)

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
            answer = leaf.answer or self._recall(leaf)
            if answer is None:
                return self._relevant & ~leaf.absent
            self._split(leaf, answer, selection)

    def _recall(self, leaf: Leaf) -> Answer | None:
        return self._pricer.known(self._case, self._relevant & ~leaf.absent)

    def _split(self, leaf: Leaf, answer: Answer, selection: Mask) -> None:
        """Branch on every used index: first those the selection lacks, then those it has."""
        bound = max(leaf.bound, answer.cost)
        self._leaves.remove(leaf)
        present, absent = leaf.present, leaf.absent
        missing = answer.used & ~selection
        if missing:
            for number in members(missing):
                kept = answer if absent == leaf.absent else None
                self._leaves.append(Leaf(present | 1 << number, absent, bound, kept))
                absent |= 1 << number
            self._leaves.append(Leaf(present, absent, bound, None))
            return
        for number in members(answer.used & ~present):
            self._leaves.append(Leaf(present, absent | 1 << number, bound, None))
            present |= 1 << number
        self._leaves.append(Leaf(present, absent, bound, answer))
