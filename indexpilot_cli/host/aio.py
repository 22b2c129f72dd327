"""The functions of ``indexpilot_cli.host`` that ask a database, for applications on asyncio, under the same names.

Each runs its namesake in a thread of the loop's default executor (``loop.set_default_executor`` decides how many), in
the context of the task: arguments, results and errors are the namesake's. When the awaiting task is cancelled the call
is left alone: its thread ends by the limits of its statements, commits or undoes as a whole, and gives its connection
back.

What is not here never waits for a database and is called as it is, from a loop as well: ``log_query_stat`` and its
counters, the hooks, the settings.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from indexpilot_cli import host

P = ParamSpec("P")
R = TypeVar("R")


def _in_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(function, *args, **kwargs)

    return call


analyze_and_create_indexes = _in_thread(host.analyze_and_create_indexes)
analyze_idistance_suitability = _in_thread(host.analyze_idistance_suitability)
analyze_pgm_index_suitability = _in_thread(host.analyze_pgm_index_suitability)
analyze_query_plan_fast = _in_thread(host.analyze_query_plan_fast)
analyze_schema_change_impact = _in_thread(host.analyze_schema_change_impact)
assign_variant = _in_thread(host.assign_variant)
bootstrap_genome_catalog = _in_thread(host.bootstrap_genome_catalog)
bootstrap_genome_catalog_from_schema = _in_thread(host.bootstrap_genome_catalog_from_schema)
close_connection_pool = _in_thread(host.close_connection_pool)
create_experiment = _in_thread(host.create_experiment)
create_metadata_tables = _in_thread(host.create_metadata_tables)
create_smart_index = _in_thread(host.create_smart_index)
detect_and_sync_schema_changes = _in_thread(host.detect_and_sync_schema_changes)
detect_multi_dimensional_pattern = _in_thread(host.detect_multi_dimensional_pattern)
detect_temporal_pattern = _in_thread(host.detect_temporal_pattern)
disable_field = _in_thread(host.disable_field)
disable_system = _in_thread(host.disable_system)
discover_and_bootstrap_schema = _in_thread(host.discover_and_bootstrap_schema)
discover_schema_from_database = _in_thread(host.discover_schema_from_database)
drop_metadata_tables = _in_thread(host.drop_metadata_tables)
enable_field = _in_thread(host.enable_field)
enable_system = _in_thread(host.enable_system)
enhance_composite_detection = _in_thread(host.enhance_composite_detection)
enhance_plan_analysis = _in_thread(host.enhance_plan_analysis)
estimate_build_cost = _in_thread(host.estimate_build_cost)
estimate_pgm_index_cost = _in_thread(host.estimate_pgm_index_cost)
estimate_query_cost_without_index = _in_thread(host.estimate_query_cost_without_index)
find_correlated_columns = _in_thread(host.find_correlated_columns)
flush_interceptor_log = _in_thread(host.flush_interceptor_log)
flush_query_stats = _in_thread(host.flush_query_stats)
generate_all_indexpilot_types = _in_thread(host.generate_all_indexpilot_types)
generate_all_types = _in_thread(host.generate_all_types)
generate_rollback_plan = _in_thread(host.generate_rollback_plan)
generate_types_for_table = _in_thread(host.generate_types_for_table)
get_alex_index_recommendation = _in_thread(host.get_alex_index_recommendation)
get_bx_tree_index_recommendation = _in_thread(host.get_bx_tree_index_recommendation)
get_experiment_status = _in_thread(host.get_experiment_status)
get_explain_usage_stats = _in_thread(host.get_explain_usage_stats)
get_field_selectivity = _in_thread(host.get_field_selectivity)
get_field_usage_stats = _in_thread(host.get_field_usage_stats)
get_fractal_tree_index_recommendation = _in_thread(host.get_fractal_tree_index_recommendation)
get_genome_fields = _in_thread(host.get_genome_fields)
get_health = _in_thread(host.get_health)
get_idistance_index_recommendation = _in_thread(host.get_idistance_index_recommendation)
get_lifecycle_status = _in_thread(host.get_lifecycle_status)
get_mutation_summary = _in_thread(host.get_mutation_summary)
get_query_stats = _in_thread(host.get_query_stats)
get_recent_mutations = _in_thread(host.get_recent_mutations)
get_rss_index_recommendation = _in_thread(host.get_rss_index_recommendation)
get_sample_query_for_field = _in_thread(host.get_sample_query_for_field)
get_system_status = _in_thread(host.get_system_status)
get_table_size_info = _in_thread(host.get_table_size_info)
get_tenant_fields = _in_thread(host.get_tenant_fields)
init_connection_pool = _in_thread(host.init_connection_pool)
init_schema_from_config = _in_thread(host.init_schema_from_config)
initialize_tenant_expression = _in_thread(host.initialize_tenant_expression)
intercept_query = _in_thread(host.intercept_query)
learn_query_risk = _in_thread(host.learn_query_risk)
log_audit_event = _in_thread(host.log_audit_event)
log_explain_coverage_warning = _in_thread(host.log_explain_coverage_warning)
perform_monthly_lifecycle = _in_thread(host.perform_monthly_lifecycle)
perform_per_tenant_lifecycle = _in_thread(host.perform_per_tenant_lifecycle)
perform_weekly_lifecycle = _in_thread(host.perform_weekly_lifecycle)
predict_index_utility = _in_thread(host.predict_index_utility)
preview_schema_change = _in_thread(host.preview_schema_change)
prune_query_stats = _in_thread(host.prune_query_stats)
record_outcome = _in_thread(host.record_outcome)
refine_heuristic_decision = _in_thread(host.refine_heuristic_decision)
run_autoindex_simulation = _in_thread(host.run_autoindex_simulation)
run_baseline_simulation = _in_thread(host.run_baseline_simulation)
safe_add_column = _in_thread(host.safe_add_column)
safe_alter_column_type = _in_thread(host.safe_alter_column_type)
safe_drop_column = _in_thread(host.safe_drop_column)
safe_rename_column = _in_thread(host.safe_rename_column)
seed_tenant_data = _in_thread(host.seed_tenant_data)
set_feature_group = _in_thread(host.set_feature_group)
should_create_index = _in_thread(host.should_create_index)
should_use_alex_strategy = _in_thread(host.should_use_alex_strategy)
should_use_bx_tree_strategy = _in_thread(host.should_use_bx_tree_strategy)
should_use_fractal_tree_strategy = _in_thread(host.should_use_fractal_tree_strategy)
should_use_rss_strategy = _in_thread(host.should_use_rss_strategy)
simulate_tenant_workload = _in_thread(host.simulate_tenant_workload)
stop_experiment = _in_thread(host.stop_experiment)
validate_cardinality_with_cert = _in_thread(host.validate_cardinality_with_cert)
validate_field_name = _in_thread(host.validate_field_name)
validate_schema_change = _in_thread(host.validate_schema_change)
validate_table_name = _in_thread(host.validate_table_name)
