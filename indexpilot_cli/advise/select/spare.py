"""Indexes that are there in the same program as those that are not: what may go, and for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.advise.costing import Pool, Pricer, stands_for
from indexpilot_cli.advise.masks import Mask, members
from indexpilot_cli.advise.select.program import Program, Row
from indexpilot_cli.core.index import Candidate, IndexDefinition, SpareIndex
from indexpilot_cli.core.plan import TemplateEffect
from indexpilot_cli.methods.writes import WriteCost


@dataclass(frozen=True, slots=True)
class DroppedIndex:
    """One index that goes. ``by`` is the new index in its place, where nothing else would do its work; ``needs`` are
    new indexes without which some statement would get too dear. ``effects`` are the templates that use it now, with
    what the whole selection makes of them; ``write`` is what its upkeep costs.
    """

    spare: SpareIndex
    by: IndexDefinition | None
    needs: tuple[IndexDefinition, ...]
    effects: tuple[TemplateEffect, ...]
    write: WriteCost
    asked: int


def replaceable(spare: Sequence[SpareIndex], accepted: Sequence[Candidate]) -> tuple[SpareIndex, ...]:
    """Those that may go: freely, for another one that is there, or for a candidate that would do all their work."""
    return tuple(
        s for s in spare if s.free or s.by is not None or any(stands_for(c.definition, s.definition) for c in accepted)
    )


EXPLAINED = 0.9  # of the scans counted: the counters and the statements are not read at one moment
STAYS = "stays"  # the family of rows by which what is there goes only for what does its work


def stays(pool: Pool, held: Mask) -> Iterator[Row]:
    """Of an index that may only be replaced and of those that can take its place, one at least; ``held`` stay."""
    numbers = {s.name: n for n, s in enumerate(pool.spare, pool.first_spare)}
    for number, item in enumerate(pool.spare, pool.first_spare):
        kept = bool(held >> number & 1)
        if not kept and (item.free or (item.by is not None and item.by not in numbers)):
            continue
        instead = [*members(pool.kin(number)), *([numbers[item.by]] if item.by is not None else [])]
        # One at least: minus the number of those that are there is minus one at most.
        yield Row(STAYS, tuple((n, -1.0) for n in (number, *instead)), -1.0)


def unexplained(pricer: Pricer, calls: Sequence[float]) -> Mask:
    """What is there and was read more often than the workload's statements say; ``calls`` are theirs."""
    pool, held = pricer.pool, 0
    explained: dict[int, float] = {}
    for number, case in enumerate(pricer.cases):
        answer = pricer.known(number, pool.now)
        for used in members(answer.used & pool.now) if answer is not None else ():
            explained[used] = explained.get(used, 0.0) + calls[case.template] * case.share
    for number, item in enumerate(pool.spare, pool.first_spare):
        if item.scans is not None and explained.get(number, 0.0) < EXPLAINED * item.scans:
            held |= 1 << number
    return held


def given_back(program: Program, selection: Mask) -> Mask:
    """What has to stay with the selection, since nothing of it takes its place."""
    back = 0
    for row in program.rows:
        if row.family == STAYS and not row.allows(selection):
            back |= 1 << row.coefficients[0][0]
    return back
