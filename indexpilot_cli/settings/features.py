"""``features.*``: the published ideas, each with its own switch and thresholds."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.settings.rule import count, key, seconds, share, switch


@dataclass(frozen=True, slots=True)
class CertSettings:
    enabled: bool = switch("check planner row estimates against sampled counts")
    max_error_pct: float = key(10.0, "statistics are called stale above this error, in per cent", low=0)


@dataclass(frozen=True, slots=True)
class QpgSettings:
    enabled: bool = switch("look for bottlenecks in plans and compare alternative plans")


@dataclass(frozen=True, slots=True)
class CortexSettings:
    enabled: bool = switch("find correlated columns")


@dataclass(frozen=True, slots=True)
class PredictiveIndexingSettings:
    enabled: bool = switch("predict an index's usefulness from past outcomes")
    weight: float = share(0.3, "weight of the prediction against the planner's benefit")
    use_historical_data: bool = switch("learn from the mutation log")


@dataclass(frozen=True, slots=True)
class XgboostSettings:
    enabled: bool = switch("classify candidates with a model trained on recorded outcomes", default=False)
    weight: float = share(0.3, "weight of the classifier against the planner's benefit")


@dataclass(frozen=True, slots=True)
class PgmIndexSettings:
    enabled: bool = switch("test keys for piecewise-linear order")
    min_rows: int = count(1000, "smallest table worth testing")
    min_suitability: float = share(0.5, "suitability from which advice is given")


@dataclass(frozen=True, slots=True)
class AlexSettings:
    enabled: bool = switch("adapt advice to write-heavy and changing tables")
    write_heavy_threshold: float = share(0.3, "share of writes from which a table is write-heavy")
    dynamic_workload_threshold: float = share(0.2, "change of the workload from which it is dynamic")


@dataclass(frozen=True, slots=True)
class RadixStringSplineSettings:
    enabled: bool = switch("use statistics of strings for prefix and pattern indexes")
    min_table_size: int = count(1000, "smallest table, in rows")
    min_cardinality_ratio: float = share(0.5, "distinct values per row")
    min_avg_string_length: float = key(8.0, "average length of the strings, in bytes", low=0)
    min_suitability_score: float = share(0.5, "score from which advice is given")


@dataclass(frozen=True, slots=True)
class FractalTreeSettings:
    enabled: bool = switch("advise buffered-write structures on write-heavy tables")
    write_heavy_threshold: float = share(0.5, "share of writes from which a table is write-heavy")
    min_queries: int = count(100, "fewest observed calls")
    min_table_size: int = count(10_000, "smallest table, in rows")
    min_suitability_score: float = share(0.5, "score from which advice is given")


@dataclass(frozen=True, slots=True)
class BxTreeSettings:
    enabled: bool = switch("advise on temporal ranges (BRIN, partitions)")
    min_table_size: int = count(10_000, "smallest table, in rows")
    min_temporal_queries: int = count(10, "fewest observed calls with a temporal range")
    min_suitability_score: float = share(0.5, "score from which advice is given")


@dataclass(frozen=True, slots=True)
class IdistanceSettings:
    enabled: bool = switch("find multi-dimensional and nearest-neighbour queries")
    min_table_rows: int = count(1000, "smallest table, in rows")
    min_suitability: float = share(0.5, "suitability from which advice is given")


@dataclass(frozen=True, slots=True)
class ConstraintOptimizerSettings:
    enabled: bool = switch("choose indexes as a set, within the limits below")
    max_storage: int | None = key(None, "storage for all new indexes together", low=0, unit="bytes")
    max_storage_per_tenant: int | None = key(None, "storage for new indexes per tenant", low=0, unit="bytes")
    max_indexes_per_table: int | None = key(None, "new indexes on one table", low=0)
    max_indexes: int | None = key(None, "new indexes of one plan", low=0)
    max_write_overhead: float | None = key(None, "added write cost of the whole plan", low=0, unit="share")
    min_improvement_pct: float = key(0.0, "an index that lowers its queries' cost by less is dropped", low=0, high=100)


@dataclass(frozen=True, slots=True)
class ExpressionProfileSettings:
    enabled: bool = switch("weigh advice by the fields each tenant has switched on")
    cache_enabled: bool = switch("keep profiles in memory")
    cache_ttl_seconds: float = seconds(300.0, "how long a cached profile is believed")
    cache_max_entries: int = count(10_000, "cached profiles", low=1)


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """``features.*``: the published ideas, each with its switch."""

    cert: CertSettings = CertSettings()
    qpg: QpgSettings = QpgSettings()
    cortex: CortexSettings = CortexSettings()
    predictive_indexing: PredictiveIndexingSettings = PredictiveIndexingSettings()
    xgboost: XgboostSettings = XgboostSettings()
    pgm_index: PgmIndexSettings = PgmIndexSettings()
    alex: AlexSettings = AlexSettings()
    radix_string_spline: RadixStringSplineSettings = RadixStringSplineSettings()
    fractal_tree: FractalTreeSettings = FractalTreeSettings()
    bx_tree: BxTreeSettings = BxTreeSettings()
    idistance: IdistanceSettings = IdistanceSettings()
    constraint_optimizer: ConstraintOptimizerSettings = ConstraintOptimizerSettings()
    expression_profiles: ExpressionProfileSettings = ExpressionProfileSettings()
