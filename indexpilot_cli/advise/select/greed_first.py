"""The greedy choice as it would be alone, the program's in its place where that is better by enough."""

from __future__ import annotations

from contextlib import suppress

from indexpilot_cli.advise.select.problem import SelectionProblem
from indexpilot_cli.advise.select.search import QUICK, OutOfAllowance, Search

GREED = 500  # cases: for more greed takes long, and the program chooses alone


def search_of(problem: SelectionProblem) -> Search:
    """The search that the limits ask for: of the program, of greed, or of both."""
    limits = problem.limits
    both = not limits.greedy and limits.least_gain > 0 and len(problem.pricer.cases) <= GREED
    return GreedFirst(problem) if both else Search(problem)


class GreedFirst(Search):
    """A search that keeps the greedy choice unless the program's is better by ``limits.least_gain``."""

    def __init__(self, problem: SelectionProblem):
        super().__init__(problem)
        self.told = not self.limits.is_limited

    def choose(self) -> None:
        """Both choices, and which of them stands."""
        self.solver = "greedy"
        with suppress(OutOfAllowance):
            super().choose()
        self.solver = "HiGHS"
        greedy = self.best, self.value, self.predicted, self.before_fewest
        enough = self.value * (1 - self.limits.least_gain)
        with suppress(OutOfAllowance):
            self.confirm(QUICK)
            self.bound()
            if not self.told:  # within limits a set has more to win
                self.explore()
            self.prove()
            if self.value <= enough:
                self.settle()
        if self.value > enough:
            self.best, self.value, self.predicted, self.before_fewest = greedy
