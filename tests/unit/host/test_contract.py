"""The contractual list of host functions: what is there, and which issue brings what is not there yet."""

import inspect

from indexpilot_cli import host

FUNCTIONS = """
bootstrap_genome_catalog bootstrap_genome_catalog_from_schema get_genome_fields
initialize_tenant_expression enable_field disable_field get_tenant_fields
log_query_stat get_query_stats get_field_usage_stats get_table_size_info
should_create_index analyze_and_create_indexes create_smart_index estimate_build_cost
estimate_query_cost_without_index get_field_selectivity get_sample_query_for_field get_explain_usage_stats
log_explain_coverage_warning
log_audit_event get_recent_mutations get_mutation_summary
validate_cardinality_with_cert enhance_plan_analysis identify_bottlenecks enhance_composite_detection
find_correlated_columns
        analyze_pgm_index_suitability
estimate_pgm_index_cost should_use_alex_strategy get_alex_index_recommendation should_use_rss_strategy
get_rss_index_recommendation should_use_fractal_tree_strategy get_fractal_tree_index_recommendation
should_use_bx_tree_strategy get_bx_tree_index_recommendation detect_temporal_pattern analyze_idistance_suitability
detect_multi_dimensional_pattern get_idistance_index_recommendation
init_connection_pool get_connection close_connection_pool get_pool_stats
disable_system enable_system
configure_adapters get_monitoring_adapter get_host_database_adapter get_database_adapter
is_in_maintenance_window should_wait_for_maintenance_window
intercept_query analyze_query_plan_fast configure_interceptor get_interceptor_metrics
analyze_schema_change_impact validate_schema_change safe_add_column safe_drop_column safe_alter_column_type
safe_rename_column preview_schema_change generate_rollback_plan clear_impact_cache
perform_weekly_lifecycle perform_monthly_lifecycle perform_per_tenant_lifecycle run_lifecycle_scheduler
get_lifecycle_status
run_baseline_simulation run_autoindex_simulation simulate_tenant_workload seed_tenant_data
discover_and_bootstrap_schema discover_schema_from_database create_metadata_tables init_schema_from_config load_schema
detect_and_sync_schema_changes
generate_all_types generate_types_for_table generate_all_indexpilot_types
"""
ADAPTER = "get_auto_increment_type get_json_type create_index_sql create_foreign_key_sql quote_identifier"
# By the issue that brings them. A name that has come must be taken off.
TO_COME = {}


def test_every_contractual_name_is_there_or_named_with_its_issue():
    missing = set(FUNCTIONS.split()) - set(host.__all__)
    expected = {name: issue for issue, names in TO_COME.items() for name in names.split()}
    assert missing == set(expected), "take off what has come, and name the issue of what is missing"
    assert all(hasattr(host.PostgresAdapter, name) for name in ADAPTER.split())


def test_every_public_function_says_what_comes_out():
    for name in host.__all__:
        thing = getattr(host, name)
        if inspect.isroutine(thing):
            hints = inspect.signature(thing).parameters.values()
            assert thing.__doc__ and "return" in inspect.get_annotations(thing), name
            assert all(p.annotation is not inspect.Parameter.empty for p in hints), name
