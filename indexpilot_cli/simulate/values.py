"""What ``simulate`` is asked, and what it gives back; the result is also what is kept of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.settings.sections import Settings
from indexpilot_cli.simulate.scenarios import SCENARIOS, Pattern, Scenario, SimulationSizes


class SimulationMode(StrEnum):
    """What is run: as it is, with the advice applied, or both on copies of the same data."""

    BASELINE = "baseline"
    AUTOINDEX = "autoindex"
    COMPARE = "compare"


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """``scratch``: on the server of ``connection``, whose database must say so; else on a private one.

    ``recommend`` and ``apply`` bring limits, safeguards and switches of the settings; where they work is set here.
    ``stats``: rows of query_stats are written. ``state_directory`` is where results are kept (None: the user's own).
    """

    mode: SimulationMode
    scenario: Scenario = Scenario.MEDIUM
    sizes: SimulationSizes = SCENARIOS[Scenario.MEDIUM]
    pattern: Pattern = Pattern.MIXED
    seed: int = 1
    connection: Connection = field(default_factory=Connection)
    scratch: bool = False
    connections: int | None = None
    recommend: RecommendRequest = field(default_factory=RecommendRequest)
    apply: ApplyRequest = field(default_factory=ApplyRequest)
    stats: bool = True
    keep: bool = True
    record: Record = field(default_factory=Record)
    state_directory: str | None = None

    @classmethod
    def by(
        cls, settings: Settings, mode: SimulationMode, scenario: Scenario, sizes: SimulationSizes
    ) -> SimulationRequest:
        """A request by the settings: how indexes are chosen and built, and what is switched off."""
        return cls(
            mode,
            scenario,
            sizes,
            recommend=RecommendRequest.by(settings),
            apply=ApplyRequest.by(settings),
            stats=settings.bypass.features.stats_collection.enabled,
        )


@dataclass(frozen=True, slots=True)
class SimulatedWorkload:
    """What was asked of the database: the same words give the same ``digest``, which is of every statement sent.

    ``seconds`` is how long the schedule is; ``spike_arrivals`` came in its spikes.
    """

    scenario: Scenario
    seed: int
    pattern: Pattern
    tenants: int
    contacts: int
    organizations: int
    interactions: int
    queries: int
    rate: float
    spike_share: float
    spike_factor: float
    spike_arrivals: int
    seconds: float
    digest: str


@dataclass(frozen=True, slots=True)
class LatencyGroup:
    """Latencies of a part of the arrivals, in milliseconds from the moment each was due.

    ``by`` is all, access (reads, writes), statement, persona or load (calm, spike).
    """

    by: str
    name: str
    calls: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class LatencyEffect:
    """The latencies of the same part of the arrivals without and with the advice."""

    before: LatencyGroup
    after: LatencyGroup
    p95_change: float | None  # relative: -0.9 is a tenth of what it was


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One run of the schedule. ``throughput`` is statements a second; ``latest_ms`` the longest wait for a connection.

    ``query_stats`` and ``mutations`` are rows that the database had of it afterwards.
    """

    name: SimulationMode
    planned: int
    done: int
    errors: int
    seconds: float
    throughput: float
    latest_ms: float
    query_stats: int
    mutations: int
    latencies: tuple[LatencyGroup, ...]
    refused: tuple[str, ...] = ()

    def latency(self, by: str = "all", name: str = "all") -> LatencyGroup | None:
        """The latencies of that part; None when nothing of it ran."""
        return next((one for one in self.latencies if (one.by, one.name) == (by, name)), None)


@dataclass(frozen=True, slots=True)
class SimulatedIndex:
    """An index of the plan, and what building it came to. ``outcome`` is the word of ``apply``."""

    id: str
    table: str
    ddl: str
    outcome: str
    size_bytes: int | None = None
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class SimulatedPlan:
    """The advice. ``digest`` is of the ids and statements of its indexes; ``algorithms`` were asked.

    ``found`` are those that changed or saw something.
    """

    digest: str
    estimator: str
    templates: int
    candidates: int
    algorithms: tuple[str, ...]
    found: tuple[str, ...]
    indexes: tuple[SimulatedIndex, ...]
    size_bytes: int
    cost_before: float
    cost_after: float

    @property
    def built(self) -> int:
        """How many indexes were built."""
        return sum(index.outcome == "done" for index in self.indexes)


@dataclass(frozen=True, slots=True)
class SimulationCheck:
    """Whether something happened that a simulation is worthless without."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """One run, whole. ``id`` names it among the kept ones; ``server`` says what it ran on."""

    id: str
    mode: SimulationMode
    started_at: datetime
    server: str
    workload: SimulatedWorkload
    phases: tuple[PhaseResult, ...]
    plan: SimulatedPlan | None
    checks: tuple[SimulationCheck, ...]
    seeded_rows: int
    seed_seconds: float
    version: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(check.passed for check in self.checks)

    @property
    def effects(self) -> tuple[LatencyEffect, ...]:
        """Of every part of the arrivals its latencies in the first and the second phase; nothing of one alone."""
        if len(self.phases) < 2:
            return ()
        first, second = self.phases
        pairs = ((one, second.latency(one.by, one.name)) for one in first.latencies)
        return tuple(LatencyEffect(one, other, _change(one, other)) for one, other in pairs if other is not None)


def _change(before: LatencyGroup, after: LatencyGroup) -> float | None:
    return after.p95_ms / before.p95_ms - 1 if before.p95_ms else None
