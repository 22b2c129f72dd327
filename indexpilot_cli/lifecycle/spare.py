"""Which of the indexes that are there ``recommend`` may drop or replace, by the evidence ``lifecycle`` asks for.

Three kinds may go. One whose work another one does: by its structure, so that no statement needs to have been seen. One
that nothing has read for long enough. And, where that is asked for, one that is read by recorded statements alone: an
index with scans that the workload cannot explain serves somebody we have not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from indexpilot_cli.advise.recommend import SpareIndexes
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.index import DropChoice, Reason, SpareIndex
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.lifecycle.findings.references import supports
from indexpilot_cli.lifecycle.findings.structure import dropping, redundant_findings
from indexpilot_cli.lifecycle.findings.unused import unused_findings
from indexpilot_cli.lifecycle.lifecycle import gather, keep_counters, look_at_counters, notes_of
from indexpilot_cli.lifecycle.pricing import relatives
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleRequest,
    LifecycleState,
)
from indexpilot_cli.methods.existing import must_stay, redundant_indexes
from indexpilot_cli.settings.sections import Settings
from indexpilot_cli.snapshot.source import Source


@dataclass(frozen=True, slots=True)
class SpareRequest:
    """``lifecycle`` says how the counters are read and judged; ``choice`` what may go by them."""

    lifecycle: LifecycleRequest
    choice: DropChoice = DropChoice.PROVEN

    @classmethod
    def by(cls, settings: Settings, request: RecommendRequest, standbys: Sequence[str] = ()) -> SpareRequest:
        """What of the indexes that are there may go beside that advice, by the settings of ``lifecycle``."""
        asked = LifecycleRequest(
            request.connection,
            request.snapshot,
            min_age=timedelta(seconds=settings.operational.lifecycle.min_age),
            standbys=tuple(standbys),
            max_slower=request.max_slower,
            planner=request.planner,
            record=request.record,
            periods=request.features.predictive_indexing.enabled,
        )
        return cls(asked, DropChoice(settings.advisor.drops))

    def __call__(self, source: Source, folded: FoldedWorkload, progress: Progress) -> SpareIndexes:
        """The indexes that may go. Raises UsageError for what is no standby of this server, UnreachableError."""
        if self.choice is DropChoice.NONE:
            return SpareIndexes()
        seen = look_at_counters(source, self.lifecycle, progress)
        facts = gather(source, self.lifecycle, seen, folded)
        warning = keep_counters(self.lifecycle, source, seen)
        warnings = (*seen.warnings, *((warning,) if warning is not None else ()))
        notes = notes_of(facts, seen, self.lifecycle) if seen.looks else ()
        return SpareIndexes(tuple(spare_indexes(facts, self.choice)), tuple(notes), warnings)


def spare_indexes(facts: LifecycleFacts, choice: DropChoice) -> Iterator[SpareIndex]:
    """The indexes that may go, and for what."""
    redundant = redundant_indexes(facts.catalog.tables)
    by = {found.name: found.by for found in redundant}
    told = {f.index: f for f in redundant_findings(redundant, facts)}
    silent = {f.index: f for f in unused_findings(facts, set(by.values())) if f.action is LifecycleAction.DROP}
    near = relatives(facts.catalog)
    for table in facts.catalog.tables:
        for index in table.indexes:
            if not _may_go(index, table, facts):
                continue
            finding = silent.get(index.name) or told.get(index.name)
            offer = finding or dropping(index, facts, LifecycleState.REDUNDANT, ())
            spare = _made(index, offer, near[table.name], facts)
            spare = replace(spare, free=index.name in silent, by=by.get(index.name))
            wanted = _scans(index, table, facts) if choice is DropChoice.ALL and finding is None else None
            yield spare if wanted is None else _weighed(spare, wanted, facts)


def _may_go(index: Index, table: Table, facts: LifecycleFacts) -> bool:
    usable = index.valid and index.ready and index.builder is None
    return usable and must_stay(index, table) is None and index.name not in facts.known


def _made(index: Index, finding: LifecycleFinding, near: frozenset[QualifiedName], facts: LifecycleFacts) -> SpareIndex:
    hides: frozenset[QualifiedName] = frozenset({index.name, *(i.name for i in facts.members(index))})
    return SpareIndex(
        finding.id,
        index.name,
        index.definition,
        facts.size(index),
        hides,
        near,
        (finding.ddl or "").rstrip(";"),
        (finding.undo or "").rstrip(";"),
        finding.state.value,
        entries=index.tuples if index.definition.predicate is not None else None,
        reasons=finding.evidence,
    )


def _scans(index: Index, table: Table, facts: LifecycleFacts) -> float | None:
    """The scans that the recorded statements must account for; None where the counters cannot tell.

    Counters and statements are compared as rates: both began when they were last reset. A look-up of a foreign key is
    no statement that somebody records.
    """
    workload, since = facts.workload, facts.counters_since
    usage = facts.known_usage(index)
    if not usage or facts.untold or any(u.elsewhere for u in usage) or workload is None or since is None:
        return None
    if any(supports(index, k, table) for k in facts.catalog.keys_of(table.name)):
        return None
    counted = (facts.now - since).total_seconds()
    if workload.since is None or workload.until is None or counted < facts.min_age.total_seconds() or counted <= 0:
        return None
    return sum(u.scans for u in usage) * (workload.until - workload.since).total_seconds() / counted


def _weighed(spare: SpareIndex, scans: float, facts: LifecycleFacts) -> SpareIndex:
    text = f"the recorded statements account for its {scans:,.0f} scans since {facts.counters_since:%Y-%m-%d}"
    evidence = Reason("accounted", text, "pg_stat_user_indexes")
    return replace(spare, free=True, scans=scans, state="not_worth", reasons=(*spare.reasons, evidence))
