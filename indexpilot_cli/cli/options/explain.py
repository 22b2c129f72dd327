"""Options of ``explain`` alone."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.complete import explainable
from indexpilot_cli.cli.options.common import WHAT

Subject = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="An id the tool printed: R-…, q-…, M-…, L01.", autocompletion=explainable),
]
Query = Annotated[str | None, typer.Option("--query", metavar="SQL", help="Plan this statement.", rich_help_panel=WHAT)]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="DDL", help="With this index (repeatable).", rich_help_panel=WHAT),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="INDEX", help="Without this index (repeatable).", rich_help_panel=WHAT),
]
Analyze = Annotated[
    bool,
    typer.Option("--analyze", metavar="", help="Run the SELECT for real, read-only.", rich_help_panel=WHAT),
]
