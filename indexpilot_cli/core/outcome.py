"""What a command found, before anybody decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from indexpilot_cli.core.capabilities import Server
from indexpilot_cli.core.plan import Warn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The result of one command and what the JSON envelope says around it.

    ``command`` names the schema (``recommend`` -> ``indexpilot.recommend/1``). ``status`` is ok, findings, skipped,
    refused, partial or failed. ``next`` are command lines that parse.
    """

    command: str
    result: T
    status: str = "ok"
    exit_code: int = 0
    server: Server | None = None
    warnings: tuple[Warn, ...] = ()
    next: tuple[str, ...] = ()
