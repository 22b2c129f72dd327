"""``indexpilot lifecycle metrics``."""

from __future__ import annotations

from typing import Annotated

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession

METRICS_EXAMPLES = """Examples:

  indexpilot lifecycle metrics -d shop

  indexpilot lifecycle metrics -d shop --quiet --textfile indexpilot.prom

The file is written beside and renamed. With the database down it says
indexpilot_up 0, and the exit code is 4. Findings are those of the last run
of lifecycle that looked at everything; the largest indexes have series of
their own, the others are counted.
"""
Textfile = Annotated[str | None, option("--textfile PATH", "Write there, for node_exporter's collector.")]
MaxSeries = Annotated[int, option("--max-series N", "At most so many series.", min=100, max=1_000_000)]


@command("lifecycle metrics", *SERVER)
def metrics(session: CommandSession, *, textfile: Textfile = None, max_series: MaxSeries = 2000) -> int:
    """Print refusals, throttles, findings, sizes, scans, builds and runs as Prometheus text."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.metrics import MetricsRequest, run
    from indexpilot_cli.render.prometheus import write_textfile
    from indexpilot_cli.render.views.metrics import metrics_view

    outcome = session.call(run, session.signed(MetricsRequest(most=max_series)))
    if textfile is not None:
        write_textfile(outcome.result.families, textfile)
    return finish(session, outcome, metrics_view(outcome.result, textfile), news=textfile is None)
