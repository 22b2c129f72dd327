"""What ``apply``, ``rollback``, ``bypass`` and ``plan`` are asked, and what they give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.core.command import CommandRequest, Connection, PlannerRequest, Record, WorkloadRequest
from indexpilot_cli.core.mutation import MutationReport
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.guards.bypass import BypassLevel
from indexpilot_cli.guards.context import PermitRequest, Verdict
from indexpilot_cli.log.plans import KeptPlan
from indexpilot_cli.settings.sections import BypassSettings, SafeguardSettings, Settings


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """How to find out whether an index paid: ``method`` is None, planner, statistics or replay.

    ``workload`` are the statements to judge by, ``replay_conninfo`` a standby or clone to run them on, None the
    primary. ``auto_revert`` takes an index back when the verdict says so.
    """

    method: str | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    replay_conninfo: str | None = None
    auto_revert: bool = False


@dataclass(frozen=True, slots=True)
class ApplyRequest(CommandRequest):
    """Which plan, file or ids to build (none: the latest plan), and how careful to be.

    ``window`` is the text of ``--window "22:00-02:30 Europe/Berlin mon-fri"``; None uses the configured one.
    ``cron`` (plain ``--window``) turns a closed window into *skipped*. ``window_hard`` cancels at its end.
    ``confirmed`` is --yes; without it the workflow asks its ``confirm`` callback. ``verify`` is None, planner,
    statistics or replay; ``replay_conninfo`` a standby or clone, None the primary. ``auto_revert`` takes an index
    back when verification says so. ``adopt`` takes a plan that was made for another database. Timeouts are seconds.
    ``origins``: where a setting comes from, by its key.
    """

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
    adopt: bool = False
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def by(cls, settings: Settings) -> ApplyRequest:
        """A request by the settings, of nothing yet: deadlines, budget, safeguards and what is switched off."""
        locks = settings.production_safeguards.lock_manager
        return cls(
            lock_timeout=locks.lock_timeout_seconds,
            build_timeout=locks.build_timeout_seconds or None,
            budget_bytes=settings.advisor.budget,
            safeguards=settings.production_safeguards,
            bypass=settings.bypass,
            origins=settings.places,
        )

    def verification(self) -> VerificationRequest:
        """What is asked of the time after the build."""
        return VerificationRequest(self.verify, self.workload, self.planner, self.replay_conninfo, self.auto_revert)

    def permit(self) -> PermitRequest:
        """What the guards are asked about the request itself, before there are any operations."""
        return PermitRequest(
            self.connection,
            window=self.window,
            budget_bytes=self.budget_bytes,
            require_approval=self.require_approval,
            safeguards=self.safeguards,
            bypass=self.bypass,
            origins=self.origins,
        )


@dataclass(frozen=True, slots=True)
class RollbackRequest(CommandRequest):
    """Mutations (``M-…``), a plan (``P-…``), the last one, or all since a time (UTC).

    ``to_version``: back to that version of the one target, an index, ``M-…`` or ``R-…``.
    """

    targets: tuple[str, ...] = ()
    last: bool = False
    since: datetime | None = None
    dry_run: bool = False
    confirmed: bool = False
    force: bool = False
    lock_timeout: float = 2.0
    retries: int = 5
    bypass: BypassSettings = field(default_factory=BypassSettings)
    to_version: int | None = None


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
class PlanListRequest(CommandRequest):
    """The newest plans that are kept in the database."""

    limit: int = 50


@dataclass(frozen=True, slots=True)
class PlanListResult:
    """Plans, newest first."""

    plans: tuple[KeptPlan, ...]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What ``apply`` and ``rollback`` did or would do. ``skipped`` is the reason when nothing was done."""

    plan: str | None
    verdicts: tuple[Verdict, ...]
    mutations: tuple[MutationReport, ...]
    dry_run: bool = False
    skipped: str | None = None
    next_opening: datetime | None = None
    reconciled: tuple[MutationReport, ...] = ()
    warnings: tuple[Warn, ...] = field(default=())


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
