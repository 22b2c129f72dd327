"""What may not happen when an index is added: a dearer plan, or other row estimates. Where it does, the worse counts.

Measured on 9,615 pairs of configurations of star joins, 83 plans got dearer with an index more, the worst by 1.8 per
cent: the planner drops paths that cost nearly the same. So 2 per cent are let pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from indexpilot_cli.algorithms.base import ChosenIndex, PresentChoice, Study
from indexpilot_cli.core.estimator import PlannedStatement, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.workload import Plannable

TOLERANCE = 1.02


@dataclass(frozen=True, slots=True)
class Unreliable:
    """An index whose worth for a template's scenario rests on an answer that contradicts another. Costs and rows with
    and without it; ``gain`` is what is left of its gain when the worse of the two costs counts.
    """

    index: ChosenIndex
    template: str
    label: str
    without: PlannedStatement
    with_it: PlannedStatement

    @property
    def why(self) -> str:
        """As a clause."""
        one, other = self.with_it, self.without
        if one.total_cost > other.total_cost * TOLERANCE:
            return f"{self.template} would cost {one.total_cost:,.0f} with it and {other.total_cost:,.0f} without"
        return f"the planner expects {one.rows:,.0f} rows of {self.template} with it and {other.rows:,.0f} without"


def contradictions(study: Study, choice: PresentChoice) -> Iterator[Unreliable]:
    """Of every chosen index the statements whose plans use it and contradict those without it."""
    every = frozenset(one.candidate.definition for one in choice.indexes)
    statements: dict[tuple[str, str], Plannable] = {}
    for template in study.templates:
        statements |= {(template.id, s.label): s.statement for s in template.scenarios}
    for one in choice.indexes:
        own = one.candidate.definition
        mine = [key for key, plan in choice.plans.items() if key in statements and own in plan.hypothetical]
        # Both asked anew: what the choice drops is hidden in its plans.
        having = study.estimator.plan([WhatIf(statements[key], every) for key in mine])
        lacking = study.estimator.plan([WhatIf(statements[key], every - {own}) for key in mine])
        for key, with_it, without in zip(mine, having, lacking, strict=True):
            if with_it.ok and without.ok and _contradicts(own, without, with_it):
                yield Unreliable(one, *key, without, with_it)


def _contradicts(definition: IndexDefinition, without: PlannedStatement, with_it: PlannedStatement) -> bool:
    if with_it.total_cost > without.total_cost * TOLERANCE:
        return True
    # A unique index and one of an expression tell the planner something new: other estimates are right then.
    tells = definition.unique or any(key.expression is not None for key in definition.keys)
    low, high = sorted((max(without.rows, 1.0), max(with_it.rows, 1.0)))
    return not tells and high > low * TOLERANCE


def without_worth(
    found: Mapping[IndexDefinition, list[Unreliable]], choice: PresentChoice
) -> Iterator[IndexDefinition]:
    """Indexes that save nothing once the worse of two costs counts for every statement that contradicts itself."""
    for one in choice.indexes:
        broken = found.get(one.candidate.definition, [])
        doubtful = {unreliable.template for unreliable in broken}
        saved = sum(e.weight * (e.before - e.after) for e in one.effects if e.template not in doubtful)
        if broken and saved <= 0:
            yield one.candidate.definition
