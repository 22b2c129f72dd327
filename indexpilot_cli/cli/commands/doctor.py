"""``indexpilot doctor``."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, planner, workload
from indexpilot_cli.cli.options import ExitCode, Files, Snapshot, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

EXAMPLES = """Examples:

  indexpilot doctor -d shop

  indexpilot doctor -d shop --twin --verbose

  indexpilot doctor --ready --quiet || exit
"""


@command("doctor", *SERVER)
def doctor(
    session: CommandSession,
    *,
    files: Files = None,
    twin: Annotated[bool, option("--twin", "Measure how faithfully the twin plans.")] = False,
    reconcile: Annotated[bool, option("--reconcile", "Settle what earlier runs left open.")] = False,
    live: Annotated[bool, option("--live", "Only: does it answer? 0 or 4.")] = False,
    ready: Annotated[bool, option("--ready --readiness", "Only: can indexes be changed? 0, 4 or 5.")] = False,
    alive: Annotated[bool, option("--liveness", "Only: does this program work? No server is asked.")] = False,
    source: opt.SourceOption = None,
    log_database: opt.LogDatabase = None,
    asked: opt.PlannerOptions,
    snapshot: Snapshot = None,
    exit_code: ExitCode = False,
) -> int:
    """Check connection, extensions, rights, statistics and leftovers; each line with its fix."""
    session.load(asked)
    if snapshot and (reconcile or live or ready):
        raise UsageError("--reconcile, --live and --ready need the server, not a snapshot")
    if sum((reconcile or twin, live, ready, alive)) > 1:
        raise UsageError("--live, --ready and --liveness stand alone", hint="indexpilot doctor --help")
    from indexpilot_cli.admin.doctor import DoctorRequest, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.doctor import doctor_view

    request = DoctorRequest(
        session.connection(),
        snapshot,
        twin,
        workload(session, opt.StatementOptions(source, log_database=log_database), files),
        planner(session),
        reconcile,
        "alive" if alive else "live" if live else "ready" if ready else "all",
        session.settings.bypass,
        record=session.record(),
    )
    outcome = session.call(run, request)
    document = doctor_view(outcome.result, verbose=session.verbose)
    # A quiet probe is asked for its exit code.
    return finish(session, outcome, document, exit_code=exit_code, news=not (live or ready or alive))


COMMANDS = {"doctor": doctor}
