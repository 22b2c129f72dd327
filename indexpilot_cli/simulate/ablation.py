"""``ablate --demo``: what each algorithm changes on the kept demo, with both plans built and measured."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.advise import ablate
from indexpilot_cli.advise.ablate import AblationResult
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, Outcome, Progress
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.simulate import server
from indexpilot_cli.simulate.demo import demo_place, demo_workload, proof_calls
from indexpilot_cli.simulate.proof import DemoRequest, prove
from indexpilot_cli.simulate.server import DemoSlot


def run(request: RecommendRequest, demo: DemoRequest, progress: Progress) -> Outcome[AblationResult]:
    """The ablation of the traffic that the kept demo logged; plans that differ are applied to copies of it.

    Raises PrerequisiteError when no demo is kept.
    """
    with DemoSlot(demo_place(demo)).held() as slot:
        state = slot.read()
        if state is None or not state.kept or not server.answers(server.of(state)):
            raise PrerequisiteError("no demo server is kept", hint="indexpilot demo --keep", code="no_demo")
        running = server.of(state)
        calls = proof_calls(running, replace(demo, seed=state.seed, rows=state.rows))
        request = replace(request, connection=Connection(server.dsn(running)), workload=demo_workload(running))

        def measure(plan: Plan) -> float:
            if not plan.recommendations and not plan.upkeep:
                return prove(running, None, calls, progress).before_ms
            return prove(running, plan, calls, progress).after_ms

        return ablate.run(request, progress, measure)
