"""``indexpilot simulate``: tenants of a CRM at work on the same data, without the advice and with it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from indexpilot_cli.core.command import Connection, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.simulate import kept
from indexpilot_cli.simulate.arrivals import Arrival, digest, schedule
from indexpilot_cli.simulate.phase import advise, run_phase
from indexpilot_cli.simulate.scenarios import TenantShare, tenants_of
from indexpilot_cli.simulate.scratch import SimulationServer, simulation_server
from indexpilot_cli.simulate.seeding import describe, seed
from indexpilot_cli.simulate.values import (
    PhaseResult,
    SimulatedPlan,
    SimulatedWorkload,
    SimulationCheck,
    SimulationMode,
    SimulationRequest,
    SimulationResult,
)

UNPROVEN = 10  # the exit code of a simulation that showed nothing
_SAMPLED = 3_000_000  # rows; statistics of a larger table are of a random sample


def run(request: SimulationRequest, progress: Progress) -> Outcome[SimulationResult]:
    """Seed, run, advise, run again, verify, keep the result; the databases are gone afterwards.

    The exit code is 10 when nothing happened that would show anything. Raises RefusedError for a database that does not
    say it is for scratch, PrerequisiteError when no server can be started here.
    """
    started = datetime.now(UTC)
    arrivals = schedule(request.sizes, request.pattern, request.seed)
    workload = _workload(request, arrivals)
    scratch = request.connection if request.scratch else None
    with (
        bookkeeping(request.connection, MutationType.ANALYZE_WORKLOAD, request.record, offline=scratch is None) as note,
        simulation_server(scratch, request.sizes.rows, progress) as server,
    ):
        work = _Work(request, server, arrivals, progress)
        phases, plan = work.run(tenants_of(request.sizes))
        where = server.text
        note.details(workload=workload.digest, mode=request.mode.value)
    found = checks(request.mode, phases, plan)
    name = hashlib.sha256(f"{started.isoformat()} {workload.digest}".encode()).hexdigest()[:6]
    result = SimulationResult(
        f"S-{name}",
        request.mode,
        started,
        where,
        workload,
        phases,
        plan,
        found,
        work.rows,
        work.seed_seconds,
        request.record.version,
        tuple(_notes(workload)),
    )
    warnings = (*(kept.keep(result, request.state_directory) if request.keep else ()), *note.warnings)
    status = "ok" if result.passed else "failed"
    return Outcome(
        "simulate", result, status, 0 if result.passed else UNPROVEN, warnings=warnings, next=_next(request.keep)
    )


class _Work:
    """One run on one server. ``rows`` were seeded in ``seed_seconds``."""

    def __init__(
        self, request: SimulationRequest, server: SimulationServer, arrivals: Sequence[Arrival], progress: Progress
    ):
        self._request, self._server, self._arrivals, self._progress = request, server, arrivals, progress
        self.rows = 0
        self.seed_seconds = 0.0

    def run(self, tenants: tuple[TenantShare, ...]) -> tuple[tuple[PhaseResult, ...], SimulatedPlan | None]:
        """The phases of the mode, each on a copy of the seeded database, and the plan where there is one."""
        mode = self._request.mode
        phases: list[PhaseResult] = []
        plan = None
        with self._server.database("seed") as seeded:
            self._seed(self._server.dsn(seeded), tenants)
            if mode is not SimulationMode.AUTOINDEX:
                with self._server.database("baseline", seeded) as copy:
                    phases.append(self._phase(copy, SimulationMode.BASELINE))
            if mode is not SimulationMode.BASELINE:
                with self._server.database("autoindex", seeded) as copy:
                    plan = advise(self._server.dsn(copy), self._arrivals, self._request, self._progress)
                    phases.append(self._phase(copy, SimulationMode.AUTOINDEX))
        return tuple(phases), plan

    def _seed(self, dsn: str, tenants: tuple[TenantShare, ...]) -> None:
        began = time.monotonic()
        self.rows = seed(dsn, tenants, self._request.seed, self._progress)
        self.seed_seconds = time.monotonic() - began
        describe(Connection(dsn), tenants, self._request.record)

    def _phase(self, database: str, name: SimulationMode) -> PhaseResult:
        return run_phase(self._server.dsn(database), name, self._arrivals, self._request, self._progress)


def _workload(request: SimulationRequest, arrivals: Sequence[Arrival]) -> SimulatedWorkload:
    sizes = request.sizes
    return SimulatedWorkload(
        request.scenario,
        request.seed,
        request.pattern,
        sizes.tenants,
        sizes.contacts,
        sizes.organizations_each,
        sizes.interactions_each,
        sizes.queries,
        sizes.rate,
        sizes.spikes.share,
        sizes.spikes.factor,
        sum(arrival.spike for arrival in arrivals),
        arrivals[-1].at,
        digest(arrivals),
    )


def _notes(workload: SimulatedWorkload) -> Iterator[str]:
    if workload.tenants * workload.interactions > _SAMPLED:
        yield f"tables of more than {_SAMPLED:,} rows are sampled for statistics: the plan may differ from run to run"


def _next(keeps: bool) -> tuple[str, ...]:
    return ("indexpilot simulate history",) if keeps else ()


def checks(
    mode: SimulationMode, phases: tuple[PhaseResult, ...], plan: SimulatedPlan | None
) -> tuple[SimulationCheck, ...]:
    """One check for everything that must have happened in that mode: where nothing did, no figure shows anything."""
    found = [check for phase in phases for check in _of_phase(phase)]
    if mode is not SimulationMode.BASELINE:
        found += _of_plan(plan)
    if mode is SimulationMode.COMPARE:
        found += _of_pair(phases)
    return tuple(found)


def _of_phase(phase: PhaseResult) -> Iterator[SimulationCheck]:
    name = phase.name.value
    answered = phase.done - phase.errors
    yield SimulationCheck(
        f"{name} queries", answered == phase.planned > 0, f"{answered:,} of {phase.planned:,} statements were answered"
    )
    yield SimulationCheck(
        f"{name} query_stats", phase.query_stats == answered > 0, f"query_stats has {phase.query_stats:,} rows of them"
    )
    yield SimulationCheck(f"{name} mutation_log", phase.mutations > 0, f"the mutation log has {phase.mutations:,} rows")


def _of_plan(plan: SimulatedPlan | None) -> Iterator[SimulationCheck]:
    asked, found = (len(plan.algorithms), len(plan.found)) if plan else (0, 0)
    yield SimulationCheck("algorithms", asked > 0, f"{asked} algorithms were asked, {found} of them found something")
    wanted, built = (len(plan.indexes), plan.built) if plan else (0, 0)
    yield SimulationCheck("indexes", built == wanted > 0, f"{built} of {wanted} indexes were built")


def _of_pair(phases: tuple[PhaseResult, ...]) -> Iterator[SimulationCheck]:
    before, after = (phase.latency() for phase in phases)
    if before is None or after is None:
        yield SimulationCheck("p95", False, "there is nothing to compare")
        return
    yield SimulationCheck(
        "p95", after.p95_ms < before.p95_ms, f"p95 {before.p95_ms:.2f} ms without, {after.p95_ms:.2f} ms with indexes"
    )
