"""O5's rules: a simulation in which nothing happened fails, one reason at a time."""

from dataclasses import replace

import pytest

from indexpilot_cli.simulate.simulation import checks
from indexpilot_cli.simulate.values import LatencyGroup, PhaseResult, SimulatedIndex, SimulatedPlan, SimulationMode


def phase(name, p95=10.0, **changes):
    latencies = (LatencyGroup("all", "all", 100, p95, p95, p95, p95, p95),)
    found = PhaseResult(name, 100, 100, 0, 1.0, 100.0, 0.0, 100, 5, latencies)
    return replace(found, **changes)


BEFORE, AFTER = phase(SimulationMode.BASELINE), phase(SimulationMode.AUTOINDEX, 1.0)
INDEX = SimulatedIndex("R-1", "public.t", "CREATE INDEX a ON t (a)", "done")
PLAN = SimulatedPlan("d", "twin", 1, 1, ("alex",), (), (INDEX,), 8192, 2.0, 1.0)


def failed(before=BEFORE, after=AFTER, plan=PLAN):
    return [c.name for c in checks(SimulationMode.COMPARE, (before, after), plan) if not c.passed]


def test_a_run_in_which_all_happened_passes():
    assert failed() == []
    assert [c for c in checks(SimulationMode.BASELINE, (BEFORE,), None) if not c.passed] == []


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (
            {"before": replace(BEFORE, done=0, query_stats=0, latencies=())},
            ["baseline queries", "baseline query_stats", "p95"],
        ),
        ({"after": replace(AFTER, errors=1)}, ["autoindex queries", "autoindex query_stats"]),
        ({"before": replace(BEFORE, planned=0, done=0, query_stats=0)}, ["baseline queries", "baseline query_stats"]),
        ({"after": replace(AFTER, query_stats=0)}, ["autoindex query_stats"]),
        ({"after": replace(AFTER, mutations=0)}, ["autoindex mutation_log"]),
        ({"after": phase(SimulationMode.AUTOINDEX, 10.0)}, ["p95"]),
        ({"after": phase(SimulationMode.AUTOINDEX, 11.0)}, ["p95"]),
        ({"plan": replace(PLAN, indexes=())}, ["indexes"]),
        ({"plan": replace(PLAN, indexes=(replace(INDEX, outcome="failed"),))}, ["indexes"]),
        ({"plan": replace(PLAN, algorithms=())}, ["algorithms"]),
        ({"plan": None}, ["algorithms", "indexes"]),
    ],
)
def test_what_did_not_happen_is_named(changes, names):
    assert failed(**changes) == names
