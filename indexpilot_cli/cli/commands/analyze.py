"""``indexpilot analyze``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, table_filter, workload, workload_flags
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot analyze -d shop --top 10 --by mean

  indexpilot analyze --source log postgresql.csv --since 7d
"""


class By(StrEnum):
    """Orders of the templates."""

    TOTAL = "total"
    MEAN = "mean"
    CALLS = "calls"
    IO = "io"


@command("analyze", *SERVER)
def analyze(
    session: CommandSession,
    *,
    files: opt.Files = None,
    source: opt.SourceOption = None,
    since: opt.Since = None,
    log_database: opt.LogDatabase = None,
    min_calls: opt.MinCalls = None,
    min_time: opt.MinTime = None,
    top: Annotated[int, opt.option("--top N", "Show so many; 0 shows all.", min=0)] = 20,
    by: Annotated[By, opt.option("--by", "What comes first.", metavar=None)] = By.TOTAL,
    schema: opt.Schemas = None,
    table: opt.Tables = None,
    exclude_table: opt.ExcludeTables = None,
    snapshot: opt.Snapshot = None,
    exit_code: opt.ExitCode = False,
) -> int:
    """Show what the workload does, template by template."""
    session.load(workload_flags(min_calls, min_time))
    from indexpilot_cli.admin.analyze import AnalyzeRequest, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.discover import analyze_view

    request = AnalyzeRequest(
        session.connection(),
        snapshot,
        workload(session, source, files, since=since, log_database=log_database),
        table_filter(session, schema, table, exclude_table),
        top or None,
        by.value,
        session.record(),
        session.settings.bypass,
    )
    outcome = session.call(run, request)
    return finish(session, outcome, analyze_view(outcome.result, verbose=session.verbose), exit_code=exit_code)


COMMANDS = {"analyze": analyze}
