"""The documents of the server of pages: what it did, when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from indexpilot_cli.core.units import seconds
from indexpilot_cli.render.document import Document, Lines


@dataclass(frozen=True, slots=True)
class ServeResult:
    """Where it listened, and for how long."""

    url: str
    started_at: datetime
    stopped_at: datetime
    stopped_by: Annotated[str | None, "the signal"] = None


def serve_view(result: ServeResult) -> Document:
    """One sentence."""
    lasted = seconds((result.stopped_at - result.started_at).total_seconds())
    return Document((Lines((f"served {result.url} for {lasted}",)),), result, ServeResult)
