"""``indexpilot lifecycle query-stats``."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.options import RUN, option
from indexpilot_cli.cli.session import CommandSession

QUERY_STATS_EXAMPLES = """Examples:

  indexpilot lifecycle query-stats -d shop

  indexpilot lifecycle query-stats -d shop --keep 30 --write

  indexpilot lifecycle query-stats -d shop --partition-by day --write

Partitioning moves no row: the table becomes the first part of a new one of
its name. Readers and writers wait for that moment only. The daily job of
lifecycle run due keeps to the settings, but never partitions by itself.
"""
Keep = Annotated[float | None, option("--keep DAYS", "Delete what is older.", min=0, max=36_500)]
PartitionBy = Annotated[str | None, option("--partition-by PERIOD", "In parts by day, week or month; none.")]
Write = Annotated[bool, option("--write", "Carry the steps out.", panel=RUN)]


@command("lifecycle query-stats", *SERVER)
def query_stats(
    session: CommandSession,
    *,
    keep: Keep = None,
    partition_by: PartitionBy = None,
    write: Write = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Show how recorded statistics are kept; with --write, delete old ones, and make parts for new ones."""
    section = "operational.query_stats"
    kept = None if keep is None else str(keep)
    asked = {"retention_days": ("--keep", kept), "partition_by": ("--partition-by", partition_by)}
    session.load(flags={f"{section}.{name}": given for name, given in asked.items()})
    from indexpilot_cli.lifecycle.query_stats import StatisticsRequest, run
    from indexpilot_cli.render.views.query_stats import statistics_view

    wanted = session.settings.operational.query_stats
    request = StatisticsRequest(keep_days=wanted.retention_days, partition_by=wanted.partition_by, write=write)
    return answer(session, run, request, statistics_view, exit_code=exit_code)
