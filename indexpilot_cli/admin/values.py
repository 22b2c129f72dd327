"""What the commands of this package are asked, and what they give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.core.command import Connection, PlannerRequest, Record, TableFilter, WorkloadRequest
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import SkippedReport, TemplateReport


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
class IndexReport:
    """An index as ``discover`` lists it. ``scans`` None: not known (snapshot without activity)."""

    name: QualifiedName
    definition: str
    bytes: int
    scans: int | None = None
    valid: bool = True
    kind: str = "index"  # primary, unique, constraint, index


@dataclass(frozen=True, slots=True)
class TableReport:
    """A table as ``discover`` lists it. Rates are per second since the statistics began; None: unknown.

    ``kind`` is table, partitioned, partition, materialized view or foreign table; ``rows`` None: never analyzed.
    """

    name: QualifiedName
    rows: float | None
    bytes: int
    index_bytes: int
    indexes: tuple[IndexReport, ...] = ()
    reads_per_s: float | None = None
    writes_per_s: float | None = None
    analyzed: datetime | None = None
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class DiscoverResult:
    """Tables in the order asked for. ``hidden`` counts those the filters left out; ``now`` is the server's clock.

    ``saved_fields`` is the number of columns recorded, None when nothing was to be saved.
    """

    tables: tuple[TableReport, ...]
    stats_since: datetime | None = None
    now: datetime | None = None
    hidden: int = 0
    saved_fields: int | None = None


@dataclass(frozen=True, slots=True)
class AnalyzeResult:
    """``templates`` are those asked for (``--top``), ``template_count`` all of them.

    ``share_by`` says what ``share`` divides: time or calls (sources without times).
    """

    source: str
    templates: tuple[TemplateReport, ...]
    template_count: int
    statement_count: int
    total_ms: float | None = None
    shown_share: float = 1.0
    share_by: str = "time"
    since: datetime | None = None
    until: datetime | None = None
    skipped: tuple[SkippedReport, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """What the file holds; ``cost`` is one sentence on what redaction costs in accuracy."""

    path: str
    bytes: int
    digest: str
    taken_at: datetime
    tables: int
    indexes: int
    statements: int
    redacted: bool = False
    cost: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of doctor or init. ``state`` is ok, missing, warning, error or unknown; ``fix`` is SQL or a command."""

    state: str
    name: str
    text: str
    fix: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class DoctorResult:
    """Checks in the order to fix them in."""

    checks: tuple[Check, ...]
    fidelity: Fidelity | None = None


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """Mutations newest first. ``total`` counts all that match, also beyond the limit."""

    mutations: tuple[Mutation, ...]
    total: int
    schema: str = "indexpilot"


@dataclass(frozen=True, slots=True)
class InitResult:
    """``planned`` and ``created`` are short words (schema, genome_catalog, config …); ``sql`` runs as it is."""

    schema: str
    schema_version: int | None
    dry_run: bool = False
    checks: tuple[Check, ...] = ()
    planned: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()
    config_path: str | None = None
    tables_count: int = 0
    fields_count: int = 0
