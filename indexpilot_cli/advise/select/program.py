"""The binary program: which indexes to have, given what each case costs under which of them.

CoPhy: Dash, Polyzotis, Ailamaki, "CoPhy: A Scalable, Portable, and Interactive Index Advisor for Large
Workloads", PVLDB 4(6), 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul

from indexpilot_cli.advise.costing import NO_PLAN, Answer
from indexpilot_cli.advise.masks import Mask, members

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

    ``family`` is the stable word of the limit: budget, tenant_budget, max_indexes, tenant_indexes, max_changes,
    per_table, write_overhead, protection, stays; ``subject`` whose limit it is.
    """

    family: str
    coefficients: tuple[tuple[int, float], ...]
    limit: float
    subject: str = ""

    def allows(self, selection: Mask) -> bool:
        """Whether the selection keeps to the limit."""
        return self.holds(self.taken(selection))

    def taken(self, selection: Mask) -> float:
        """What the selection takes of the limit."""
        return sum(value for number, value in self.coefficients if selection >> number & 1)

    def holds(self, taken: float) -> bool:
        """Whether so much keeps to the limit."""
        # A sum of sizes is only so exact, and what just fits is to fit.
        return taken <= self.limit + 1e-9 * abs(self.limit)


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
    the objective without any index, by which the solver divides. ``tie`` decides between selections that are worth the
    same with as many indexes: less is better, and all together are less than one index. ``start`` is what is there.
    """

    charges: tuple[Charge, ...]
    fixed: tuple[float, ...]
    rows: tuple[Row, ...] = ()
    regret: tuple[tuple[int, float], ...] = ()
    scale: float = 1.0
    tie: tuple[float, ...] = ()
    start: Mask = 0
    _weights: tuple[float, ...] = field(init=False, repr=False)
    _regret: Mapping[int, float] = field(init=False, repr=False)
    _regretted: Mapping[int, Sequence[int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cases: dict[int, list[int]] = {group: [] for group, _ in self.regret}
        for number, charge in enumerate(self.charges):
            if charge.group in cases:
                cases[charge.group].append(number)
        object.__setattr__(self, "_weights", tuple(charge.weight for charge in self.charges))
        object.__setattr__(self, "_regret", dict(self.regret))
        object.__setattr__(self, "_regretted", cases)
        if not self.tie:
            object.__setattr__(self, "tie", (0.0,) * len(self.fixed))

    def order(self, selection: Mask) -> float:
        """Where the selection stands among those worth the same: fewest indexes first."""
        return sum(1.0 + self.tie[number] for number in members(selection))

    def allows(self, selection: Mask) -> bool:
        """Whether the selection keeps to every limit."""
        return all(row.allows(selection) for row in self.rows)

    def objective(self, selection: Mask, costs: Sequence[float]) -> float:
        """The objective when the cases cost this much."""
        total = sum(self.fixed[number] for number in members(selection))
        total = sum(map(mul, self._weights, costs), total)
        return total + sum(weight * self._worst(group, costs) for group, weight in self.regret)

    def _worst(self, group: int, costs: Sequence[float]) -> float:
        """The largest regret of the group's cases; none is below zero."""
        return max(0.0, max((costs[case] - self.charges[case].best for case in self._regretted[group]), default=0.0))

    def moved(self, before: Sequence[float], after: Sequence[float], cases: Iterable[int]) -> float:
        """By how much the objective grows, the indexes' own costs apart, when only these cases cost something else."""
        total, groups = 0.0, set()
        for case in cases:
            total += self._weights[case] * (after[case] - before[case])
            groups.add(self.charges[case].group)
        for group in groups & self._regret.keys():
            total += self._regret[group] * (self._worst(group, after) - self._worst(group, before))
        return total


@dataclass(frozen=True, slots=True)
class Solution:
    """A selection, the program's objective for it, and a lower bound of the program's optimum (None: unproved)."""

    mask: Mask
    objective: float
    bound: float | None


def undominated(answers: Sequence[Answer], most: float) -> list[Option]:
    """The plans that are worth something; none that is dearer than the statement may get, as those of now are not."""
    costs: dict[Mask, float] = {}
    for answer in answers:
        if answer.cost <= most:
            costs[answer.used] = min(answer.cost, costs.get(answer.used, answer.cost))
    kept: list[Option] = []
    for used, cost in sorted(costs.items(), key=lambda item: (item[0].bit_count(), item[1])):
        if not any(not o.present & ~used and o.cost <= cost for o in kept):
            kept.append(Option(used, 0, cost))
    return kept


def themselves(_case: int, number: int) -> Mask:
    """Nothing stands in for an index but itself."""
    return 1 << number


def option_cost(options: Sequence[Option], case: int, selection: Mask, stand_ins: StandIns = themselves) -> float:
    """The cheapest option of a case that the selection allows."""
    return min((o.cost for o in options if allowed(o, case, selection, stand_ins)), default=NO_PLAN)


def allowed(option: Option, case: int, selection: Mask, stand_ins: StandIns = themselves) -> bool:
    """Whether the selection has what the option needs."""
    if option.absent & selection or not all(group & selection for group in option.some):
        return False
    missing = option.present & ~selection
    return all(stand_ins(case, number) & selection for number in members(missing))


def serving(choices: Sequence[Option], case: int, stand_ins: StandIns) -> Mask:
    """Every index that the options of a case speak of, and those that stand in for one."""
    found = 0
    for number in members(_any_of(choices)):
        found |= stand_ins(case, number) | 1 << number
    return found


def _any_of(choices: Sequence[Option]) -> Mask:
    mask = 0
    for option in choices:
        mask |= option.present | option.absent
        for group in option.some:
            mask |= group
    return mask
