"""Options of ``explain`` alone."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.complete import explainable
from indexpilot_cli.cli.options.common import option

Subject = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="An id the tool printed: R-…, q-…, M-…, L01.", autocompletion=explainable),
]
Query = Annotated[str | None, option("--query SQL", "Plan this statement.")]
With = Annotated[list[str] | None, option("--with DDL", "With this index (repeatable).")]
Without = Annotated[list[str] | None, option("--without INDEX", "Without this index (repeatable).")]
Analyze = Annotated[bool, option("--analyze", "Run the SELECT for real, read-only.")]
