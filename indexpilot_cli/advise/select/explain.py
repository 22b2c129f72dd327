"""What each chosen index is worth, what became of each template, and why every other candidate was left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexpilot_cli.advise.costing import Mask, Pricer, members
from indexpilot_cli.advise.explain.risks import ClassEffect, holds_in
from indexpilot_cli.advise.select.problem import Choice, SelectionProblem, shares
from indexpilot_cli.core.plan import TemplateEffect


class Ledger:
    """Plain workload costs (mean over parameter classes, without regret) of selections of one problem."""

    def __init__(self, problem: SelectionProblem):
        self.problem = problem
        self.pricer: Pricer = problem.pricer
        self.shares = shares(self.pricer.cases)
        self.before = self.cost(0)

    def case_cost(self, case: int, selection: Mask) -> float:
        """What the planner says, or the cheapest plan known when it was not asked."""
        answer = self.pricer.known(case, selection)
        return answer.cost if answer is not None else self.pricer.upper(case, selection)

    def weight(self, case: int) -> float:
        """What one unit of the case's cost is worth."""
        return self.problem.weights[self.pricer.cases[case].template] * self.shares[case]

    def cost(self, selection: Mask) -> float:
        """The workload's cost in the problem's unit, writes left out."""
        return sum(self.weight(c) * self.case_cost(c, selection) for c in range(len(self.pricer.cases)))

    def users(self, selection: Mask) -> dict[int, list[int]]:
        """Per chosen index the cases whose plan under the selection uses it, from one look at every case."""
        found: dict[int, list[int]] = {n: [] for n in members(selection)}
        for case in range(len(self.pricer.cases)):
            answer = self.pricer.known(case, selection)
            for number in members(answer.used & selection) if answer is not None else ():
                found[number].append(case)
        return found

    def leave_one_out(self, selection: Mask, users: Mapping[int, Sequence[int]]) -> dict[int, float]:
        """Per chosen index, the share of the workload's cost that comes back without it. Asks the planner."""
        without = {n: selection & ~(1 << n) for n in users}
        questions: list[tuple[int, Mask]] = []
        for n, cases in users.items():
            questions += [(c, without[n]) for c in cases]
        self.pricer.ask(questions)
        total = self.before or 1.0
        return {n: self._loss(users[n], selection, mask) / total for n, mask in without.items()}

    def _loss(self, cases: Sequence[int], selection: Mask, without: Mask) -> float:
        return sum(self.weight(c) * (self.case_cost(c, without) - self.case_cost(c, selection)) for c in cases)

    # -- effects

    def effects(self, selection: Mask, only: Sequence[int] | None = None) -> tuple[TemplateEffect, ...]:
        """Before and after of every template, or of those that the cases ``only`` belong to."""
        wanted = None if only is None else {self.pricer.cases[c].template for c in only}
        by_template: dict[int, list[int]] = {}
        for c, case in enumerate(self.pricer.cases):
            if wanted is None or case.template in wanted:
                by_template.setdefault(case.template, []).append(c)
        return tuple(self._effect(template, cases, selection) for template, cases in by_template.items())

    def _effect(self, template: int, cases: Sequence[int], selection: Mask) -> TemplateEffect:
        before = sum(self.shares[c] * self.case_cost(c, 0) for c in cases)
        after = sum(self.shares[c] * self.case_cost(c, selection) for c in cases)
        weight = self.problem.weights[template]
        holds, scenarios = holds_in(self._classes(cases, selection, -1))
        share = weight * before / self.before if self.before else 0.0
        return TemplateEffect(self.problem.all_templates[template].id, before, after, share, weight, holds, scenarios)

    def _classes(self, cases: Sequence[int], selection: Mask, mask: Mask) -> list[ClassEffect]:
        found = []
        for c in cases:
            answer = self.pricer.known(c, selection)
            used = answer is not None and bool(answer.used & mask)
            label, share = self.pricer.cases[c].label, self.shares[c]
            found.append(ClassEffect(label, share, self.case_cost(c, 0), self.case_cost(c, selection), used))
        return found

    def choice(self, number: int, selection: Mask, benefit: float, users: Sequence[int]) -> Choice:
        """Everything there is to say about one chosen index; ``users`` are the cases whose plans use it."""
        effects = self.effects(selection, users)
        templates = {self.pricer.cases[c].template for c in users}
        cases = [c for c, case in enumerate(self.pricer.cases) if case.template in templates]
        holds, scenarios = holds_in(self._classes(cases, selection, 1 << number))
        before = sum(e.weight * e.before for e in effects)
        after = sum(e.weight * e.after for e in effects)
        candidate = self.problem.pool.candidates[number]
        return Choice(
            candidate,
            self.problem.sizes[number],
            benefit,
            1 - after / before if before > 0 else 0.0,
            tuple(sorted(effects, key=lambda e: -e.weight * (e.before - e.after))),
            self.problem.writes.of(candidate.definition),
            holds,
            scenarios,
        )
