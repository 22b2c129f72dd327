"""A kind of danger in a schema change, as ``explain L01`` tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Hazard:
    """A kind of danger, by a stable id (``L01``). ``url`` is a page of PostgreSQL's manual.

    ``explanation`` and ``instead`` are what ``explain L01`` prints: why it hurts, and the safe form with an example.
    """

    id: str
    name: str
    severity: Severity
    title: str
    explanation: str
    instead: str
    example: str = ""
    safe_example: str = ""
    url: str = ""


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for info, 2 for error."""
        return {"info": 0, "warning": 1, "error": 2}[self.value]
