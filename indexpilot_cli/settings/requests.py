"""What each command asks of its workflow: plain values, already resolved from flags and settings.

A workflow is ``run(request: XRequest, progress: Progress) -> Outcome[XResult]``. It lives in ``workflows/x.py``,
except for the demo (``simulate/demo.py``), which stands on top of the workflows.

Files named ``-`` mean standard input. Table and schema names are as typed: the workflow resolves them against the
catalog and raises UsageError with the nearest name. When the server asks for a password that is not there, the
workflow raises UnreachableError with code ``password_required``; the command line may then ask and run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.settings.sections import BypassSettings, SafeguardSettings


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server: ``conninfo`` is a libpq string or URI, empty when libpq's own rules decide all.

    ``password`` (from a prompt or DB_PASSWORD) overrides what the string says; ``connect_timeout`` (seconds) and
    application_name are only added where the string has none.
    """

    conninfo: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)
    connect_timeout: int | None = None
    metadata_schema: str = "indexpilot"
    statement_timeout_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Record:
    """Who asks, for the mutation log. ``enabled`` False: write no row and keep no plan."""

    actor: str = ""
    version: str = ""
    command: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class WorkloadRequest:
    """Which statements to look at.

    ``source`` None: what the files are, else the snapshot's workload, else pg_stat_statements.
    ``queries`` are statements given on the command line; ``since`` is UTC; ``min_total_ms`` is total time.
    """

    source: SourceKind | None = None
    files: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    since: datetime | None = None
    min_calls: float = 0.0
    min_total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TableFilter:
    """Tables to look at, as typed; all empty means all of them."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannerRequest:
    """Which planner pretends: ``what_if`` is auto, twin or hypopg. ``workers`` None: one per core."""

    what_if: str = "auto"
    cross_check: bool = False
    workers: int | None = None
    max_calls: int | None = None
    max_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DiscoverRequest:
    """``sort`` is size, writes, reads or name; ``save`` records the columns in the genome catalog."""

    connection: Connection = field(default_factory=Connection)
    snapshot: str | None = None
    filter: TableFilter = field(default_factory=TableFilter)
    min_size_bytes: int = 0
    sort: str = "size"
    save: bool = False
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class AnalyzeRequest:
    """``by`` is total, mean, calls or io; ``top`` None shows all templates."""

    connection: Connection = field(default_factory=Connection)
    snapshot: str | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    filter: TableFilter = field(default_factory=TableFilter)
    top: int | None = 20
    by: str = "total"
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """``min_benefit`` is a share of the workload cost (0–1); None limits mean no limit."""

    connection: Connection = field(default_factory=Connection)
    snapshot: str | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    filter: TableFilter = field(default_factory=TableFilter)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    budget_bytes: int | None = None
    max_indexes: int | None = None
    max_per_table: int | None = None
    min_benefit: float = 0.005
    features: FeatureSettings = field(default_factory=FeatureSettings)
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """Either ``subject`` (an id the tool printed) or ``query`` with indexes to add and to hide.

    ``with_indexes`` are CREATE INDEX statements, ``without_indexes`` index names. ``analyze`` runs the query.
    ``workload`` and ``recommend`` settings apply when an id must be worked out again.
    """

    connection: Connection = field(default_factory=Connection)
    snapshot: str | None = None
    subject: str | None = None
    query: str | None = None
    with_indexes: tuple[str, ...] = ()
    without_indexes: tuple[str, ...] = ()
    analyze: bool = False
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    min_benefit: float = 0.005
    features: FeatureSettings = field(default_factory=FeatureSettings)
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Write everything the advisor needs to ``file``; ``redact`` replaces sampled values."""

    file: str
    connection: Connection = field(default_factory=Connection)
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    redact: bool = False
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """``twin`` also measures how faithfully the twin plans the workload.

    ``reconcile`` settles what earlier runs left open. ``probe`` is all, live (does the server answer) or ready
    (could indexes be changed now); the last two ask a handful of questions only.
    """

    connection: Connection = field(default_factory=Connection)
    snapshot: str | None = None
    twin: bool = False
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    record: Record = field(default_factory=Record)
    reconcile: bool = False
    probe: str = "all"


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Rows of the mutation log, newest first. ``types`` are mutation types; ``since`` is UTC."""

    connection: Connection = field(default_factory=Connection)
    since: datetime | None = None
    types: tuple[str, ...] = ()
    table: str | None = None
    tenant: int | None = None
    limit: int = 100
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class InitRequest:
    """``check`` only looks, ``dry_run`` plans and prints the SQL, neither writes.

    ``config_path`` is where the configuration file goes (an existing one is left alone) and ``config_text`` what
    it holds; both None with ``--db-only``. ``database`` False with ``--config-only``: no server is asked.
    ``schema_file`` and ``discover`` fill the genome catalog.
    """

    connection: Connection = field(default_factory=Connection)
    check: bool = False
    upgrade: bool = False
    dry_run: bool = False
    database: bool = True
    config_path: str | None = None
    config_text: str | None = None
    schema_file: str | None = None
    discover: bool = False
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """``stop`` removes a demo server that ``keep`` left running.

    ``rows`` are those of the biggest table (None: 1.2 million); ``state_directory`` is where a kept server is
    remembered (None: the user's own).
    """

    keep: bool = False
    stop: bool = False
    seed: int = 1
    rows: int | None = None
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    record: Record = field(default_factory=Record)
    state_directory: str | None = None


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
