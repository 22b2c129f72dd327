"""The library for asyncio has every function that asks a database, and no other."""

import inspect

from indexpilot_cli import host
from indexpilot_cli.host import aio

# They answer from memory, or are hooks, or block on purpose: called as they are, from a loop as well.
DIRECT = {
    *("log_query_stat", "get_query_log_stats", "get_recorded_statements", "set_query_stat_wait", "note_outcome"),
    *("record_django", "record_sqlalchemy", "recording_cursor", "recording_async_cursor", "tenant_context"),
    *("install_interceptor", "intercepted", "intercepted_query", "configure_interceptor", "get_interceptor_metrics"),
    *("configure_adapters", "get_adapter_stats", "get_audit_adapter", "get_error_tracker", "get_monitoring_adapter"),
    *("get_host_database_adapter", "get_database_adapter", "detect_database", "get_pool_stats", "get_connection"),
    *("configure_profile_cache", "clear_impact_cache", "metadata_schema", "set_metadata_schema", "load_schema"),
    *(
        "identify_bottlenecks",
        "validate_schema",
        "is_in_maintenance_window",
        "should_wait_for_maintenance_window",
        "run_lifecycle_scheduler",
    ),
}


def test_every_function_that_asks_a_database():
    functions = {name for name in host.__all__ if inspect.isfunction(getattr(host, name))}
    asked = {name for name, value in vars(aio).items() if inspect.iscoroutinefunction(value)}
    assert asked == functions - DIRECT and functions >= DIRECT


def test_each_is_documented_as_its_namesake():
    assert inspect.signature(aio.get_query_stats) == inspect.signature(host.get_query_stats)
    assert aio.get_query_stats.__doc__ == host.get_query_stats.__doc__
