"""One phase of a simulation: the schedule run on one copy of the data, without or with the advice applied before."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from indexpilot_cli.advise import recommend
from indexpilot_cli.algorithms import registry
from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.command import Connection, PlannerRequest, Progress, Record, WorkloadRequest
from indexpilot_cli.core.mutation import MutationReport
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.db.session import open_session
from indexpilot_cli.log.metadata import SCHEMA
from indexpilot_cli.settings.sections import CpuThrottleSettings, RateLimiterSettings
from indexpilot_cli.simulate import arrivals as schedules
from indexpilot_cli.simulate.arrivals import Arrival
from indexpilot_cli.simulate.connections import named_steps
from indexpilot_cli.simulate.open_loop import LatencyHistogram, OpenLoopTally, run_schedule
from indexpilot_cli.simulate.proof import apply_plan
from indexpilot_cli.simulate.values import (
    LatencyGroup,
    PhaseResult,
    SimulatedIndex,
    SimulatedPlan,
    SimulationMode,
    SimulationRequest,
)
from indexpilot_cli.workload import query_stats
from indexpilot_cli.workload.query_stats import QueryStat

_ROWS = 5_000  # of query_stats a statement
_COUNTS = """
SELECT (SELECT count(*) FROM indexpilot.query_stats) AS stats, (SELECT count(*) FROM indexpilot.mutation_log) AS log
"""


def run_phase(
    dsn: str, name: SimulationMode, arrivals: Sequence[Arrival], request: SimulationRequest, progress: Progress
) -> PhaseResult:
    """Run the schedule on the database and write its statistics there, as a host application would."""
    with Replay(dsn) as member:
        for statement in named_steps("crm")["warm"].statements:  # neither phase reads its pages first
            member.run(statement)
    tally = run_schedule(dsn, arrivals, connections_of(request), f"running the {name.value} phase", progress)
    if request.stats:
        record_stats(dsn, tally)
    with Replay(dsn) as member:
        counts = member.rows(_COUNTS)[0]
    return PhaseResult(
        name,
        tally.planned,
        tally.done,
        tally.refused.total(),
        tally.seconds,
        tally.throughput,
        tally.latest_ms,
        counts["stats"],
        counts["log"],
        latencies_of(tally),
        tuple(f"{count}x {words}" for words, count in tally.refused.most_common(5)),
    )


def connections_of(request: SimulationRequest) -> int:
    """As many connections as asked for; else four, or twice the cores of a larger machine."""
    return request.connections or max(4, min(32, 2 * (os.cpu_count() or 2)))


def latencies_of(tally: OpenLoopTally) -> tuple[LatencyGroup, ...]:
    """Of each part of the arrivals its latencies, in the order in which parts and names are told."""
    order = ("all", "access", "load", "persona", "statement")
    found = sorted(tally.histograms().items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    return tuple(_group(by, name, histogram) for (by, name), histogram in found)


def _group(by: str, name: str, histogram: LatencyHistogram) -> LatencyGroup:
    p50, p95, p99 = (histogram.percentile(share) for share in (0.5, 0.95, 0.99))
    return LatencyGroup(by, name, histogram.count, histogram.mean_ms, p50, p95, p99, histogram.most_ms)


def record_stats(dsn: str, tally: OpenLoopTally, schema: str = SCHEMA) -> None:
    """Write a row of query_stats for each answer of a run that just ended, with the time the server took."""
    now = time.time()
    with open_session(dsn, read_only=False, statement_timeout_ms=None) as session:
        for first in range(0, len(tally.answered), _ROWS):
            stats = [
                QueryStat(
                    one.arrival.tenant.id,
                    one.arrival.statement.table,
                    one.arrival.statement.field,
                    one.arrival.statement.type,
                    one.server_ms,
                    now - tally.seconds + one.arrival.at,
                )
                for one in tally.answered[first : first + _ROWS]
            ]
            with session.transaction():
                query_stats.insert(session, stats, schema=schema)


def advise(dsn: str, arrivals: Sequence[Arrival], request: SimulationRequest, progress: Progress) -> SimulatedPlan:
    """Recommend for what was sent, and apply it: on this copy, through the same engine as the commands."""
    # Counted statements of a known schedule, no measured times: so the same schedule gets the same plan.
    with tempfile.TemporaryDirectory(prefix="indexpilot-simulate-") as folder:
        file = Path(folder) / "workload.sql"
        file.write_text(schedules.as_sql(arrivals), encoding="utf-8")
        asked = replace(
            request.recommend,
            connection=Connection(dsn),
            workload=WorkloadRequest(SourceKind.SQL, (str(file),)),
            planner=PlannerRequest(request.recommend.planner.what_if, workers=request.recommend.planner.workers),
            record=Record(enabled=False),
        )
        plan = recommend.run(asked, progress).result
    applied = _apply(dsn, plan, request, progress) if plan.recommendations or plan.upkeep else None
    algorithms = tuple(a.name for a in registry.enabled(request.recommend.features))
    return _plan(plan, applied, algorithms)


def _apply(dsn: str, plan: Plan, request: SimulationRequest, progress: Progress) -> ApplyResult:
    # The load that these guards would wait for is our own, and nobody else is on this database.
    safeguards = replace(
        request.apply.safeguards,
        rate_limiter=RateLimiterSettings(enabled=False),
        cpu_throttle=CpuThrottleSettings(enabled=False),
    )
    asked = replace(request.apply, connection=Connection(dsn), safeguards=safeguards, record=request.record)
    return apply_plan(asked, plan, progress).result


def _plan(plan: Plan, applied: ApplyResult | None, algorithms: tuple[str, ...]) -> SimulatedPlan:
    reports = {r.recommendation: r for r in (applied.mutations if applied else ()) if r.recommendation}
    indexes = tuple(
        _index(one.id, str(one.definition.table), one.ddl, reports.get(one.id)) for one in plan.recommendations
    )
    texts = sorted(f"{one.id} {one.ddl}" for one in plan.recommendations)
    return SimulatedPlan(
        hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        plan.estimator,
        plan.templates,
        plan.candidates,
        algorithms,
        tuple(sorted({finding.algorithm for finding in plan.findings})),
        indexes,
        sum(index.size_bytes or 0 for index in indexes),
        plan.cost_before,
        plan.cost_after,
    )


def _index(number: str, table: str, ddl: str, report: MutationReport | None) -> SimulatedIndex:
    if report is None:
        return SimulatedIndex(number, table, ddl, "not_applied")
    return SimulatedIndex(number, table, ddl, report.outcome, report.size_bytes, report.milliseconds)
