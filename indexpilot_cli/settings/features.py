"""``features.*``: parts with a switch and limits of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexpilot_cli.settings.rules import count, key, seconds, share, switch


@dataclass(frozen=True, slots=True)
class PgmIndexSettings:
    """``features.pgm_index.*``: BRIN indexes by the pages that they would read."""

    enabled: bool = switch("judge BRIN indexes by sampled ranges of pages")
    min_rows: int = count(100_000, "rows of a table from which its pages are sampled")
    min_suitability: float = share(0.5, "least share of the table that a BRIN scan has to spare")
    pages: int = count(300, "pages of a table that may be read; from 480 on ranges of more than 8 are looked at", low=8)


@dataclass(frozen=True, slots=True)
class BxTreeSettings:
    """``features.bx_tree.*``: indexes for times and for intervals of validity."""

    enabled: bool = switch("look for times in the order of the rows, and for intervals that hold a moment")
    min_table_size: int = key(2 * 1024**2, "size of a table from which its times are looked at", low=0, unit="bytes")
    min_temporal_queries: float = key(1.0, "calls of statements that compare a time column, at least", low=0)
    min_suitability_score: float = share(0.5, "least share of the table that a BRIN scan has to spare")


@dataclass(frozen=True, slots=True)
class PredictiveIndexingSettings:
    """``features.predictive_indexing.*``: forecasts of calls, and outcomes of like indexes."""

    enabled: bool = switch("weigh templates by forecasts of their calls, and indexes by what like ones really did")
    weight: float = share(0.8, "most that forecasts and measured outcomes count against the present and the planner")
    use_historical_data: bool = switch("go by measured outcomes of like indexes in the log")


@dataclass(frozen=True, slots=True)
class XgboostSettings:
    """``features.xgboost.*``: a model of measured outcomes."""

    enabled: bool = switch("hold indexes of which a model of measured outcomes expects no gain", default=False)
    weight: float = share(0.5, "most that a model of measured outcomes counts against the planner")


@dataclass(frozen=True, slots=True)
class CertSettings:
    """``features.cert.*``: the planner's estimates held against counted rows."""

    enabled: bool = switch(
        "hold the planner's row estimates against counted rows, and mend statistics first", default=False
    )
    max_error_pct: float = key(10.0, "per cent by which an estimate may miss what a sample of rows allows", low=0)


@dataclass(frozen=True, slots=True)
class RadixStringSplineSettings:
    enabled: bool = switch("hash indexes of long strings, and what would do with less of them")
    min_table_size: int = count(1000, "rows from which a hash index of a table is offered")
    min_cardinality_ratio: float = share(0.1, "least share of the rows with strings of their own")
    min_avg_string_length: int = count(40, "bytes that the strings have on average, at least")
    min_suitability_score: float = share(0.1, "least share of a B-tree's size that the hash index saves")


@dataclass(frozen=True, slots=True)
class AlexSettings:
    enabled: bool = switch("room in new B-trees where keys come in spread")
    write_heavy_threshold: float = share(0.1, "share of a table's statements that write, from which room is kept")
    dynamic_workload_threshold: float = share(
        0.2, "distance of new keys' distribution from that of old ones (Kolmogorov-Smirnov) from which it drifts"
    )


@dataclass(frozen=True, slots=True)
class IDistanceSettings:
    enabled: bool = switch("indexes for the nearest rows and for boxes of ranges")
    min_table_rows: int = count(1000, "rows from which such an index of a table is offered")
    min_suitability: float = share(0.5, "least share of the rows read without it that it spares")


@dataclass(frozen=True, slots=True)
class CortexSettings:
    """``features.cortex.*``: columns that follow from others."""

    enabled: bool = switch(
        "leave out keys that other keys decide, and reach columns through those they follow", default=False
    )


@dataclass(frozen=True, slots=True)
class FractalTreeSettings:
    """``features.fractal_tree.*``: what indexes cost the writes of their tables."""

    enabled: bool = switch("count what an index adds to writes against what it saves")
    write_heavy_threshold: float = share(0.5, "share of a table's statements that write, from which on it is heavy")
    min_queries: int = count(100, "statements that write a table, fewer are no pattern", low=1)
    min_table_size: int = key(1 << 20, "smaller tables are left out", low=0, unit="bytes")
    min_suitability_score: float = share(
        0.1, "share of a table's write time that an index adds, from which others count"
    )


@dataclass(frozen=True, slots=True)
class QpgSettings:
    """``features.qpg.*``: the plans that other parameter values get."""

    enabled: bool = switch("look for parameter values with plans of their own", default=False)


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

    bx_tree: BxTreeSettings = BxTreeSettings()
    cert: CertSettings = CertSettings()
    radix_string_spline: RadixStringSplineSettings = field(default=RadixStringSplineSettings())
    idistance: IDistanceSettings = field(default=IDistanceSettings())
    alex: AlexSettings = field(default=AlexSettings())
    qpg: QpgSettings = QpgSettings()
    constraint_optimizer: ConstraintOptimizerSettings = ConstraintOptimizerSettings()
    cortex: CortexSettings = CortexSettings()
    expression_profiles: ExpressionProfileSettings = ExpressionProfileSettings()
    interceptor: InterceptorSettings = InterceptorSettings()
    fractal_tree: FractalTreeSettings = FractalTreeSettings()
    pgm_index: PgmIndexSettings = PgmIndexSettings()
    predictive_indexing: PredictiveIndexingSettings = PredictiveIndexingSettings()
    xgboost: XgboostSettings = XgboostSettings()
