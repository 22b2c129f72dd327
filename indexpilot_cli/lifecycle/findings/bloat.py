"""Indexes much larger than they would be after REINDEX: by statistics first, then by what their pages or rows hold.

Neither is believed alone. Statistics know nothing of columns that depend on each other or of values that compress; what
the pages hold does not tell how much a rebuilding would fold equal keys together. Both err by saying too much, so the
smaller one is nearer, and a rebuilding is offered only where both find it worth while. Where nobody lets us look at the
pages, rows of the table are read as keys of the index.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from indexpilot_cli.core.catalog import BLOCK, Catalog, Index, Table
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
from indexpilot_cli.methods.kinds.btree import FILL
from indexpilot_cli.methods.sampled import KeySample, sampled_tree
from indexpilot_cli.methods.size import ERRORS, OTHERS_ERROR, SizeEstimate, compresses, estimate, folds

_SMALL = 32  # pages: a smaller one is not worth the work
_CLEARLY = 1.2  # times the size after REINDEX by either method alone
# Each is read from its first page to its last: so many, and more as long as they have so few pages together (1 GB).
_LOOKED_INTO, _PAGES_READ = 30, 131_072
_PAGES_ERROR = 0.28  # by how much the size by pages was too large at most, where keys repeat


@dataclass(frozen=True, slots=True)
class LeafPages:
    """What pgstatindex counted: leaves, pages above them, and per cent of the leaves that hold something."""

    leaves: int
    inner: int
    density: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """An index that statistics say is bloated, or (``built`` None) one whose size they cannot tell."""

    index: Index
    table: Table
    built: SizeEstimate | None

    @property
    def tree(self) -> bool:
        """Whether its pages and rows tell more than statistics."""
        return self.index.definition.method == BTREE

    @property
    def fill(self) -> int:
        """Per cent of a leaf that a build fills."""
        return int(dict(self.index.definition.options).get("fillfactor", FILL))


@dataclass(frozen=True, slots=True)
class RebuiltSize:
    """Pages after REINDEX as looked up, and how. ``alone``: pages by that method without regard to statistics."""

    pages: float
    alone: float
    how: Reason


def sizes_after(facts: LifecycleFacts) -> Mapping[int, SizeEstimate]:
    """By oid the size after REINDEX by statistics, where those are there and not old; without small indexes."""
    found: dict[int, SizeEstimate] = {}
    for table in facts.catalog.tables:
        known = table.readable and table.tuples > 0 and changed_share(table) <= STALE_SHARE
        for index in table.indexes if known and table.kind in "rm" else ():
            if index.pages >= _SMALL and index.valid and index.ready and index.builder is None:
                found[index.oid] = estimate(index.definition, table, facts.catalog)
    return found


def suspects(facts: LifecycleFacts, sizes: Mapping[int, SizeEstimate]) -> tuple[Suspect, ...]:
    """Indexes to look into, most pages to regain first. Where statistics are missing or old nothing is suspected."""
    found: list[Suspect] = []
    for table in facts.catalog.tables:
        for index in table.indexes:
            if index.oid in sizes:
                found += _suspected(index, table, sizes[index.oid], facts)
    return tuple(sorted(found, key=lambda s: (_pages_kept(s) - s.index.pages, s.index.name)))


def _suspected(index: Index, table: Table, built: SizeEstimate, facts: LifecycleFacts) -> Iterator[Suspect]:
    # Where columns may depend on each other, the pages decide.
    if index.pages >= facts.bloat_ratio * built.least_pages:
        yield Suspect(index, table, built)
    elif index.definition.method == BTREE and compresses(index.definition, table, facts.catalog.version):
        yield Suspect(index, table, None)


def _pages_kept(suspect: Suspect) -> int:
    # Of those nothing is known of, the others are looked into first.
    return suspect.built.least_pages if suspect.built is not None else suspect.index.pages


def looked_into(found: tuple[Suspect, ...]) -> Iterator[Suspect]:
    """The suspects whose pages or rows are worth reading."""
    read = 0
    for number, suspect in enumerate(s for s in found if s.tree):
        read += suspect.index.pages
        if number < _LOOKED_INTO or read <= _PAGES_READ:
            yield suspect


def by_leaves(suspect: Suspect, leaves: LeafPages) -> RebuiltSize:
    """The size after REINDEX by what the leaves hold now; statistics may say that equal keys fold further."""
    built_leaves = math.ceil(leaves.leaves * leaves.density / suspect.fill)
    above = max(1, round(leaves.inner / max(1, leaves.leaves) * built_leaves)) if built_leaves > 1 else 0
    alone = float(1 + built_leaves + above)  # with its metapage
    built = suspect.built
    # Both err upwards, unless statistics hardly know what the index holds.
    pages = alone if built is None or built.confidence == "low" else min(alone, built.pages)
    text = (
        f"by its pages {size(alone * BLOCK)} after REINDEX (exact, or up to {_PAGES_ERROR:.0%} too much where keys "
        f"repeat or rows are gone and not vacuumed): leaves are {leaves.density:.0f} % full"
    )
    return RebuiltSize(pages, alone, Reason("pages", text, "pgstatindex"))


def by_rows(suspect: Suspect, sample: KeySample, catalog: Catalog) -> RebuiltSize:
    """The size after REINDEX by the keys of rows that were read."""
    shared = folds(suspect.index.definition, suspect.table, catalog)
    pages = float(sampled_tree(sample, folds=shared, fill=suspect.fill).pages)
    built = suspect.built
    # How often rare keys come is hard to tell from a part of the rows; statistics of single columns know it as well.
    known = not sample.whole and built is not None and built.confidence != "low"
    after = max(pages, float(built.pages)) if known and built is not None else pages
    rows = "all rows" if sample.whole else f"{sample.seen:,} rows"
    error = "within 10%" if sample.whole else "of most within 15%"
    error = "at most: wide values compress" if sample.wide else error
    text = f"by the keys of {rows} {size(pages * BLOCK)} after REINDEX ({error})"
    return RebuiltSize(after, pages, Reason("rows", text, "sample"))


def bloat_findings(
    facts: LifecycleFacts, found: tuple[Suspect, ...], rebuilt: Mapping[int, RebuiltSize]
) -> Iterator[LifecycleFinding]:
    """One for each suspect that its pages or rows confirm; one of which neither could be read is only reported."""
    for suspect in found:
        looked = rebuilt.get(suspect.index.oid)
        if looked is not None and is_confirmed(suspect, looked, facts):
            evidence = (_told(suspect, looked.pages), _screen(suspect), looked.how)
            yield _finding(suspect, facts, LifecycleAction.REINDEX, evidence)
        elif looked is None and suspect.built is not None and _stands_out(suspect, suspect.built, facts):
            yield _reported(suspect, suspect.built, facts)


def _stands_out(suspect: Suspect, built: SizeEstimate, facts: LifecycleFacts) -> bool:
    """Whether statistics alone say bloated; of other kinds than B-trees beyond the error of their size model."""
    if suspect.tree:
        return suspect.index.pages >= facts.bloat_ratio * built.pages
    return built.confidence != "low" and suspect.index.size_bytes >= facts.bloat_ratio * built.bytes * (1 + built.error)


def is_confirmed(suspect: Suspect, looked: RebuiltSize, facts: LifecycleFacts) -> bool:
    """Whether it is bloated by both methods; of the one that says more, clearly."""
    pages = suspect.index.pages
    return pages >= facts.bloat_ratio * looked.pages and pages >= _CLEARLY * looked.alone


def _screen(suspect: Suspect) -> Reason:
    if suspect.built is None:
        return Reason("statistics", "statistics do not tell how far values as wide as its keys compress", "pg_stats")
    error = ERRORS[suspect.built.confidence] if suspect.tree else OTHERS_ERROR
    text = f"by statistics {size(suspect.built.bytes)} after REINDEX (within {error:.0%} where columns do not depend)"
    return Reason("statistics", text, "pg_stats")


def _told(suspect: Suspect, after: float) -> Reason:
    index = suspect.index
    text = (
        f"{index.pages / after:.1f} times its size after REINDEX, about {size((index.pages - after) * BLOCK)} to regain"
    )
    return Reason("bloated", text, "model")


def _reported(suspect: Suspect, built: SizeEstimate, facts: LifecycleFacts) -> LifecycleFinding:
    why = (
        "neither its pages nor rows were looked at: that needs extension pgstattuple and role pg_stat_scan_tables, or "
        "the right to read the table, no functions of others in its keys, and time"
    )
    if not suspect.tree:
        why = f"one method alone, and for {suspect.index.definition.method} there is no other"
    evidence = (_told(suspect, built.pages), _screen(suspect), Reason("unconfirmed", why, "catalog"))
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
