"""What each chosen index is worth, what became of each template, and why every other candidate was left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from indexpilot_cli.advise.costing import NO_PLAN, Pricer
from indexpilot_cli.advise.explain.risks import ClassEffect, holds_in
from indexpilot_cli.advise.masks import Mask, by_member, members
from indexpilot_cli.advise.select.problem import OF_A_STATEMENT, Choice, SelectionProblem, shares
from indexpilot_cli.advise.select.program import Program
from indexpilot_cli.advise.select.spare import DroppedIndex, given_back
from indexpilot_cli.core import units
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import IndexDefinition, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import TemplateEffect


class Ledger:
    """Plain workload costs (mean over parameter classes, without regret) of selections of one problem."""

    def __init__(self, problem: SelectionProblem):
        self.problem = problem
        self.pricer: Pricer = problem.pricer
        self.shares = shares(self.pricer.cases)
        self.now: Mask = problem.pool.now
        self.before = self.cost(self.now)
        self._cases: dict[int, list[int]] = {}
        for number, case in enumerate(self.pricer.cases):
            self._cases.setdefault(case.template, []).append(number)

    def case_cost(self, case: int, selection: Mask) -> float:
        """What the planner says, or the cheapest plan known when it was not asked."""
        answer = self.pricer.possible(case, selection)
        return answer.cost if answer is not None else NO_PLAN

    def weight(self, case: int) -> float:
        """What one unit of the case's cost is worth."""
        return self.problem.weights[self.pricer.cases[case].template] * self.shares[case]

    def cost(self, selection: Mask) -> float:
        """The workload's cost in the problem's unit, writes left out."""
        return sum(self.weight(c) * self.case_cost(c, selection) for c in range(len(self.pricer.cases)))

    def users(self, selection: Mask) -> dict[int, list[int]]:
        """Per chosen index the cases whose plan under the selection uses it, from one look at every case."""
        new = selection & self.problem.pool.new
        found: dict[int, list[int]] = {n: [] for n in members(new)}
        for case in range(len(self.pricer.cases)):
            answer = self.pricer.possible(case, selection)
            for number in members(answer.used & new) if answer is not None else ():
                found[number].append(case)
        return found

    def leave_one_out(self, selection: Mask, users: Mapping[int, Sequence[int]]) -> dict[int, float]:
        """Per chosen index, the share of the workload's cost that comes back without it. Asks the planner."""
        without = {n: self.without(n, selection) for n in users}
        questions: list[tuple[int, Mask]] = []
        for n, cases in users.items():
            questions += [(c, without[n]) for c in cases]
        self.pricer.ask(questions)
        total = self.before or 1.0
        return {n: self._loss(users[n], selection, mask) / total for n, mask in without.items()}

    def without(self, number: int, selection: Mask) -> Mask:
        """The selection without that new index, and with what goes only for it."""
        left, pool = selection & ~(1 << number), self.problem.pool
        mine = pool.replaced(selection) & ~pool.replaced(left)
        return left | given_back(self.problem.program, left) | mine

    def _loss(self, cases: Sequence[int], selection: Mask, without: Mask) -> float:
        return sum(self.weight(c) * (self.case_cost(c, without) - self.case_cost(c, selection)) for c in cases)

    def stand_by(self, number: int, selection: Mask, users: Sequence[int]) -> Mask:
        """What the plans use that come in the place of those with the index."""
        without, mask = self.without(number, selection), 0
        for case in users:
            answer = self.pricer.known(case, without)
            mask |= answer.used if answer is not None else without
        return mask

    def noticed(self, number: int, selection: Mask, users: Sequence[int]) -> float:
        """The largest share of a statement's cost, in one of its parameter classes, that the index saves."""
        without = self.without(number, selection)
        costs = ((self.case_cost(c, selection), self.case_cost(c, without)) for c in users)
        return max((1 - after / before for after, before in costs if before > 0), default=0.0)

    # -- effects

    def effects(self, selection: Mask, only: Sequence[int] | None = None) -> tuple[TemplateEffect, ...]:
        """Before and after of every template, or of those that the cases ``only`` belong to."""
        wanted = self._cases if only is None else sorted({self.pricer.cases[c].template for c in only})
        return tuple(self._effect(template, self._cases[template], selection) for template in wanted)

    def _effect(self, template: int, cases: Sequence[int], selection: Mask) -> TemplateEffect:
        before = sum(self.shares[c] * self.case_cost(c, self.now) for c in cases)
        after = sum(self.shares[c] * self.case_cost(c, selection) for c in cases)
        weight = self.problem.weights[template]
        holds, scenarios = holds_in(self._classes(cases, selection, -1))
        share = weight * before / self.before if self.before else 0.0
        return TemplateEffect(self.problem.all_templates[template].id, before, after, share, weight, holds, scenarios)

    def _classes(self, cases: Sequence[int], selection: Mask, mask: Mask) -> list[ClassEffect]:
        found = []
        for c in cases:
            answer = self.pricer.possible(c, selection)
            used = answer is not None and bool(answer.used & mask)
            label, share = self.pricer.cases[c].label, self.shares[c]
            found.append(ClassEffect(label, share, self.case_cost(c, self.now), self.case_cost(c, selection), used))
        return found

    def choice(self, number: int, selection: Mask, benefit: float, users: Sequence[int]) -> Choice:
        """Everything there is to say about one chosen index; ``users`` are the cases whose plans use it."""
        effects = self.effects(selection, users)
        templates = sorted({self.pricer.cases[c].template for c in users})
        cases = [*chain.from_iterable(self._cases[template] for template in templates)]
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


def dropped(ledger: Ledger, selection: Mask) -> tuple[DroppedIndex, ...]:
    """Everything there is to say about what is there and goes, largest first."""
    pool = ledger.problem.pool
    gone = sorted(members(pool.now & ~selection), key=lambda n: (-ledger.problem.sizes[n], n))
    alone = _alone(ledger, selection)
    if gone:
        ledger.pricer.ask((c, alone) for c in range(len(ledger.pricer.cases)))
    return tuple(_dropped(ledger, selection, alone, number) for number in gone)


def _dropped(ledger: Ledger, selection: Mask, alone: Mask, number: int) -> DroppedIndex:
    problem, pool = ledger.problem, ledger.problem.pool
    item = pool.spared(number)
    near = [c for c, case in enumerate(ledger.pricer.cases) if case.relevant >> number & 1]
    used = []
    for case in near:
        answer = ledger.pricer.known(case, ledger.now)
        used += [case] if answer is not None and answer.used >> number & 1 else []
    stays = item.by is not None and not any(s.name == item.by for s in map(pool.spared, members(pool.now & ~selection)))
    instead = next(iter(members(selection & pool.kin(number))), None) if not stays else None
    return DroppedIndex(
        item,
        pool.definition(instead) if instead is not None else None,
        _needed(ledger, selection, alone, near),
        ledger.effects(selection, used) if used else (),
        problem.writes.of(item.definition),
        len({ledger.pricer.cases[c].template for c in near}),
    )


def _needed(ledger: Ledger, selection: Mask, alone: Mask, cases: Sequence[int]) -> tuple[IndexDefinition, ...]:
    """The new indexes of those cases that would get too dear by the drops alone."""
    pool, needed = ledger.problem.pool, 0
    for case in cases:
        if ledger.case_cost(case, alone) > ledger.problem.program.charges[case].most:
            answer = ledger.pricer.known(case, selection)
            needed |= answer.used & pool.new if answer is not None else 0
    return tuple(pool.definition(n) for n in members(needed))


def _alone(ledger: Ledger, selection: Mask) -> Mask:
    """What would be there if no new index stood: without one, what it replaces stays."""
    left = selection & ledger.now
    return left | given_back(ledger.problem.program, left) | ledger.problem.pool.replaced(selection)


WORTH_ASKING = 300  # questions spent on learning why not


@dataclass(frozen=True, slots=True)
class SelectionOutcome:
    """What the search decided: the final selection, and the indexes it gave up for fewer or for want of benefit."""

    selection: Mask
    program: Program
    fewer: Mask = 0
    pruned: Mapping[int, float] = field(default_factory=dict)


class WhyNot:
    """Reasons for one outcome. Asks the planner about the most promising candidates left out."""

    def __init__(self, ledger: Ledger, outcome: SelectionOutcome, stand_ins: tuple[Mask, ...]):
        self.ledger = ledger
        self.outcome = outcome
        self.stand_ins = stand_ins
        self.unit = ledger.before or 1.0
        self.used: Mask = 0
        self.offered: Mask = 0
        self._cases = by_member(case.relevant for case in ledger.pricer.cases)
        self._chosen: dict[QualifiedName, list[int]] = {}
        for number in members(outcome.selection & ledger.problem.pool.new):
            self._chosen.setdefault(ledger.problem.pool.definition(number).table, []).append(number)

    def rejections(self) -> tuple[Rejection, ...]:
        """One per candidate of the pool that is not selected, largest benefit first."""
        pool = self.ledger.problem.pool
        left = [n for n in range(pool.first_spare) if not self.outcome.selection >> n & 1]
        self._ask(left)
        for case in range(len(self.ledger.pricer.cases)):
            for answer in self.ledger.pricer.answers(case):
                self.offered |= answer.available
            for plan in self.ledger.pricer.plans(case):
                self.used |= plan.used
        found = [self._rejection(n) for n in left]
        return tuple(sorted(found, key=lambda r: -(r.benefit or 0.0)))

    def _ask(self, left: list[int]) -> None:
        """Price the selection with each candidate added, where something could still be gained."""
        pricer, taken = self.ledger.pricer, self.outcome.selection
        wanted = sum(1 << number for number in left)
        questions = []
        for case, facts in enumerate(pricer.cases):
            now, bounds = self.ledger.case_cost(case, taken), pricer.answers_with(case, taken)
            for number in members(facts.relevant & wanted):
                least = max((a.cost for a in bounds if a.available >> number & 1), default=0.0)
                possible = self.ledger.weight(case) * (now - least)
                if possible > self.ledger.problem.prices[number] / 2:
                    questions.append((-possible, number, case))
        best = sorted(questions)[:WORTH_ASKING]
        pricer.ask((case, taken | 1 << number) for _, number, case in best)

    def gain(self, number: int) -> float:
        """The share of the workload's cost that adding only this index is known to save."""
        selection = self.outcome.selection | 1 << number
        saved = sum(
            self.ledger.weight(c)
            * (self.ledger.case_cost(c, self.outcome.selection) - self.ledger.case_cost(c, selection))
            for c in self._cases.get(number, ())
        )
        return max(0.0, saved / self.unit)

    def _rejection(self, number: int) -> Rejection:
        candidate = self.ledger.problem.pool.candidates[number]
        benefit = self.outcome.pruned.get(number, self.gain(number))
        reason, detail, by = self._reason(number, benefit)
        definition = candidate.definition
        return Rejection(summary(definition), reason, detail, definition, by, candidate.templates, benefit)

    def _reason(self, number: int, benefit: float) -> tuple[str, str, str | None]:
        bit = 1 << number
        if self.outcome.fewer & bit:
            return "fewer_indexes", "the workload costs the same with fewer or smaller indexes", None
        if number not in self.outcome.pruned and not self.used & bit:
            return self._unused(number)
        if number in self.outcome.pruned:
            least = self.ledger.problem.limits.min_benefit
            of_one = _percent(min(OF_A_STATEMENT * least, 1.0))
            return self._little(
                number, benefit, f"less than {_percent(least)}, and less than {of_one} of any statement"
            )
        bill = self.ledger.problem.writes.units(self.ledger.problem.pool.definition(number)) / self.unit
        if bill > benefit:
            return "write_cost", f"{_saves(benefit)} and add {_percent(bill)} in writes", None
        limited, price = self._limited(number, benefit), self.ledger.problem.prices[number] / self.unit + bill
        if limited is None and benefit > price:
            ended = "the search ended before it was asked for beside the rest"
            return "not_asked", f"{_saves(benefit)}, more than the {_percent(price)} it costs: {ended}", None
        return limited or self._little(number, benefit, f"less than its price of {_percent(price)}")

    def _unused(self, number: int) -> tuple[str, str, str | None]:
        rival = self._rival(number)
        if rival is not None:
            return "dominated", f"{rival} serves the same statements", rival
        if number not in self._cases:
            return (
                "not_used",
                "no statement of the workload could use it: what the server only counts is not priced",
                None,
            )
        if not self.offered >> number & 1:
            return "not_asked", "the search ended before a plan with it was asked for", None
        return "not_used", "no plan the planner made uses it, although it was offered", None

    def _rival(self, number: int) -> str | None:
        """A chosen index that begins with the same keys, or that this one begins with."""
        pool = self.ledger.problem.pool
        chosen = self._chosen.get(pool.definition(number).table, ())
        return next((pool.definition(m).id for m in chosen if self._related(number, m)), None)

    def _related(self, number: int, other: int) -> bool:
        one, two = self.ledger.problem.pool.definition(number), self.ledger.problem.pool.definition(other)
        return bool(self.stand_ins[number] >> other & 1) or (one.method == two.method and one.keys[0] == two.keys[0])

    def _little(self, number: int, benefit: float, why: str) -> tuple[str, str, str | None]:
        rival = self._rival(number)
        if rival is not None:
            return "dominated", f"with {rival} in place it would save {_percent(benefit)} more", rival
        return "too_little_benefit", f"{_saves(benefit)}, {why}", None

    def _limited(self, number: int, benefit: float) -> tuple[str, str, str | None] | None:
        saves = _saves(benefit)
        broken = [r for r in self.outcome.program.rows if not r.allows(self.outcome.selection | 1 << number)]
        families = {row.family for row in broken}
        if "budget" in families:
            size = self.ledger.problem.sizes[number]
            return "over_budget", f"{saves}, but its {units.size(size)} do not fit the storage budget", None
        if "tenant_budget" in families:
            who = next(row.subject for row in broken if row.family == "tenant_budget")
            return "over_budget", f"{saves}, but it does not fit the storage budget of tenant {who}", None
        if "write_overhead" in families:
            return "write_cost", f"{saves}, but would make writes dearer than allowed", None
        if "tenant_indexes" in families:
            who = next(row.subject for row in broken if row.family == "tenant_indexes")
            return "over_limit", f"{saves}, but tenant {who} may have no more indexes", None
        if "max_changes" in families:
            return "over_limit", f"{saves}, but the number of changes is limited", None
        if families & {"max_indexes", "per_table"}:
            return "over_limit", f"{saves}, but the number of indexes is limited", None
        if "protection" in families:
            return "over_limit", f"{saves}, but would make another statement dearer than allowed", None
        return None


_NOTHING = 1e-12  # what rounding leaves


def _saves(benefit: float) -> str:
    return f"it would save {_percent(benefit)} of the workload's cost"


def _percent(share: float) -> str:
    if share >= 1:
        return f"{share * 100:,.0f} %"  # a price may be many times the workload
    if share < 1e-6:
        return "less than 0.0001 %" if share > _NOTHING else "nothing"
    return f"{share * 100:.2g} %"
