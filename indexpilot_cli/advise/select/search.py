"""From two prices per case to a selection the planner confirms, with a lower bound of every other selection.

Pessimistic options are plans that exist; a program over them gives a selection we can have. Guessed options
(guess.py) lead to selections worth pricing; lower options (tree.py) bound what any selection can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.advise.costing import Answer, Mask, leads, members, stand_ins
from indexpilot_cli.advise.select.greedy import solve_greedily
from indexpilot_cli.advise.select.highs import (
    Effort,
    Option,
    Row,
    Solution,
    StandIns,
    option_cost,
    solve,
    themselves,
)
from indexpilot_cli.advise.select.problem import SelectionProblem
from indexpilot_cli.advise.select.questions import Guesses, Questions
from indexpilot_cli.advise.select.tree import CaseTree

GUESS = Effort(2.0, 5e-3)
QUICK = Effort(2.0, 2e-3)
PROOF = Effort(1.5, 2e-4)
EXPLORING_ROUNDS = 6
GUESSES = 8
CLOSE = 1e-3  # a gap that is no gap
DEPTH = 3  # steps down the trees between two bounds
SETTLING_ROUNDS = 6
AGREED = 1e-4
PATIENCE = 5  # rounds in which the bound must gain a two-hundredth
EXACT = Effort(20.0, 1e-5)
COUNTING = Effort(4.0, 1e-2)
SETTLING = 3  # prices of the whole workload kept back for the end


@dataclass(frozen=True, slots=True)
class Found:
    """The best selection the planner priced, its objective, what the program predicted, and the lower bound.

    ``lower`` is None when nothing was proved; ``solver`` is HiGHS or greedy.
    """

    mask: Mask
    objective: float
    predicted: float
    lower: float | None
    solver: str


class Search:
    """One search. ``run`` may be called once."""

    def __init__(self, problem: SelectionProblem):
        self.program = problem.program
        self.pricer = pricer = problem.pricer
        self.limits = problem.limits
        # the least gain worth a call, as a share of the workload
        self.worth = min(1e-3, max(problem.limits.min_benefit / 5, 1e-6))
        self.questions = Questions(problem.program, pricer, leads(problem.pool))
        self.cases = range(len(pricer.cases))
        self.guesses = Guesses(pricer, stand_ins(problem.pool))
        self.trees = [CaseTree(case, pricer, self.questions.groups[case]) for case in self.cases]
        self.best: Mask = 0
        self.value = self.true(0) or 0.0
        self.before_fewest: Mask = 0
        self.lower: float | None = None
        self.solver = "HiGHS"

    # -- values

    def true(self, mask: Mask) -> float | None:
        """The objective of a selection when the planner's costs of every case are known, else None."""
        costs = []
        for case in self.cases:
            answer = self.pricer.known(case, mask)
            if answer is None:
                return None
            costs.append(answer.cost)
        return self.program.objective(mask, costs)

    def consider(self, mask: Mask) -> bool:
        """Keep the selection if it is allowed, priced and the best so far."""
        value = self.true(mask)
        if value is None or value >= self.value or not self.program.allows(mask):
            return False
        self.best, self.value = mask, value
        return True

    def price(self, mask: Mask) -> bool:
        """Price a selection for every case; False when the allowance ends."""
        return self.pricer.ask((case, mask) for case in self.cases)

    def plans(self) -> list[list[Option]]:
        """The plans known to exist, without those that need more and save no more."""
        return [_undominated(self.pricer.answers(case)) for case in self.cases]

    def solved(
        self,
        options: Sequence[Sequence[Option]],
        effort: Effort = EXACT,
        stand_ins: StandIns = themselves,
        at_most: float | None = None,
    ) -> Solution | None:
        """The program's answer, from HiGHS or without it."""
        if self.solver == "HiGHS":
            try:
                return solve(self.program, options, stand_ins, effort, at_most)
            except ImportError:
                self.solver = "greedy"
        return solve_greedily(self.program, options, stand_ins, at_most)

    def quick(self, options: Sequence[Sequence[Option]]) -> Solution | None:
        """A good answer of the program in little time."""
        return self.solved(options, QUICK)

    # -- phases

    def run(self) -> Found:
        """Explore, prove, settle."""
        self._keep_back()
        self.bound()
        self.explore()
        if self.solver == "HiGHS":
            self.prove()
        self.pricer.reserve = 0
        predicted = self.settle()
        return Found(self.best, self.value, predicted, self.lower, self.solver)

    def _keep_back(self) -> None:
        """Calls for planning the final selection itself, a few times over."""
        calls = self.pricer.allowance.calls
        if calls is not None:
            self.pricer.reserve = min(SETTLING * len(self.cases), calls // 4)

    def explore(self) -> None:
        """Look at the neighbourhood of the best selection, guess a better one, and again from there."""
        for number in range(EXPLORING_ROUNDS):
            here, worth = self.best, self.worth * self.program.scale * 2**number
            more = self._ask_some(self.questions.steps(here, worth), 0.8) and self._ask_some(
                self.questions.finer(here, worth), 0.5
            )
            self.guess()
            if self.best == here or (not more and self.pricer.left() == 0):
                return

    def _ask_some(self, questions: Sequence[tuple[int, Mask]], share: float) -> bool:
        """The first questions, as far as this share of the calls that are left goes; whether it was all."""
        left = self.pricer.left()
        few = len(questions) if left is None else int(left * share)
        return self.pricer.ask(questions[:few]) and len(questions) <= few

    def guess(self) -> None:
        """Price the selections that guesses lead to until none promises more than we have."""
        for _ in range(GUESSES):
            options = self.guesses.options(self.plans())
            solution = self.solved(options, GUESS, self.guesses.stand_ins)
            if solution is None or solution.objective >= self.value - self.worth * self.program.scale:
                break
            if not self.price(solution.mask):
                break
            self.consider(solution.mask)
            if not self.guesses.correct(options, solution.mask):
                break
        self.confirm(QUICK)

    def confirm(self, effort: Effort) -> float | None:
        """Price what the plans known to exist lead to; what the program predicted for it."""
        solution = self.solved(self.plans(), effort)
        if solution is None:
            return None
        self.price(solution.mask)
        self.consider(solution.mask)
        return solution.objective

    def bound(self) -> Mask | None:
        """Improve the lower bound; the selection that would reach it if every bound were the truth."""
        open_ = (self.value - self.lower) / self.value if self.lower is not None and self.value > 0 else 1.0
        effort = replace(PROOF, gap=max(PROOF.gap, open_ / 20))  # exactness is wasted while the bounds are far apart
        solution = self.solved([tree.options() for tree in self.trees], effort)
        if solution is None:
            return None
        if solution.bound is not None:
            self.lower = max(solution.bound, self.lower or 0.0)
        return solution.mask

    def prove(self) -> None:
        """Price what the lower bound relies on, until it meets the best selection or the rounds are used up."""
        history: list[float] = []
        for _ in range(self.limits.proof_rounds):
            mask = self.bound()
            if mask is None or self.lower is None or self.value - self.lower <= CLOSE * self.value:
                return
            history.append(self.lower)
            if len(history) > PATIENCE and self.lower - history[-1 - PATIENCE] < self.value / 200:
                return
            if not self._follow(mask):
                return
            self.consider(mask)
        self.bound()

    def _follow(self, mask: Mask) -> bool:
        """Some steps down every tree towards the selection; False when the allowance ends."""
        for _ in range(DEPTH):
            asked = [(case, self.trees[case].question(mask)) for case in self.cases]
            open_ = [(case, question) for case, question in asked if question is not None]
            if not self.pricer.ask(sorted(open_, key=lambda q: -self._weight(q[0]))):
                return False
            if not open_:
                break
        return True

    def settle(self) -> float:
        """Re-plan the best selection itself until the program predicts what the planner says."""
        predicted = self.value
        for _ in range(SETTLING_ROUNDS):
            self.converge()
            mask = self.in_use(self.fewest() if self.limits.fewest_within else self.best)
            predicted = self.expected(mask)
            self.pricer.ask(((case, mask) for case in self.cases), literal=True)
            value = self.true(mask)
            if value is None:
                break
            if self.protect(mask):
                self.reset()
                continue
            self.before_fewest = self.in_use(self.best)
            agreed = abs(value - predicted) <= AGREED * predicted
            self.best, self.value = mask, value
            if agreed:
                break
        return predicted

    def converge(self) -> None:
        """Price what the known plans lead to until that teaches nothing new."""
        for _ in range(SETTLING_ROUNDS):
            expected = self.confirm(EXACT)
            if expected is None or abs(expected - self.value) <= AGREED * self.value or self.pricer.left() == 0:
                return

    def expected(self, mask: Mask) -> float:
        """The objective of a selection by the known plans alone."""
        plans = self.plans()
        return self.program.objective(mask, [option_cost(plans[case], case, mask) for case in self.cases])

    def in_use(self, mask: Mask) -> Mask:
        """The selection without indexes that no plan uses: where they are free the solver may keep them."""
        used = 0
        for case in self.cases:
            answer = self.pricer.known(case, mask)
            used |= answer.used if answer is not None else mask
        return mask & used

    def fewest(self) -> Mask:
        """The fewest indexes whose true objective is within the tolerance of the best."""
        at_most = self.value * (1 + self.limits.fewest_within)
        solution = self.solved(self.plans(), COUNTING, at_most=at_most)
        if solution is None or solution.mask.bit_count() >= self.best.bit_count():
            return self.best
        self.price(solution.mask)
        value = self.true(solution.mask)
        fits = value is not None and value <= at_most * (1 + 1e-6) and self.program.allows(solution.mask)
        return solution.mask if fits else self.best

    def protect(self, mask: Mask) -> bool:
        """Forbid the combination of indexes under which a case became dearer than it may; whether there was one."""
        rows = []
        for case in self.cases:
            answer = self.pricer.known(case, mask)
            if answer is not None and answer.cost > self.program.charges[case].most and answer.used:
                together = tuple((number, 1.0) for number in members(answer.used))
                rows.append(Row("protection", together, answer.used.bit_count() - 1.0))
        self.program = replace(self.program, rows=(*self.program.rows, *rows))
        return bool(rows)

    def reset(self) -> None:
        """Forget the best selection, which turned out not to be allowed, for the best allowed one of the plans."""
        self.best, self.value = 0, self.true(0) or 0.0
        self.confirm(EXACT)

    # -- questions

    def _weight(self, case: int) -> float:
        answer = self.pricer.known(case, 0)
        return self.program.charges[case].weight * (answer.cost if answer else 0.0)


def _undominated(answers: Sequence[Answer]) -> list[Option]:
    costs: dict[Mask, float] = {}
    for answer in answers:
        costs[answer.used] = min(answer.cost, costs.get(answer.used, answer.cost))
    kept: list[Option] = []
    for used, cost in sorted(costs.items(), key=lambda item: (item[0].bit_count(), item[1])):
        if not any(not o.present & ~used and o.cost <= cost for o in kept):
            kept.append(Option(used, 0, cost))
    return kept
