"""I1 to I6: what is switched off, from where, and what a host application notices of it."""

import subprocess
import sys

import pytest

from indexpilot_cli import host
from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.settings.sections import BypassModules, BypassSettings, FeatureSwitch
from tests.server.requesting import BY_CUSTOMER, filled, queries

SHOP = (
    "CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text)",
    "INSERT INTO orders SELECT i, i % 4000, 'x' FROM generate_series(1, 12000) i",
    "ANALYZE",
)
SWITCH = "import sys; from indexpilot_cli import host; host.init_connection_pool(sys.argv[1], 1, 1);"


@pytest.fixture(scope="module")
def shop(pg):
    with filled(pg, *SHOP) as found:
        yield found


@pytest.fixture
def off(own_places, shop, monkeypatch):
    """Opens the pool with those settings below ``bypass``; at the end everything is on again."""
    monkeypatch.setenv("INDEXPILOT_ADVISOR_WHAT_IF", shop.planner.what_if)
    monkeypatch.setenv("INDEXPILOT_PRODUCTION_SAFEGUARDS_CPU_THROTTLE_ENABLED", "false")

    def switched(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"INDEXPILOT_BYPASS_{name.upper()}", value)
        host.init_connection_pool(shop.dsn, 1, 2)

    yield switched
    host.flush_query_stats()
    shop.sql("DELETE FROM indexpilot.runtime_switch")
    host.close_connection_pool()


def recorded(shop):
    """Whether a statistic that is logged now is stored."""
    shop.sql("TRUNCATE indexpilot.query_stats")
    taken = host.log_query_stat(None, "orders", "status", "READ", 1.0, skip_validation=True)
    assert host.flush_query_stats()
    return taken, shop.sql("SELECT count(*) FROM indexpilot.query_stats")[0][0]


def built():
    """How building ends that advice has asked for."""
    return host.create_smart_index("orders", "customer_id", queries=[BY_CUSTOMER], dry_run=False)


def test_i1_auto_indexing_off_advises_and_builds_nothing(off, shop):
    off(features_auto_indexing_enabled="false", features_auto_indexing_reason="audit")
    refused = built()
    assert refused["index"] is not None and (refused["status"], refused["skipped"]) == ("refused", "bypass")
    (why,) = [v["reason"] for v in refused["verdicts"] if v["guard"] == "bypass"]
    assert why == "auto indexing is switched off: audit"
    assert shop.sql("SELECT to_regclass('orders_customer_id_ip_idx')") == [(None,)]


def test_i1_stats_collection_off_stores_nothing(off, shop):
    off()
    assert recorded(shop) == (True, 1)
    off(features_stats_collection_enabled="false")
    assert recorded(shop) == (False, 0)


def test_i1_mutation_logging_off_writes_no_row_and_builds_nothing(off, shop):
    off()
    host.create_metadata_tables()
    before = shop.log()
    off(features_mutation_logging_enabled="false", features_mutation_logging_reason="audit")
    assert host.log_audit_event("BULK_UPDATE") is None
    assert host.discover_and_bootstrap_schema()["success"]
    assert host.initialize_tenant_expression(5, known=True)["created"] and host.disable_field(5, "orders", "status")
    assert host.set_feature_group("orders", "status", "state")
    shop.sql("ALTER TABLE orders ADD COLUMN IF NOT EXISTS more int")
    assert host.detect_and_sync_schema_changes()["applied"]
    host.discover_schema_from_database()
    host.prune_query_stats(30)
    host.estimate_build_cost("orders", "status")
    assert host.create_smart_index("orders", "customer_id", queries=[BY_CUSTOMER])["index"] is not None
    assert shop.log() == before
    with pytest.raises(RefusedError, match=r"building is switched off .*mutation_logging") as refused:
        built()
    assert refused.value.detail == "audit" and shop.log() == before


def test_i2_without_optimization_features_analyze_refuses(off, shop):
    module = BypassSettings(modules=BypassModules(FeatureSwitch(False, "audit")))
    with pytest.raises(RefusedError) as refused:
        shop.ask(AnalyzeRequest, workload=queries(BY_CUSTOMER), bypass=module)
    assert (refused.value.code, refused.value.detail) == ("bypassed", "audit")
    off(modules_optimization_features_enabled="false")
    with pytest.raises(RefusedError, match="optimization_features"):
        host.analyze_and_create_indexes(queries=[BY_CUSTOMER])
    assert host.create_metadata_tables()["skipped"]


def test_i3_a_system_switched_off_by_the_settings_does_nothing(off, shop):
    off(system_enabled="true", system_reason="audit")
    assert recorded(shop) == (False, 0)
    assert "audit" in host.create_metadata_tables()["skipped"]
    with pytest.raises(RefusedError):
        built()
    with pytest.raises(RefusedError):
        host.safe_rename_column("orders", "status", "state", execute=True)
    assert host.get_system_status()["running"] is False


def test_i4_startup_that_is_skipped_sets_nothing_up_and_lets_statistics_pass(off, shop):
    off(startup_skip_initialization="true", startup_reason="release")
    assert host.discover_and_bootstrap_schema()["skipped"].endswith("release")
    assert host.detect_and_sync_schema_changes()["fields_count"] == 0
    assert recorded(shop) == (True, 1)


def test_i4_an_emergency_of_the_settings_stops_and_ends_by_itself(off, shop):
    off(emergency_enabled="true", emergency_reason="fire", emergency_auto_recover_after_seconds="600")
    with pytest.raises(RefusedError, match="emergency"):
        host.analyze_and_create_indexes(queries=[BY_CUSTOMER])
    assert host.get_system_status()["running"] is False  # which remembers since when
    assert recorded(shop) == (True, 0)
    shop.sql("UPDATE indexpilot.runtime_switch SET since = since - interval '10 minutes'")
    assert host.get_system_status()["running"] is True and recorded(shop) == (True, 1)


def test_i5_a_running_host_sees_the_switch_of_another_process(off, shop):
    off()
    assert recorded(shop) == (True, 1)
    turn = SWITCH + "host.disable_system('incident 7', for_seconds=3600)"
    subprocess.run([sys.executable, "-c", turn, shop.dsn], check=True)
    with pytest.raises(RefusedError) as refused:
        built()
    assert (refused.value.code, refused.value.detail) == ("bypassed", "incident 7")
    with pytest.raises(RefusedError, match="incident 7"):
        host.safe_rename_column("orders", "status", "state", execute=True)
    assert recorded(shop) == (True, 0)
    assert host.create_metadata_tables()["skipped"].endswith("incident 7")
    shop.sql("UPDATE indexpilot.runtime_switch SET until = clock_timestamp()")  # the hour is over
    assert host.get_system_status()["running"] is True and recorded(shop) == (True, 1)


def test_i5_what_says_off_wins_over_an_enabled_switch(off, shop):
    off(system_enabled="true")
    found = host.enable_system("over")
    assert found["running"] is False and "still off" in found["notes"][0]


def test_i6_host_switches_are_logged_and_status_says_source_and_reason(off, shop):
    off()
    assert host.disable_system("incident 7")["changed"] and not host.disable_system("incident 7")["changed"]
    (system,) = [level for level in host.get_system_status()["levels"] if level["name"] == "system"]
    assert (system["running"], system["source"], system["reason"]) == (
        False, "runtime switch", "incident 7 (host application)")  # fmt: skip
    assert host.enable_system("over")["running"]
    switches = [(kind, d["reason"], d["actor"], d["command"]) for kind, _, d in shop.log() if kind.startswith("SYSTEM_")
                and "reason" in d and "switch" not in d]  # fmt: skip
    assert [s for s in switches if s[1] in ("incident 7", "over")][-3:] == [
        ("SYSTEM_DISABLE", "incident 7", "host application", "host disable_system"),
        ("SYSTEM_DISABLE", "incident 7", "host application", "host disable_system"),
        ("SYSTEM_ENABLE", "over", "host application", "host enable_system"),
    ]
    with pytest.raises(UsageError, match="reason"):
        host.disable_system(" ")
