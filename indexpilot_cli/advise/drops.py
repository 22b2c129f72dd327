"""Indexes that are there and go: checked against the statements that were not priced, and told as steps of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.advise.select.problem import Selection
from indexpilot_cli.advise.select.spare import DroppedIndex
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import IndexDefinition, Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import PlanAction, Recommendation, ReplacedIndex, TemplateEffect, Warn
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
from indexpilot_cli.methods.partitioned import alone

DEARER = 1.01  # a statement that costs at most this times as much as before has not become slower


def checked(
    selection: Selection, folded: FoldedWorkload, kept: FoldedWorkload, estimator: CostEstimator, most: float
) -> Selection:
    """The selection without drops that make a statement dearer than ``most`` times that the choice did not look at."""
    if not selection.dropped or len(kept.templates) == len(folded.templates):
        return selection
    seen = {t.id for t in kept.templates}
    tables = frozenset[QualifiedName]().union(*(d.spare.tables for d in selection.dropped))
    others = [t for t in folded.templates if t.id not in seen and tables.intersection(t.relations)]
    hurt = frozenset[QualifiedName]().union(*_hurt(selection, others, estimator, most))
    return replace(selection, dropped=tuple(d for d in selection.dropped if not d.spare.tables & hurt))


def _hurt(
    selection: Selection, templates: Sequence[QueryTemplate], estimator: CostEstimator, most: float
) -> Iterator[frozenset[QualifiedName]]:
    """The tables of each statement that gets too dear."""
    hidden = frozenset[QualifiedName]().union(*(d.spare.hides for d in selection.dropped))
    asked: list[tuple[QueryTemplate, WhatIf]] = []
    for template in templates:
        asked += ((template, WhatIf(scenario.statement)) for scenario in template.scenarios)
    now = estimator.plan([question for _, question in asked])
    then = estimator.plan([replace(q, indexes=selection.definitions, hidden=hidden) for _, q in asked])
    for (template, _), before, after in zip(asked, now, then, strict=True):
        if before.ok and (not after.ok or after.total_cost > most * before.total_cost):
            yield frozenset(template.relations)


def replaced_by(selection: Selection, definition: IndexDefinition) -> tuple[DroppedIndex, ...]:
    """What goes because that new index does its work."""
    return tuple(d for d in selection.dropped if d.by == definition)


def replacing(recommendation: Recommendation, old: Sequence[DroppedIndex]) -> Recommendation:
    """The build as a replacement of those; itself where there are none."""
    if not old:
        return recommendation
    names = ", ".join(d.spare.name.short for d in old)
    why = "goes once it stands: it does all that one does"
    reasons = (Reason("replaces", f"{d.spare.name.short} {why}", "catalog") for d in old)
    told = (_priced(d) for d in old)
    return replace(
        recommendation,
        action=PlanAction.REPLACE,
        summary=f"{recommendation.summary} instead of {names}",
        write_cost=recommendation.write_cost - sum(d.write.relative for d in old),
        reasons=(*recommendation.reasons, *reasons, *told),
        replaces=tuple(
            ReplacedIndex(d.spare.name.name, d.spare.definition, d.spare.ddl, d.spare.undo, d.spare.size_bytes)
            for d in old
        ),
    )


def dropping(selection: Selection) -> Iterator[Recommendation]:
    """The drops that are steps of their own, largest first."""
    for one in selection.dropped:
        if one.by is None:
            yield _drop(one)


def _drop(one: DroppedIndex) -> Recommendation:
    spare = one.spare
    saved = (Reason("upkeep", one.write.text, "model"),) if one.write.kind else ()
    return Recommendation(
        id=spare.id,
        definition=spare.definition,
        name=spare.name.name,
        ddl=spare.ddl,
        undo=spare.undo,
        summary=f"drop {spare.name.short}",
        kind=spare.state,
        size_bytes=spare.size_bytes,
        size_method="measured",
        benefit=0.0,
        reduction=0.0,
        write_cost=-one.write.relative,
        templates=_dearer(one),
        reasons=(*spare.reasons, _priced(one), *saved),
        confidence="high",
        confidence_why="the planner was asked with the index hidden",
        action=PlanAction.DROP,
        needs=tuple(sorted(d.id for d in one.needs)),
    )


def _dearer(one: DroppedIndex) -> tuple[TemplateEffect, ...]:
    return tuple(e for e in one.effects if e.after > DEARER * e.before)


def _priced(one: DroppedIndex) -> Reason:
    """What the recorded statements lose."""
    dearer = _dearer(one)
    worst = max((e.after / e.before for e in dearer), default=None)
    return Reason("priced", f"{loss_text(one.asked, worst)} without {one.spare.name.short}", "planner")


def loss_text(asked: int, worst: float | None) -> str:
    """How much dearer a drop makes at most (None: not at all) the recorded statements that were asked about."""
    loss = f"none costs more than {worst:.2f} times as much" if worst is not None else "none gets dearer"
    return f"of {asked} recorded {'statement' if asked == 1 else 'statements'} on its table {loss}"


def standing_beside(recommendations: Sequence[Recommendation], catalog: Catalog) -> Iterator[Warn]:
    """A warning for each index of a single partition that will have its like, a part of a new index, beside it."""
    for made in recommendations:
        for index in alone(made.definition, catalog) if made.action.builds else ():
            text = f"{index.name.short} can go once {made.summary} has a part beside it"
            yield Warn("index_twice", str(index.name), text)
