"""The binary program: which indexes to have, given what each case costs under which of them.

CoPhy: Dash, Polyzotis, Ailamaki, "CoPhy: A Scalable, Portable, and Interactive Index Advisor for Large
Workloads", PVLDB 4(6), 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexpilot_cli.advise.cost.costing import Mask, members

StandIns = Callable[[int, int], Mask]


@dataclass(frozen=True, slots=True)
class Option:
    """One way to pay for a case: with all of ``present`` there, at least one of each of ``some`` and none of
    ``absent``, it costs ``cost`` (at least).
    """

    present: Mask
    absent: Mask
    cost: float
    some: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A linear limit over indexes: ``sum(coefficient * chosen) <= limit``.

    ``family`` is the stable word of the limit: budget, max_indexes, per_table, write_overhead, protection.
    """

    family: str
    coefficients: tuple[tuple[int, float], ...]
    limit: float

    def allows(self, selection: Mask) -> bool:
        """Whether the selection keeps to the limit."""
        return sum(value for number, value in self.coefficients if selection >> number & 1) <= self.limit * (1 + 1e-9)


@dataclass(frozen=True, slots=True)
class Charge:
    """How a case enters the objective: ``weight`` times its cost.

    ``group`` ties the cases of a template for the regret term, over ``cost - best``. ``most`` is the cost the
    case may not exceed.
    """

    weight: float
    group: int
    best: float = 0.0
    most: float = float("inf")


@dataclass(frozen=True, slots=True)
class Program:
    """The problem apart from the options of the cases.

    ``fixed`` is what each index itself costs; ``regret`` are (group, weight of its largest regret); ``scale`` is
    the objective without any index, by which the solver divides.
    """

    charges: tuple[Charge, ...]
    fixed: tuple[float, ...]
    rows: tuple[Row, ...] = ()
    regret: tuple[tuple[int, float], ...] = ()
    scale: float = 1.0

    def allows(self, selection: Mask) -> bool:
        """Whether the selection keeps to every limit."""
        return all(row.allows(selection) for row in self.rows)

    def objective(self, selection: Mask, costs: Sequence[float]) -> float:
        """The objective when the cases cost this much."""
        total = sum(self.fixed[number] for number in members(selection))
        worst = {group: 0.0 for group, _ in self.regret}
        for charge, cost in zip(self.charges, costs, strict=True):
            total += charge.weight * cost
            if charge.group in worst:
                worst[charge.group] = max(worst[charge.group], cost - charge.best)
        return total + sum(weight * worst[group] for group, weight in self.regret)


@dataclass(frozen=True, slots=True)
class Solution:
    """A selection, the program's objective for it, and a lower bound of the program's optimum (None: unproved)."""

    mask: Mask
    objective: float
    bound: float | None


def themselves(_case: int, number: int) -> Mask:
    """Nothing stands in for an index but itself."""
    return 1 << number


def option_cost(options: Sequence[Option], case: int, selection: Mask, stand_ins: StandIns = themselves) -> float:
    """The cheapest option of a case that the selection allows."""
    return min(o.cost for o in options if allowed(o, case, selection, stand_ins))


def allowed(option: Option, case: int, selection: Mask, stand_ins: StandIns = themselves) -> bool:
    """Whether the selection has what the option needs."""
    if option.absent & selection or not all(group & selection for group in option.some):
        return False
    missing = option.present & ~selection
    return all(stand_ins(case, number) & selection for number in members(missing))
