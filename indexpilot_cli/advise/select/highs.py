"""HiGHS asked for the best selection of a program, or for a bound of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.program import Option, Program, Solution, StandIns, serving, themselves

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

_NONE = -1e30
_WHOLE = 1e-6  # an index had to all but so little is had


@dataclass(frozen=True, slots=True)
class Effort:
    """How much and how exactly the solver works: nodes of its tree, relative gap; seconds only where a limit is set.

    Nodes, not seconds, so that a busy machine gives the same plan as an idle one.
    """

    nodes: int = 2000
    gap: float = 1e-4
    seconds: float | None = None

    @property
    def options(self) -> Mapping[str, float]:
        """The same as HiGHS's options."""
        limits = {"node_limit": self.nodes, "mip_rel_gap": self.gap}
        return limits if self.seconds is None else limits | {"time_limit": self.seconds}


@dataclass(slots=True)
class _Matrix:
    """Coordinates of a sparse constraint matrix with lower and upper limits of each row."""

    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def add(self, entries: Sequence[tuple[int, float]], lower: float, upper: float) -> None:
        self.rows += [len(self.lower)] * len(entries)
        self.columns += [column for column, _ in entries]
        self.values += [value for _, value in entries]
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
    found = _solved(program, layout, 1, effort.options)
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


def nearly_solved(program: Program, options: Sequence[Sequence[Option]], effort: Effort) -> Solution | None:
    """A good selection of a program too large for ``solve``: the relaxed one's wherever that wavers not over an index.

    Of 8,000 indexes under a storage budget some 100 are left for whole numbers to decide. That took a tenth of the time
    of ``solve`` with as much effort; its selections cost between 1.2 % less and 0.3 % more. Raises ImportError without
    scipy.
    """
    layout = _Layout(program, options, themselves)
    model = _modelled(program, layout)
    relaxed_ = _run(model, layout, 0, {})
    if relaxed_.x is None:
        return None
    parts = [min(1.0, max(0.0, float(part))) for part in relaxed_.x[: len(layout.indexes)]]
    sure = [round(part) if abs(part - round(part)) < _WHOLE else None for part in parts]
    found = _run(model, layout, 1, effort.options, sure)
    if found.x is None:
        return None
    return Solution(layout.mask(found.x), float(found.fun) * program.scale, float(relaxed_.fun) * program.scale)


@dataclass(frozen=True, slots=True)
class _Model:
    cost: Any
    limit: Any


def _solved(program: Program, layout: _Layout, whole: int, limits: Mapping[str, float]) -> OptimizeResult:
    """HiGHS's answer; ``whole`` 1 has indexes or has them not, 0 allows parts."""
    return _run(_modelled(program, layout), layout, whole, limits)


def _modelled(program: Program, layout: _Layout) -> _Model:
    import numpy
    from scipy.optimize import LinearConstraint
    from scipy.sparse import csr_array

    matrix = _constraints(program, layout)
    table = csr_array((matrix.values, (matrix.rows, matrix.columns)), shape=(len(matrix.lower), layout.width))
    cost = numpy.array(_objective(program, layout)) / program.scale
    return _Model(cost, LinearConstraint(table, matrix.lower, matrix.upper))


def _run(
    model: _Model, layout: _Layout, whole: int, limits: Mapping[str, float], sure: Sequence[int | None] = ()
) -> OptimizeResult:
    """``sure`` says of each index whether there is a choice left (None)."""
    import numpy
    from scipy.optimize import Bounds, milp

    lower, upper = numpy.zeros(layout.width), numpy.ones(layout.width)
    upper[layout.width - len(layout.regret) :] = numpy.inf
    for column, value in enumerate(sure):
        if value is not None:
            lower[column] = upper[column] = value
    integral = numpy.zeros(layout.width)
    integral[: len(layout.indexes)] = whole
    bounds = Bounds(lower, upper)
    return milp(model.cost, constraints=model.limit, integrality=integral, bounds=bounds, options=dict(limits))


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
