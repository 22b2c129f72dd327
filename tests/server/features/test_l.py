"""Section L of the features: the query interceptor on a real server."""

import asyncio
import os
import threading

import psycopg
import pytest
import sqlalchemy
from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import create_async_engine

from indexpilot_cli import host
from indexpilot_cli.host import QueryBlockedError, SafetyLevel
from indexpilot_cli.host.interceptor import journal
from tests.servers import new_database
from tests.waiting import LIMIT

TABLES = """
    CREATE TABLE big (id int PRIMARY KEY, note text, doc jsonb);
    INSERT INTO big SELECT i, 'note ' || i, '{}' FROM generate_series(1, 20000) i;
    CREATE TABLE a AS SELECT i FROM generate_series(1, 3000) i;
    CREATE TABLE b AS SELECT i FROM a;
    CREATE TABLE "Odd ""Name" (id int);
    INSERT INTO "Odd ""Name" SELECT generate_series(1, 2000);
    CREATE TABLE parts (id int) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (6000);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (6000) TO (20000);
    INSERT INTO parts SELECT generate_series(1, 11999);
    CREATE SCHEMA other;
    CREATE TABLE other.big (id int, note text);
    ANALYZE;
"""
LIMITS = {"max_cost": 5_000, "max_seq_scan_rows": 10_000, "max_nested_loop_rows": 1_000_000, "max_rows": None}
SCAN = "SELECT * FROM big WHERE note LIKE '%9%'"
CROSSED = "SELECT * FROM a, b"
PLAIN = {"allow": (), "deny": (), "tables": (), "on_failure": "open", "block": True, "exact_parameters": False}


@pytest.fixture(scope="module")
def place(pg):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(TABLES)
        host.init_connection_pool(dsn, 1, 4)
        host.set_metadata_schema("indexpilot")
        host.create_metadata_tables()
        yield dsn
        host.flush_interceptor_log()
        host.close_connection_pool()


@pytest.fixture
def ready(place, monkeypatch):
    """A connection to the database; every test begins with limits, counters and a cache of its own.

    Who is refused waits for the row in the log as long as a busy machine needs to write it.
    """
    monkeypatch.setattr(journal, "_PATIENCE", LIMIT)
    host.configure_interceptor(
        **PLAIN,
        **LIMITS,
        learned="off",
        per_template_per_minute=None,
        per_tenant_per_minute=None,
        explain_timeout_seconds=20,
    )
    with psycopg.connect(place, autocommit=True) as connection:
        yield connection


def blocked(sql, params=None, **how):
    with pytest.raises(QueryBlockedError) as caught:
        host.intercept_query(sql, params, **how)
    return caught.value


def codes(error):
    return {reason.code for reason in error.reasons if reason.ratio > 1}


def test_l1_blocks_by_cost_scan_and_nested_loop_and_allows_what_is_cheap(ready):
    assert codes(blocked(SCAN)) == {"max_seq_scan_rows"}
    assert {"max_nested_loop_rows", "max_cost"} <= codes(blocked(CROSSED))
    host.configure_interceptor(max_nested_loop_rows=None)
    error = blocked("SELECT count(*) FROM a JOIN b ON a.i <> b.i")
    assert codes(error) == {"max_cost"}
    assert error.reasons[0].value > error.reasons[0].limit == 5_000
    assert "max_cost" in str(error)
    assert error.exit_code == 6
    assert codes(blocked("DELETE FROM big")) == {"max_seq_scan_rows"}
    assert host.intercept_query("SELECT * FROM big WHERE id = 5").level is SafetyLevel.SAFE
    assert host.intercept_query("UPDATE big SET note = 'x' WHERE id = 5").score > 0.9
    assert host.intercept_query('SELECT * FROM "Odd ""Name"').allowed
    assert ready.execute("SELECT count(*) FROM big WHERE note = 'x'").fetchone() == (0,)


def test_l1_parts_of_a_table_count_together(ready):
    assert blocked("SELECT * FROM parts").reasons[0].table == "public.parts"
    assert host.intercept_query("SELECT * FROM parts WHERE id < 6000").allowed


def test_l2_a_plan_is_asked_for_once(ready):
    texts = (
        "SELECT * FROM big WHERE id = 7",
        "select  *  -- of all\n from BIG where id=7",
        "SELECT * FROM big WHERE id = 7;",
    )
    assert [host.analyze_query_plan_fast(text).cached for text in texts] == [False, True, True]
    first, *rest = [host.analyze_query_plan_fast("SELECT * FROM big WHERE id = %s", [n]) for n in (9000, 9001, 12000)]
    assert (first.cached, {v.cached for v in rest}) == (False, {True})
    found = host.get_interceptor_metrics()
    assert (found["cache_hits"], found["cache_misses"], found["cache_size"]) == (4, 2, 2)
    assert found["latency_us"]["hit"]["count"] == 4


def test_l2_the_least_recently_used_plan_goes(ready):
    host.configure_interceptor(cache_size=2)
    for number in (1, 2, 1, 3, 1, 2):
        host.analyze_query_plan_fast(f"SELECT * FROM big WHERE id = {number}")
    found = host.get_interceptor_metrics()
    assert (found["cache_hits"], found["cache_misses"], found["cache_evictions"]) == (2, 4, 2)
    host.configure_interceptor(cache_size=1000, cache_ttl_seconds=0)
    assert not any(host.analyze_query_plan_fast("SELECT 1").cached for _ in range(2))
    host.configure_interceptor(cache_ttl_seconds=300)


def test_l2_a_plan_is_kept_for_one_role_search_path_and_tenant(ready):
    for session in ({"search_path": "public"}, {"search_path": "other"}):
        for _ in range(2):
            allowed = host.analyze_query_plan_fast(SCAN, session=session).allowed
            assert allowed == (session["search_path"] == "other")
    ready.execute("REVOKE ALL ON other.big FROM PUBLIC")
    lone = {"role": "pg_monitor"}
    assert host.analyze_query_plan_fast("SELECT * FROM other.big").why == "plan"
    assert "permission denied" in host.analyze_query_plan_fast("SELECT * FROM other.big", session=lone).error
    assert not host.analyze_query_plan_fast("SELECT * FROM other.big", tenant_id=7).cached


def test_l3_a_worse_plan_has_a_lower_score(ready):
    queries = (
        "SELECT * FROM big WHERE id = 5",
        "SELECT * FROM big WHERE id < 2000",
        "SELECT * FROM parts WHERE id < 6000",
        SCAN,
        CROSSED,
    )
    verdicts = [host.analyze_query_plan_fast(query) for query in queries]
    scores = [v.score for v in verdicts]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 5
    assert 0 < scores[-1] < scores[0] < 1
    assert [v.level for v in verdicts] == ["SAFE", "SAFE", "WARNING", "UNSAFE", "UNSAFE"]


def test_l4_lists_of_allowed_and_denied_statements(ready):
    host.configure_interceptor(
        allow=["select * from BIG where note like ?", "re:select .* from a, b"], deny=["delete *"]
    )
    assert host.intercept_query(SCAN).why == "allow"
    assert host.intercept_query("SELECT\n*, 1 FROM a,b").why == "allow"
    assert blocked("SELECT * FROM a, b WHERE a.i < b.i").verdict.why == "plan"
    assert blocked("/* harmless */ Delete from big where id = 1").verdict.why == "deny"
    host.configure_interceptor(allow=["delete from big where id = 1"])
    assert blocked("DELETE FROM big WHERE id = 1").verdict.why == "deny"


def test_l4_limits_of_one_table(ready):
    host.configure_interceptor(
        tables={"public.big": {"max_seq_scan_rows": 50_000}, 'public."Odd ""Name"': {"max_rows": 10}}
    )
    assert host.intercept_query(SCAN).allowed
    assert blocked("SELECT * FROM parts")
    assert codes(blocked('SELECT * FROM "Odd ""Name"')) == {"max_rows"}
    host.configure_interceptor(tables=["parts: max_seq_scan_rows=none"])
    assert host.intercept_query("SELECT * FROM parts").allowed


def test_l4_metrics_are_true(ready):
    for query in (
        "SELECT 1",
        "SELECT 1",
        SCAN,
        "SELECT * FROM nosuch",
        "SELECT * FROM parts WHERE id < 6000",
        "SET x.y = 1",
    ):
        host.analyze_query_plan_fast(query)
    found = host.get_interceptor_metrics()
    expected = {"checked": 6, "allowed": 4, "warned": 1, "blocked": 1, "failed_open": 1, "failed_closed": 0}
    assert {name: found[name] for name in expected} == expected
    assert (found["cache_hits"], found["cache_misses"], found["not_planned"]) == (1, 4, 1)


def test_l4_rate_limits_of_templates_and_tenants(ready, no_time_passes):
    host.configure_interceptor(per_template_per_minute=2, per_tenant_per_minute=3)
    for number in (1, 2):
        host.intercept_query(f"SELECT {number}", tenant_id=5)
    error = blocked("SELECT 3", tenant_id=6)
    assert error.code == "rate_limited"
    assert 0 < error.retry_after <= 30
    host.intercept_query("SELECT 1, 2 AS x", tenant_id=5)
    assert blocked("SELECT 1 AS y", tenant_id=5).code == "rate_limited"
    assert host.flush_interceptor_log()
    rows = "SELECT sum((details_json ->> 'count')::int) FROM indexpilot.mutation_log WHERE mutation_type = %s"
    assert ready.execute(rows, ["RATE_LIMIT_EXCEEDED"]).fetchone() == (2,)


FAILING = ("SELECT * FROM nosuch", "SELECT * FROM nosuch WHERE n LIKE '50%' LIMIT 1", "DO $$ BEGIN END $$", "selec 1")


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_l5_what_cannot_be_planned_fares_alike(ready, mode):
    host.configure_interceptor(on_failure=mode)
    verdicts = [host.analyze_query_plan_fast(query) for query in FAILING]
    verdicts.append(host.analyze_query_plan_fast("SELECT * FROM big WHERE id = %s", []))
    assert {(v.allowed, v.level, v.score, v.why) for v in verdicts} == {(mode == "open", "UNKNOWN", None, "failure")}
    assert host.get_interceptor_metrics()[f"failed_{mode}"] == len(verdicts)
    assert 'relation "nosuch" does not exist' in verdicts[0].error


def test_l5_a_percent_sign_means_itself(ready):
    host.configure_interceptor(on_failure="closed")
    for query, params in (
        ("SELECT * FROM big WHERE id = 1 AND note LIKE '50%'", None),
        ("SELECT * FROM big WHERE id = %s AND note LIKE '50%%'", [1]),
        ("SELECT * FROM big WHERE id = $1 AND note LIKE '%s%'", [1]),
        ("SELECT id % 2 FROM big WHERE id = %(id)s OR id = %(id)s", {"id": 1}),
    ):
        assert host.intercept_query(query, params).level is SafetyLevel.SAFE


def test_l5_a_server_that_is_gone_is_asked_once_in_a_while(ready, place):
    host.configure_interceptor(cooldown_seconds=300, explain_timeout_seconds=0.2)
    with psycopg.connect(place, autocommit=True) as holder:
        host.close_connection_pool()
        try:
            verdicts = [host.analyze_query_plan_fast(f"SELECT {n}") for n in range(3)]
        finally:
            host.init_connection_pool(place, 1, 4)
        assert {v.why for v in verdicts} == {"failure"}
        assert host.get_interceptor_metrics()["server_failures"] == 0  # no pool: nothing was waited for
        holder.execute("BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
        verdicts = [host.analyze_query_plan_fast("SELECT * FROM big WHERE id = 1") for _ in range(3)]
        assert [v.cached for v in verdicts] == [False, True, True]
    assert host.get_interceptor_metrics()["failed_open"] == 6


@pytest.mark.parametrize(
    "text",
    [
        "{} LIMIT 5",
        "{} FETCH FIRST ROW ONLY",
        "WITH found AS ({}) SELECT * FROM found LIMIT 5",
        "WITH found AS MATERIALIZED ({}) SELECT * FROM found LIMIT 1",
        "/* LIMIT 1 */ {} -- limit 1",
        "SELECT 1; {}",
        "{}; SELECT 1",
        "({})",
        "SELECT * FROM ({}) AS inner_query",
        "SELECT count(*) FROM ({}) AS inner_query",
        "EXPLAIN ANALYZE {}",
        "CREATE TEMP TABLE copied AS {}",
        "COPY ({}) TO STDOUT",
        "DECLARE walker CURSOR FOR {}",
        "PREPARE later AS {}",
        "INSERT INTO a SELECT 1 FROM ({}) AS inner_query",
    ],
)
def test_l6_nothing_around_a_query_hides_it(ready, text):
    for query in (CROSSED.replace("*", "a.i"), "SELECT id FROM big WHERE note LIKE '%9%'"):
        assert blocked(text.format(query)).level is SafetyLevel.UNSAFE


def test_l6_what_has_no_plan_beside_a_query_is_not_called_safe(ready):
    for text in ("SELECT * FROM big WHERE id = 5; DROP TABLE a", "DROP TABLE a; SELECT * FROM big WHERE id = 5"):
        verdict = host.intercept_query(text)
        assert (verdict.level, verdict.why) == (SafetyLevel.UNKNOWN, "no_plan")


def test_l6_a_limit_that_ends_the_reading_is_believed(ready):
    for query in ("SELECT * FROM big LIMIT 5", "SELECT * FROM big ORDER BY id LIMIT 5", "SELECT max(id) FROM big"):
        assert host.intercept_query(query).level is SafetyLevel.SAFE
    host.configure_interceptor(trust_limit="never")
    assert blocked("SELECT * FROM big LIMIT 5")
    host.configure_interceptor(trust_limit="unfiltered")


def test_l6_parameters_of_every_kind(ready):
    host.configure_interceptor(on_failure="closed")
    asked = "SELECT * FROM big WHERE id = %s"
    assert host.intercept_query(asked, [None]).allowed
    assert host.intercept_query("SELECT * FROM big WHERE id = 5 AND doc @> %s", [Jsonb({"a": None})]).allowed
    assert host.intercept_query("SELECT * FROM big WHERE id = 5 AND doc @> %(doc)s", {"doc": {"a": [1, None]}}).allowed
    either = "SELECT * FROM big WHERE %(id)s IS NULL OR id = %(id)s"
    assert host.intercept_query(either, {"id": 5}).allowed
    assert codes(blocked(either, {"id": None})) == {"max_seq_scan_rows"}
    assert host.intercept_query("SELECT * FROM big WHERE id = ANY(%s)", [[1, 2, None]]).allowed
    # What is harmless for one value is not believed to be so for one of another kind.
    ranged = "SELECT * FROM big WHERE note > %s || 'x' OR id < %s"
    host.configure_interceptor(max_rows=10)
    near = "SELECT * FROM big WHERE id < %s"
    assert host.intercept_query(near, [None]).allowed
    assert host.intercept_query(near, [5]).allowed
    assert blocked(near, [15_000]).reasons[0].code == "max_rows"
    assert blocked(ranged, ["a", None])


def test_l7_refusals_are_in_the_log_without_values(ready):
    for number in (1, 2, 3):
        blocked(f"SELECT * FROM big WHERE note = 'secret {number}' LIMIT 9", tenant_id=42)
    query = "SELECT mutation_type, details_json FROM indexpilot.mutation_log WHERE tenant_id = 42 ORDER BY id"
    ((kind, first),) = ready.execute(query).fetchall()
    assert (kind, first["count"]) == ("QUERY_BLOCKED", 1)
    assert first["template"] == "select * from big where note = ? limit ?"
    assert first["reasons"][0]["code"] == "max_seq_scan_rows"
    assert host.flush_interceptor_log()
    rows = ready.execute(query).fetchall()
    assert [details["count"] for _, details in rows] == [1, 2]
    assert "secret" not in str(rows)


def test_l7_a_log_that_cannot_be_written_is_nobodys_error(ready):
    host.set_metadata_schema("nowhere")
    try:
        assert blocked(SCAN).code == "query_blocked"
    finally:
        host.set_metadata_schema("indexpilot")
    assert host.flush_interceptor_log()


@pytest.fixture
def engine(place):
    opened = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(place))
    yield opened
    opened.dispose()


def test_l1_in_sqlalchemy_unsafe_statements_do_not_run(ready, engine):
    take_off = host.install_interceptor(engine, tenant=lambda _: 9)
    asked = sqlalchemy.text("SELECT id FROM big WHERE id = :id AND note LIKE '%'")
    with engine.connect() as connection:
        assert connection.execute(asked, {"id": 5}).scalar_one() == 5
        with pytest.raises(QueryBlockedError):
            connection.execute(sqlalchemy.text("DELETE FROM big"))
        # Nothing was sent, so the transaction goes on.
        assert connection.execute(asked, {"id": 6}).scalar_one() == 6
        assert host.get_interceptor_metrics()["blocked"] == 1
        host.configure_interceptor(max_rows=10_000)
        with pytest.raises(QueryBlockedError, match="max_rows"):
            connection.execute(
                sqlalchemy.text("UPDATE big SET note = note WHERE id < :id"), [{"id": 5}, {"id": 6}, {"id": 15_000}]
            )
        table = sqlalchemy.table("a", sqlalchemy.column("i", sqlalchemy.Integer))
        for rows in ([{"i": 1}], [{"i": 1}, {"i": 2}]):
            assert len(connection.execute(sqlalchemy.insert(table).returning(table.c.i), rows).all()) == len(rows)
        assert not host.get_interceptor_metrics()["failed_open"]
        connection.rollback()
    take_off()
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM big")).scalar_one() > 0


def test_l1_in_asyncio_as_block_decorator_and_event(ready, place):
    engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(place))
    host.install_interceptor(engine)

    @host.intercepted()
    async def fetch(connection, sql, params=None):
        return await (await connection.execute(sql, params)).fetchall()

    async def work():
        async with engine.connect() as connection:
            with pytest.raises(QueryBlockedError):
                await connection.execute(sqlalchemy.text(CROSSED))
        await engine.dispose()
        async with await psycopg.AsyncConnection.connect(place) as connection:
            with pytest.raises(QueryBlockedError):
                await fetch(connection, SCAN)
            async with host.intercepted_query("SELECT 1") as verdict:
                assert verdict.allowed
            return await fetch(connection, "SELECT id FROM big WHERE id = %s", [5])

    assert asyncio.run(work()) == [(5,)]


def test_l1_as_block_and_decorator(ready):
    @host.intercepted(sql="query", params="args")
    def run(query, args=()):
        return ready.execute(query, args).fetchall()

    assert run("SELECT id FROM big WHERE id = %s", [7]) == [(7,)]
    for call in (lambda: run(SCAN.replace("%", "%%")), lambda: run(query=CROSSED)):
        with pytest.raises(QueryBlockedError):
            call()
    with pytest.raises(QueryBlockedError), host.intercepted_query(CROSSED):
        pytest.fail("the block must not be entered")


OUTCOMES = "SELECT sum(calls), sum(slow), sum(cancelled) FROM indexpilot.interceptor_outcomes WHERE template = %s"


def test_outcomes_of_statements_are_recorded(ready):
    host.configure_interceptor(slow_ms=0, learned="warn")
    query = "SELECT id FROM big WHERE id = 11 AND note <> 'recorded'"
    for error in (None, psycopg.errors.QueryCanceled, psycopg.errors.UniqueViolation):
        try:
            with host.intercepted_query(query):
                if error:
                    raise error
        except psycopg.Error:
            continue
    assert host.flush_interceptor_log()
    assert ready.execute(OUTCOMES, ["select id from big where id = ? and note <> ?"]).fetchone() == (2, 1, 1)


def test_a_template_that_turned_out_slow_is_told_of(ready):
    host.configure_interceptor(slow_ms=1000, learned="warn")
    query = "SELECT id FROM big WHERE id = 12 AND note <> 'turned out slow' AND true"
    verdict = host.analyze_query_plan_fast(query)
    assert verdict.level is SafetyLevel.SAFE
    for number in range(40):
        host.note_outcome(verdict, 5.0 if number % 4 else 0.1)
    found = host.learn_query_risk()
    assert (found["model_version"], found["why"][:19]) == (None, "not enough evidence")
    assert "slow_share: 0.75, the limit is 0.5" in [t["reason"] for t in found["slow_templates"]]
    assert host.analyze_query_plan_fast(query).level is SafetyLevel.WARNING
    host.configure_interceptor(learned="block")
    assert blocked(query).reasons[0].code == "slow_share"
    host.configure_interceptor(learned="off")
    assert host.intercept_query(query).level is SafetyLevel.SAFE


RECORDED = """
    INSERT INTO indexpilot.interceptor_outcomes (template_id, template, cost, calls, slow, cancelled, total_ms)
    SELECT 't' || i % 50, 'x', i % 50 * 100, 10, CASE WHEN i % 50 > 30 THEN 4 ELSE 0 END, 0, 1
    FROM generate_series(1, 200) i
"""
KEPT = "SELECT samples, metrics ->> 'templates' FROM indexpilot.ml_model_metadata WHERE model_name = 'interceptor_risk'"


def test_a_risk_model_is_kept_with_evidence_only(ready):
    ready.execute("TRUNCATE indexpilot.interceptor_outcomes")
    ready.execute(RECORDED)
    found = host.learn_query_risk()
    assert (found["model_version"], found["outcomes"], found["why"]) == (1, 2000, "")
    assert ready.execute(KEPT).fetchall() == [(2000, "50")]
    host.configure_interceptor(learned="warn", max_cost=None)
    dear = host.analyze_query_plan_fast("SELECT count(*) FROM a JOIN b ON a.i <> b.i AND a.i < 3000")
    assert "predicted_slow_share" in {reason.code for reason in dear.reasons}
    assert not host.analyze_query_plan_fast("SELECT 1 AS cheap").reasons
    ready.execute("TRUNCATE indexpilot.interceptor_outcomes, indexpilot.ml_model_metadata")
    host.learn_query_risk()


def test_a_forked_child_has_an_interceptor_of_its_own(ready):
    host.intercept_query("SELECT 5")
    child = os.fork()
    if child == 0:
        counted = host.get_interceptor_metrics()["checked"]
        host.configure_interceptor(deny=["select 6"])
        refused = not host.analyze_query_plan_fast("SELECT 6").allowed
        os._exit(0 if refused and counted == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert host.intercept_query("SELECT 6").allowed


def test_threads_share_one_interceptor(ready):
    def ask():
        for number in range(200):
            host.analyze_query_plan_fast(SCAN if number % 10 == 0 else f"SELECT {number % 20}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = host.get_interceptor_metrics()
    assert found["checked"] == 1600
    assert found["blocked"] == 160
    assert found["allowed"] + found["warned"] + found["blocked"] == 1600
    assert found["cache_hits"] + found["cache_misses"] == 1600
