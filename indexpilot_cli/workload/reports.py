"""The workload as ``analyze`` tells it."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName


@dataclass(frozen=True, slots=True)
class TemplateReport:
    """A query template. ``share`` is its part of the workload; ``reads``: seq scan, index or mixed.

    ``total_ms`` and ``mean_ms`` are None when the source has no times; ``blocks`` are pages, hit and read.
    """

    id: str
    text: str
    kind: str
    calls: float
    share: float
    total_ms: float | None = None
    mean_ms: float | None = None
    is_write: bool = False
    relations: tuple[QualifiedName, ...] = ()
    reads: str | None = None
    blocks: float | None = None


@dataclass(frozen=True, slots=True)
class SkippedReport:
    """Statements left out for one reason: how many, their share of the workload, one example."""

    reason: str
    count: int
    share: float = 0.0
    example: str = ""
    detail: str = ""
