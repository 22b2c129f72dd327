"""M1 to M3: probes with the database up and down, alerts, metrics with a cap and what indexes are used."""

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from indexpilot_cli import host
from indexpilot_cli.core.command import Silent
from indexpilot_cli.lifecycle import lifecycle, metrics
from indexpilot_cli.lifecycle.alerts import RULES
from indexpilot_cli.lifecycle.metrics import MetricsRequest
from indexpilot_cli.lifecycle.values import LifecycleRequest
from indexpilot_cli.render.prometheus import prometheus_text
from tests.cli.process import run
from tests.server.requesting import NOWHERE, QUIET, RECORD, filled
from tests.unit.host.test_adapters import Recorder
from tests.waiting import eventually

TABLES = '''
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Acts" (id int PRIMARY KEY, "The day" int);
INSERT INTO "Odd"."Acts" SELECT g, g FROM generate_series(1, 20000) g;
CREATE INDEX "By ""day""" ON "Odd"."Acts" ("The day");
CREATE TABLE small (id int PRIMARY KEY);
INSERT INTO small VALUES (1), (1 + 1);
CREATE TABLE clash (id int); INSERT INTO clash VALUES (1), (1);
'''
# How long an answer takes says how busy the machine is.
BESIDE_TIME = tuple(rule for rule in RULES if rule.name != "database_latency")
BY_DAY = ('By "day"', "Odd", "Acts")
REFUSED = "'RATE_LIMIT_EXCEEDED', 'FAILED'"
CLASH = ("CREATE UNIQUE INDEX CONCURRENTLY clash_once ON clash (id)",)


@pytest.fixture(scope="module")
def place(pg):
    with filled(pg, *TABLES.strip().split(";\n"), 'ANALYZE "Odd"."Acts"', fail=CLASH) as found:
        yield found


def measure(place, **asked):
    """Name to labels (without those of the place) to value, as a Prometheus reads them."""
    request = MetricsRequest(**{"connection": place.connection, "record": QUIET} | asked)
    found = {}
    for family in text_string_to_metric_families(prometheus_text(metrics.run(request, Silent()).result.families)):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("server", "database")}
            found.setdefault(sample.name, {})[tuple(labels.values())] = sample.value
    return found


@pytest.mark.parametrize(
    ("probe", "up", "gone"), [("--liveness", 0, 0), ("--live", 0, 4), ("--readiness", 0, 4), ("--ready", 0, 4)]
)
def test_m1_liveness_is_about_the_program_and_readiness_about_the_database(place, tmp_path, probe, up, gone):
    assert run(tmp_path, "doctor", probe, "-d", place.dsn).code == up
    down = run(tmp_path, "doctor", probe, "-h", "/nowhere/at/all", "--json")
    assert down.code == gone
    if probe == "--liveness":
        (check,) = down.json("doctor")["result"]["checks"]
        assert (check["state"], check["code"]) == ("ok", "program")


def test_m1_latency_errors_and_pool_are_told_and_a_dead_database_is_a_state(place):
    book = host.AlertBook(BESIDE_TIME)
    host.init_connection_pool(place.dsn, 1, 2)
    try:
        health = host.get_health(book)
        assert health.is_up and health.error is None
        assert health.latency > 0
        assert (health.pool.maximum, health.pool.used) == (2, 0)
        assert [a.rule.name for a in health.alerts] == ["invalid_indexes"]
    finally:
        host.close_connection_pool()


def test_m2_a_database_that_goes_away_is_a_critical_alert_once(place):
    book, heard = host.AlertBook(BESIDE_TIME), []
    book.listen(heard.append, host.AlertLevel.CRITICAL)
    gone = metrics.run(MetricsRequest(NOWHERE, record=QUIET), Silent())
    assert (gone.exit_code, gone.status) == (4, "failed")
    for _ in range(2):
        book.look(gone.result.families)
    assert [a.rule.name for a in heard] == ["database_down"]
    assert [a.level.value for a in book.kept()] == ["critical"]
    book.look(metrics.run(MetricsRequest(place.connection, record=QUIET), Silent()).result.families)
    assert [a.rule.name for a in book.active] == ["invalid_indexes"]


def test_m2_thresholds_are_settings_and_callbacks_and_the_adapter_are_told(place, tmp_path, monkeypatch):
    def configured(health):
        (tmp_path / "indexpilot_config.yaml").write_text(
            f"operational: {{health_checks: {{latency_error_seconds: null, {health}}}}}"
        )

    configured("latency_warning_seconds: 0, invalid_indexes: 1, max_series: 100")
    monkeypatch.chdir(tmp_path)
    seen, heard = Recorder(), []
    host.configure_adapters(monitoring=seen)
    host.alert_book.listen(heard.append)
    host.init_connection_pool(place.dsn, 1, 2)
    try:
        assert {a.rule.name for a in host.get_health().alerts} == {"database_latency"}  # one invalid index may be
        configured("latency_warning_seconds: null")
        host.init_connection_pool(place.dsn, 1, 2)
        assert [a.rule.name for a in host.get_health().alerts] == ["invalid_indexes"]
        assert [str(a).split(",")[0] for a in heard][1] == "warning: invalid_indexes: indexpilot_invalid_indexes is 1"
        configured("enabled: false")
        host.init_connection_pool(place.dsn, 1, 2)
        assert host.get_health().alerts == ()
        assert host.get_monitoring_adapter().flush()
        told = [call[1:3] for call in seen.calls if call[0] == "alert"]
        assert told == [("warning", "database_latency"), ("warning", "invalid_indexes")]
        assert [a.rule.name for a in heard] == [name for _, name in told]
    finally:
        host.close_connection_pool()
        host.configure_adapters(monitoring=None)
        monkeypatch.chdir("/")
        host.alert_book.follow(RULES, 1000)


def test_m3_use_and_size_of_every_index_are_those_of_the_server(place):
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        for day in (1, 2, 3):
            connection.execute(f'SELECT * FROM "Odd"."Acts" WHERE "The day" = {day}')
    # Counters are told at the latest when the session ends, which its server process does in its own time.
    found = eventually(lambda: (m := measure(place))["indexpilot_index_scans_total"][BY_DAY] == 3 and m)
    truth = place.sql(
        "SELECT schemaname, relname, indexrelname, pg_relation_size(indexrelid), idx_scan, idx_tup_read"
        " FROM pg_stat_user_indexes WHERE schemaname <> 'indexpilot'"
    )
    assert len(truth) == 4
    for schema, table, index, size, used, read in truth:
        labels = (index, schema, table)
        assert found["indexpilot_index_size_bytes"][labels] == size
        assert found["indexpilot_index_scans_total"][labels] == used
        assert found["indexpilot_index_entries_read_total"][labels] == read
    assert found["indexpilot_indexes"][()] == 4
    assert found["indexpilot_indexes_size_bytes"][()] == sum(row[3] for row in truth)
    assert found["indexpilot_invalid_indexes"][()] == 1


def test_m3_the_cap_holds_on_a_server_and_the_rest_is_counted(place):
    whole = measure(place)
    fixed = sum(len(series) for name, series in whole.items() if not name.startswith("indexpilot_index_"))
    found = measure(place, most=fixed + 3 + 1)
    assert sum(map(len, found.values())) <= fixed + 4
    shown = found["indexpilot_index_size_bytes"]
    assert [labels[2] for labels in shown] == ["Acts"]  # the largest
    assert found["indexpilot_indexes_not_shown"][()] == 3
    left = sum(whole["indexpilot_index_size_bytes"].values()) - sum(shown.values())
    assert found["indexpilot_indexes_not_shown_size_bytes"][()] == left


def test_m3_runs_refusals_and_findings_come_from_the_log(place):
    before = measure(place)
    assert "indexpilot_findings" not in before
    lifecycle.run(LifecycleRequest(place.connection, states=("invalid",), record=RECORD), Silent())
    assert "indexpilot_findings" not in measure(place)  # it has not looked at everything
    whole = lifecycle.run(LifecycleRequest(place.connection, record=RECORD), Silent())
    guards = '{"command": "apply", "guards": [{"guard": "rate", "reason": "password=x"}, {"guard": "window"}]}'
    columns = "mutation_type, state, details_json"
    place.sql(f"INSERT INTO indexpilot.mutation_log ({columns}) VALUES ({REFUSED}, '{guards}')")
    found = measure(place)
    states = {state: number for (state,), number in found["indexpilot_findings"].items() if number}
    truth = {}
    for finding in whole.result.findings:
        truth[finding.state.value] = truth.get(finding.state.value, 0) + 1
    assert states == truth and truth["invalid"] == 1
    assert found["indexpilot_refusals_total"] == {("rate",): 1, ("window",): 1}
    assert found["indexpilot_throttles_total"][("rate",)] == 1
    assert found["indexpilot_runs_total"][("apply", "refused")] == 1
    assert found["indexpilot_runs_total"][("a test", "done")] == 2
    assert found["indexpilot_last_run_timestamp_seconds"][("a test", "done")] > 1.7e9


def test_m3_a_role_without_rights_gets_what_it_may_see(place):
    plain = place.role("meter_reader")
    found = measure(plain)
    assert found["indexpilot_up"] == {(): 1.0} and found["indexpilot_indexes"][()] == 4
    assert "indexpilot_runs_total" not in found
    place.sql("DROP ROLE meter_reader")


def test_m3_metrics_need_no_tables_of_ours(bare):
    found = measure(bare)
    assert found["indexpilot_indexes"][()] == 0 and found["indexpilot_indexes_not_shown"][()] == 0


def test_metrics_are_read_beside_a_lock_on_an_index(place):
    with psycopg.connect(place.dsn) as connection:
        connection.execute("LOCK TABLE small IN ACCESS EXCLUSIVE MODE; ALTER INDEX small_pkey RENAME TO small_key")
        found = measure(place)
        connection.rollback()
    assert len(found["indexpilot_index_size_bytes"]) == 4
