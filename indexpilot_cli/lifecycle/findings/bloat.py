"""Indexes much larger than they would be after REINDEX: by statistics first, then by what their pages hold.

Neither is believed alone. Statistics know nothing of columns that depend on each other or of values that compress; what
the pages hold does not tell how much a rebuilding would fold equal keys together. Both err by saying too much, so the
smaller one is nearer, and a rebuilding is offered only where both find it worth while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from indexpilot_cli.core.catalog import BLOCK, Index, Table
from indexpilot_cli.core.index import BTREE, Reason
from indexpilot_cli.core.units import size
from indexpilot_cli.lifecycle.findings.statistics import STALE_SHARE, changed_share
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)
from indexpilot_cli.methods.size import ERRORS, OTHERS_ERROR, SizeEstimate, estimate

_SMALL = 32  # pages: a smaller one is not worth the work
_CLEARLY = 1.2  # times the size after REINDEX by either method alone
_FILL = 90  # per cent of a leaf that a build fills, unless told otherwise
_PAGES_ERROR = 0.28  # by how much the size by pages was too large at most, where keys repeat


@dataclass(frozen=True, slots=True)
class LeafPages:
    """What pgstatindex counted: leaves, pages above them, and per cent of the leaves that hold something."""

    leaves: int
    inner: int
    density: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """An index that statistics say is bloated."""

    index: Index
    table: Table
    built: SizeEstimate

    @property
    def ratio(self) -> float:
        """Its size over that after REINDEX, by statistics."""
        return self.index.pages / max(1, self.built.pages)


def suspects(facts: LifecycleFacts) -> tuple[Suspect, ...]:
    """Indexes to look into, most pages to regain first. Where statistics are missing or old nothing is suspected."""
    found = []
    for table in facts.catalog.tables:
        known = table.readable and table.tuples > 0 and changed_share(table) <= STALE_SHARE
        for index in table.indexes if known and table.kind in "rm" else ():
            if index.pages >= _SMALL and index.valid and index.ready and index.builder is None:
                suspect = Suspect(index, table, estimate(index.definition, table, facts.catalog))
                if suspect.ratio >= facts.bloat_ratio:
                    found.append(suspect)
    return tuple(sorted(found, key=lambda s: (s.built.pages - s.index.pages, s.index.name)))


def rebuilt_pages(index: Index, leaves: LeafPages) -> float:
    """Pages after REINDEX by what the leaves hold now."""
    fill = int(dict(index.definition.options).get("fillfactor", _FILL))
    above = 1 + leaves.inner / max(1, leaves.leaves)
    return 1 + leaves.leaves * leaves.density / fill * above


def pages_after(by_pages: float, built: SizeEstimate) -> float:
    """The nearer of the two: both err upwards, unless statistics hardly know what the index holds."""
    return by_pages if built.confidence == "low" else min(by_pages, built.pages)


def bloat_findings(
    facts: LifecycleFacts, found: tuple[Suspect, ...], leaves: Mapping[int, LeafPages]
) -> Iterator[LifecycleFinding]:
    """One for each suspect that its pages confirm; one whose pages could not be looked at is only reported."""
    for suspect in found:
        counted = leaves.get(suspect.index.oid)
        if counted is None:
            yield _reported(suspect, facts)
            continue
        by_pages = rebuilt_pages(suspect.index, counted)
        after = pages_after(by_pages, suspect.built)
        pages = suspect.index.pages
        if pages >= facts.bloat_ratio * after and pages >= _CLEARLY * by_pages:
            yield _confirmed(suspect, facts, counted, by_pages, after)


def _screen(suspect: Suspect) -> Reason:
    error = ERRORS[suspect.built.confidence] if suspect.index.definition.method == BTREE else OTHERS_ERROR
    text = f"by statistics {size(suspect.built.bytes)} after REINDEX (within {error:.0%} where columns do not depend)"
    return Reason("statistics", text, "pg_stats")


def _told(suspect: Suspect, after: float) -> Reason:
    index = suspect.index
    text = (
        f"{index.pages / after:.1f} times its size after REINDEX, about {size((index.pages - after) * BLOCK)} to regain"
    )
    return Reason("bloated", text, "model")


def _confirmed(
    suspect: Suspect, facts: LifecycleFacts, counted: LeafPages, by_pages: float, after: float
) -> LifecycleFinding:
    text = (
        f"by its pages {size(by_pages * BLOCK)} after REINDEX (exact, or up to {_PAGES_ERROR:.0%} too much where keys "
        f"repeat): leaves are {counted.density:.0f} % full"
    )
    evidence = (_told(suspect, after), _screen(suspect), Reason("pages", text, "pgstatindex"))
    return _finding(suspect, facts, LifecycleAction.REINDEX, evidence)


def _reported(suspect: Suspect, facts: LifecycleFacts) -> LifecycleFinding:
    why = "its pages were not looked at: that needs extension pgstattuple and role pg_stat_scan_tables"
    if suspect.index.definition.method != BTREE:
        why = f"one method alone, and for {suspect.index.definition.method} there is no other"
    evidence = (_told(suspect, suspect.built.pages), _screen(suspect), Reason("unconfirmed", why, "catalog"))
    return _finding(suspect, facts, LifecycleAction.REPORT, evidence)


def _finding(
    suspect: Suspect, facts: LifecycleFacts, action: LifecycleAction, evidence: tuple[Reason, ...]
) -> LifecycleFinding:
    index = suspect.index
    done = action is LifecycleAction.REINDEX
    return LifecycleFinding(
        LifecycleState.BLOATED,
        LifecycleSeverity.WARNING if done else LifecycleSeverity.INFO,
        action,
        index.definition.table,
        index.name,
        index.size_bytes,
        index.scans,
        facts.counters_since,
        evidence,
        f"REINDEX INDEX CONCURRENTLY {index.name};" if done else None,
    )
