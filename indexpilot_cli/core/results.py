"""What each workflow gives back. ``recommend`` gives a ``Plan`` (model.recommendation).

Units: bytes, milliseconds, ratios 0–1, UTC datetimes. SQL texts run as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.core.candidate import Rejection
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.evolve.review.values import Hazard


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
class PlanView:
    """One plan of a comparison: ``label`` is now, with, without …; ``nodes`` the plan as indented lines.

    ``access`` is the line that matters (``Seq Scan on orders``); ``milliseconds`` only with --analyze.
    """

    label: str
    cost: float | None
    nodes: tuple[str, ...] = ()
    access: str = ""
    indexes_used: tuple[str, ...] = ()
    rows: float | None = None
    milliseconds: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact and where it comes from: pg_stats, planner, catalog, workload, model, settings."""

    source: str
    fact: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Something better or close: a recommendation id and how it reads."""

    id: str
    summary: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """Why, why not, what if.

    ``subject`` is query, recommendation, rejection, template, mutation, finding or hazard; ``verdict`` recommended,
    rejected, no_difference or empty; ``benefit`` relative to the first plan.
    """

    subject: str
    id: str | None = None
    title: str = ""
    verdict: str = ""
    verdict_text: str = ""
    reason: str | None = None
    minimum: float | None = None
    benefit: float | None = None
    estimator: str | None = None
    plans: tuple[PlanView, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    sql: str | None = None
    recommendation: Recommendation | None = None
    rejection: Rejection | None = None
    template: TemplateReport | None = None
    templates: tuple[TemplateReport, ...] = ()
    mutation: Mutation | None = None
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    hazard: Hazard | None = None


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
class TwinDifference:
    """A template the twin plans differently; ``error`` is |twin - server| / server of the total cost."""

    template: str
    server_cost: float
    twin_cost: float
    error: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How the twin's plans compare with the server's. Errors are relative differences of total cost."""

    estimator: str
    compared: int
    identical: int
    median_error: float
    p90_error: float
    max_error: float
    not_compared: int = 0
    differences: tuple[TwinDifference, ...] = ()


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


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One thing the demo did: a label, a sentence, and the time it took."""

    label: str
    text: str
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class DemoLatency:
    """Milliseconds per call of one kind of read, measured over ``calls`` runs without and with the advice."""

    template: str
    calls: int
    before_ms: float
    after_ms: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """``state`` is finished, running (kept) or stopped; ``conninfo`` reaches a kept server.

    ``before_ms`` and ``after_ms`` are all measured reads together, ``latencies`` each kind, slowest before first.
    """

    state: str
    steps: tuple[DemoStep, ...] = ()
    conninfo: str | None = None
    plan: Plan | None = None
    before_ms: float | None = None
    after_ms: float | None = None
    notes: tuple[str, ...] = field(default=())
    latencies: tuple[DemoLatency, ...] = field(default=())


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
