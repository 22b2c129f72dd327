"""What ``rollback``, ``bypass`` and ``plan`` are asked, and what they give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.guards.values import BypassLevel
from indexpilot_cli.settings.sections import BypassSettings


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Mutations (``M-…``), a plan (``P-…``), the last one, or all since a time (UTC)."""

    connection: Connection = field(default_factory=Connection)
    targets: tuple[str, ...] = ()
    last: bool = False
    since: datetime | None = None
    dry_run: bool = False
    confirmed: bool = False
    force: bool = False
    lock_timeout: float = 2.0
    retries: int = 5
    bypass: BypassSettings = field(default_factory=BypassSettings)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class BypassRequest:
    """``action`` is status, enable or disable (of IndexPilot, not of the bypass); ``reason`` for the log.

    ``for_seconds``: back on by itself. ``origins`` says of a setting's key where its value comes from.
    """

    action: str
    connection: Connection = field(default_factory=Connection)
    reason: str = ""
    for_seconds: float | None = None
    bypass: BypassSettings = field(default_factory=BypassSettings)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class ApproveRequest:
    """Approve a kept plan for ``apply`` with ``require_approval``."""

    plan: str
    connection: Connection = field(default_factory=Connection)
    reason: str = ""
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Show a kept plan; None is the latest."""

    plan: str | None = None
    connection: Connection = field(default_factory=Connection)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class BypassResult:
    """``running``: may IndexPilot change indexes now. ``changed`` is False for status and for what was so already."""

    action: str
    running: bool
    levels: tuple[BypassLevel, ...]
    changed: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApproveResult:
    """Who approved which plan when (UTC). ``digest`` is of the plan's statements; ``already``: it was approved."""

    plan: str
    digest: str
    approved_by: str
    approved_at: datetime
    indexes: int
    reason: str = ""
    already: bool = False
