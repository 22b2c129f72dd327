"""The binary program - which indexes to have, given what each case costs under which of them - and HiGHS for it.

CoPhy: Dash, Polyzotis, Ailamaki, "CoPhy: A Scalable, Portable, and Interactive Index Advisor for Large
Workloads", PVLDB 4(6), 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import mul
from typing import TYPE_CHECKING

from indexpilot_cli.advise.costing import NO_PLAN, Answer
from indexpilot_cli.advise.masks import Mask, members

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

_NONE = -1e30


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
        return sum(value for number, value in self.coefficients if selection >> number & 1) <= self.limit + 1e-9 * abs(
            self.limit
        )


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


@dataclass(frozen=True, slots=True)
class Effort:
    """How much and how exactly the solver works: nodes of its tree, relative gap; seconds only where a limit is set.

    Nodes, not seconds, so that a busy machine gives the same plan as an idle one.
    """

    nodes: int = 2000
    gap: float = 1e-4
    seconds: float | None = None


@dataclass(slots=True)
class _Matrix:
    """Coordinates of a sparse constraint matrix with lower and upper limits of each row."""

    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def add(self, entries: Sequence[tuple[int, float]], lower: float, upper: float) -> None:
        here = len(self.lower)
        for column, value in entries:
            self.rows.append(here)
            self.columns.append(column)
            self.values.append(float(value))
        self.lower.append(lower)
        self.upper.append(upper)


class _Layout:
    """Columns: the indexes options speak of, then the options of each case, then one regret per group."""

    def __init__(self, program: Program, options: Sequence[Sequence[Option]], stand_ins: StandIns):
        self.options = options
        self.stand_ins = stand_ins
        used = 0
        for case, choices in enumerate(options):
            used |= serving(choices, case, stand_ins)
        for row in program.rows:
            # A limit that asks for an index is not met by leaving it out.
            for number, value in row.coefficients:
                used |= (value < 0) << number
        self.indexes = list(members(used))
        self.column = {number: column for column, number in enumerate(self.indexes)}
        self.first: list[int] = []
        here = len(self.indexes)
        for choices in options:
            self.first.append(here)
            here += len(choices)
        self.regret = {group: here + n for n, (group, _) in enumerate(program.regret)}
        self.width = here + len(program.regret)

    def mask(self, values: Sequence[float]) -> Mask:
        return sum(1 << number for column, number in enumerate(self.indexes) if values[column] > 0.5)


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


def solve(
    program: Program,
    options: Sequence[Sequence[Option]],
    stand_ins: StandIns = themselves,
    effort: Effort | None = None,
) -> Solution | None:
    """The best selection when each case takes the cheapest option the selection allows; None when none was found.

    Raises ImportError without scipy.
    """
    effort = effort or Effort()
    layout = _Layout(program, options, stand_ins)
    if layout.width == 0:
        return Solution(0, 0.0, 0.0)
    limits = {"node_limit": effort.nodes, "mip_rel_gap": effort.gap}
    found = _solved(program, layout, 1, limits if effort.seconds is None else limits | {"time_limit": effort.seconds})
    if found.x is None:
        return None
    objective = float(found.fun) * program.scale
    dual = found.mip_dual_bound if layout.indexes else found.fun  # without indexes it is a linear program
    bound = None if dual is None else min(objective, float(dual) * program.scale)
    return Solution(layout.mask(found.x), objective, bound)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """How much of each index the program has when it may have parts of them; its objective, a lower bound."""

    parts: tuple[tuple[int, float], ...]
    bound: float

    def selections(self) -> list[Mask]:
        """What is had at all, by a quarter, by half and nearly whole: the selections between which it wavers."""
        levels = (1e-6, 0.25, 0.5, 0.9)
        return list(dict.fromkeys(sum(1 << n for n, part in self.parts if part >= level) for level in levels))


def relaxed(program: Program, options: Sequence[Sequence[Option]]) -> Relaxation | None:
    """The program without the rule that an index is had or not; None when that was not solved.

    Takes a fiftieth of the time of ``solve`` (measured on TPC-H). Raises ImportError without scipy.
    """
    layout = _Layout(program, options, themselves)
    if layout.width == 0:
        return Relaxation((), 0.0)
    found = _solved(program, layout, 0, {})
    if found.x is None:
        return None
    parts = tuple((number, float(found.x[column])) for column, number in enumerate(layout.indexes))
    return Relaxation(parts, float(found.fun) * program.scale)


def _solved(program: Program, layout: _Layout, whole: int, limits: Mapping[str, float]) -> OptimizeResult:
    """HiGHS's answer; ``whole`` 1 has indexes or has them not, 0 allows parts."""
    import numpy
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    cost = numpy.array(_objective(program, layout)) / program.scale
    matrix = _constraints(program, layout)
    upper = numpy.ones(layout.width)
    upper[layout.width - len(layout.regret) :] = numpy.inf
    integral = numpy.zeros(layout.width)
    integral[: len(layout.indexes)] = whole
    table = csr_array((matrix.values, (matrix.rows, matrix.columns)), shape=(len(matrix.lower), layout.width))
    limit = LinearConstraint(table, matrix.lower, matrix.upper)
    return milp(cost, constraints=limit, integrality=integral, bounds=Bounds(0, upper), options=dict(limits))


def _objective(program: Program, layout: _Layout) -> list[float]:
    cost = [program.fixed[number] for number in layout.indexes]
    for charge, choices in zip(program.charges, layout.options, strict=True):
        cost += [charge.weight * option.cost for option in choices]
    return cost + [weight for _, weight in program.regret]


def _constraints(program: Program, layout: _Layout) -> _Matrix:
    matrix = _Matrix()
    for row in program.rows:
        unit = abs(row.limit) or 1.0
        entries = [(layout.column[n], v / unit) for n, v in row.coefficients if n in layout.column]
        matrix.add(entries, _NONE, row.limit / unit)
    for case, choices in enumerate(layout.options):
        first = layout.first[case]
        matrix.add([(first + n, 1.0) for n in range(len(choices))], 1.0, 1.0)
        _link(matrix, layout, case)
        _regret(matrix, layout, program, case)
    return matrix


def _link(matrix: _Matrix, layout: _Layout, case: int) -> None:
    """An option needs its present indexes chosen and its absent ones not; summed per index, so the LP is tight."""
    first = layout.first[case]
    needs: dict[Mask, list[tuple[int, float]]] = {}
    bars: dict[int, list[tuple[int, float]]] = {}
    held: list[list[Mask]] = []
    for n, option in enumerate(layout.options[case]):
        held.append([layout.stand_ins(case, number) | 1 << number for number in members(option.present)])
        held[-1] += option.some
        needs |= {wanted: [] for wanted in held[-1]}
        for number in members(option.absent):
            bars.setdefault(number, []).append((first + n, 1.0))
    meeting = {wanted: [group for group in needs if not wanted & ~group] for wanted in needs}
    for n, wanted_by in enumerate(held):
        for group in dict.fromkeys(chain.from_iterable(meeting[wanted] for wanted in wanted_by)):
            needs[group].append((first + n, 1.0))
    for group, entries in needs.items():
        matrix.add([*entries, *((layout.column[m], -1.0) for m in members(group))], _NONE, 0.0)
    for number, entries in bars.items():
        matrix.add([*entries, (layout.column[number], 1.0)], _NONE, 1.0)


def _regret(matrix: _Matrix, layout: _Layout, program: Program, case: int) -> None:
    charge = program.charges[case]
    column = layout.regret.get(charge.group)
    if column is None:
        return
    first = layout.first[case]
    unit = max(option.cost for option in layout.options[case]) or 1.0  # rows near 1 for the solver
    prices = [(first + n, option.cost / unit) for n, option in enumerate(layout.options[case])]
    matrix.add([*prices, (column, -1.0 / unit)], _NONE, charge.best / unit)
