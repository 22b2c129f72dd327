"""Simulations from a host application: whole ones, and single tenants of a scratch database.

The same data, arrivals and checks as ``indexpilot simulate``. Whole simulations run on a private server that is gone
afterwards, or with ``scratch=True`` beside the database of the process's pool; single tenants always in that database.
It must say that it is for scratch: by the word scratch or simulation in its name or its comment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host import place
from indexpilot_cli.simulate.scenarios import (
    Pattern,
    Scenario,
    SimulationSizes,
    Spikes,
    TenantShare,
    persona_of,
    sizes_of,
)

# What runs simulations is imported when one is run: it brings the planner and apply along.
if TYPE_CHECKING:
    from indexpilot_cli.simulate.values import LatencyGroup, SimulationResult

C = TypeVar("C", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class SeededTenant:
    """A tenant that was added with its rows: ``rows`` of all tables, in ``seconds``."""

    tenant_id: int
    persona: str
    contacts: int
    organizations: int
    interactions: int
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TenantWorkload:
    """What one tenant sent and how fast it was answered; latencies count from the moment each statement was due."""

    tenant_id: int
    persona: str
    queries: int
    errors: int
    seconds: float
    throughput: float
    digest: str
    latencies: tuple[LatencyGroup, ...]


def run_baseline_simulation(scenario: str = "small", *, seed: int = 1, **changes: Any) -> SimulationResult:
    """Run the workload of the scenario as it is; the frozen result, with ``passed`` and the checks.

    ``changes`` are sizes of the scenario (``tenants``, ``contacts``, ``queries``, ``rate``, ``organizations``,
    ``interactions``, ``spikes`` (a share), ``spike_factor``), ``pattern``, ``connections``, ``scratch`` and ``keep``
    (False: the result is not kept for ``indexpilot simulate history``). Raises UsageError for others, RefusedError for
    a database that does not say it is for scratch, PrerequisiteError when no server can be started here.
    """
    return _run("baseline", "run_baseline_simulation", scenario, seed, changes)


def run_autoindex_simulation(
    scenario: str = "small", *, seed: int = 1, compare: bool = False, **changes: Any
) -> SimulationResult:
    """Recommend and apply indexes for the workload first, then run it: same rows and arrivals as the baseline's.

    With ``compare`` the baseline is run before, on a copy of the same data. Otherwise as ``run_baseline_simulation``.
    """
    return _run("compare" if compare else "autoindex", "run_autoindex_simulation", scenario, seed, changes)


def seed_tenant_data(
    tenant_id: int,
    contacts: int = 500,
    *,
    organizations: int | None = None,
    interactions: int | None = None,
    persona: str = "startup",
    seed: int = 1,
) -> SeededTenant:
    """Add a tenant of the CRM with its rows, by COPY in one transaction; tables that are missing are made.

    Raises UsageError for a tenant that is there and for sizes out of reach, RefusedError for a database that does not
    say it is for scratch.
    """
    import time

    from indexpilot_cli.simulate import scratch, seeding

    given = SimulationSizes(1, contacts, 1, Spikes(0, 1), 1.0, organizations, interactions)
    kind = persona_of(persona)
    with place.logged(MutationType.BULK_UPDATE, "seed_tenant_data", tenant=tenant_id, contacts=contacts) as note:
        dsn = scratch.own_database(place.connection())
        if seeding.seeded_tenant(dsn, tenant_id) is not None:
            raise UsageError(f"tenant {tenant_id} is there already", code="tenant_exists")
        free = seeding.free_ids(dsn)
        tenant = TenantShare(
            *(tenant_id, kind, contacts, given.organizations_each, given.interactions_each, 0),
            *(free.contact, free.organization),
        )
        began = time.monotonic()
        rows = seeding.seed_tenant(dsn, tenant, seed)
        note.details(rows=rows)
    seconds = time.monotonic() - began
    return SeededTenant(tenant_id, kind.name, contacts, tenant.organizations, tenant.interactions, rows, seconds)


def simulate_tenant_workload(
    tenant_id: int,
    queries: int = 200,
    *,
    rate: float = 100.0,
    pattern: str = "mixed",
    connections: int = 4,
    seed: int = 1,
) -> TenantWorkload:
    """Run the statements of a tenant that ``seed_tenant_data`` made, by the same ``seed``; its rows go to query_stats.

    Raises UsageError for a tenant that is not there, RefusedError for a database that does not say it is for scratch.
    """
    from indexpilot_cli.simulate import arrivals, phase, scratch, seeding
    from indexpilot_cli.simulate.open_loop import run_schedule

    SimulationSizes(1, 1, queries, Spikes(0, 1), rate)  # refuses what is out of reach
    asked = _chosen(Pattern, "pattern", pattern)
    with place.logged(MutationType.ANALYZE_WORKLOAD, "simulate_tenant_workload", tenant=tenant_id) as note:
        dsn = scratch.own_database(place.connection())
        found = seeding.seeded_tenant(dsn, tenant_id)
        if found is None:
            raise UsageError(f"no rows of tenant {tenant_id}", hint="seed_tenant_data", code="unknown_tenant")
        tenant = replace(found, queries=queries)
        planned = arrivals.of_one_tenant(tenant, rate, asked, seed)
        tally = run_schedule(dsn, planned, connections, "running the tenant's statements", Silent())
        if place.collects():
            phase.record_stats(dsn, tally, place.metadata_schema())
        note.details(statements=tally.done, errors=tally.refused.total())
    return TenantWorkload(
        *(tenant_id, tenant.persona.name, tally.done, tally.refused.total(), tally.seconds, tally.throughput),
        *(arrivals.digest(planned), phase.latencies_of(tally)),
    )


def _run(mode: str, function: str, scenario: str, seed: int, changes: dict[str, Any]) -> SimulationResult:
    from indexpilot_cli.simulate.simulation import run
    from indexpilot_cli.simulate.values import SimulationMode, SimulationRequest

    settings = place.current_settings()
    left = dict(changes)
    pattern = _chosen(Pattern, "pattern", left.pop("pattern", Pattern.MIXED.value))
    connections, keep, scratch = left.pop("connections", None), left.pop("keep", True), left.pop("scratch", False)
    chosen = _chosen(Scenario, "scenario", scenario)
    request = replace(
        SimulationRequest.by(settings, SimulationMode(mode), chosen, sizes_of(chosen, left)),
        pattern=pattern,
        seed=seed,
        connections=connections,
        keep=keep,
        record=place.record_of(function, settings),
    )
    if scratch:
        request = replace(request, connection=place.connection(), scratch=True)
    return run(request, Silent()).result


def _chosen(kind: type[C], what: str, word: str) -> C:
    try:
        return kind(word)
    except ValueError:
        raise UsageError(f"no {what} {str(word)[:40]!r}", hint=", ".join(kind)) from None
