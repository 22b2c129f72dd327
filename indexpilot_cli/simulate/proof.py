"""The advice put to the test: applied to a copy of the database, the same reads timed on both sides.

Also what ``demo`` is asked, and what it gives back.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from indexpilot_cli.apply import apply
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult
from indexpilot_cli.core.codec import Amount, Facets
from indexpilot_cli.core.command import Connection, Outcome, PlannerRequest, Progress, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.db.session import open_session
from indexpilot_cli.execute.signals import go_on
from indexpilot_cli.log import metadata, plans
from indexpilot_cli.planner.twin.server import LocalServer
from indexpilot_cli.settings.sections import CpuThrottleSettings, RateLimiterSettings, SafeguardSettings
from indexpilot_cli.simulate import server
from indexpilot_cli.simulate.traffic import Call

_COPY = "proof"
_FACTOR = 1.3  # slower by less is noise
_LEAST_MS = 20.0
_EAGER = SafeguardSettings(
    rate_limiter=RateLimiterSettings(enabled=False), cpu_throttle=CpuThrottleSettings(enabled=False)
)
_SIZE = "SELECT pg_relation_size($1::regclass) AS bytes"


@dataclass(frozen=True, slots=True)
class Proof:
    """Milliseconds of the same reads, by template, without and with the indexes; what building them took.

    ``bytes`` is the size of the indexes as built; ``counts`` are the runs of each template on either side,
    ``failed`` what could not be built.
    """

    before: dict[str, float]
    after: dict[str, float]
    calls: int
    indexes: int
    bytes: int
    build_seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    failed: tuple[str, ...] = ()

    @property
    def before_ms(self) -> float:
        """All reads together, without the indexes."""
        return sum(self.before.values())

    @property
    def after_ms(self) -> float:
        """All reads together, with the indexes."""
        return sum(self.after.values())

    @property
    def latencies(self) -> tuple[DemoLatency, ...]:
        """Each template's time per call, the slowest before first."""
        found = (DemoLatency(n, k, self.before[n] / k, self.after[n] / k) for n, k in self.counts.items())
        return tuple(sorted(found, key=lambda one: -one.before_ms))

    @property
    def slower(self) -> tuple[str, ...]:
        """Templates that became slower, the worst first."""
        return _slower(self.before, self.after)


def _slower(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[str, ...]:
    lost = {name: after[name] - ms for name, ms in before.items() if after[name] > _FACTOR * ms}
    return tuple(sorted((name for name, ms in lost.items() if ms >= _LEAST_MS), key=lambda name: -lost[name]))


def prove(running: LocalServer, plan: Plan | None, calls: Sequence[Call], progress: Progress) -> Proof:
    """Apply the plan, if any, to a copy of the demo's database and time the reads before and after, one at a time.

    The copy is dropped again; the database itself stays as the application made it.
    """
    reads = [call for call in calls if call.sql.startswith("SELECT")]
    first = list({call.template: call for call in reads}.values())
    progress.stage("timing reads on a copy", len(first) + len(reads))
    with Replay(running.dsn()) as admin:
        # The default since 15 (wal_log) writes every block to the WAL; file_copy copies files between two checkpoints.
        # https://www.postgresql.org/docs/current/sql-createdatabase.html
        admin.run(f"CREATE DATABASE {_COPY} TEMPLATE {server.DATABASE} STRATEGY file_copy")
        try:
            admin.run(f"ALTER DATABASE {_COPY} SET maintenance_work_mem = '256MB'")
            with Replay(running.dsn(_COPY)) as member:
                _time(member, first, progress)  # fills the buffers
                before = _time(member, reads, progress)
                applied = _apply(running.dsn(_COPY), plan, progress) if plan is not None else _Applied((), (), 0.0)
                progress.stage("timing the same reads with the indexes", len(reads))
                after = _time(member, reads, progress)
                doubtful = _slower(before, after)  # a busy machine is not the advice's fault: they get a second chance
                again = _time(member, [call for call in reads if call.template in doubtful], Silent())
                after |= {name: min(after[name], again[name]) for name in doubtful}
                size = sum(int(member.rows(_SIZE, [str(name)])[0]["bytes"]) for name in applied.built)
        finally:
            # FORCE (13+) ends sessions that an interrupted apply left there; without it the drop fails (55006).
            admin.run(f"DROP DATABASE {_COPY} WITH (FORCE)")
    counts = Counter(call.template for call in reads)
    return Proof(before, after, len(reads), len(applied.built), size, applied.seconds, counts, applied.failed)


@dataclass(frozen=True, slots=True)
class _Applied:
    """What ``apply`` built, by name, what it could not, with its words, and the seconds it took."""

    built: tuple[QualifiedName, ...]
    failed: tuple[str, ...]
    seconds: float


def _apply(dsn: str, plan: Plan, progress: Progress) -> _Applied:
    """The plan on the copy; nobody waits for it, so neither rate nor load holds it up."""
    began = time.monotonic()
    request = ApplyRequest(Connection(dsn), safeguards=_EAGER, record=Record(command="demo"))
    outcome = apply_plan(request, plan, progress)
    reports = outcome.result.mutations
    done = (r for r in reports if r.outcome == "done" and r.index)  # statistics and analyzed tables have no index
    built = tuple(QualifiedName(r.table.schema, r.index) for r in done)
    failed = tuple(f"{r.index or r.sql}: {r.error or r.outcome}" for r in reports if r.outcome != "done")
    return _Applied(built, failed, time.monotonic() - began)


def apply_plan(request: ApplyRequest, plan: Plan, progress: Progress) -> Outcome[ApplyResult]:
    """``indexpilot apply --yes --force`` of the plan there, with everything it does to a real database."""
    with open_session(request.connection.conninfo, read_only=False, statement_timeout_ms=None) as session:
        metadata.migrate(session)
        plans.store(session, plan)
    # ``adopt``: the plan was made for a database that this one is a copy of.
    asked = replace(request, targets=(plan.id,), confirmed=True, force=True, adopt=True)
    outcome = apply.run(asked, progress, lambda _: True)
    go_on(outcome.exit_code)
    return outcome


def _time(member: Replay, calls: Sequence[Call], progress: Progress) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    for call in calls:
        began = time.monotonic()
        member.run(call.sql, call.values)
        spent[call.template] += (time.monotonic() - began) * 1000
        progress.advance()
    return dict(spent)


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """``stop`` removes a demo server that ``keep`` left running.

    ``rows`` are those of the biggest table (None: 1.2 million); ``state_directory`` is where a kept server is
    remembered (None: the user's own).
    """

    keep: bool = False
    stop: bool = False
    seed: int = 1
    rows: int | None = None
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    record: Record = field(default_factory=Record)
    state_directory: str | None = None


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One thing the demo did."""

    label: str
    text: str
    milliseconds: Amount | None = None


@dataclass(frozen=True, slots=True)
class DemoLatency:
    """Milliseconds per call of one kind of read.

    Measured over ``calls`` runs without and with the advice.
    """

    template: str
    calls: Annotated[int, Facets(1)]
    before_ms: Amount
    after_ms: Amount


@dataclass(frozen=True, slots=True)
class DemoResult:
    """``state`` is finished, running (kept) or stopped; ``conninfo`` reaches a kept server.

    ``before_ms`` and ``after_ms`` are all measured reads together, ``latencies`` each kind, slowest before first.
    """

    state: str
    steps: tuple[DemoStep, ...] = ()
    conninfo: str | None = None
    plan: Plan | None = None
    before_ms: float | None = None
    after_ms: float | None = None
    notes: tuple[str, ...] = field(default=())
    latencies: tuple[DemoLatency, ...] = field(default=())


@dataclass(slots=True)
class StepLog:
    """The steps so far; each lasted from the one before."""

    steps: list[DemoStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def step(self, label: str, text: str) -> None:
        """Write a step down."""
        now = time.monotonic()
        self.steps.append(DemoStep(label, text, (now - self._began) * 1000))
        self._began = now

    def remark(self, text: str) -> None:
        """Write down something worth knowing."""
        self.notes.append(text)
