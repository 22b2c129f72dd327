"""``features.*``: parts with a switch and limits of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexpilot_cli.settings.algorithms import (
    AlexSettings,
    BxTreeSettings,
    CertSettings,
    CortexSettings,
    FractalTreeSettings,
    IDistanceSettings,
    PgmIndexSettings,
    PredictiveIndexingSettings,
    QpgSettings,
    RadixStringSplineSettings,
    XgboostSettings,
)
from indexpilot_cli.settings.rules import count, key, seconds, share, switch


@dataclass(frozen=True, slots=True)
class ConstraintOptimizerSettings:
    enabled: bool = switch("choose by an integer program within limits, and prove a bound; off: greedily")
    max_storage: int | None = key(None, "storage for all new indexes together", low=0, unit="bytes")
    max_storage_per_tenant: int | None = key(None, "the same for each tenant of the database", low=0, unit="bytes")
    max_indexes: int | None = key(None, "new indexes of one plan", low=0)
    max_indexes_per_table: int | None = key(None, "new indexes of one plan on one table", low=0)
    max_indexes_per_tenant: int | None = key(None, "new indexes of one plan that are one tenant's own", low=0)
    max_changes: int | None = key(None, "indexes that one plan makes and drops", low=0)
    min_improvement_pct: float = key(0.0, "per cent by which the statements of an index get cheaper", low=0, high=100)
    max_write_overhead: float | None = key(None, "added write cost of the whole plan", low=0, unit="share")


@dataclass(frozen=True, slots=True)
class ExpressionProfileSettings:
    cache_seconds: float = seconds(300.0, "how long a host application believes a tenant's fields; 0 asks each time")
    cache_size: int = count(1000, "answers about tenants' fields that a host application keeps", low=1)


@dataclass(frozen=True, slots=True)
class InterceptorSettings:
    """``features.interceptor.*``: statements of a host application, judged by their plan before they run."""

    enabled: bool = switch("judge the statements that a host application asks about")
    block: bool = switch("refuse what is unsafe; off: it is only told and counted")
    on_failure: str = key("open", "what happens to a statement that cannot be planned", choices=("open", "closed"))
    max_cost: float | None = key(100_000.0, "planner cost from which a statement is unsafe", low=0)
    max_rows: float | None = key(1_000_000.0, "rows that a statement may give or change", low=0)
    max_seq_scan_rows: float | None = key(1_000_000.0, "rows of a table that may be read one after the other", low=0)
    max_nested_loop_rows: float | None = key(10_000_000.0, "pairs of rows that a nested loop may compare", low=0)
    tables: tuple[str, ...] = key((), "other limits for a table: 'sales.orders: max_cost=500, max_seq_scan_rows=1000'")
    warn_share: float = share(0.5, "share of a limit from which a statement gets a warning")
    trust_limit: str = key(
        "unfiltered",
        "a LIMIT is believed to spare reading where each row read is a row given, or never",
        choices=("unfiltered", "never"),
    )
    allow: tuple[str, ...] = key((), "statements that are not judged: whole, with * for any text, or re: and a regex")
    deny: tuple[str, ...] = key((), "statements that are refused, likewise; they win over the allowed ones")
    exact_parameters: bool = switch("keep a plan for the very parameters only, not for their kind", default=False)
    cache_size: int = count(1000, "plans that are kept", low=1)
    cache_ttl_seconds: float = seconds(300.0, "how long a plan is believed")
    explain_timeout_seconds: float = key(2.0, "longest wait for a plan", low=0.01, high=300, unit="seconds")
    cooldown_seconds: float = seconds(30.0, "time in which a server that did not answer is not asked again")
    learned: str = key("warn", "what follows from recorded outcomes with evidence", choices=("off", "warn", "block"))
    slow_ms: float = key(1000.0, "milliseconds from which a statement counts as slow", low=0)
    per_template_per_minute: int | None = key(None, "calls of one template in a minute", low=1)
    per_tenant_per_minute: int | None = key(None, "calls of one tenant in a minute", low=1)


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """``features.*``: the published ideas, each with its switch, and the tenants' profiles."""

    bx_tree: BxTreeSettings = BxTreeSettings()  # noqa: RUF009  frozen
    cert: CertSettings = CertSettings()  # noqa: RUF009  frozen
    radix_string_spline: RadixStringSplineSettings = field(default=RadixStringSplineSettings())
    idistance: IDistanceSettings = field(default=IDistanceSettings())
    alex: AlexSettings = field(default=AlexSettings())
    qpg: QpgSettings = QpgSettings()  # noqa: RUF009  frozen
    constraint_optimizer: ConstraintOptimizerSettings = ConstraintOptimizerSettings()
    cortex: CortexSettings = CortexSettings()  # noqa: RUF009  frozen
    expression_profiles: ExpressionProfileSettings = ExpressionProfileSettings()
    interceptor: InterceptorSettings = InterceptorSettings()
    fractal_tree: FractalTreeSettings = FractalTreeSettings()  # noqa: RUF009  frozen
    pgm_index: PgmIndexSettings = PgmIndexSettings()  # noqa: RUF009  frozen
    predictive_indexing: PredictiveIndexingSettings = PredictiveIndexingSettings()  # noqa: RUF009  frozen
    xgboost: XgboostSettings = XgboostSettings()  # noqa: RUF009  frozen
