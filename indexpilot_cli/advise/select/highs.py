"""HiGHS asked for the best selection of a program, or for a bound of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.program import Option, Program, Solution, StandIns, serving, themselves

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

_NONE = -1e30  # no lower limit: for HiGHS everything from 1e20 on is infinite
_INFEASIBLE = 2  # https://docs.scipy.org/doc/scipy/reference/generated/scipy.optimize.milp.html
_WHOLE = 1e-6  # an index had to all but so little is had


@dataclass(frozen=True, slots=True)
class Effort:
    """How much and how exactly the solver works: nodes of its tree, relative gap; seconds only where a limit is set.

    Nodes, not seconds, so that a busy machine gives the same plan as an idle one. ``sure`` asks for ``nearly_solved``:
    an index is as the relaxed program has it where that share of the objective would be lost by the contrary.
    """

    nodes: int = 2000
    gap: float = 1e-4
    seconds: float | None = None
    sure: float | None = None

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
        # The values are 0 or 1 but for the tolerance of the solver.
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
    found = _whole(_modelled(program, layout), layout, _limits(layout), effort)
    if found.x is None:
        return None
    objective = float(found.fun) * program.scale
    dual = found.mip_dual_bound if layout.indexes else found.fun  # without indexes it is a linear program
    bound = None if dual is None else min(objective, float(dual) * program.scale)
    return Solution(layout.mask(found.x), objective, bound)


def bounded(
    program: Program, options: Sequence[Sequence[Option]], effort: Effort, most: float
) -> tuple[Mask, float] | None:
    """A selection that may cost less than ``most``, which one is known to cost, and what every selection costs at
    least, ``most`` if none costs less; None when the relaxed program was not solved.

    What cannot be part of a cheaper selection by its reduced cost is left out before the solver begins (Nemhauser and
    Wolsey, "Integer and Combinatorial Optimization", 1988, II.5.4). Options count as well: whatever is had, the
    cheapest option that it allows is taken whole. Raises ImportError without scipy.
    """
    layout = _Layout(program, options, themselves)
    if layout.width == 0:
        return 0, 0.0
    model = _modelled(program, layout)
    relaxed_ = _relaxed(model, _limits(layout))
    if relaxed_.x is None:
        return None
    left = most / program.scale - float(relaxed_.fun)
    if left <= 0:
        return layout.mask(relaxed_.x), most
    found = _whole(model, layout, _narrowed(layout, relaxed_, left), effort)
    mask = layout.mask(relaxed_.x if found.x is None else found.x)
    if found.status == _INFEASIBLE:
        return mask, most
    dual = found.mip_dual_bound if layout.indexes else found.fun
    return mask, min(most, max(float(relaxed_.fun), -math.inf if dual is None else float(dual)) * program.scale)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """How much of each index and of each option of each case the program takes when it may have parts of them; its
    objective, a lower bound.
    """

    parts: tuple[tuple[int, float], ...]
    taken: tuple[tuple[tuple[Option, float], ...], ...]
    bound: float

    def had(self, part: float) -> Mask:
        """The indexes of which so much is had, at least."""
        return sum(1 << number for number, had in self.parts if had >= part)


def relaxed(program: Program, options: Sequence[Sequence[Option]]) -> Relaxation | None:
    """The program without the rule that an index is had or not; None when that was not solved.

    Takes a fiftieth of the time of ``solve`` (measured on TPC-H). Raises ImportError without scipy.
    """
    layout = _Layout(program, options, themselves)
    if layout.width == 0:
        return Relaxation((), (), 0.0)
    found = _relaxed(_modelled(program, layout), _limits(layout))
    if found.x is None:
        return None
    parts = tuple((number, float(found.x[column])) for column, number in enumerate(layout.indexes))
    taken = []
    for first, choices in zip(layout.first, options, strict=True):
        shares = zip(choices, found.x[first : first + len(choices)].tolist(), strict=True)
        taken.append(tuple((option, share) for option, share in shares if share > _WHOLE))
    return Relaxation(parts, tuple(taken), float(found.fun) * program.scale)


def nearly_solved(program: Program, options: Sequence[Sequence[Option]], effort: Effort) -> Solution | None:
    """A good selection of a program too large for ``solve``: the relaxed one's wherever that wavers not over an index.

    Of 8,000 indexes under a storage budget some 100 are left for whole numbers to decide. That took a tenth of the time
    of ``solve`` with as much effort; its selections cost between 1.2 % less and 0.3 % more. Of 128 indexes with half
    the room that they want its selection cost 13 % more; with ``effort.sure`` 0.002 it was that of ``solve``, in a
    third of the time. Raises ImportError without scipy.
    """
    import numpy

    layout = _Layout(program, options, themselves)
    model, limits = _modelled(program, layout), _limits(layout)
    relaxed_ = _relaxed(model, limits)
    if relaxed_.x is None:
        return None
    indexes, least = slice(len(layout.indexes)), (effort.sure or 0.0) * float(relaxed_.fun)
    whole = numpy.rint(relaxed_.x[indexes])
    lost = numpy.where(whole == 0, relaxed_.lower.marginals[indexes], -relaxed_.upper.marginals[indexes])
    kept = (abs(relaxed_.x[indexes] - whole) < _WHOLE) & ((lost >= least) | (least == 0))
    limits.lower[indexes][kept] = limits.upper[indexes][kept] = whole[kept]
    found = _whole(model, layout, limits, effort)
    if found.x is None:
        return None
    return Solution(layout.mask(found.x), float(found.fun) * program.scale, float(relaxed_.fun) * program.scale)


@dataclass(frozen=True, slots=True)
class _Model:
    """What each column costs; a table of rows that have an upper limit, and one of rows that have a value."""

    cost: Any
    table: Any
    lower: Any
    upper: Any


@dataclass(frozen=True, slots=True)
class _Limits:
    """The least and the most of each column."""

    lower: Any
    upper: Any


def _modelled(program: Program, layout: _Layout) -> _Model:
    import numpy
    from scipy.sparse import csr_array

    matrix = _constraints(program, layout)
    table = csr_array((matrix.values, (matrix.rows, matrix.columns)), shape=(len(matrix.lower), layout.width))
    # By the scale: tolerances of HiGHS are absolute, and costs may be billions.
    cost = numpy.array(_objective(program, layout)) / program.scale
    return _Model(cost, table, numpy.array(matrix.lower), numpy.array(matrix.upper))


def _limits(layout: _Layout) -> _Limits:
    import numpy

    lower, upper = numpy.zeros(layout.width), numpy.ones(layout.width)
    upper[layout.width - len(layout.regret) :] = numpy.inf
    return _Limits(lower, upper)


def _narrowed(layout: _Layout, relaxed_: OptimizeResult, left: float) -> _Limits:
    """What is left when nothing may cost so much more than the relaxed program."""
    limits, most = _limits(layout), left * (1 + _WHOLE) + _WHOLE * _WHOLE
    ends = layout.width - len(layout.regret)
    limits.upper[:ends][relaxed_.lower.marginals[:ends] > most] = 0.0
    limits.lower[:ends][relaxed_.upper.marginals[:ends] < -most] = 1.0
    return limits


def _whole(model: _Model, layout: _Layout, limits: _Limits, effort: Effort) -> OptimizeResult:
    """HiGHS's answer where an index is had or not."""
    import numpy
    from scipy.optimize import Bounds, LinearConstraint, milp

    integral = numpy.zeros(layout.width)
    # Options need not be said to be whole: with the indexes given, each case takes its cheapest one.
    integral[: len(layout.indexes)] = 1
    rows = LinearConstraint(model.table, model.lower, model.upper)
    bounds = Bounds(limits.lower, limits.upper)
    return milp(model.cost, constraints=rows, integrality=integral, bounds=bounds, options=dict(effort.options))


def _relaxed(model: _Model, limits: _Limits) -> OptimizeResult:
    """HiGHS's answer where parts of an index can be had, with what each column would cost more."""
    import numpy
    from scipy.optimize import linprog

    valued = model.lower == model.upper
    return linprog(
        model.cost,
        A_ub=model.table[~valued],
        b_ub=model.upper[~valued],
        A_eq=model.table[valued],
        b_eq=model.upper[valued],
        bounds=numpy.column_stack((limits.lower, limits.upper)),
        method="highs",
    )


def _objective(program: Program, layout: _Layout) -> list[float]:
    cost = [program.fixed[number] for number in layout.indexes]
    for charge, choices in zip(program.charges, layout.options, strict=True):
        cost += [charge.weight * option.cost for option in choices]
    return cost + [weight for _, weight in program.regret]


def _constraints(program: Program, layout: _Layout) -> _Matrix:
    matrix = _Matrix()
    for row in program.rows:
        unit = abs(row.limit) or 1.0  # rows near 1 for the solver
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
    first, choices = layout.first[case], layout.options[case]
    bars: dict[int, list[tuple[int, float]]] = {}
    for n, option in enumerate(choices, first):
        for number in members(option.absent) if option.absent else ():
            bars.setdefault(number, []).append((n, 1.0))
    if layout.stand_ins is themselves and not any(option.some for option in choices):
        _link_themselves(matrix, layout, case)
    else:
        _link_groups(matrix, layout, case)
    for number, entries in bars.items():
        matrix.add([*entries, (layout.column[number], 1.0)], _NONE, 1.0)


def _link_themselves(matrix: _Matrix, layout: _Layout, case: int) -> None:
    """What ``_link_groups`` does where each index is a group of its own, as in most programs of thousands of cases."""
    needs: dict[int, list[tuple[int, float]]] = {}
    for n, option in enumerate(layout.options[case], layout.first[case]):
        for number in members(option.present) if option.present else ():
            needs.setdefault(number, []).append((n, 1.0))
    for number, entries in needs.items():
        matrix.add([*entries, (layout.column[number], -1.0)], _NONE, 0.0)


def _link_groups(matrix: _Matrix, layout: _Layout, case: int) -> None:
    first = layout.first[case]
    needs: dict[Mask, list[tuple[int, float]]] = {}
    held: list[list[Mask]] = []
    for option in layout.options[case]:
        held.append([layout.stand_ins(case, number) | 1 << number for number in members(option.present)])
        held[-1] += option.some
        needs |= {wanted: [] for wanted in held[-1]}
    meeting = {wanted: [group for group in needs if not wanted & ~group] for wanted in needs}
    for n, wanted_by in enumerate(held):
        for group in dict.fromkeys(chain.from_iterable(meeting[wanted] for wanted in wanted_by)):
            needs[group].append((first + n, 1.0))
    for group, entries in needs.items():
        matrix.add([*entries, *((layout.column[m], -1.0) for m in members(group))], _NONE, 0.0)


def _regret(matrix: _Matrix, layout: _Layout, program: Program, case: int) -> None:
    charge = program.charges[case]
    column = layout.regret.get(charge.group)
    if column is None:
        return
    first = layout.first[case]
    unit = max(option.cost for option in layout.options[case]) or 1.0  # rows near 1 for the solver
    prices = [(first + n, option.cost / unit) for n, option in enumerate(layout.options[case])]
    matrix.add([*prices, (column, -1.0 / unit)], _NONE, charge.best / unit)
