"""``indexpilot calibrate``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.options import DryRun, Yes, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.core import units
from indexpilot_cli.errors import RefusedError, UsageError

EXAMPLES = """Examples:

  indexpilot calibrate -d shop

  indexpilot calibrate -d shop --rows 20000 --seconds 10 --yes

  indexpilot calibrate -d shop --show

It makes a schema of its own, fills two tables there, builds and writes to
indexes of each kind, and drops the schema, also after Ctrl-C; what a killed
run leaves, the next one drops. The WAL of it goes to standbys and archives.
"""
Rows = Annotated[int, option("--rows N", "Rows of each table.", min=1_000, max=5_000_000)]
Seconds = Annotated[float, option("--seconds S", "Measure nothing further after that.", min=1, max=3_600)]


@command("calibrate", *SERVER)
def calibrate(
    session: CommandSession,
    *,
    show: Annotated[bool, option("--show", "Only show what was measured.")] = False,
    forget: Annotated[bool, option("--forget", "Forget it: the defaults count again.")] = False,
    rows: Rows = 100_000,
    seconds: Seconds = 60.0,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Measure what writes and builds cost on this server; recommend goes by it then."""
    if show + forget + dry_run > 1:
        raise UsageError("--show, --forget and --dry-run stand alone", hint="indexpilot calibrate --help")
    session.load()
    from indexpilot_cli.admin.calibrate import CalibrateAction, CalibrateRequest, run
    from indexpilot_cli.render.views.calibrate import calibrate_view

    action = CalibrateAction.SHOW if show else CalibrateAction.FORGET if forget else CalibrateAction.MEASURE
    action = CalibrateAction.PLAN if dry_run else action
    request = CalibrateRequest(action=action, rows=rows, seconds=seconds, bypass=session.settings.bypass)
    if action is CalibrateAction.MEASURE and not yes:
        asked = session.signed(dataclasses.replace(request, action=CalibrateAction.PLAN))
        planned = session.call(run, asked).result
        size = units.size(planned.wal_bytes)
        if not session.confirm(f"Measure in a schema of its own (about {size} of WAL, {seconds:g} s at most)?"):
            raise RefusedError("nothing was done", code="declined")
    return answer(session, run, request, calibrate_view)


COMMANDS = {"calibrate": calibrate}
