"""Whether a simulation showed anything: one in which nothing happened fails, whatever its figures are."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.simulate.values import PhaseResult, SimulatedPlan, SimulationCheck, SimulationMode


def checks(
    mode: SimulationMode, phases: tuple[PhaseResult, ...], plan: SimulatedPlan | None
) -> tuple[SimulationCheck, ...]:
    """One check for everything that must have happened in that mode."""
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
