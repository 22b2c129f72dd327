"""``indexpilot snapshot save``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, command, workload, workload_flags
from indexpilot_cli.cli.options import LogDatabase, MinCalls, MinTime, Since, SourceOption, option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot snapshot save shop.ipsnap -d shop --redact

  indexpilot recommend --snapshot shop.ipsnap
"""


@command("snapshot", *SERVER)
def save(
    session: CommandSession,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    redact: Annotated[bool, option("--redact", "Replace values by surrogates that sort alike.")] = False,
    with_files: Annotated[list[str] | None, option("--file FILE", "Take statements from there (repeatable).")] = None,
    source: SourceOption = None,
    since: Since = None,
    log_database: LogDatabase = None,
    min_calls: MinCalls = None,
    min_time: MinTime = None,
) -> int:
    """Save schema, statistics and workload to a file that other commands read with --snapshot."""
    session.load(workload_flags(min_calls, min_time))
    from indexpilot_cli.admin.snapshot import SnapshotRequest, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.discover import snapshot_view

    statements = workload(session, source, with_files, since=since, log_database=log_database)
    request = SnapshotRequest(file, session.connection(), statements, redact, session.record())
    outcome = session.call(run, request)
    return finish(session, outcome, snapshot_view(outcome.result, verbose=session.verbose))


COMMANDS = {"save": save}
