"""The program given to HiGHS, through scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from indexpilot_cli.advise.cost.costing import Mask, members
from indexpilot_cli.advise.select.program import Option, Program, Solution, StandIns, themselves

_NONE = -1e30


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how exactly the solver works: seconds, relative gap."""

    seconds: float = 20.0
    gap: float = 1e-4


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
            for number in members(_any_of(choices)):
                used |= stand_ins(case, number) | 1 << number
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
    at_most: float | None = None,
) -> Solution | None:
    """The best selection when each case takes the cheapest option the selection allows; None when none was found.

    With ``at_most`` the fewest indexes whose objective does not exceed it (ties: least objective), unproved.
    Raises ImportError without scipy.
    """
    import numpy
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    effort = effort or Effort()
    layout = _Layout(program, options, stand_ins)
    if layout.width == 0:
        return Solution(0, 0.0, 0.0)
    cost = numpy.array(_objective(program, layout)) / program.scale
    matrix = _constraints(program, layout)
    if at_most is not None:
        matrix.add([(n, v) for n, v in enumerate(cost) if v], _NONE, at_most / program.scale)
    upper = numpy.ones(layout.width)
    upper[layout.width - len(layout.regret) :] = numpy.inf
    whole = numpy.zeros(layout.width)
    whole[: len(layout.indexes)] = 1
    table = csr_array((matrix.values, (matrix.rows, matrix.columns)), shape=(len(matrix.lower), layout.width))
    found = milp(
        cost if at_most is None else _counting(layout, list(cost)),
        constraints=LinearConstraint(table, matrix.lower, matrix.upper),
        integrality=whole,
        bounds=Bounds(0, upper),
        options={"time_limit": effort.seconds, "mip_rel_gap": effort.gap},
    )
    if found.x is None:
        return None
    objective = float(cost @ found.x) * program.scale
    if at_most is not None:
        return Solution(layout.mask(found.x), objective, None)
    dual = found.mip_dual_bound if layout.indexes else found.fun  # without indexes it is a linear program
    bound = None if dual is None else min(objective, float(dual) * program.scale)
    return Solution(layout.mask(found.x), objective, bound)


def _objective(program: Program, layout: _Layout) -> list[float]:
    cost = [program.fixed[number] for number in layout.indexes]
    for charge, choices in zip(program.charges, layout.options, strict=True):
        cost += [charge.weight * option.cost for option in choices]
    return cost + [weight for _, weight in program.regret]


def _counting(layout: _Layout, cost: Sequence[float]) -> list[float]:
    """One per index, and the objective as a tie-break too small to buy an index."""
    return [value * 1e-3 + (n < len(layout.indexes)) for n, value in enumerate(cost)]


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
    needs: dict[int, list[tuple[int, float]]] = {}
    bars: dict[int, list[tuple[int, float]]] = {}
    groups: dict[Mask, list[tuple[int, float]]] = {}
    for n, option in enumerate(layout.options[case]):
        for number in members(option.present):
            needs.setdefault(number, []).append((first + n, 1.0))
        for number in members(option.absent):
            bars.setdefault(number, []).append((first + n, 1.0))
        for group in option.some:
            groups.setdefault(group, []).append((first + n, 1.0))
    for number, entries in needs.items():
        holders = members(layout.stand_ins(case, number) | 1 << number)
        matrix.add([*entries, *((layout.column[m], -1.0) for m in holders)], _NONE, 0.0)
    for group, entries in groups.items():
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
