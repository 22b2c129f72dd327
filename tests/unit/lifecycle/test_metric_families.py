"""Metrics by the conventions of Prometheus, under a cap that hides nothing, and free of secrets."""

import re
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from indexpilot_cli.lifecycle.metric_families import (
    LogFigures,
    LoggedActivity,
    MeasuredIndex,
    MeasuredPlace,
    ServerFigures,
    down,
    families,
)
from indexpilot_cli.render.prometheus import prometheus_text, write_textfile

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PLACE = MeasuredPlace("db1:5432", "shop")
ODD = ('a "quoted"\\name', "line\nbreak", "ünïcode")
INDEXES = tuple(MeasuredIndex("public", "orders", f"i{n}", 1000 - n, n, 2 * n) for n in range(300))
LOG = LogFigures(
    (
        LoggedActivity("CREATE_INDEX", "apply", "valid", True, 3, NOW),
        LoggedActivity("LIFECYCLE_RUN", "lifecycle", "done", False, 5, NOW - timedelta(hours=1)),
        LoggedActivity("LIFECYCLE_RUN", "lifecycle", "failed", False, 2, NOW),
        LoggedActivity("RATE_LIMIT_EXCEEDED", "apply", "refused", False, 4, NOW),
        LoggedActivity("", "doctor", "ready", False, 900, NOW),
    ),
    {"rate": 4, "window": 2},
    {"unused": 7},
    NOW,
    1,
)


def figures(**more):
    return ServerFigures(
        "16.4", False, 0.002, **{"indexes": INDEXES, "count": 300, "bytes": 255_150, "log": LOG} | more
    )


def parsed(found):
    """Name to label values to number, as a Prometheus reads our text."""
    text = prometheus_text(found)
    series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("server", "database")}
            assert sample.labels["server"] == "db1:5432" and sample.labels["database"] == "shop"
            key = tuple(labels.values())
            assert key not in series.setdefault(sample.name, {}), "a series twice"
            series[sample.name][key] = sample.value
    return series


def test_a_prometheus_reads_what_was_measured():
    found = parsed(families(figures(builds={"waiting for old snapshots": 1}, blocked=1), PLACE, "1.2", 2000))
    assert found["indexpilot_up"] == {(): 1.0}
    assert found["indexpilot_server_info"] == {("primary", "16.4"): 1.0}
    assert found["indexpilot_index_builds"] == {("waiting for old snapshots",): 1.0}
    assert found["indexpilot_mutations_total"][("LIFECYCLE_RUN",)] == 7
    assert found["indexpilot_mutations_failed_total"][("LIFECYCLE_RUN",)] == 2
    assert found["indexpilot_refusals_total"] == {("rate",): 4, ("window",): 2}
    assert found["indexpilot_throttles_total"][("rate",)] == 4
    assert ("window",) not in found["indexpilot_throttles_total"]
    assert found["indexpilot_runs_total"] == {
        ("apply", "refused"): 4,
        ("doctor", "ready"): 900,
        ("lifecycle", "done"): 5,
        ("lifecycle", "failed"): 2,
    }
    assert found["indexpilot_last_run_timestamp_seconds"][("lifecycle", "failed")] == NOW.timestamp()
    assert found["indexpilot_findings"][("unused",)] == 7 and found["indexpilot_findings"][("invalid",)] == 0
    assert found["indexpilot_index_size_bytes"][("i0", "public", "orders")] == 1000
    assert found["indexpilot_index_scans_total"][("i9", "public", "orders")] == 9


def test_names_and_types_keep_to_the_conventions():
    for family in families(figures(), PLACE, "1.2", 2000):
        assert re.fullmatch(r"indexpilot_[a-z]+(_[a-z]+)*", family.name)
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert family.help.endswith(".")
        assert not re.search(r"_(ms|kb|mb|percent)$", family.name)


def test_the_cap_holds_and_what_it_leaves_out_is_counted():
    for most in (100, 250, 2000):
        found = families(figures(), PLACE, "1.2", most)
        assert sum(len(f.series) for f in found) <= most
        series = parsed(found)
        shown = series.get("indexpilot_index_size_bytes", {})
        assert series["indexpilot_indexes_not_shown"][()] == 300 - len(shown)
        assert series["indexpilot_indexes_not_shown_size_bytes"][()] == 255_150 - sum(shown.values())
        if shown:
            assert min(shown.values()) == 1000 - len(shown) + 1  # the largest are those that are shown


def test_a_log_full_of_foreign_words_stays_under_its_cap():
    rows = tuple(LoggedActivity("BULK_UPDATE", f"host {n}", "done", False, 1, NOW) for n in range(500))
    log = LogFigures(rows, {f"guard {n}": n + 1 for n in range(500)})
    series = parsed(families(figures(log=log), PLACE, "1.2", 10_000))
    assert series["indexpilot_runs_total"][("other", "done")] == 400
    assert len(series["indexpilot_refusals_total"]) == 101
    assert sum(series["indexpilot_refusals_total"].values()) == sum(range(1, 501))


def test_labels_are_escaped_and_hold_no_secret():
    indexes = (MeasuredIndex(*ODD, 1, 2, 3), MeasuredIndex("s", "t", "password=hunter2", 1, 1, 1))
    found = families(figures(indexes=indexes, count=2), PLACE, "1.2", 2000)
    assert "hunter2" not in prometheus_text(found)
    assert (ODD[2], ODD[0], ODD[1]) in parsed(found)["indexpilot_index_scans_total"]


def test_without_a_log_and_without_a_database_only_what_is_known_is_told():
    series = parsed(families(figures(log=None, indexes=(), count=0, bytes=0), PLACE, "1.2", 2000))
    assert "indexpilot_runs_total" not in series and series["indexpilot_indexes"] == {(): 0.0}
    assert parsed(down(PLACE, "1.2")) == {"indexpilot_up": {(): 0.0}, "indexpilot_build_info": {("1.2",): 1.0}}


def test_the_textfile_is_replaced_whole(tmp_path):
    path = tmp_path / "indexpilot.prom"
    path.write_text("old")
    with path.open() as reader:  # a collector that has it open reads the old one to its end
        write_textfile(down(PLACE, "1.2"), str(path))
        assert reader.read() == "old"
    assert path.read_text() == prometheus_text(down(PLACE, "1.2"))
    assert [p.name for p in tmp_path.iterdir()] == ["indexpilot.prom"]
