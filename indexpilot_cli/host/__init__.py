"""The library interface for host applications, thin over the same core as the commands.

Open the pool once (``init_connection_pool``), make our tables (``discover_and_bootstrap_schema`` or
``init_schema_from_config``), then log queries and read figures from any thread.
"""

from __future__ import annotations

from indexpilot_cli.db.pool import close_connection_pool, get_connection, get_pool_stats
from indexpilot_cli.host.adapter import PostgresAdapter, detect_database, get_database_adapter
from indexpilot_cli.host.adapters.audit import CallbackAudit, JsonLinesAudit, LoggingAudit
from indexpilot_cli.host.adapters.configure import (
    configure_adapters,
    get_adapter_stats,
    get_audit_adapter,
    get_error_tracker,
    get_host_database_adapter,
    get_monitoring_adapter,
)
from indexpilot_cli.host.adapters.errors import RollbarErrors, SentryErrors
from indexpilot_cli.host.adapters.guarded import AdapterStats, AuditAdapter, ErrorTracker, MonitoringAdapter
from indexpilot_cli.host.adapters.metrics import DatadogMetrics, PrometheusMetrics, StatsdMetrics
from indexpilot_cli.host.evolve import (
    analyze_schema_change_impact,
    clear_impact_cache,
    generate_rollback_plan,
    get_mutation_summary,
    get_recent_mutations,
    log_audit_event,
    preview_schema_change,
    safe_add_column,
    safe_alter_column_type,
    safe_drop_column,
    safe_rename_column,
    validate_schema_change,
)
from indexpilot_cli.host.health import HealthStatus, alert_book, get_health
from indexpilot_cli.host.lifecycle import (
    get_lifecycle_status,
    perform_monthly_lifecycle,
    perform_per_tenant_lifecycle,
    perform_weekly_lifecycle,
    run_lifecycle_scheduler,
)
from indexpilot_cli.host.place import init_connection_pool, metadata_schema, set_metadata_schema
from indexpilot_cli.host.profiles import (
    configure_profile_cache,
    disable_field,
    enable_field,
    get_tenant_fields,
    initialize_tenant_expression,
)
from indexpilot_cli.host.schema import (
    bootstrap_genome_catalog,
    bootstrap_genome_catalog_from_schema,
    create_metadata_tables,
    detect_and_sync_schema_changes,
    discover_and_bootstrap_schema,
    discover_schema_from_database,
    drop_metadata_tables,
    get_genome_fields,
    init_schema_from_config,
    load_schema,
    set_feature_group,
    validate_schema,
)
from indexpilot_cli.host.stats import (
    flush_query_stats,
    get_field_usage_stats,
    get_query_log_stats,
    get_query_stats,
    get_table_size_info,
    log_query_stat,
    prune_query_stats,
    set_query_stat_wait,
    validate_field_name,
    validate_table_name,
)
from indexpilot_cli.host.types import (
    generate_all_indexpilot_types,
    generate_all_types,
    generate_types_for_table,
)
from indexpilot_cli.lifecycle.alerts import Alert, AlertBook, AlertLevel, AlertRule

__all__ = [
    "AdapterStats",
    "Alert",
    "AlertBook",
    "AlertLevel",
    "AlertRule",
    "AuditAdapter",
    "CallbackAudit",
    "DatadogMetrics",
    "ErrorTracker",
    "HealthStatus",
    "JsonLinesAudit",
    "LoggingAudit",
    "MonitoringAdapter",
    "PostgresAdapter",
    "PrometheusMetrics",
    "RollbarErrors",
    "SentryErrors",
    "StatsdMetrics",
    "alert_book",
    "analyze_schema_change_impact",
    "bootstrap_genome_catalog",
    "bootstrap_genome_catalog_from_schema",
    "clear_impact_cache",
    "close_connection_pool",
    "configure_adapters",
    "configure_profile_cache",
    "create_metadata_tables",
    "detect_and_sync_schema_changes",
    "detect_database",
    "disable_field",
    "discover_and_bootstrap_schema",
    "discover_schema_from_database",
    "drop_metadata_tables",
    "enable_field",
    "flush_query_stats",
    "generate_all_indexpilot_types",
    "generate_all_types",
    "generate_rollback_plan",
    "generate_types_for_table",
    "get_adapter_stats",
    "get_audit_adapter",
    "get_connection",
    "get_database_adapter",
    "get_error_tracker",
    "get_field_usage_stats",
    "get_genome_fields",
    "get_health",
    "get_host_database_adapter",
    "get_lifecycle_status",
    "get_monitoring_adapter",
    "get_mutation_summary",
    "get_pool_stats",
    "get_query_log_stats",
    "get_query_stats",
    "get_recent_mutations",
    "get_table_size_info",
    "get_tenant_fields",
    "init_connection_pool",
    "init_schema_from_config",
    "initialize_tenant_expression",
    "load_schema",
    "log_audit_event",
    "log_query_stat",
    "metadata_schema",
    "perform_monthly_lifecycle",
    "perform_per_tenant_lifecycle",
    "perform_weekly_lifecycle",
    "preview_schema_change",
    "prune_query_stats",
    "run_lifecycle_scheduler",
    "safe_add_column",
    "safe_alter_column_type",
    "safe_drop_column",
    "safe_rename_column",
    "set_feature_group",
    "set_metadata_schema",
    "set_query_stat_wait",
    "validate_field_name",
    "validate_schema",
    "validate_schema_change",
    "validate_table_name",
]
