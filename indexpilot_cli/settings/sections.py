"""Every setting: its name, type, default, range and meaning. The settings room reads files into these values.

A key is the path of field names, such as ``features.cert.enabled``. Field metadata (``Rule``) carries the limits;
sizes are bytes, times seconds, shares 0–1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.settings.rules import count, key, seconds, share, switch


@dataclass(frozen=True, slots=True)
class MaintenanceWindowSettings:
    enabled: bool = switch("change indexes only inside the window", default=False)
    start_hour: int = key(2, "first hour of the window", low=0, high=23)
    end_hour: int = key(6, "hour at which the window ends; smaller than the start: over midnight", low=0, high=24)
    days_of_week: tuple[int, ...] = key(
        (0, 1, 2, 3, 4, 5, 6), "days on which the window opens, 0 is Monday", low=0, high=6
    )
    timezone: str = key("UTC", "zone of the hours, such as Europe/Berlin")


@dataclass(frozen=True, slots=True)
class WritePerformanceSettings:
    enabled: bool = switch("limit what indexes cost the writes")
    max_indexes_per_table: int = count(10, "most indexes on one table, existing ones included", low=1)
    warn_indexes_per_table: int = count(7, "number of indexes from which to warn", low=1)
    write_overhead_threshold: float = share(0.2, "most added write cost of one table")


@dataclass(frozen=True, slots=True)
class LockManagerSettings:
    enabled: bool = switch("one index build per table, guarded by an advisory lock")
    lock_timeout_seconds: float = key(2.0, "longest wait for a table lock", low=0, high=300, unit="seconds")
    build_timeout_seconds: float = seconds(0.0, "longest index build; 0 means no limit")
    stale_lock_seconds: float = seconds(300.0, "age from which a lock without a living session is called stale")


@dataclass(frozen=True, slots=True)
class RateLimiterSettings:
    enabled: bool = switch("limit the number of index builds")
    max_indexes_per_hour: int = count(10, "builds per hour", low=1)
    max_indexes_per_day: int = count(50, "builds per day", low=1)
    max_indexes_per_table_per_day: int = count(3, "builds per day on one table", low=1)


@dataclass(frozen=True, slots=True)
class CpuThrottleSettings:
    enabled: bool = switch("wait while the database host is busy")
    cpu_threshold: float = key(80.0, "CPU use in per cent from which to wait", low=1, high=100)
    cooldown_seconds: float = seconds(30.0, "wait before looking again")
    min_delay_seconds: float = seconds(0.0, "shortest pause between two builds")


@dataclass(frozen=True, slots=True)
class SafeguardSettings:
    """``production_safeguards.*``: when we may act."""

    maintenance_window: MaintenanceWindowSettings = MaintenanceWindowSettings()
    write_performance: WritePerformanceSettings = WritePerformanceSettings()
    lock_manager: LockManagerSettings = LockManagerSettings()
    rate_limiter: RateLimiterSettings = RateLimiterSettings()
    cpu_throttle: CpuThrottleSettings = CpuThrottleSettings()


@dataclass(frozen=True, slots=True)
class FeatureSwitch:
    enabled: bool = switch("whether this part runs")
    reason: str = key("", "why it is off, for the log")


@dataclass(frozen=True, slots=True)
class BypassFeatures:
    auto_indexing: FeatureSwitch = FeatureSwitch()
    stats_collection: FeatureSwitch = FeatureSwitch()
    expression_checks: FeatureSwitch = FeatureSwitch()
    mutation_logging: FeatureSwitch = FeatureSwitch()


@dataclass(frozen=True, slots=True)
class BypassModules:
    optimization_features: FeatureSwitch = FeatureSwitch()


@dataclass(frozen=True, slots=True)
class SystemBypass:
    enabled: bool = switch("true switches the whole system off", default=False)
    reason: str = key("", "why, for the log")


@dataclass(frozen=True, slots=True)
class StartupBypass:
    skip_initialization: bool = switch("true skips everything at start of a host application", default=False)
    reason: str = key("", "why, for the log")


@dataclass(frozen=True, slots=True)
class EmergencyBypass:
    enabled: bool = switch("true switches everything off for a while", default=False)
    reason: str = key("", "why, for the log")
    auto_recover_after_seconds: float = seconds(0.0, "back on after this time; 0 means by hand")


@dataclass(frozen=True, slots=True)
class BypassSettings:
    """``bypass.*``: four levels of switching off. Features and modules run while ``enabled`` is true."""

    features: BypassFeatures = BypassFeatures()
    modules: BypassModules = BypassModules()
    system: SystemBypass = SystemBypass()
    startup: StartupBypass = StartupBypass()
    emergency: EmergencyBypass = EmergencyBypass()

    @property
    def logs(self) -> bool:
        """Whether what is done is written into the mutation log."""
        return self.features.mutation_logging.enabled and not self.system.enabled


@dataclass(frozen=True, slots=True)
class SchemaEvolutionSettings:
    enabled: bool = switch("check and run schema changes")
    lock_timeout_seconds: float = key(2.0, "longest wait for a lock", low=0, high=300, unit="seconds")
    retries: int = count(5, "tries after a lock timeout")
    impact_cache_seconds: float = seconds(300.0, "how long an impact analysis is believed")
    fail_on: str = key(
        "error", "gravity from which a review ends with 3", choices=("error", "warning", "info", "never")
    )
    transaction: str = key(
        "as-written",
        "file: the migration runner wraps a file; auto: one of several statements",
        choices=("as-written", "single", "per-statement", "file", "auto"),
    )
    ignore: tuple[str, ...] = key((), "kinds of hazard that are not reported, such as L01")
    long_rows: int = count(5_000, "work on fewer rows is never called long")
    probe_seconds: float = seconds(20.0, "time for all read-only questions to the real data")
    run_seconds: float = seconds(60.0, "time for one file on the empty copy")


@dataclass(frozen=True, slots=True)
class LifecycleSettings:
    min_age: float = seconds(30 * 86400.0, "how long nothing may have read an index that is called unused")
    min_size: int = key(0, "smaller indexes are left out", low=0, unit="bytes")
    bloat_ratio: float = key(1.5, "size over that after REINDEX from which an index is called bloated", low=1.1)
    max_slower: float = key(
        0.1, "a drop that makes a recorded statement dearer by more is only reported", low=0, unit="share"
    )


@dataclass(frozen=True, slots=True)
class MaintenanceComponents:
    counters: bool = switch("keep the counters once a day")
    query_stats: bool = switch("once a day drop recorded statistics past their age, and make parts for new ones")
    integrity: bool = switch("every hour compare the log with the catalog, and look for what runs left open")
    unused: bool = switch("indexes that nothing reads")
    redundant: bool = switch("duplicate and redundant indexes")
    invalid: bool = switch("indexes that no query may use")
    bloat: bool = switch("bloated indexes")
    statistics: bool = switch("missing and old statistics")
    wraparound: bool = switch("tables whose row ids run out")
    structure: bool = switch(
        "once a month also foreign keys without an index, overlaps, updates that are not HOT, views"
    )


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    weekly: bool = switch("the weekly run")
    monthly: bool = switch("the monthly run")
    timezone: str = key("UTC", "zone of the hour and the days below, such as Europe/Berlin")
    hour: int = key(3, "hour from which the runs of a day are due", low=0, high=23)
    day_of_week: int = key(6, "day of the weekly run, 0 is Monday", low=0, high=6)
    day_of_month: int = key(1, "day of the monthly run; in shorter months the last one", low=1, high=31)
    plan: bool = switch("keep what the runs find as a plan for apply", default=False)
    reconcile: bool = switch("let the hourly check settle what runs left open, as doctor --reconcile", default=False)
    components: MaintenanceComponents = MaintenanceComponents()


@dataclass(frozen=True, slots=True)
class HealthCheckSettings:
    """Thresholds from which a host's alerts are raised; unset: never."""

    enabled: bool = switch("raise alerts")
    latency_warning_seconds: float | None = key(1.0, "a trivial question takes longer", low=0, unit="seconds")
    latency_error_seconds: float | None = key(5.0, "the same, as an error", low=0, unit="seconds")
    pool_waiting: int | None = key(0, "more threads wait for a connection of the pool: warning", low=0)
    open_operations: int | None = key(0, "more changes were left open by a run: error", low=0)
    invalid_indexes: int | None = key(0, "more indexes that no query may use: warning", low=0)
    blocked_builds: int | None = key(0, "more index builds that wait for others: warning", low=0)
    wraparound_tables: int | None = key(0, "more tables whose row ids run out: critical", low=0)
    unused_indexes: int | None = key(0, "more indexes that nothing reads: info", low=0)
    kept_alerts: int = count(1000, "alerts that are kept in memory", low=1)
    max_series: int = key(2000, "most series of metrics that a host measures", low=100, high=1_000_000)


@dataclass(frozen=True, slots=True)
class QueryStatsSettings:
    retention_days: float | None = key(
        None, "days that recorded statistics are kept; unset: for ever", low=0, high=36_500
    )
    partition_by: str = key(
        "none", "parts of the table, each dropped as a whole", choices=("none", "day", "week", "month")
    )


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Who may ask the server of pages, and how much of the database it may use."""

    origins: tuple[str, ...] = key((), "origins of other web pages that may read what is served (CORS)")
    names: tuple[str, ...] = key((), "further names of this server that requests may carry in Host")
    requests_per_minute: int = key(60_000, "most requests from one address in a minute", low=1, high=10_000_000)
    # Advice reads the catalog in one and plans in another, and one is left for those who look meanwhile.
    max_connections: int = key(4, "most sessions with the database at once", low=3, high=100)


@dataclass(frozen=True, slots=True)
class OperationalSettings:
    """``operational.*``: work beside the advice."""

    schema_evolution: SchemaEvolutionSettings = SchemaEvolutionSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    health_checks: HealthCheckSettings = HealthCheckSettings()
    query_stats: QueryStatsSettings = QueryStatsSettings()
    serve: ServeSettings = ServeSettings()


@dataclass(frozen=True, slots=True)
class AdvisorSettings:
    """``advisor.*``: what ``recommend`` does when no flag says otherwise."""

    what_if: str = key("auto", "planner that pretends", choices=("auto", "twin", "hypopg"))
    min_benefit: float = share(0.005, "least saving: this share of the workload, or 10 times it of a statement")
    risk: str = key(
        "high", "what may get slower if the planner prices index reads too low", choices=("low", "normal", "high")
    )
    time_model: str = key(
        "off",
        "plans priced by constants fitted to the workload's times, where that is proved better",
        choices=("off", "auto"),
    )
    drops: str = key(
        "proven",
        "indexes that may go: none, unread or redundant ones, or all not worth it",
        choices=("none", "proven", "all"),
    )
    min_calls: float = key(0.0, "statements called less often are left out", low=0)
    min_time: float = seconds(0.0, "statements with less total time are left out")
    budget: int | None = key(None, "storage for new indexes", low=0, unit="bytes")
    tenant_budget: int | None = key(None, "storage for new indexes of one tenant's own", low=0, unit="bytes")
    max_indexes: int | None = key(None, "most indexes of one plan", low=0)
    max_per_table: int | None = key(None, "most new indexes on one table", low=0)
    max_calls: int | None = key(None, "most planner calls", low=1)
    max_seconds: float | None = key(None, "longest search", low=1, unit="seconds")
    workers: int | None = key(None, "planner sessions; unset means one per core", low=1, high=256)
    exclude_tables: tuple[str, ...] = key((), "tables that are never advised on")
    tenant_schemas: int = key(3, "schemas with the same tables that get one advice for all; 0 means never", low=0)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """``output.*``: how results look."""

    format: str = key(
        "table", "form of the result", choices=("table", "json", "yaml", "markdown", "html", "sql", "sarif", "github")
    )
    color: str = key("auto", "colours", choices=("auto", "always", "never"))
    pager: bool = switch("page long output on a terminal")


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """``connection.*``: all unset by default, so that libpq decides."""

    dsn: str | None = key(None, "name, URI or conninfo string", secret=True)
    host: str | None = key(None, "host or socket directory")
    port: int | None = key(None, "port", low=1, high=65535)
    user: str | None = key(None, "role")
    dbname: str | None = key(None, "database")
    password: str | None = key(None, "only from DB_PASSWORD, never from a file", secret=True)
    sslmode: str | None = key(
        None, "TLS", choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    )
    connect_timeout: int | None = key(None, "seconds to wait for a connection", low=1, high=3600)
    statement_timeout: float = key(60.0, "longest single question to the server", low=1, unit="seconds")


@dataclass(frozen=True, slots=True)
class MetadataSettings:
    """``metadata.*``: where our own tables live."""

    schema: str = key("indexpilot", "schema of the metadata tables")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from. ``kind`` is default, user, project, file, environment or flag."""

    kind: str = "default"
    place: str = ""

    def __str__(self) -> str:
        return self.place or self.kind


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, with the origin of each key that is not a default and of nothing else."""

    connection: ConnectionSettings = ConnectionSettings()
    metadata: MetadataSettings = MetadataSettings()
    advisor: AdvisorSettings = AdvisorSettings()
    output: OutputSettings = OutputSettings()
    features: FeatureSettings = dataclasses.field(default=FeatureSettings())
    production_safeguards: SafeguardSettings = SafeguardSettings()
    bypass: BypassSettings = BypassSettings()
    operational: OperationalSettings = OperationalSettings()
    origins: Mapping[str, Origin] = dataclasses.field(default_factory=lambda: MappingProxyType({}), compare=False)
    files: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    warnings: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def origin(self, key: str) -> Origin:
        """Where the key's value comes from."""
        return self.origins.get(key, Origin())

    @property
    def places(self) -> Mapping[str, str]:
        """Where every setting that is not a default comes from, as text by its key."""
        return {key: str(origin) for key, origin in self.origins.items()}
