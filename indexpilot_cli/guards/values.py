"""What ``apply`` is asked, as far as a guard may have to know it, and how the switches stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.core.command import Connection, PlannerRequest, Record, WorkloadRequest
from indexpilot_cli.settings.sections import BypassSettings, SafeguardSettings


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Which plan, file or ids to build (none: the latest plan), and how careful to be.

    ``window`` is the text of ``--window "22:00-02:30 Europe/Berlin mon-fri"``; None uses the configured one.
    ``cron`` (plain ``--window``) turns a closed window into *skipped*. ``window_hard`` cancels at its end.
    ``confirmed`` is --yes; without it the workflow asks its ``confirm`` callback. ``verify`` is None, planner,
    statistics or replay; ``replay_conninfo`` a standby or clone, None the primary. ``auto_revert`` takes an index
    back when verification says so. Timeouts are seconds. ``origins``: where a setting comes from, by its key.
    """

    connection: Connection = field(default_factory=Connection)
    targets: tuple[str, ...] = ()
    window: str | None = None
    cron: bool = False
    window_hard: bool = False
    dry_run: bool = False
    confirmed: bool = False
    max_builds: int | None = None
    lock_timeout: float = 2.0
    retries: int = 5
    build_timeout: float | None = None
    stop_on_error: bool = False
    analyze: bool = True
    verify: str | None = None
    replay_conninfo: str | None = None
    auto_revert: bool = False
    force: bool = False
    budget_bytes: int | None = None
    require_approval: bool = False
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class BypassLevel:
    """One switch as it stands. ``level`` is feature, module, system, startup or emergency; ``name`` its key.

    ``running`` False: this part is off. ``source`` says who decided (a place in a file, an environment variable,
    ``runtime switch`` or ``default``); ``since`` and ``until`` (UTC) are known for the runtime switch.
    """

    level: str
    name: str
    running: bool
    source: str
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
