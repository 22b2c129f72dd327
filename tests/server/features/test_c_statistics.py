"""C: recorded statistics as figures, kept in bounds, and as a workload, against a real server."""

import statistics as numbers
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.advise.recommend import run as recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, PlannerRequest, Record, Silent, TableFilter, WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.lifecycle.query_stats import StatisticsRequest, run
from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest
from indexpilot_cli.lifecycle.schedules.run import run as run_jobs
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey
from indexpilot_cli.lifecycle.values import LifecycleRequest
from indexpilot_cli.settings.sections import OperationalSettings, QueryStatsSettings, Settings
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.templates import fold_workload
from tests.server.features.sending import texts_sent
from tests.servers import new_database

RECORD = Record("tester", "1", "a test")
ODD = "odd schema"
COLUMNS = "tenant_id, table_name, field_name, query_type, duration_ms"


@pytest.fixture(scope="module")
def dsn(pg):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute(
                "CREATE TABLE orders (id int PRIMARY KEY, status text, customer int);"
                "INSERT INTO orders SELECT g, 's' || g % 900, g % 3000 FROM generate_series(1, 30000) g;"
                'CREATE SCHEMA "odd schema"; CREATE TABLE "odd schema"."a.b" ("Key" int, x int);'
                'INSERT INTO "odd schema"."a.b" SELECT g, g FROM generate_series(1, 20000) g; ANALYZE'
            )
        yield dsn


@pytest.fixture
def server(dsn):
    """An own connection to the database with our tables, fresh for each test."""
    host.init_connection_pool(dsn, 1, 4)
    host.set_metadata_schema("indexpilot")
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute("SET timezone TO 'UTC'")
        assert host.discover_and_bootstrap_schema()["success"]
        yield server
        host.flush_query_stats()
        assert host.drop_metadata_tables()["schema_dropped"]
    host.close_connection_pool()


def record(server, rows, ago="0 s", tenant=1):
    server.execute(
        f"INSERT INTO indexpilot.query_stats ({COLUMNS}, created_at)"
        f" SELECT {tenant}, 'orders', 'status', 'READ', g, now() - interval '{ago}' FROM generate_series(1, {rows}) g"
    )


def ask(dsn, **wanted):
    return run(StatisticsRequest(Connection(dsn), record=RECORD, **wanted), Silent()).result


def rows(server, table="query_stats"):
    return server.execute(f"SELECT count(*) FROM indexpilot.{table}").fetchone()[0]


def test_c6_figures_are_those_of_sql_by_hand(server):
    for tenant, kind in ((1, "READ"), (2, "READ"), (2, "range")):
        server.execute(
            f"INSERT INTO indexpilot.query_stats ({COLUMNS}, created_at) SELECT {tenant}, 'orders',"
            f" CASE WHEN g % 3 > 0 THEN 'status' END, '{kind}', g * {tenant} % 97,"
            " now() - g % 2 * interval '2 h' FROM generate_series(1, 600) g"
        )
    by_hand = (
        "SELECT tenant_id, table_name, field_name, query_type, count(*), avg(duration_ms),"
        " percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms),"
        " percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_ms)"
        " FROM indexpilot.query_stats WHERE {} GROUP BY 1, 2, 3, 4"
    )
    asked = {
        "true": (None,),
        "created_at > now() - interval '1 h' AND table_name = 'orders'": (1, "orders"),
        "field_name = 'status'": (None, None, "status"),
        "table_name = 'nowhere'": (24, "nowhere"),
    }
    for condition, arguments in asked.items():
        found = {tuple(group.values())[:4]: tuple(group.values())[4:] for group in host.get_query_stats(*arguments)}
        expected = {row[:4]: row[4:] for row in server.execute(by_hand.format(condition))}
        assert found.keys() == expected.keys()
        for key, figures in expected.items():
            assert found[key] == pytest.approx(figures), (condition, key)


def test_c7_usage_is_that_of_sql_by_hand(server):
    server.execute(
        f"INSERT INTO indexpilot.query_stats ({COLUMNS})"
        " SELECT CASE WHEN g % 4 > 0 THEN g % 4 END, 'orders', (ARRAY['id', 'status', 'customer', NULL])[1 + g % 4],"
        " 'READ', g % 13 FROM generate_series(1, 900) g WHERE g % 7 > 2"
    )
    expected = server.execute(
        "SELECT table_name, field_name, count(*), count(DISTINCT tenant_id), avg(duration_ms), sum(duration_ms)"
        " FROM indexpilot.query_stats WHERE field_name IS NOT NULL GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2"
    ).fetchall()
    found = [tuple(usage.values()) for usage in host.get_field_usage_stats(None)]
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    assert [row[4:] for row in found] == [pytest.approx(row[4:]) for row in expected]


def scans(server):
    server.execute("SELECT pg_stat_clear_snapshot()")
    return server.execute(
        "SELECT seq_scan, seq_tup_read, coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relid = 'orders'::regclass"
    ).fetchone()


def test_c8_a_table_is_sized_without_reading_a_row(server, dsn, monkeypatch):
    before = scans(server)
    sent = texts_sent(monkeypatch)
    size = host.get_table_size_info("orders")
    host.close_connection_pool()  # a session reports its scans at its end at the latest
    host.init_connection_pool(dsn, 1, 4)
    assert scans(server) == before
    assert not any("count(" in text.lower() for text in sent)
    truth = "SELECT pg_table_size('orders'), pg_indexes_size('orders'), pg_total_relation_size('orders')"
    found = (size["table_bytes"], size["index_bytes"], size["total_bytes"])
    assert found == server.execute(truth).fetchone() and size["row_count"] == 30000
    assert size["overhead"] == pytest.approx(size["index_bytes"] / size["table_bytes"])


def test_c10_old_rows_go_in_batches(server, dsn, monkeypatch):
    monkeypatch.setattr("indexpilot_cli.lifecycle.query_stats._BATCH", 40)
    record(server, 100, "40 days")
    record(server, 30)
    record(server, 10, "41 days")  # older, with greater keys
    preview = ask(dsn, keep_days=30)
    assert [(s.action, s.rows) for s in preview.steps] == [("delete", 110)] and rows(server) == 140
    sent = texts_sent(monkeypatch)
    done = ask(dsn, keep_days=30, write=True)
    assert [(s.action, s.rows) for s in done.steps] == [("delete", 110)] and rows(server) == 30
    assert sum("DELETE" in text for text in sent) == 3
    assert ask(dsn, keep_days=30, write=True).steps == ()
    logged = "SELECT details_json ->> 'deleted' FROM indexpilot.mutation_log WHERE mutation_type = 'BULK_UPDATE'"
    assert server.execute(logged).fetchall() == [("110",), ("0",)]
    record(server, 5, "3 days")
    assert host.prune_query_stats(1) == 5 and rows(server) == 30
    with pytest.raises(ValueError):
        host.prune_query_stats(-1)


def test_c10_a_table_becomes_partitioned_and_keeps_all(server, dsn):
    record(server, 50, "40 days")
    record(server, 20)
    server.execute("CREATE ROLE qstat_reader; GRANT SELECT, INSERT ON indexpilot.query_stats TO qstat_reader")
    file = "SELECT pg_relation_filenode({}::regclass)"
    before = server.execute(file.format("'indexpilot.query_stats'")).fetchone()
    columns = (
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = 'indexpilot.query_stats'::regclass AND attnum > 0 ORDER BY attnum"
    )
    known = server.execute(columns).fetchall()
    try:
        preview = ask(dsn, partition_by="day")
        assert [s.action for s in preview.steps] == ["convert"] and not preview.partitioned
        assert server.execute(file.format("'indexpilot.query_stats'")).fetchone() == before
        done = ask(dsn, partition_by="day", write=True)
        assert [s.action for s in done.steps] == ["convert"] + ["create"] * (len(done.steps) - 1)
        assert rows(server) == 70 and server.execute(columns).fetchall() == known
        made = ask(dsn, partition_by="day")
        first = made.parts[0]
        assert made.partitioned and made.steps == () and first.since is None
        assert server.execute(file.format(f"'indexpilot.{first.name}'")).fetchone() == before  # no row was moved
        assert rows(server, first.name) == 70
        can = "SELECT has_table_privilege('qstat_reader', 'indexpilot.query_stats', 'SELECT, INSERT')"
        assert server.execute(can).fetchone() == (True,)
        ends = [p.until for p in made.parts[1:-1]]
        assert ends[-1] > datetime.now(UTC) + timedelta(days=6) and made.parts[-1].fallback
        indexed = server.execute(
            "SELECT count(*) FROM pg_index WHERE indrelid = ANY (SELECT inhrelid FROM pg_inherits"
            " WHERE inhparent = 'indexpilot.query_stats'::regclass) AND NOT indisvalid"
        )
        assert indexed.fetchone() == (0,)
        assert host.log_query_stat(1, "orders", "status", "READ", 1.0) and host.flush_query_stats()
        assert rows(server) == 71
    finally:
        server.execute("DROP OWNED BY qstat_reader; DROP ROLE qstat_reader")


def aged(server, days):
    """Parts as they are after so many days: those of now, and two that were made then."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    for number in range(2):
        since, until = day + timedelta(days=number), day + timedelta(days=number + 1)
        name = f"indexpilot.query_stats_p{since:%Y%m%d}"
        server.execute(f"CREATE TABLE {name} (LIKE indexpilot.query_stats INCLUDING DEFAULTS, PRIMARY KEY (id))")
        server.execute(
            f"ALTER TABLE indexpilot.query_stats ATTACH PARTITION {name} FOR VALUES FROM ('{since}') TO ('{until}')"
        )


def test_c10_parts_are_dropped_whole_by_the_daily_job(server, dsn):
    ask(dsn, partition_by="day", write=True)
    (first, *_) = ask(dsn).parts
    server.execute(f"DROP TABLE indexpilot.{first.name}")
    aged(server, 40)
    record(server, 30, "39 days")
    record(server, 7)  # of today: there is no part for it yet
    kept = QueryStatsSettings(retention_days=30, partition_by="day")
    settings = Settings(operational=OperationalSettings(query_stats=kept))
    report = LifecycleRequest(Connection(dsn), record=RECORD)
    request = ScheduleRunRequest.by(settings, report, (JobKey(Job.COUNTERS),), plan=False, reconcile=False)
    (job,) = run_jobs(request, Silent()).result.runs
    assert job.components == ("counters", "query_stats")
    assert [note.split(":")[0].split()[0] for note in job.notes[:2]] == ["drop", "drop"]
    assert rows(server) == 7 and rows(server, "query_stats_default") == 7
    assert not any(p.until is not None and p.until < datetime.now(UTC) for p in ask(dsn).parts)
    logged = "SELECT details_json ->> 'deleted' FROM indexpilot.mutation_log WHERE mutation_type = 'BULK_UPDATE'"
    assert server.execute(logged).fetchall() == [("30",)]


def test_c10_what_cannot_be_partitioned_stays_as_it_was(server, dsn):
    server.execute("CREATE VIEW public.leans AS SELECT * FROM indexpilot.query_stats")
    with pytest.raises(RefusedError) as refused:
        ask(dsn, partition_by="week", write=True)
    assert refused.value.code == "depended_on" and "leans" in refused.value.detail
    server.execute("DROP VIEW public.leans")
    record(server, 1, "-40 days")
    with pytest.raises(RefusedError) as refused:
        ask(dsn, partition_by="month", write=True)
    assert refused.value.code == "odd_times"
    guards = "SELECT count(*) FROM pg_constraint WHERE conname = 'query_stats_until'"
    assert server.execute(guards).fetchone() == (0,) and not ask(dsn).partitioned
    # A run that was killed between its steps leaves the constraint, which the next one removes.
    server.execute(
        "ALTER TABLE indexpilot.query_stats ADD CONSTRAINT query_stats_until CHECK (created_at < '2000-01-01')"
        " NOT VALID"
    )
    ask(dsn, write=True)
    assert server.execute(guards).fetchone() == (0,)


def test_c10_the_job_does_not_partition_by_itself(server, dsn):
    result = ask(dsn, partition_by="day", convert=False, write=True)
    assert result.steps == () and not ask(dsn).partitioned
    assert result.notes == ("query_stats is not partitioned yet: indexpilot lifecycle query-stats --write",)


def advice(dsn, *files):
    workload = WorkloadRequest(source=SourceKind.QUERY_STATS, files=files)
    request = RecommendRequest(
        Connection(dsn), workload=workload, planner=PlannerRequest("twin", workers=1), record=RECORD
    )
    return recommend(request, Silent()).result


def log(table, field, kind="READ", times=60):
    return [host.log_query_stat(1, table, field, kind, 40.0, skip_validation=True) for _ in range(times)]


def test_recorded_fields_alone_give_advice_of_low_confidence(server, dsn):
    log("orders", "status")
    log(f"{ODD}.a.b", "Key")
    log("orders", "customer", "delete")
    log("orders", "gone"), log("gone", "id")
    assert host.flush_query_stats()
    plan = advice(dsn)
    found = {(r.definition.table.name, r.definition.columns): r for r in plan.recommendations}
    assert {("orders", ("status",)), ("a.b", ("Key",))} <= set(found)
    why = "it rests on statements made from recorded fields"
    assert {(r.confidence, r.confidence_why) for r in plan.recommendations} == {("low", why)}
    assert any("recorded fields" in note and "not known" in note for note in plan.notes)
    skipped = {(s.reason, s.text, s.detail) for s in plan.skipped}
    assert {
        ("no_field", "READ orders.gone", "public.orders has no field gone"),
        ("no_table", "READ gone.id", "not in the database: gone"),
    } <= skipped


def test_recorded_rows_of_real_statements_only_weigh(server, dsn, tmp_path):
    log("orders", "status", times=90)
    assert host.flush_query_stats()
    statements = tmp_path / "real.sql"
    statements.write_text("SELECT id FROM orders WHERE status = 's7' AND customer = 5;")
    with open_source(SourceRequest(Connection(dsn)), Silent()) as source:
        asked = WorkloadRequest(source=SourceKind.QUERY_STATS, files=(str(statements),))
        folded = fold_workload(source, asked, TableFilter(), Silent())
    (template,) = folded.templates
    assert not template.assumed and (template.calls, template.total_ms) == (90, 3600)
    assert [(s.reason, s.calls) for s in folded.skipped] == [("covered", 90)]


@pytest.mark.parametrize("ask", [host.get_query_stats, host.get_field_usage_stats])
def test_hours_of_any_length(ask, server):
    record(server, 3, "400 days")
    assert ask(0) == ask(24) == [] and len(ask(1e12)) == len(ask(float("inf"))) == len(ask(None)) == 1
    for hours in (-1, float("nan")):
        with pytest.raises(ValueError):
            ask(hours)


def test_percentiles_by_hand(server):
    record(server, 1000)
    (group,) = host.get_query_stats(1, "orders", "status")
    cuts = numbers.quantiles(range(1, 1001), n=100, method="inclusive")
    assert (group["p95_ms"], group["p99_ms"]) == pytest.approx((cuts[94], cuts[98]))


C11 = """
SELECT o.id FROM orders o JOIN "odd schema"."a.b" k ON k."Key" = o.customer
WHERE o.status LIKE 's7%' AND k.x BETWEEN 1 AND 9 ORDER BY o.id DESC LIMIT 5;
SELECT id FROM orders WHERE status IN ('a', 'b') AND customer IS NOT NULL AND lower(status) = 'x' OR status ILIKE '%x%';
"""


def test_c11_every_condition_of_a_statement_is_read(server, dsn, tmp_path):
    (tmp_path / "real.sql").write_text(C11)
    with open_source(SourceRequest(Connection(dsn)), Silent()) as source:
        folded = fold_workload(source, WorkloadRequest(files=(str(tmp_path),)), TableFilter(), Silent())
    joined, listed = sorted(folded.templates, key=lambda t: len(t.relations), reverse=True)
    orders, keys = joined.uses
    assert {(a.kind.value, a.column, a.join_to and a.join_to[1]) for a in (*orders.atoms, *keys.atoms)} == {
        *(("join", "customer", "Key"), ("join", "Key", "customer")),
        *(("like_prefix", "status", None), ("range", "x", None)),
    }
    assert [(k.column, k.descending) for k in orders.order_by] == [("id", True)] and orders.limited
    found = {(a.kind.value, a.column or a.expression, a.conjunctive) for a in listed.uses[0].atoms}
    assert found == {
        *(("in", "status", False), ("is_not_null", "customer", False)),
        *(("equal", "lower(status)", False), ("like_infix", "status", False)),
    }
