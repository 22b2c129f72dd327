"""What ``lifecycle`` is asked and what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from indexpilot_cli.core.catalog import Catalog, Index
from indexpilot_cli.core.codec import Amount, Count
from indexpilot_cli.core.command import CommandRequest, PlannerRequest, TableFilter, WorkloadRequest
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate

# `lifecycle --help` knows the states, and need not wait for the settings.
if TYPE_CHECKING:
    from indexpilot_cli.settings.sections import Settings


class LifecycleState(StrEnum):
    """What is the matter with an index or a table."""

    UNUSED = "unused"
    DUPLICATE = "duplicate"
    REDUNDANT = "redundant"
    OVERLAPPING = "overlapping"
    INVALID = "invalid"
    BLOATED = "bloated"
    FK_MISSING = "fk_missing"
    NEVER_ANALYZED = "never_analyzed"
    STALE_STATISTICS = "stale_statistics"
    STATISTICS_MISSING = "statistics_missing"
    HOT_DEFEATING = "hot_defeating"
    WRAPAROUND = "wraparound"
    MATERIALIZED_VIEW = "materialized_view"
    METADATA_MISMATCH = "metadata_mismatch"


class LifecycleAction(StrEnum):
    """What is to be done about it; ``report`` leaves it to a person."""

    DROP = "drop"
    REINDEX = "reindex"
    CREATE = "create"
    ANALYZE = "analyze"
    VACUUM = "vacuum"
    REPORT = "report"


class LifecycleSeverity(StrEnum):
    """How much it matters, gravest first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the gravest."""
        return list(LifecycleSeverity).index(self)


@dataclass(frozen=True, slots=True)
class SlowerTemplate:
    """A recorded statement that gets slower by the drop."""

    template: str
    factor: Annotated[Amount, "cost then over cost now"]
    before: Annotated[Amount, "planner cost per call"]
    after: Amount
    instead: Annotated[str, "what the planner uses then"]


@dataclass(frozen=True, slots=True)
class LifecycleFinding:
    """One thing to know. ``ddl`` settles it and ``undo`` takes that back, both run as they are.

    ``scans`` are counted since ``since`` (None: unknown, or not about scans); ``index`` is None for a table's own.
    ``about`` tells several findings of one table and state apart; ``columns`` are the keys of an index to create,
    ``statistics`` the extended statistics.
    """

    state: LifecycleState
    severity: LifecycleSeverity
    action: LifecycleAction
    table: QualifiedName
    index: QualifiedName | None = None
    size_bytes: int | None = None
    scans: int | None = None
    since: datetime | None = None
    evidence: tuple[Reason, ...] = ()
    ddl: str | None = None
    undo: str | None = None
    slower: tuple[SlowerTemplate, ...] = ()
    about: str = ""
    columns: tuple[str, ...] = ()
    statistics: ExtendedStatistics | None = None

    @property
    def id(self) -> str:
        """``F-`` and eight hex digits: the same finding has the same id next week."""
        facts = (self.state.value, self.table, self.index, self.about)
        return "F-" + hashlib.sha256(repr(facts).encode()).hexdigest()[:8]

    def only_reported(self, *against: Reason) -> LifecycleFinding:
        """The finding without its offer, and why nothing is offered."""
        return replace(
            self,
            severity=LifecycleSeverity.INFO,
            action=LifecycleAction.REPORT,
            evidence=(*self.evidence, *against),
            ddl=None,
            undo=None,
        )


@dataclass(frozen=True, slots=True)
class IndexUsage:
    """What is known of an index's use on every server that was looked at.

    ``scans`` is the sum of the counters now. ``quiet_since``: no scan since then anywhere (None: it is in use as far
    as we know). ``elsewhere`` are those of the scans on standbys; ``used`` are the looks, of a quiet index, at which a
    counter had moved since the one before.
    """

    scans: int
    quiet_since: datetime | None = None
    elsewhere: int = 0
    used: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class TableUpkeep:
    """Facts of a table that the catalog does not hold: ages in transactions, whether a view was ever filled, rows that
    nobody sees any more.
    """

    xid_age: int = 0
    multixact_age: int = 0
    populated: bool = True
    dead: int = 0
    last_vacuum: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoggedIndex:
    """An index as the log knows it: ``made`` False when the log's last word is that it was dropped."""

    table: QualifiedName
    index: QualifiedName
    mutation: int
    made: bool
    relid: int = 0


@dataclass(frozen=True, slots=True)
class MetadataFacts:
    """What our own tables say. ``operations`` are ids of all operations in the log."""

    logged: tuple[LoggedIndex, ...] = ()
    operations: frozenset[str] = frozenset()
    profiles: tuple[tuple[QualifiedName, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LifecycleFacts:
    """Everything the findings are made from.

    ``usage`` and ``upkeep`` are by oid; ``counters_since`` is when the primary's counters began (None: unknown).
    ``known`` are indexes that an open operation accounts for; ``untold`` counts connected standbys that nobody named.
    ``metadata`` None: our tables are not there or may not be read. ``parts`` are what is attached to an index.
    ``periods``: an index that is used from time to time is not offered while the next time may still come.
    """

    catalog: Catalog
    now: datetime
    min_age: timedelta = timedelta(days=30)
    bloat_ratio: float = 1.5
    usage: Mapping[int, IndexUsage] = field(default_factory=lambda: MappingProxyType({}))
    upkeep: Mapping[int, TableUpkeep] = field(default_factory=lambda: MappingProxyType({}))
    counters_since: datetime | None = None
    known: frozenset[QualifiedName] = frozenset()
    standbys: tuple[str, ...] = ()
    untold: int = 0
    workload: FoldedWorkload | None = None
    metadata: MetadataFacts | None = None
    parts: Mapping[QualifiedName, tuple[Index, ...]] = field(default_factory=lambda: MappingProxyType({}))
    periods: bool = True

    @property
    def templates(self) -> tuple[QueryTemplate, ...]:
        """The recorded statements; none where none are recorded."""
        return self.workload.templates if self.workload is not None else ()

    def members(self, index: Index) -> tuple[Index, ...]:
        """The index itself, or the parts on partitions of one of a partitioned table."""
        if index.name not in self.parts:
            return (index,)
        below = chain.from_iterable(map(self.members, self.parts[index.name]))
        return tuple(below)

    def known_usage(self, index: Index) -> list[IndexUsage]:
        """Of the index or each of its parts, as far as it is known."""
        return [self.usage[i.oid] for i in self.members(index) if i.oid in self.usage]

    def size(self, index: Index) -> int:
        """Bytes of the index with all its parts."""
        return sum(i.size_bytes for i in self.members(index))


def parts_by_whole(catalog: Catalog) -> Mapping[QualifiedName, tuple[Index, ...]]:
    """The indexes attached to each index of a partitioned table; none where it has no partitions."""
    found: dict[QualifiedName, tuple[Index, ...]] = {}
    for table in catalog.tables:
        if table.kind == "p":
            found |= {index.name: () for index in table.indexes}
    for index in catalog.indexes():
        if index.parent is not None:
            found[index.parent] = (*found.get(index.parent, ()), index)
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class LifecycleRequest(CommandRequest):
    """``plan``: keep the findings as a plan for ``apply``. ``states`` empty: all of them. ``standbys`` are connection
    strings of standbys whose scans count too.

    ``min_bytes`` leaves out findings about smaller indexes. ``max_slower`` is the share by which a drop may make a
    recorded statement dearer; beyond it is reported, not offered. ``bloat_ratio`` is the size of an index over that
    after REINDEX from which it is called bloated. ``idle``: the word under which a run that found nothing is counted,
    not logged (None: it is logged). ``periods`` as in the facts.
    """

    snapshot: str | None = None
    plan: bool = False
    filter: TableFilter = field(default_factory=TableFilter)
    states: tuple[LifecycleState, ...] = ()
    min_age: timedelta = timedelta(days=30)
    min_bytes: int = 0
    standbys: tuple[str, ...] = field(default=(), repr=False)
    max_slower: float = 0.1
    bloat_ratio: float = 1.5
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    idle: str | None = None
    periods: bool = True

    @classmethod
    def by(cls, settings: Settings) -> LifecycleRequest:
        """A request with the limits of the settings."""
        limits = settings.operational.lifecycle
        return cls(
            min_age=timedelta(seconds=limits.min_age),
            min_bytes=limits.min_size,
            max_slower=limits.max_slower,
            bloat_ratio=limits.bloat_ratio,
            periods=settings.features.predictive_indexing.enabled,
        )


@dataclass(frozen=True, slots=True)
class IndexGrowth:
    """One index since it was last built. Bytes and ratio (size over that after REINDEX) are per day; of the bytes
    ``bytes_low`` to ``bytes_high`` is a 95 % interval.

    ``crosses`` is when the ratio reaches the one from which it is called bloated, between ``earliest`` and ``latest``
    (None: not in the time that can be foretold). ``text`` says all of it in a clause; ``sizes`` are the bytes that were
    seen, oldest first.
    """

    index: QualifiedName
    table: QualifiedName
    since: datetime
    looks: int
    bytes_per_day: float
    bytes_low: float
    bytes_high: float
    ratio: float | None
    ratio_per_day: float | None
    crosses: datetime | None
    earliest: datetime | None
    latest: datetime | None
    text: str
    sizes: tuple[tuple[datetime, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GrowthHistory:
    """How indexes grew since they were last built, by our snapshots of the primary."""

    looks: Count = 0
    days: Annotated[Amount, "from the first look to the last"] = 0.0
    enough: Annotated[bool, "false: not enough history, nothing is foretold"] = False
    growing: Annotated[tuple[IndexGrowth, ...], "with 95 % intervals; indexes that do not grow are left out"] = ()


@dataclass(frozen=True, slots=True)
class LifecycleResult:
    """Findings, gravest and largest first. ``plan`` is the id of one that was kept; ``notes`` say what could not be
    judged and why.
    """

    findings: tuple[LifecycleFinding, ...]
    now: datetime
    stats_since: datetime | None = None
    observed_since: datetime | None = None
    replicas_checked: int = 0
    indexes: int = 0
    plan: str | None = None
    notes: tuple[str, ...] = ()
    growth: GrowthHistory = field(default_factory=GrowthHistory)
