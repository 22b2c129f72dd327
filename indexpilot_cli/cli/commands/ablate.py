"""``indexpilot ablate``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, recommend_request, table_filter, workload
from indexpilot_cli.cli.commands.recommend import MaxIndexes, Queries
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

if TYPE_CHECKING:
    from indexpilot_cli.advise.ablate import AblationResult
    from indexpilot_cli.advise.values import RecommendRequest
    from indexpilot_cli.core.command import Outcome

Demo = Annotated[bool, option("--demo", "Of the demo that  demo --keep  left; both plans are built and measured.")]


@dataclass(frozen=True, slots=True)
class AblationLimits(opt.SettingOptions):
    """What bounds the plan whose algorithms are asked."""

    sets = opt.settings_of("advisor", "budget", "max_indexes", "min_benefit")

    budget: opt.Budget = None
    max_indexes: MaxIndexes = None
    min_benefit: opt.MinBenefit = None


EXAMPLES = """Examples:

  indexpilot ablate -d shop

  indexpilot ablate --source sql workload.sql --json

  indexpilot ablate --demo
"""


@command("ablate", *SERVER)
def ablate(
    session: CommandSession,
    *,
    files: opt.Files = None,
    limits: AblationLimits,
    tables: opt.TableOptions,
    query: Queries = None,
    statements: opt.StatementOptions,
    planner: opt.PlannerOptions,
    snapshot: opt.Snapshot = None,
    demo: Demo = False,
) -> int:
    """Show what each algorithm changes of the plan. Nothing is changed."""
    session.load(limits, statements, planner)
    from indexpilot_cli.advise.ablate import run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.ablate import view

    work, only = workload(session, statements, files, query), table_filter(session, tables)
    request = recommend_request(session, snapshot, work, only, cross_check=False)
    outcome = _on_demo(session, request) if demo else session.call(run, request)
    return finish(session, outcome, view(outcome.result))


def _on_demo(session: CommandSession, request: RecommendRequest) -> Outcome[AblationResult]:
    from indexpilot_cli.simulate.ablation import run
    from indexpilot_cli.simulate.proof import DemoRequest

    with session.progress() as progress:
        return run(request, DemoRequest(record=session.record()), progress)


COMMANDS = {"ablate": ablate}
