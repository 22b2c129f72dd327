"""What leaves a row beside the commands: library functions, failed connections, and what a change takes along."""

import contextlib

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from indexpilot_cli import host
from indexpilot_cli.admin import discover
from indexpilot_cli.admin.discover import DiscoverRequest
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UnreachableError
from indexpilot_cli.log.bookkeeping import bookkeeping

# Functions of the library that leave no row, and why.
SILENT = {
    "they read or change nothing in a database": (
        *("PostgresAdapter", "detect_database", "load_schema", "validate_schema", "clear_impact_cache"),
        *("configure_profile_cache", "set_metadata_schema", "metadata_schema", "set_query_stat_wait"),
        *("get_query_log_stats", "get_pool_stats", "close_connection_pool", "get_connection", "get_database_adapter"),
        *(
            "configure_adapters",
            "get_adapter_stats",
            "get_audit_adapter",
            "get_error_tracker",
            "get_monitoring_adapter",
        ),
        *("get_host_database_adapter", "AdapterStats", "AuditAdapter", "ErrorTracker", "MonitoringAdapter"),
        *("CallbackAudit", "JsonLinesAudit", "LoggingAudit", "RollbarErrors", "SentryErrors"),
        *("DatadogMetrics", "PrometheusMetrics", "StatsdMetrics"),
        *(
            "configure_interceptor",
            "get_interceptor_metrics",
            "install_interceptor",
            "intercepted",
            "intercepted_query",
        ),
        *("should_create_index", "is_in_maintenance_window", "should_wait_for_maintenance_window", "note_outcome"),
        *("BuildRun", "ExplainUsage", "FieldSelectivity", "IndexRun", "SmartIndex", "identify_bottlenecks"),
        *("AlternativePlan", "BrinCost", "CardinalityCheck", "CompositeAdvice", "CorrelatedColumns", "IndexUtility"),
        *("KeyIndex", "KeyRegularity", "KeyStrategy", "MultiDimensionalPattern", "PlanAnalysis", "RefinedDecision"),
        *("SpatialIndex", "SpatialSuitability", "StringIndex", "StringStrategy", "TemporalIndex", "TemporalPatternUse"),
        *("TemporalStrategy", "WriteStrategy", "WrittenIndex"),
        *("QueryBlockedError", "QueryVerdict", "SafetyLevel", "SafetyReason"),
        *("record_django", "record_sqlalchemy", "recording_cursor", "recording_async_cursor", "current_tenant"),
        *("tenant_context", "get_recorded_statements", "RecordedStatements"),
        *("Alert", "AlertBook", "AlertLevel", "AlertRule", "HealthStatus", "alert_book"),
    ),
    "they are asked query by query or read what another function wrote": (
        *("log_query_stat", "flush_query_stats", "validate_field_name", "validate_table_name", "get_query_stats"),
        *("get_field_usage_stats", "get_table_size_info", "get_genome_fields", "get_tenant_fields"),
        *("intercept_query", "analyze_query_plan_fast", "flush_interceptor_log"),  # a row where it refuses (test_l)
        *("get_field_selectivity", "get_sample_query_for_field", "get_explain_usage_stats"),
        "log_explain_coverage_warning",
        *("get_recent_mutations", "get_mutation_summary", "get_health", "get_lifecycle_status"),
        *("assign_variant", "record_outcome", "get_experiment_status"),
    ),
    "its log goes with it": ("drop_metadata_tables",),
    "they work on a server of their own, which is gone afterwards": (
        *("run_baseline_simulation", "run_autoindex_simulation", "SeededTenant", "TenantWorkload"),
    ),
    "it is told when it fails, at the next connection": ("init_connection_pool",),
    "they need recorded statements, and leave rows of theirs (features/test_d)": (
        *("analyze_and_create_indexes", "create_smart_index"),
    ),
    "it blocks, and each job leaves its own (test_lifecycle_schedules)": ("run_lifecycle_scheduler",),
}
CRM = {"tables": [{"name": "t", "fields": [{"name": "a", "type": "int"}]}]}
CALLS = {
    "create_metadata_tables": ((), "SYSTEM_CONFIG_CHANGE"),
    "discover_and_bootstrap_schema": ((), "SYSTEM_CONFIG_CHANGE"),
    "discover_schema_from_database": ((), "DISCOVER"),
    "bootstrap_genome_catalog": ((), "SYSTEM_CONFIG_CHANGE"),
    "bootstrap_genome_catalog_from_schema": ((CRM,), "SYSTEM_CONFIG_CHANGE"),
    "init_schema_from_config": ((CRM,), "SYSTEM_CONFIG_CHANGE"),
    "detect_and_sync_schema_changes": ((), "SCHEMA_SYNC"),
    "set_feature_group": (("orders", "status", "flow"), "SYSTEM_CONFIG_CHANGE"),
    "initialize_tenant_expression": ((7,), "INITIALIZE_TENANT"),
    "disable_field": ((7, "orders", "status"), "DISABLE_FIELD"),
    "enable_field": ((7, "orders", "status"), "ENABLE_FIELD"),
    "log_audit_event": (("DATA_MIGRATION",), "DATA_MIGRATION"),
    "prune_query_stats": ((0,), "BULK_UPDATE"),
    "analyze_schema_change_impact": (("orders", "status"), "EXPLAIN"),
    "validate_schema_change": (("drop_column", "orders", "nothing"), "EXPLAIN"),
    "preview_schema_change": (("drop_column", "orders", "status"), "EXPLAIN"),
    "generate_rollback_plan": (("drop_column", "orders", "status"), "EXPLAIN"),
    "safe_add_column": (("orders", "more", "int"), "EXPLAIN"),
    "safe_drop_column": (("orders", "status"), "EXPLAIN"),
    "safe_alter_column_type": (("orders", "id", "bigint"), "EXPLAIN"),
    "safe_rename_column": (("orders", "status", "state"), "EXPLAIN"),
    "generate_all_types": ((), "DISCOVER"),
    "generate_types_for_table": (("orders",), "DISCOVER"),
    "generate_all_indexpilot_types": ((), "DISCOVER"),
    "perform_weekly_lifecycle": ((), "LIFECYCLE_RUN"),
    "perform_monthly_lifecycle": ((), "LIFECYCLE_RUN"),
    "perform_per_tenant_lifecycle": ((7,), "LIFECYCLE_RUN"),
    "get_system_status": ((), "DISCOVER"),
    "disable_system": (("a test",), "SYSTEM_DISABLE"),
    "enable_system": ((), "SYSTEM_ENABLE"),
    "estimate_build_cost": (("orders", "status"), "EXPLAIN"),
    "estimate_query_cost_without_index": (("orders", "status"), "EXPLAIN"),
    "analyze_pgm_index_suitability": (("orders", "status"), "EXPLAIN"),
    "estimate_pgm_index_cost": (("orders", "status"), "EXPLAIN"),
    "get_alex_index_recommendation": (("orders", "status"), "EXPLAIN"),
    "get_bx_tree_index_recommendation": (("orders", "status"), "EXPLAIN"),
    "get_fractal_tree_index_recommendation": (("orders", "status"), "EXPLAIN"),
    "get_rss_index_recommendation": (("orders", "status"), "EXPLAIN"),
    "should_use_alex_strategy": (("orders", "status"), "EXPLAIN"),
    "should_use_bx_tree_strategy": (("orders", "status"), "EXPLAIN"),
    "should_use_rss_strategy": (("orders", "status"), "EXPLAIN"),
    "validate_cardinality_with_cert": (("orders", "status"), "EXPLAIN"),
    "analyze_idistance_suitability": (("orders",), "EXPLAIN"),
    "detect_multi_dimensional_pattern": (("orders",), "EXPLAIN"),
    "detect_temporal_pattern": (("orders",), "EXPLAIN"),
    "find_correlated_columns": (("orders",), "EXPLAIN"),
    "get_idistance_index_recommendation": (("orders",), "EXPLAIN"),
    "should_use_fractal_tree_strategy": (("orders",), "EXPLAIN"),
    "enhance_composite_detection": (("orders", ["id", "status"]), "EXPLAIN"),
    "enhance_plan_analysis": ((None, "SELECT 1"), "EXPLAIN"),
    "predict_index_utility": (("orders", "status", 1.0, 1.0), "EXPLAIN"),
    "refine_heuristic_decision": (("orders", "status", True, 0.5), "EXPLAIN"),
    "learn_query_risk": ((), "ANALYZE_WORKLOAD"),
    "create_experiment": (("two", "orders"), "SYSTEM_CONFIG_CHANGE"),
    "stop_experiment": (("two",), "SYSTEM_CONFIG_CHANGE"),
    "seed_tenant_data": ((7, 20), "BULK_UPDATE"),
    "simulate_tenant_workload": ((7, 5), "ANALYZE_WORKLOAD"),
}
FAILING = {
    "bootstrap_genome_catalog_from_schema": ({"tables": [{"name": "t"}]},),
    "init_schema_from_config": ({"tables": 3},),
    "analyze_schema_change_impact": ("orders", "nothing"),
    "preview_schema_change": ("drop_column", "nowhere", "x"),
    "generate_rollback_plan": ("rename_column", "orders", "nothing"),
    "safe_drop_column": ("orders", "nothing"),
    "seed_tenant_data": (7,),  # of a database that does not say it is for scratch
}


@pytest.fixture(autouse=True)
def kept(own_places):
    """A state directory of the test's own."""
    return own_places


@pytest.fixture
def pool(database, connection):
    connection.execute("SET search_path TO public")
    connection.execute("CREATE TABLE orders (id int PRIMARY KEY, status text)")
    host.init_connection_pool(database, 1, 4)
    host.set_metadata_schema("indexpilot")
    assert host.discover_and_bootstrap_schema()["success"]
    yield connection
    host.flush_query_stats()
    host.close_connection_pool()


def rows(connection, *names):
    found = connection.execute("SELECT * FROM indexpilot.mutation_log ORDER BY id")
    return [tuple(row[[c.name for c in found.description].index(name)] for name in names) for row in found.fetchall()]


def newest(connection):
    return connection.execute("SELECT max(id) FROM indexpilot.mutation_log").fetchone()[0]


def test_every_function_of_the_library_is_accounted_for():
    silent = [name for names in SILENT.values() for name in names]
    assert sorted([*silent, *CALLS]) == sorted(host.__all__)


def test_the_library_leaves_rows(pool):
    pool.execute("ALTER TABLE orders ADD later int")
    pool.execute(f"COMMENT ON DATABASE {pool.info.dbname} IS 'scratch'")
    pool.execute("INSERT INTO orders SELECT n, 's' || n FROM generate_series(1, 50) AS n")
    pool.execute("ANALYZE orders")
    host.log_query_stat(7, "orders", "status", "READ", 1.0)
    host.flush_query_stats()
    for name, (arguments, kind) in CALLS.items():
        before = newest(pool)
        getattr(host, name)(*arguments)
        new = pool.execute("SELECT mutation_type FROM indexpilot.mutation_log WHERE id > %s", [before]).fetchall()
        assert (kind,) in new, name


def test_what_fails_in_the_library_leaves_rows(pool):
    for name, arguments in FAILING.items():
        before = newest(pool)
        with contextlib.suppress(IndexPilotError):
            result = getattr(host, name)(*arguments)
            assert result["success"] is False, name
        new = pool.execute("SELECT state FROM indexpilot.mutation_log WHERE id > %s", [before]).fetchall()
        assert new == [("FAILED",)], name


def test_switches_of_the_configuration_reach_the_library(pool, database, monkeypatch):
    monkeypatch.setenv("INDEXPILOT_BYPASS_FEATURES_STATS_COLLECTION_ENABLED", "false")
    host.init_connection_pool(database, 1, 4)
    before = host.get_query_log_stats().logged
    assert host.log_query_stat(7, "orders", "status", "READ", 1.0) is False
    assert host.get_query_log_stats().logged == before
    monkeypatch.setenv("INDEXPILOT_BYPASS_STARTUP_SKIP_INITIALIZATION", "true")
    monkeypatch.setenv("INDEXPILOT_BYPASS_STARTUP_REASON", "release")
    host.init_connection_pool(database, 1, 4)
    pool.execute("DROP SCHEMA indexpilot CASCADE")
    made = host.discover_and_bootstrap_schema()
    assert made["success"] and made["skipped"].endswith("(bypass.startup.skip_initialization): release")
    assert pool.execute("SELECT to_regnamespace('indexpilot')").fetchone() == (None,)
    for name in ("STARTUP_SKIP_INITIALIZATION", "STARTUP_REASON", "FEATURES_STATS_COLLECTION_ENABLED"):
        monkeypatch.delenv(f"INDEXPILOT_BYPASS_{name}")
    host.init_connection_pool(database, 1, 4)
    assert "skipped" not in host.discover_and_bootstrap_schema()
    assert host.log_query_stat(7, "orders", "status", "READ", 1.0) is True


def test_a_sync_that_finds_nothing_is_counted(pool):
    before = newest(pool)
    for _ in range(3):
        assert host.detect_and_sync_schema_changes()["changes"] == []
    kept = pool.execute("SELECT details_json FROM indexpilot.mutation_log WHERE id > %s", [before]).fetchall()
    assert [details["idle"] for (details,) in kept] == ["no_changes"]  # one within an hour
    counted = pool.execute("SELECT command, outcome, runs FROM indexpilot.idle_runs").fetchall()
    assert counted == [("host detect_and_sync_schema_changes", "no_changes", 3)]


def test_a_sync_tells_of_tables_that_came_and_went(pool):
    pool.execute("CREATE TABLE fresh (a int); ALTER TABLE orders ADD note text; CREATE TABLE gone (a int)")
    host.detect_and_sync_schema_changes()
    pool.execute("DROP TABLE gone")
    host.detect_and_sync_schema_changes()
    told = [row for row in rows(pool, "mutation_type", "table_name") if row[0].endswith("_TABLE")]
    assert sorted(told) == [
        ("ALTER_TABLE", "orders"),
        ("CREATE_TABLE", "fresh"),
        ("CREATE_TABLE", "gone"),
        ("DROP_TABLE", "gone"),
    ]


def test_a_refused_login_is_told_at_the_next_connection(pool, database):
    stranger = make_conninfo(database, user="nobody_of_that_name", password="hunter2hunter2")
    before = newest(pool)
    for _ in range(3):
        with pytest.raises(UnreachableError):
            discover.run(DiscoverRequest(Connection(stranger), record=Record("ada", "1", "discover")), Silent())
    with pytest.raises(UnreachableError):
        host.init_connection_pool(stranger, 1, 2)
    assert newest(pool) == before
    other = make_conninfo(database, dbname="postgres")  # another database is not told
    discover.run(DiscoverRequest(Connection(other)), Silent())
    discover.run(DiscoverRequest(Connection(database), record=Record("ada", "1", "discover")), Silent())
    new = [r for r in rows(pool, "id", "mutation_type", "state", "actor", "details_json", "error") if r[0] > before]
    assert [r[1:4] for r in new] == [
        ("AUTHENTICATION_FAILURE", "FAILED", "ada"),
        ("AUTHENTICATION_FAILURE", "FAILED", "host application"),
        ("DISCOVER", "DONE", "ada"),
    ]
    assert (new[0][4]["count"], new[0][4]["command"]) == (3, "discover") and new[0][4]["first"] <= new[0][4]["last"]
    assert "hunter2" not in str(new)
    discover.run(DiscoverRequest(Connection(database)), Silent())
    assert newest(pool) == new[-1][0] + 1  # told once


def test_a_database_that_lets_nobody_in_is_told(pool, database):
    with psycopg.connect(make_conninfo(database, dbname="postgres"), autocommit=True) as admin:
        name = psycopg.sql.Identifier(pool.info.dbname)
        admin.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        with pytest.raises(UnreachableError):
            discover.run(DiscoverRequest(Connection(database)), Silent())
        admin.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    discover.run(DiscoverRequest(Connection(database)), Silent())
    assert [kind for (kind,) in rows(pool, "mutation_type")][-2:] == ["CONNECTION_ERROR", "DISCOVER"]


def test_failures_are_told_by_their_kind(pool, database):
    here = Connection(database)
    cases = (
        (PrerequisiteError("no", code="privilege_missing"), MutationType.AUTHORIZATION_DENIED),
        (ZeroDivisionError("x"), MutationType.CRITICAL_ERROR),
        (IndexPilotError("x"), MutationType.DISCOVER),
    )
    for error, kind in cases:
        with pytest.raises(type(error)), bookkeeping(here, MutationType.DISCOVER):
            raise error
        assert rows(pool, "mutation_type", "state")[-1] == (kind.value, "FAILED")
    with pytest.raises(UnreachableError), bookkeeping(here, MutationType.DISCOVER):
        raise UnreachableError("lost", code="connection_lost") from psycopg.OperationalError("closed")
    assert rows(pool, "mutation_type")[-1] == ("CONNECTION_ERROR",)


def test_what_goes_with_a_column_is_told(plain):
    plain.script("CREATE INDEX note_idx ON plain (b)")
    done = plain.change("drop_column", "plain", "b", save=True, force=True)
    assert done.exit_code == 0, done.result.error
    told = [row[0] for row in plain.log()]
    assert told.count("DROP_INDEX") == told.count("CREATE_TABLE") == told.count("DATA_MIGRATION") == 1
    assert told[-1] == "DROP_COLUMN"  # the newest row of a change says how it stands
    index = plain.sql("SELECT index_name, undo_sql FROM indexpilot.mutation_log WHERE mutation_type = 'DROP_INDEX'")
    assert index[0][0] == "note_idx" and index[0][1].startswith("CREATE INDEX note_idx")
    assert plain.rollback().exit_code == 0
    told = [row[0] for row in plain.log()]
    assert told.count("DROP_TABLE") == 1 and told.count("DATA_MIGRATION") == 2


def test_a_backfill_is_told(plain):
    done = plain.change("add_column", "plain", "token", type="uuid", default="gen_random_uuid()", small_bytes=0)
    assert done.exit_code == 0, done.result.error
    filled = [row for row in plain.log() if row[0] == "BULK_UPDATE"]
    assert len(filled) == 1 and filled[0][6]["rows"] == plain.sql("SELECT count(*) FROM plain")[0][0]
    assert plain.rollback().exit_code == 0


def test_every_type_says_where_it_comes_from():
    said = MutationType.__doc__
    assert [kind for kind in MutationType if f"{kind} " not in said] == []
