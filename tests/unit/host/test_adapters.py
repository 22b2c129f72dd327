"""Adapters behind their guard, and the ready-made ones against the real client libraries."""

import json
import logging
import os
import socket
import threading

import prometheus_client
import pytest
import rollbar
import sentry_sdk
import statsd
from datadog.dogstatsd import DogStatsd
from sentry_sdk.transport import Transport

from indexpilot_cli import host
from indexpilot_cli.core import telemetry
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.adapters.guarded import GuardedAudit, GuardedMonitoring

ROW = {"id": 7, "mutation_type": "CREATE_INDEX", "state": "VALID", "actor": "ada", "table_name": "orders"}


class Recorder:
    """Every role at once: it keeps what it is told."""

    def __init__(self):
        self.calls = []

    def count(self, name, value, tags):
        self.calls.append(("count", name, value, dict(tags)))

    def gauge(self, name, value, tags):
        self.calls.append(("gauge", name, value, dict(tags)))

    def timing(self, name, seconds, tags):
        self.calls.append(("timing", name, seconds, dict(tags)))

    def alert(self, level, name, text, value):
        self.calls.append(("alert", level, name, text, value))

    def capture_exception(self, error, context):
        self.calls.append(("error", error, dict(context)))

    def record(self, event):
        self.calls.append(("audit", dict(event)))


@pytest.fixture(autouse=True)
def nobody_listens():
    yield
    host.configure_adapters(monitoring=None, error_tracker=None, audit=None, database=None)
    assert not telemetry.listening()


def test_what_is_not_named_stays_and_none_takes_away():
    one, other = Recorder(), Recorder()
    host.configure_adapters(monitoring=one)
    host.configure_adapters(audit=other)
    telemetry.mutation(ROW)
    assert host.get_monitoring_adapter().flush() and host.get_audit_adapter().flush()
    assert one.calls == [("count", "mutations", 1, {"type": "CREATE_INDEX", "state": "valid"})]
    assert other.calls == [("audit", ROW)]
    host.configure_adapters(monitoring=None)
    assert host.get_monitoring_adapter() is None and host.get_audit_adapter().adapter is other
    telemetry.failure(ValueError("x"), command="c")
    assert host.get_error_tracker() is None


def test_a_wrong_object_changes_nothing():
    kept = Recorder()
    host.configure_adapters(monitoring=kept)
    with pytest.raises(UsageError, match="record"):
        host.configure_adapters(monitoring=Recorder(), audit=object())
    assert host.get_monitoring_adapter().adapter is kept


class Raising(Recorder):
    def count(self, name, value, tags):
        raise SystemExit("password=hunter2")


def test_what_an_adapter_raises_is_counted_and_goes_no_further():
    guarded = GuardedMonitoring(Raising())
    for _ in range(3):
        guarded.count("x", 1, {})
    guarded.gauge("x", 1, {})
    assert guarded.flush()
    stats = guarded.stats()
    assert (stats.delivered, stats.failures, stats.dropped, stats.waiting) == (1, 3, 0, 0)
    assert "SystemExit" in stats.last_error and "hunter2" not in stats.last_error


def test_a_slow_adapter_holds_nobody_up_and_what_does_not_fit_is_counted():
    go, begun = threading.Event(), threading.Event()

    def slow(event):
        begun.set()
        go.wait(60)

    guarded = GuardedAudit(host.CallbackAudit(slow), bound=10)
    guarded.record(ROW)
    assert begun.wait(60)
    for _ in range(25):
        guarded.record(ROW)  # returns, although the first call has not
    assert not guarded.flush(0.01)
    assert (guarded.stats().waiting, guarded.stats().dropped) == (11, 15)
    go.set()
    assert guarded.flush() and guarded.stats().delivered == 11


def test_where_no_thread_can_be_had_calls_wait_for_one_and_nobody_is_hurt(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread at interpreter shutdown")

    told = Recorder()
    guarded = GuardedMonitoring(told)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        guarded.count("x", 1, {})
        assert not guarded.flush(60) and guarded.stats().waiting == 1
    guarded.count("x", 2, {})
    assert guarded.flush() and [value for _, _, value, _ in told.calls] == [1, 2]


def test_what_an_adapter_makes_happen_is_not_told_to_it_again():
    seen = []

    def asks(event):
        seen.append(event)
        telemetry.mutation(ROW)

    host.configure_adapters(audit=host.CallbackAudit(asks), monitoring=Recorder())
    telemetry.mutation(ROW)
    assert host.get_audit_adapter().flush() and seen == [ROW]


def test_one_that_is_replaced_delivers_what_it_had_and_ends():
    first = Recorder()
    guarded = GuardedAudit(first)
    for _ in range(5):
        guarded.record(ROW)
    guarded.close()
    guarded._thread.join(60)
    assert not guarded._thread.is_alive() and len(first.calls) == 5
    guarded.record(ROW)
    assert guarded.stats().dropped == 1


def test_a_forked_child_delivers_its_own_and_nothing_of_the_parent_s(tmp_path):
    # A pipe: a lock of Python's that this thread held while the other forks would stay shut in the child for ever.
    parent, (wait, go) = os.getpid(), os.pipe()
    log = host.JsonLinesAudit(tmp_path / "audit")

    def held(event):
        if os.getpid() == parent:
            os.read(wait, 1)
        log.record(event)

    guarded = GuardedAudit(host.CallbackAudit(held))
    guarded.record(ROW | {"id": 1})
    child = os.fork()
    if child == 0:
        guarded.record(ROW | {"id": 2})
        os._exit(0 if guarded.flush() and guarded.stats().delivered == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.write(go, b"x")
    assert guarded.flush()
    ids = [json.loads(line)["id"] for line in (tmp_path / "audit").read_text().splitlines()]
    assert ids == [2, 1]
    os.close(wait)
    os.close(go)


def test_prometheus_reads_counters_gauges_and_timings():
    registry = prometheus_client.CollectorRegistry()
    metrics = host.PrometheusMetrics(registry)
    for number in (2, 3):
        metrics.count("query_stats.written", number, {})
        metrics.gauge("up", number, {"server": "db:5432"})
        metrics.timing("runs", 0.5, {"command": "host x", "outcome": "done"})
    metrics.alert("critical", "database_down", "…", 0)
    assert registry.get_sample_value("indexpilot_query_stats_written_total") == 5
    assert registry.get_sample_value("indexpilot_up", {"server": "db:5432"}) == 3
    labels = {"command": "host x", "outcome": "done"}
    assert registry.get_sample_value("indexpilot_runs_seconds_sum", labels) == 1
    assert registry.get_sample_value("indexpilot_alerts_total", {"level": "critical", "name": "database_down"}) == 1
    # An application that configures twice goes on counting; tags that change are a fault, which the guard counts.
    guarded = GuardedMonitoring(host.PrometheusMetrics(registry))
    guarded.count("query_stats.written", 1, {})
    guarded.count("query_stats.written", 1, {"more": "tags"})
    assert guarded.flush() and (guarded.stats().delivered, guarded.stats().failures) == (1, 1)
    assert registry.get_sample_value("indexpilot_query_stats_written_total") == 6


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(60)
        yield found


def test_statsd_gets_dotted_names(listener):
    metrics = host.StatsdMetrics(statsd.StatsClient("127.0.0.1", listener.getsockname()[1]))
    metrics.count("mutations", 2, {"type": "CREATE_INDEX", "state": "valid"})
    metrics.gauge("database_latency_seconds", 0.25, {"server": "/tmp/a b:5"})
    metrics.timing("query_stats.flush", 0.002, {})
    metrics.alert("error", "database_slow", "…", 6)
    assert [listener.recv(999).decode() for _ in range(4)] == [
        "indexpilot.mutations.valid.CREATE_INDEX:2|c",
        "indexpilot.database_latency_seconds._tmp_a_b_5:0.25|g",
        "indexpilot.query_stats.flush:2.000000|ms",
        "indexpilot.alerts.error.database_slow:1|c",
    ]


def test_datadog_gets_tags_and_events(listener):
    client = DogStatsd("127.0.0.1", listener.getsockname()[1], disable_buffering=True, disable_telemetry=True)
    metrics = host.DatadogMetrics(client)
    metrics.count("mutations", 2, {"type": "CREATE_INDEX", "state": "valid"})
    metrics.timing("runs", 0.5, {"command": "x"})
    metrics.alert("critical", "database_down", "critical: database_down", 0)
    told = [listener.recv(999).decode().strip() for _ in range(4)]
    assert told[0].startswith("indexpilot.mutations:2|c|#") and "state:valid,type:CREATE_INDEX" in told[0]
    assert told[1].startswith("indexpilot.runs.seconds:0.5|d|#") and "command:x" in told[1]
    assert told[2].startswith("_e{25,23}:IndexPilot: database_down|critical: database_down|t:error")
    assert told[3].startswith("indexpilot.alerts:1|c|#") and "level:critical,name:database_down" in told[3]


class Kept(Transport):
    """Sentry's transport that keeps events instead of sending them."""

    def __init__(self, options=None):
        super().__init__(options)
        self.events = []

    def capture_envelope(self, envelope):
        self.events.append(envelope.get_event())


@pytest.fixture
def sentry():
    kept = Kept()
    sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=kept, default_integrations=False)
    yield kept
    sentry_sdk.init(default_integrations=False)


def raised():
    try:
        raise ZeroDivisionError("of a test")
    except ZeroDivisionError as error:
        return error


def test_sentry_gets_the_traceback_the_command_and_a_tag(sentry):
    host.configure_adapters(error_tracker=host.SentryErrors())
    telemetry.failure(raised(), command="host x", version="1")
    assert host.get_error_tracker().flush()
    assert host.get_error_tracker().stats().failures == 0
    (event,) = sentry.events
    (found,) = event["exception"]["values"]
    assert (found["type"], found["value"]) == ("ZeroDivisionError", "of a test")
    assert found["stacktrace"]["frames"][-1]["function"] == "raised"
    assert event["tags"]["indexpilot"] == "host x" and event["contexts"]["indexpilot"]["version"] == "1"


def test_rollbar_gets_the_traceback_and_extra_data():
    items = []

    def keep(payload, **_):
        items.append(payload)
        return False  # and do not send it

    rollbar.init("0" * 32, "test", handler="blocking", allow_logging_basic_config=False)
    rollbar.events.add_payload_handler(keep)
    try:
        host.configure_adapters(error_tracker=host.RollbarErrors())
        telemetry.failure(raised(), command="host x")
        assert host.get_error_tracker().flush()
    finally:
        rollbar.events.reset()
        rollbar._initialized = False
    assert host.get_error_tracker().stats().last_error is None
    (payload,) = items
    trace = payload["data"]["body"]["trace"]
    assert trace["exception"]["class"] == "ZeroDivisionError"
    assert trace["frames"][-1]["method"] == "raised"
    assert payload["data"]["custom"]["indexpilot"]["command"] == "host x"


def test_logging_tells_failures_louder(caplog):
    audit = host.LoggingAudit("a.test")
    with caplog.at_level(logging.INFO, "a.test"):
        audit.record(ROW)
        audit.record(ROW | {"state": "FAILED", "table_name": None, "actor": None})
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "CREATE_INDEX VALID M-7 on orders by ada"),
        ("WARNING", "CREATE_INDEX FAILED M-7 on - by unknown"),
    ]
    assert caplog.records[0].indexpilot == ROW


def test_lines_of_json_are_appended_and_nobody_else_may_read_them(tmp_path):
    audit = host.JsonLinesAudit(tmp_path / "audit.jsonl")
    audit.record(ROW | {"details_json": {"text": "ä\nb"}})
    audit.record(ROW)
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [7, 7]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600
