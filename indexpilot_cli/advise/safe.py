"""Leaving out what saves too little or may have been priced too low: ``min_improvement_pct`` and ``--risk``.

The planner prices rows fetched by index by the pages they lie on; from pages in memory they take up to three times
that against the rows of a scan. Measured on TPC-H at half the tables' size: statements of 0.48 and 0.93 of the cost
took 1.9 and 1.7 of the processor time, with row estimates that were right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count

from indexpilot_cli.advise.explain.shapes import DEARER, index_reads, risky_loops
from indexpilot_cli.advise.select.problem import Choice, Selection
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import Candidate, IndexDefinition, Rejection

ENOUGH_ROWS = 1000.0
ENOUGH_COST = 100.0  # about a millisecond: a statement that takes less is not endangered by rows nobody expected
SLOWER = 1.2  # a statement may take so much of its time without indexes
_ROUNDS = 4


class RiskLevel(StrEnum):
    """What may go wrong for the sake of the whole: nothing, less than an index saves, or anything."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Danger:
    """A statement that may become slower: its indexes, and the share of the workload it would then cost more."""

    template: str
    factor: float
    indexes: frozenset[IndexDefinition]
    loss: float


def dangers(selection: Selection) -> Iterator[Danger]:
    """Statements that would be slower than now if rows read by index took three times the planner's price.

    Few rows are no danger, unless a loop that pays runs only so often by an estimate that may be wrong.
    """
    effects = {e.template: e for e in selection.effects}
    for (template, _), plan in selection.plans.items():
        effect = effects.get(template)
        if effect is None or plan.tree is None or effect.before <= 0:
            continue
        reads, after = index_reads(plan.tree), float(plan.tree["Total Cost"])
        factor = (after + (DEARER - 1.0) * min(reads.cost, after)) / effect.before
        loops = effect.before >= ENOUGH_COST and risky_loops(plan.tree, effect.before)
        if factor > SLOWER and (reads.rows >= ENOUGH_ROWS or loops):
            yield Danger(template, factor, plan.hypothetical, effect.share * (factor - 1.0))


def without_dangers(
    candidates: tuple[Candidate, ...],
    choose: Callable[[tuple[Candidate, ...]], Selection],
    level: RiskLevel,
    least_percent: float = 0.0,
    held: Callable[[Selection], Mapping[IndexDefinition, Rejection]] = lambda _: {},
) -> Selection:
    """The selection among candidates none of which endangers more than the level allows, or makes the statements that
    use it cheaper by less than ``least_percent``, or is ``held``; the others are rejected.
    """
    selection, left_out = choose(candidates), dict[IndexDefinition, Rejection]()
    rounds = _ROUNDS if level is not RiskLevel.HIGH else 0
    for turn in count():
        found = {**held(selection), **_too_little(selection, least_percent)}
        if turn < rounds:
            # In the last round all of them: nothing stays endangered for want of another one.
            found |= _too_dangerous(selection, level, every=turn == rounds - 1)
        if not found:
            break
        left_out |= found
        # There is a candidate less each time, so this ends.
        selection = choose(tuple(c for c in candidates if c.definition not in left_out))
    return replace(selection, rejections=(*left_out.values(), *selection.rejections))


def _too_little(selection: Selection, least_percent: float) -> dict[IndexDefinition, Rejection]:
    found = {}
    for choice in selection.chosen:
        percent = choice.reduction * 100
        if percent < least_percent:
            text = f"its statements get {percent:.1f} % cheaper, less than min_improvement_pct ({least_percent:g} %)"
            found[choice.candidate.definition] = _rejection(choice, "too_little_benefit", text)
    return found


def _too_dangerous(selection: Selection, level: RiskLevel, every: bool) -> dict[IndexDefinition, Rejection]:
    """Of every endangered statement the index that saves least (or all), when it is not worth the danger."""
    found = {}
    all_of = tuple(dangers(selection))
    for danger in all_of:
        used = sorted(
            (c for c in selection.chosen if c.candidate.definition in danger.indexes), key=lambda c: c.benefit
        )
        if not every:
            del used[1:]
        for choice in used:
            candidate = choice.candidate
            loss = sum(d.loss for d in all_of if candidate.definition in d.indexes)
            if level is RiskLevel.LOW or loss > choice.benefit:
                found[candidate.definition] = _rejection(choice, "risk", _slower(danger))
    return found


def _slower(danger: Danger) -> str:
    return (
        f"{danger.template} may become {danger.factor:.1f} times slower: it reads many rows one by one through "
        "indexes, which the planner prices low where pages are in memory (--risk high offers it)"
    )


def _rejection(choice: Choice, code: str, text: str) -> Rejection:
    candidate = choice.candidate
    return Rejection(
        summary(candidate.definition),
        code,
        text,
        candidate.definition,
        templates=candidate.templates,
        benefit=choice.benefit,
    )
