"""From two prices per case to a selection the planner confirms, with a lower bound of every other selection.

Pessimistic options are plans that exist; a program over them gives a selection we can have. Guessed options
(guess.py) lead to selections worth pricing; lower options (tree.py) bound what any selection can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from indexpilot_cli.advise.costing import leads, stand_ins
from indexpilot_cli.advise.masks import Mask, by_member, members
from indexpilot_cli.advise.select.greedy import solve_greedily
from indexpilot_cli.advise.select.highs import Effort, nearly_solved, solve
from indexpilot_cli.advise.select.known import KnownCosts
from indexpilot_cli.advise.select.limits import protection_rows
from indexpilot_cli.advise.select.problem import SelectionProblem
from indexpilot_cli.advise.select.program import (
    Option,
    Program,
    Solution,
    StandIns,
    option_cost,
    serving,
    themselves,
    undominated,
)
from indexpilot_cli.advise.select.proof import BRANCHED, LONGER, Improvement, Proof, is_stuck
from indexpilot_cli.advise.select.questions import Guesses, Questions

GUESS = Effort(40, 5e-3)
QUICK = Effort(40, 2e-3)
EXACT = Effort(400, 1e-5)
EXPLORING_ROUNDS = 6
SETTLING_ROUNDS = 6
GUESSES = 8
FIRST_LOOK = 64  # questions before the first selection is priced
CLOSE = 1e-3  # a gap that is no gap
SMALLER = 2  # smaller indexes tried in the place of a chosen one
AGREED = 1e-4
RELAXED = 2  # rounds with the relaxed program for one with whole indexes
LOOK = 4  # rounds between two looks at what the plans known by now lead to
SAME = 1e-6  # objectives this near are equal: the solver's own tolerance


class OutOfAllowance(Exception):
    """Calls or time are used up."""


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
        self.pricer = problem.pricer
        self.limits = problem.limits
        # The least gain worth a call: half of what the cheapest new index must save.
        self.worth = max(min(problem.prices[: problem.pool.first_spare], default=0.0) / 2, 1e-6 * problem.program.scale)
        self.questions = Questions(problem.program, self.pricer, leads(problem.pool))
        self.cases = range(len(self.pricer.cases))
        wider = stand_ins(problem.pool)
        self.narrower = by_member(wider)  # those whose work this one can do for more bytes
        self.sizes = problem.sizes
        self.guesses = Guesses(self.pricer, wider)
        self.proof = Proof(problem, self.questions.groups)
        self.costs = KnownCosts(self.pricer)
        self.now: Mask = problem.pool.now
        self.best: Mask = self.now
        self.value = self.true(self.now) or 0.0
        self.before_fewest: Mask = 0
        self.predicted: float | None = None
        self.solver = "greedy" if self.limits.greedy else "HiGHS"
        self.told = False  # whether the bound is mostly for being told

    def true(self, mask: Mask) -> float | None:
        """The objective of a selection when the planner's costs of every case are known, else None."""
        return self.costs.value(self.program, mask)

    def consider(self, mask: Mask) -> bool:
        """Keep the selection if it is allowed, priced and the best so far."""
        value = self.costs.value(self.program, mask, self.value * (1 + SAME))
        if value is None or not self._improves(mask, value) or self.protect(mask):
            return False
        self.best, self.value = mask, value
        return True

    def _improves(self, mask: Mask, value: float) -> bool:
        if value > self.value * (1 + SAME) or not self.program.allows(mask):
            return False
        return value < self.value * (1 - SAME) or self.program.order(mask) < self.program.order(self.best)

    def ask(self, questions: Sequence[tuple[int, Mask]]) -> None:
        """Price these. Raises OutOfAllowance when the allowance cut them short."""
        if not self.pricer.ask(questions):
            raise OutOfAllowance

    def price(self, mask: Mask) -> bool:
        """Price a selection for every case and keep it if it is the best; whether it is.

        When the allowance ends on the way the selection still counts, at what the plans known to exist cost: a
        looser allowance would have priced it, to no more than that.
        """
        try:
            moved = self.costs.moved(mask)
            self.pricer.hits += len(self.cases) - len(moved)
            self.ask([(case, mask) for case in moved])
        except OutOfAllowance:
            value = self.program.objective(mask, [self.pricer.upper(case, mask) for case in self.cases])
            if self._improves(mask, value):
                self.best, self.value = mask, value
            raise
        return self.consider(mask)

    def plans(self) -> list[list[Option]]:
        """The plans known to exist, without those that need more and save no more."""
        return [undominated(self.pricer.plans(case), self.program.charges[case].most) for case in self.cases]

    def solved(
        self,
        options: Sequence[Sequence[Option]],
        effort: Effort = EXACT,
        stand_ins: StandIns = themselves,
    ) -> Solution | None:
        """The program's answer, from HiGHS or without it. Raises OutOfAllowance when no time is left."""
        seconds = self._has_time()
        if self.solver == "HiGHS":
            try:
                return solve(self.program, options, stand_ins, replace(effort, seconds=seconds))
            except ImportError:
                self.solver = "greedy"
        return solve_greedily(self.program, options, stand_ins, self.pricer.allowance.expired)

    def _has_time(self) -> float | None:
        """Seconds that are left, None without limit. Raises OutOfAllowance when there are none."""
        seconds = self.pricer.allowance.remaining()
        if seconds is not None and seconds <= 0:
            raise OutOfAllowance
        return seconds

    def quick(
        self, options: Sequence[Sequence[Option]], most: int = BRANCHED, effort: Effort = QUICK
    ) -> Solution | None:
        """A good answer of the program with little work, with more than ``most`` options; None when no time is left."""
        try:
            many = sum(map(len, options)) > most
            if self.solver == "HiGHS" and (many or effort.sure is not None):
                effort = replace(effort, seconds=self._has_time(), sure=None if many else effort.sure)
                return nearly_solved(self.program, options, effort)
            return self.solved(options, effort)
        except OutOfAllowance:
            return None

    # -- phases

    def run(self) -> Found:
        """Explore, prove, settle, as far as the allowance goes.

        What is looked at next never depends on how much is left, so a looser allowance goes the same way further and
        ends with a selection at least as good.
        """
        self.proof.raise_to(self.program.objective(0, [self.pricer.lower(case, -1) for case in self.cases]))
        with suppress(OutOfAllowance):
            self.choose()
        if self.best == self.now:
            self._best_of_known()
        predicted = self.expected(self.best) if self.predicted is None else self.predicted
        lower = self.proof.lower if self.solver == "HiGHS" else None
        return Found(self.best, self.value, predicted, lower, self.solver)

    def choose(self) -> None:
        """The choice of the one solver."""
        self.confirm(QUICK)
        if self.solver == "HiGHS":
            self.bound()
        self.explore()
        if self.solver == "HiGHS":
            self.prove()
        self.settle()

    def _best_of_known(self) -> None:
        """What the plans known to exist allow, when the allowance ended before any selection was looked at."""
        solution = solve_greedily(self.program, self.plans())
        if self._improves(solution.mask, solution.objective):
            self.best, self.value = solution.mask, solution.objective

    def explore(self) -> None:
        """Look at the neighbourhood of the best selection, guess a better one, and again from there."""
        for number in range(EXPLORING_ROUNDS):
            here, worth = self.best, self.worth * 2**number
            self._learn(self.questions.steps(here, worth))
            self._learn(self.questions.finer(here, worth))
            self._learn(self.questions.drops(here))
            self.guess()
            if self.best == here:
                return

    def _learn(self, questions: Sequence[tuple[int, Mask]]) -> None:
        """Ask them in order, with a look at the best selection of what is known whenever that grew by a third."""
        start = 0
        while start < len(questions):
            end = start + max(FIRST_LOOK, self.pricer.calls // 3)
            self.ask(questions[start:end])
            if end < len(questions):
                self.confirm(QUICK)
            start = end

    def guess(self) -> None:
        """Price the selections that guesses lead to until none promises more than we have."""
        for _ in range(GUESSES):
            options = self.guesses.options(self.plans())
            solution = self.solved(options, GUESS, self.guesses.stand_ins)
            if solution is None or solution.objective >= self.value - self.worth:
                break
            known = self._known()
            self.price(solution.mask)
            if not self.guesses.correct(options, solution.mask) or self._known() == known:
                break
        self.confirm(QUICK)

    def _known(self) -> tuple[int, int, Program]:
        """What the program's answer goes by: while it stays the same, asking again would give the same answer."""
        return self.pricer.calls, self.guesses.given_up, self.program

    def confirm(self, effort: Effort) -> float | None:
        """Price what the plans known to exist lead to; what the program predicted for it."""
        solution = self.solved(self.plans(), effort)
        if solution is None:
            return None
        self.price(solution.mask)
        return solution.objective

    def bound(self) -> None:
        """Improve the lower bound by the program with whole indexes."""
        solution = self.solved(self.proof.options(), self.proof.effort(self.value))
        if solution is not None and solution.bound is not None:
            self.proof.raise_to(solution.bound)

    def prove(self) -> None:
        """Price what the lower bound relies on: the relaxed program, which is cheap to solve, then whole indexes."""
        before, rounds = self.pricer.calls, self.limits.proof_rounds
        if not self._proved(self.proof.relax, RELAXED * rounds, before):
            self._proved(self.proof.whole, rounds, before)

    def _proved(self, improve: Improvement, rounds: int, before: int) -> bool:
        """Whether the bound met the best selection before it stopped growing, or the rounds or the calls ended."""
        history: list[float] = []
        for number in range(LONGER * rounds):
            wanted = improve(self.program, self.value, self._has_time())
            if self.proof.open_part(self.value) <= CLOSE:
                return True
            history.append(self.proof.lower)
            stuck = is_stuck(history, self.value, rounds)
            looked_at = self.proof.splits
            questions = self.proof.questions(self.program, self.value, wanted)
            done = not questions and self.proof.splits == looked_at  # what memory says may be news to the trees
            if done or stuck or self.pricer.calls >= before + self.proof.worth(before, self.value, self.told):
                return False
            self.ask(questions)
            if number % LOOK == LOOK - 1:
                self.confirm(QUICK)
        return False

    def settle(self) -> None:
        """Re-plan the best selection itself until the program predicts what the planner says."""
        for _ in range(SETTLING_ROUNDS):
            asked = self.pricer.calls
            self.converge()
            self.narrow()
            mask = self.in_use(self.fewest())
            self.predicted = self.expected(mask)
            if not self.pricer.ask(((case, mask) for case in self.cases), literal=True):
                raise OutOfAllowance
            self.costs.forget()
            value = self.true(mask)
            if self.protect(mask):
                self.reset()
                continue
            assert value is not None  # every case was asked
            self.best, self.value = mask, value
            if abs(value - self.predicted) <= AGREED * self.predicted or self.pricer.calls == asked:
                break
            if value > self.predicted + self.worth:
                # What promised too much has kept others from being looked at.
                self._learn(self.questions.steps(self.now, self.worth))

    def converge(self) -> None:
        """Price what the known plans lead to until that teaches nothing new."""
        for _ in range(SETTLING_ROUNDS):
            known = self._known()
            expected = self.confirm(EXACT)
            if expected is None or abs(expected - self.value) <= AGREED * self.value or self.pricer.left() == 0:
                return
            if self._known() == known:
                return

    def expected(self, mask: Mask) -> float:
        """The objective of a selection by the known plans alone."""
        return self.program.objective(mask, [option_cost(o, case, mask) for case, o in enumerate(self.plans())])

    def in_use(self, mask: Mask) -> Mask:
        """The selection without indexes that no plan uses: where they are free the solver may keep them."""
        used = 0
        for case in self.cases:
            answer = self.pricer.known(case, mask)
            used |= answer.used if answer is not None else mask
        kept = mask & used
        for row in self.program.rows:
            # What may go only for another one stays where that is not to be had.
            if not row.allows(kept):
                kept |= mask & sum(1 << number for number, value in row.coefficients if value < 0)
        return kept

    def narrow(self) -> None:
        """Put smaller indexes into the places of the best selection where they are worth as much.

        The solver stops within a tolerance of the whole workload, which hides the bytes for one cheap statement.
        """
        for number in sorted(members(self.best), key=lambda n: -self.sizes[n]):
            smaller = (n for n in self.narrower.get(number, ()) if self.sizes[n] < self.sizes[number])
            for other in sorted(smaller, key=lambda n: -self.sizes[n])[:SMALLER]:
                mask = self.best & ~(1 << number) | 1 << other
                if self._may_pay(mask, number) and self.price(mask):
                    break

    def _may_pay(self, mask: Mask, number: int) -> bool:
        """Whether the selection, which lacks that index of the best, may cost as little once its plans were asked for
        where the index is used: of the statement it is worth most to, which mostly says enough, and of all.
        """
        worth: dict[int, float] = {}
        for case in self.costs.near(1 << number):
            answer = self.pricer.known(case, self.best)
            if answer is not None and answer.used >> number & 1:
                without = self.pricer.upper(case, self.best & ~(1 << number))
                worth[case] = self.program.charges[case].weight * (without - answer.cost)
        users = sorted(worth, key=lambda case: -worth[case])
        for asked in (users[:1], users[1:]):
            if self._is_dearer(mask):
                return False
            self.ask([(case, mask) for case in asked])
        return not self._is_dearer(mask)

    def _is_dearer(self, mask: Mask) -> bool:
        """Whether plans and bounds of the cases say that the selection costs more than the best."""
        costs = self.costs.of(self.best)
        if costs is None:
            return False
        least = list(costs)
        for case in self.costs.near(self.best ^ mask):
            answer = self.pricer.known(case, mask)
            least[case] = self.proof.least(case, mask) if answer is None else answer.cost
        return self.program.objective(mask, least) > self.value * (1 + SAME)

    def fewest(self) -> Mask:
        """The best selection without those of its indexes that others of it do the work of, dearest tie first."""
        before = self.best
        options, stand_ins = self.guesses.options(self.plans()), self.guesses.stand_ins
        costs = [option_cost(o, case, before, stand_ins) for case, o in enumerate(options)]
        expected = self.program.objective(before, costs)
        served = by_member([serving(choices, case, stand_ins) for case, choices in enumerate(options)])
        for number in sorted(members(before), key=lambda n: -self.program.tie[n]):
            mask, fewer, near = self.best & ~(1 << number), list(costs), served.get(number, ())
            for case in near:
                fewer[case] = option_cost(options[case], case, mask, stand_ins)
            about = expected - self.program.fixed[number] + self.program.moved(costs, fewer, near)
            if about <= self.value * (1 + SAME) and self.price(mask):
                self.before_fewest, costs, expected = before, fewer, self.program.objective(mask, fewer)
        return self.best

    def protect(self, mask: Mask) -> bool:
        """Forbid the combination of indexes under which a case became dearer than it may; whether there was one."""
        rows = protection_rows(self.program, self.pricer, self.costs.of(mask) or (), mask)
        if rows:
            self.program = replace(self.program, rows=(*self.program.rows, *rows))
        return bool(rows)

    def reset(self) -> None:
        """Forget the best selection, which turned out not to be allowed, for the best allowed one of the plans."""
        self.best, self.value = self.now, self.true(self.now) or 0.0
        self.confirm(EXACT)
