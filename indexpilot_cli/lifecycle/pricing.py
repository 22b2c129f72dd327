"""What each drop costs: recorded statements planned with the index hidden, alone and together with all others offered.

PostgreSQL has no invisible index, and BEGIN; DROP INDEX; EXPLAIN; ROLLBACK takes ACCESS EXCLUSIVE: a twin is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.advise.drops import DEARER, loss_text
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario
from indexpilot_cli.db.plans import access
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleState,
    SlowerTemplate,
)
from indexpilot_cli.methods.partitioned import upwards

ByIndex = Mapping[QualifiedName, tuple[SlowerTemplate, ...]]


@dataclass(frozen=True, slots=True)
class PricedStatement:
    """One statement of one parameter class, with the plan and the cost it has now."""

    template: str
    plannable: Plannable
    tables: frozenset[QualifiedName]
    now: PlannedStatement


@dataclass(slots=True)
class DropPrices:
    """Prices of drops. ``limit`` is the factor from which a statement's cost forbids a drop."""

    facts: LifecycleFacts
    estimator: CostEstimator
    statements: Sequence[PricedStatement]
    limit: float
    _hides: dict[QualifiedName, frozenset[QualifiedName]] = field(default_factory=dict)
    _families: Mapping[QualifiedName, QualifiedName] = field(default_factory=dict)
    _offered: dict[QualifiedName, frozenset[QualifiedName]] = field(default_factory=dict)
    _templates: dict[QualifiedName, set[str]] = field(default_factory=dict)

    def without(self, statements: Sequence[PricedStatement], gone: frozenset[QualifiedName]) -> list[PlannedStatement]:
        """The statements' plans once all these indexes are gone."""
        if not statements:
            return []
        questions = []
        for statement in statements:
            # Of thousands of indexes only those near its tables can change a plan.
            near = self.near(statement).intersection(gone)
            hidden = frozenset().union(*(self._hides[name] for name in near))
            questions.append(WhatIf(statement.plannable, hidden=hidden, keep_tree=True))
        return list(self.estimator.plan(questions))

    def near(self, statement: PricedStatement) -> frozenset[QualifiedName]:
        """The offered indexes that its plan may meet: on its tables, and on those above and below them."""
        if not all(table in self._families for table in statement.tables):  # a view: what it reads is not known here
            return frozenset(self._hides)
        roots = {self._families[table] for table in statement.tables}
        return frozenset().union(*(self._offered.get(root, frozenset()) for root in roots))

    def on_family(self, table: QualifiedName) -> int:
        """How many templates read or write the table, or one above or below it."""
        return len(self._templates.get(self._families.get(table, table), ()))

    def know(self, offers: Sequence[LifecycleFinding]) -> None:
        """What is to be hidden for each: the index of a partitioned table is its parts."""
        indexes = {index.name: index for index in self.facts.catalog.indexes()}
        self._families = families(self.facts.catalog)
        for statement in self.statements:
            for table in statement.tables:
                self._templates.setdefault(self._families.get(table, table), set()).add(statement.template)
        for offer in offers:
            assert offer.index is not None
            members = self.facts.members(indexes[offer.index])
            self._hides[offer.index] = frozenset({offer.index, *(i.name for i in members)})
            family = self._families.get(offer.table, offer.table)
            self._offered[family] = self._offered.get(family, frozenset()) | {offer.index}


def is_priced(finding: LifecycleFinding) -> bool:
    """Whether a statement could become dearer by what the finding offers."""
    return finding.action is LifecycleAction.DROP and finding.state is not LifecycleState.INVALID


def touched(offers: Sequence[LifecycleFinding], facts: LifecycleFacts) -> frozenset[QualifiedName]:
    """The tables of the offers, with the tables above and below them."""
    near = relatives(facts.catalog)
    found = frozenset(offer.table for offer in offers)
    return found.union(*(near.get(table, ()) for table in found))


def families(catalog: Catalog) -> Mapping[QualifiedName, QualifiedName]:
    """By table the one above all that are above it; itself where there is none."""
    found: dict[QualifiedName, QualifiedName] = {}
    for table in catalog.tables:
        *_, root = upwards(table.name, catalog)
        found[table.name] = root
    return found


def relatives(catalog: Catalog) -> Mapping[QualifiedName, frozenset[QualifiedName]]:
    """By table itself with all that are above and below it."""
    roots = families(catalog)
    found: defaultdict[QualifiedName, set[QualifiedName]] = defaultdict(set)
    for table, root in roots.items():
        found[root].add(table)
    whole = {root: frozenset(tables) for root, tables in found.items()}
    return {table: whole[root] for table, root in roots.items()}


def statements_of(
    templates: Sequence[QueryTemplate], tables: frozenset[QualifiedName], estimator: CostEstimator, progress: Progress
) -> tuple[PricedStatement, ...]:
    """Every parameter class of the templates that read or write one of the tables, where the planner takes it."""
    progress.stage("pricing the drops")
    near: list[tuple[QueryTemplate, Scenario]] = []
    for template in templates:
        near += ((template, s) for s in template.scenarios if tables.intersection(template.relations))
    plans = estimator.plan([WhatIf(scenario.statement) for _, scenario in near])
    return tuple(
        PricedStatement(template.id, scenario.statement, frozenset(template.relations), plan)
        for (template, scenario), plan in zip(near, plans, strict=True)
        if plan.ok and plan.total_cost > 0
    )


def priced(findings: Sequence[LifecycleFinding], prices: DropPrices) -> tuple[LifecycleFinding, ...]:
    """The findings, each drop with the statements it makes dearer; one that costs too much is only reported.

    Offers stand together: what is left of them makes no statement dearer than the limit when all are carried out.
    """
    offers = [f for f in findings if is_priced(f)]
    if not offers:
        return tuple(findings)
    prices.know(offers)
    alone = _alone(offers, prices)
    kept = {name for name, slower in alone.items() if any(s.factor > prices.limit for s in slower)}
    missed = _missed_together([f for f in offers if f.index not in kept], prices)
    return tuple(_told(f, alone, missed, prices) if is_priced(f) else f for f in findings)


def _alone(
    offers: Sequence[LifecycleFinding], prices: DropPrices
) -> Mapping[QualifiedName, tuple[SlowerTemplate, ...]]:
    """By index the templates its own drop makes dearer, dearest first."""
    names = frozenset(f.index for f in offers if f.index is not None)
    # One question for all drops sorts out the statements that none of them concerns.
    plans = prices.without(prices.statements, names)
    pairs = zip(prices.statements, plans, strict=True)
    concerned: dict[QualifiedName, list[PricedStatement]] = {name: [] for name in names}
    for statement, plan in pairs:
        if _factor(statement, plan) > DEARER or statement.now.existing & names:
            for name in prices.near(statement) | (statement.now.existing & names):
                concerned[name].append(statement)
    return {name: _slower(own, prices.without(own, frozenset({name}))) for name, own in concerned.items()}


def _factor(statement: PricedStatement, plan: PlannedStatement) -> float:
    return plan.total_cost / statement.now.total_cost if plan.ok else 1.0


def _slower(statements: Sequence[PricedStatement], plans: Sequence[PlannedStatement]) -> tuple[SlowerTemplate, ...]:
    """One for each template: of its parameter classes the one that suffers most."""
    worst: dict[str, SlowerTemplate] = {}
    for statement, plan in zip(statements, plans, strict=True):
        factor = _factor(statement, plan)
        known = worst.get(statement.template)
        if factor > DEARER and (known is None or factor > known.factor):
            instead = access(plan.tree) if plan.tree is not None else ""
            before, after = statement.now.total_cost, plan.total_cost
            worst[statement.template] = SlowerTemplate(statement.template, factor, before, after, instead)
    return tuple(sorted(worst.values(), key=lambda s: (-s.factor, s.template)))


def _missed_together(offers: Sequence[LifecycleFinding], prices: DropPrices) -> ByIndex:
    """Indexes that stand in for one another: of those whose drops together are too dear, the ones to be kept."""
    gone = frozenset(f.index for f in offers if f.index is not None)
    missed: dict[QualifiedName, tuple[SlowerTemplate, ...]] = {}
    while gone:
        dear = _too_dear(gone, prices)
        if dear is None:
            break
        statement, plan = dear
        candidates = sorted(gone & prices.near(statement))
        back = [(prices.without([statement], gone - {name})[0].total_cost, name) for name in candidates]
        _, best = min(back)
        missed[best] = _slower([statement], [plan])
        gone -= {best}
    return missed


def _too_dear(gone: frozenset[QualifiedName], prices: DropPrices) -> tuple[PricedStatement, PlannedStatement] | None:
    plans = prices.without(prices.statements, gone)
    worst = max(zip(prices.statements, plans, strict=True), key=lambda pair: _factor(*pair), default=None)
    return worst if worst is not None and _factor(*worst) > prices.limit else None


def _told(
    finding: LifecycleFinding,
    alone: ByIndex,
    missed: ByIndex,
    prices: DropPrices,
) -> LifecycleFinding:
    assert finding.index is not None
    own, name = alone[finding.index], prices.estimator.name
    if any(s.factor > prices.limit for s in own):
        return _reported(finding, own, "", name)
    if finding.index in missed:
        return _reported(finding, missed[finding.index], " once the others offered here are gone", name)
    asked = prices.on_family(finding.table)
    text = f"{loss_text(asked, own[0].factor if own else None)} without it"
    return replace(finding, slower=own, evidence=(*finding.evidence, Reason("priced", text, name)))


def _reported(
    finding: LifecycleFinding, slower: tuple[SlowerTemplate, ...], when: str, estimator: str
) -> LifecycleFinding:
    worst = slower[0]
    text = f"{worst.template} costs {worst.factor:,.1f} times as much without it{when}: {worst.instead}"
    more = f", and {len(slower) - 1} more statements" if len(slower) > 1 else ""
    return replace(finding, slower=slower).only_reported(Reason("slower", text + more, estimator))


def unpriced(findings: Sequence[LifecycleFinding], why: str) -> tuple[LifecycleFinding, ...]:
    """The findings where no planner could be asked: each drop says so."""
    reason = Reason("not_priced", why, "workload")
    return tuple(replace(f, evidence=(*f.evidence, reason)) if is_priced(f) else f for f in findings)
