"""``indexpilot analyze``."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, table_filter, workload
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
    statements: opt.StatementOptions,
    top: Annotated[int, opt.option("--top N", "Show so many; 0 shows all.", min=0)] = 20,
    by: Annotated[By, opt.option("--by", "What comes first.", metavar=None)] = By.TOTAL,
    tables: opt.TableOptions,
    snapshot: opt.Snapshot = None,
    exit_code: opt.ExitCode = False,
) -> int:
    """Show what the workload does, template by template."""
    session.load(statements)
    from indexpilot_cli.admin.analyze import AnalyzeRequest, run
    from indexpilot_cli.render.views.discover import analyze_view

    request = AnalyzeRequest(
        snapshot=snapshot,
        workload=workload(session, statements, files),
        filter=table_filter(session, tables),
        top=top or None,
        by=by.value,
        bypass=session.settings.bypass,
    )
    return answer(session, run, request, partial(analyze_view, verbose=session.verbose), exit_code=exit_code)


COMMANDS = {"analyze": analyze}
