"""S1, S2, M1-M3: the API tells what SQL tells, in documents of the published schemas, and writes as commands do."""

import json
import threading
from dataclasses import replace
from decimal import Decimal

import httpx
import psutil
import psycopg
import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from indexpilot_cli.core.command import Connection, Record, WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.render.schema import api_names, schema
from indexpilot_cli.serve.works import Job, Works
from indexpilot_cli.settings.sections import MaintenanceWindowSettings, OperationalSettings, ServeSettings, Settings
from tests.server.requesting import CALM, filled
from tests.server.test_apply_faults import alongside, holding
from tests.serving import TOKEN, client
from tests.waiting import LIMIT, eventually

FILL = """
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, total numeric NOT NULL, status text NOT NULL);
INSERT INTO orders SELECT i, i % 2000, i * 1.5, 'done' FROM generate_series(1, 20000) i;
CREATE INDEX orders_status ON orders (status);
CREATE INDEX "odd ""name" ON orders (total)"""
QUERY = WorkloadRequest(SourceKind.SQL, queries=("SELECT * FROM orders WHERE customer_id = 7",))
STATS = """
INSERT INTO indexpilot.query_stats (tenant_id, table_name, field_name, query_type, duration_ms, created_at)
SELECT 1, 'orders', 'customer_id', 'READ', i * 0.7, now() - make_interval(mins => i) FROM generate_series(1, 90) i"""
LOOKED_AT = "/api/performance /api/health /api/explain-stats /api/decisions /api/workload /api/lifecycle /api/doctor"
READS = (
    *(("/api", "api_index"), *((path, f"api_{path.split('/')[-1].replace('-', '_')}") for path in LOOKED_AT.split())),
    *(
        ("/api/lifecycle/status", "api_lifecycle_status"),
        ("/api/builds", "api_builds"),
        ("/api/history", "api_history"),
    ),
    *(("/api/versions", "api_versions"), ("/api/plans", "api_plans"), ("/api/recommend", "api_plan")),
    ("/api/work", "api_works"),
)
SERVE = OperationalSettings(serve=ServeSettings(requests_per_minute=100_000))
OPEN_WINDOW = replace(CALM, maintenance_window=MaintenanceWindowSettings(enabled=False))
SETTINGS = Settings(operational=SERVE, production_safeguards=OPEN_WINDOW)
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"


@pytest.fixture(scope="module")
def shop(pg):
    with filled(pg, FILL, "ANALYZE") as place:
        place.sql(STATS)
        yield place


@pytest.fixture(scope="module")
def reader(shop):
    """Who may only look."""
    asked = {"settings": SETTINGS, "workload": QUERY, "planner": shop.planner, "record": Record("reader", "1", "serve")}
    with client(connection=Connection(shop.dsn), **asked) as found:
        yield found


@pytest.fixture(scope="module")
def writer(shop):
    """Who has the token of a server that may write."""
    record = Record("operator", "1", "serve")
    asked = {"settings": SETTINGS, "workload": QUERY, "planner": shop.planner, "record": record, "allow_apply": True}
    with client(TOKEN, connection=Connection(shop.dsn), **asked) as found:
        yield found


def look(site, path, name, **parameters):
    """The answer, which is a document of its published schema."""
    answer = site.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return checked(answer.json(), name)


def checked(document, name):
    Draft202012Validator(schema(name)).validate(document)
    return document


def settled(site, path, name):
    """The answer once nothing is done for it in the background any more."""
    return eventually(lambda: (found := look(site, path, name))["stage"] is None and found)


def worked(site, path, body):
    """A work that was begun, when it has ended."""
    answer = site.post(path, json=body)
    assert answer.status_code == 202, answer.text
    begun = checked(answer.json(), "api_work")["work"]
    assert answer.headers["Location"] == f"/api/work/{begun['id']}"
    ended = lambda: (w := look(site, answer.headers["Location"], "api_work")["work"])["state"] != "running" and w  # noqa: E731
    return eventually(ended)


@pytest.mark.parametrize(("path", "name"), READS)
def test_s1_every_answer_is_of_its_published_schema(reader, path, name):
    found = look(reader, path, name)
    assert found["schema"] == f"indexpilot.{name}/1"
    assert reader.get(f"/api/schemas/{name}").json() == schema(name)


def test_s1_answers_are_described_by_the_published_schemas(reader):
    told = reader.get("/openapi.json").json()
    assert set(api_names()) <= set(told["components"]["schemas"])
    answer = told["paths"]["/api/performance"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/api_performance"}
    texts = json.dumps(told)
    assert "#/$defs/" not in texts


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_s1_pages_of_the_api_need_no_other_host(reader, path):
    page = reader.get(path)
    assert page.status_code == 200
    assert "http" not in page.text.replace(str(reader.base_url), "").replace("http-equiv", "")
    assert "unsafe-eval" not in page.headers["content-security-policy"]
    script = page.text.split('<script src="')[1].split('"')[0]
    assert reader.get(script).status_code == 200


def test_s2_latencies_are_those_of_sql(reader, shop):
    found = look(reader, "/api/performance", "api_performance")
    rows = shop.sql(
        """SELECT extract(epoch FROM date_trunc('hour', created_at)), count(*), avg(duration_ms::numeric),
                  percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)
           FROM indexpilot.query_stats GROUP BY 1 ORDER BY 1"""
    )
    assert [row["queryCount"] for row in found["performance"]] == [row[1] for row in rows]
    assert [row["avgLatency"] for row in found["performance"]] == pytest.approx([float(row[2]) for row in rows])
    assert [row["p95Latency"] for row in found["performance"]] == pytest.approx([row[3] for row in rows])
    assert all(isinstance(row[2], Decimal) and row[2] > 0 for row in rows)
    assert sum(row["queryCount"] for row in found["performance"]) == 90


def test_s2_scans_are_measured(reader, shop):
    def scan():
        shop.sql("SELECT count(*) FROM orders WHERE status = 'no such'")
        shop.sql("SELECT count(*) FROM orders WHERE customer_id = 3")

    look(reader, "/api/performance", "api_performance", hours=2)
    scan()
    shop.alone()
    then = "SELECT sum(idx_scan)::int, sum(seq_scan)::int FROM pg_stat_user_tables WHERE schemaname <> 'indexpilot'"
    hits, misses = shop.sql(then)[0]

    def seen():
        found = look(reader, "/api/performance", "api_performance", hours=2)
        if (found["reads"]["indexScans"], found["reads"]["sequentialScans"]) < (hits, misses):
            return False
        now = [row for row in found["performance"] if row["indexHits"] is not None]
        if all(sum(row[kind] for row in now) >= 1 for kind in ("indexHits", "indexMisses")):
            return True
        scan()  # what was counted between two looks, one before the full hour and one after it, is of neither hour
        return False

    assert eventually(seen)


def test_s2_indexes_are_those_of_the_server(reader, shop):
    found = look(reader, "/api/health", "api_health")
    rows = shop.sql(
        """SELECT indexrelname, relname, pg_relation_size(indexrelid), pg_relation_size(relid)
           FROM pg_stat_user_indexes WHERE schemaname = 'public' ORDER BY 1"""
    )
    told = [(i["indexName"], i["tableName"], i["sizeBytes"], i["tableBytes"]) for i in found["indexes"]]
    assert sorted(told) == rows
    assert found["summary"]["totalIndexes"] == len(rows)
    assert found["summary"]["totalSizeBytes"] == sum(row[2] for row in rows)


def test_s2_history_is_the_log(reader, shop):
    found = look(reader, "/api/history", "api_history", limit=5)["result"]
    rows = shop.sql("SELECT id, mutation_type FROM indexpilot.mutation_log ORDER BY id DESC LIMIT 5")
    assert [(m["id"], m["type"]) for m in found["mutations"]] == [(f"M-{number}", kind) for number, kind in rows]
    assert reader.get("/api/history", params={"type": "NONSENSE"}).status_code == 422
    assert reader.get("/api/history", params={"since": "x"}).status_code == 422


def test_looking_leaves_nothing_behind(reader, shop):
    before = shop.sql("SELECT count(*) FROM indexpilot.mutation_log"), shop.sql("SELECT count(*) FROM indexpilot.plans")
    reader.post("/api/recommend")
    plan = settled(reader, "/api/recommend", "api_plan")["result"]
    assert plan["recommendations"]
    settled(reader, "/api/lifecycle", "api_lifecycle")
    judged = look(reader, "/api/health", "api_health")
    assert judged["summary"]["healthy"] is not None
    decided = look(reader, "/api/decisions", "api_decisions")
    assert decided["summary"]["total"] == len(decided["decisions"]) > 0
    first = next(d for d in decided["decisions"] if d["decision"] == "create")
    assert first["queryCostBefore"] > first["queryCostAfter"] > 0
    assert look(reader, f"/api/explain/{first['id']}", "api_explain")["result"]["id"] == first["id"]
    after = shop.sql("SELECT count(*) FROM indexpilot.mutation_log"), shop.sql("SELECT count(*) FROM indexpilot.plans")
    assert (after, shop.sql("SELECT count(*) FROM indexpilot.counter_snapshots")) == (before, [(0,)])


def test_s3_writes_need_leave_and_token(reader, writer):
    for path, body in (
        ("/api/apply", {"plan": "P-1"}),
        ("/api/rollback", {"last": True}),
        ("/api/lifecycle/weekly", {}),
    ):
        refused = reader.post(path, json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "read_only")
        unknown = writer.post(path, json=body, headers={"Authorization": "Bearer wrong"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "token")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/apply", {}, 422),
        ("/api/apply", {"plan": "../../etc/passwd"}, 422),
        ("/api/apply", {"plan": "P-1", "unknown": 1}, 422),
        ("/api/apply", {"plan": "P-ffffff", "dry_run": True}, 404),
        ("/api/rollback", {"ids": ["M-1"], "last": True}, 422),
        ("/api/lifecycle/yearly", {}, 422),
        ("/api/review", {"sql": ""}, 422),
        ("/api/review", {"sql": "SELECT 1", "offline": False}, 403),
        ("/api/nothing", {}, 404),
    ],
)
def test_s3_what_cannot_be_is_told_as_json(reader, path, body, status):
    answer = reader.post(path, json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error"}), answer.text


def test_a_review_reads_no_file_and_tells_what_a_migration_does(reader):
    sql = "CREATE INDEX ON orders (total);"
    found = checked(reader.post("/api/review", json={"sql": sql}).json(), "api_review")["result"]
    assert found["files"][0]["findings"]
    spying = checked(reader.post("/api/review", json={"sql": "\\i /etc/passwd\n"}).json(), "api_review")
    assert "root:" not in json.dumps(spying)


def test_a_plan_is_applied_measured_and_taken_back(writer, shop):
    writer.post("/api/recommend")
    plan = settled(writer, "/api/recommend", "api_plan")["result"]
    kept = look(writer, "/api/plans", "api_plans")["plans"][0]
    assert kept["recommendations"] == len(plan["recommendations"])
    dry = checked(writer.post("/api/apply", json={"plan": kept["id"], "dry_run": True}).json(), "api_work")["work"]
    assert dry["result"]["result"]["dry_run"]
    approved = worked(writer, f"/api/plans/{kept['id']}/approve", {"reason": "looked at"})
    assert approved["exit_code"] == 0
    assert look(writer, "/api/plans", "api_plans")["plans"][0]["approvals"][0]["reason"] == "looked at"
    done = worked(writer, "/api/apply", {"plan": kept["id"], "require_approval": True, "force": True})
    assert (done["state"], done["exit_code"]) == ("done", 0), done
    impact = look(writer, "/api/performance", "api_performance")["indexImpact"][0]
    before, after, scans, size, actor = shop.sql(
        """SELECT (details_json->'effects'->0->>'before')::float8, (details_json->'effects'->0->>'after')::float8,
                  s.idx_scan, pg_relation_size(s.indexrelid), actor
           FROM indexpilot.mutation_log JOIN pg_stat_user_indexes s ON indexrelname = index_name
           WHERE mutation_type = 'CREATE_INDEX' AND state = 'VALID'"""
    )[0]
    assert (impact["beforeCost"], impact["afterCost"], impact["sizeBytes"]) == (before, after, size)
    assert (impact["improvement"] > 90, impact["queryCount"], actor) == (True, scans, "operator")
    back = worked(writer, "/api/rollback", {"ids": [kept["id"]]})
    assert (back["state"], back["exit_code"]) == ("done", 0), back
    assert look(writer, "/api/performance", "api_performance")["indexImpact"][0]["queryCount"] is None


def test_what_was_known_before_a_work_is_forgotten_before_its_end_is_told():
    def refuse(progress, stop):
        raise RefusedError("no")

    states = []
    works = Works(lambda: states.append(works.get("W-1").state))
    works.begin(Job("apply", refuse, None))
    works.close()
    assert (states, works.get("W-1").state) == (["running"], "failed")


def test_lifecycle_is_run_as_by_the_command(writer, shop):
    done = worked(writer, "/api/lifecycle/weekly", {})
    assert (done["result"]["schema"], done["exit_code"]) == ("indexpilot.lifecycle_run/1", 0)
    jobs = look(writer, "/api/lifecycle/status", "api_lifecycle_status")["result"]["jobs"]
    assert next(job for job in jobs if job["job"] == "weekly")["last"] is not None
    missing = worked(writer, "/api/lifecycle/tenant/99999", {})
    assert missing["state"] == "failed" and missing["result"]["schema"] == "indexpilot.error/1"


def test_s2_decisions_are_those_of_the_plan_that_is_kept(writer, shop):
    writer.post("/api/recommend")
    plan = settled(writer, "/api/recommend", "api_plan")["result"]["plan"]
    found = look(writer, "/api/decisions", "api_decisions")
    yes, no, cost, size = shop.sql(
        f"""SELECT jsonb_array_length(plan_json->'recommendations'), jsonb_array_length(plan_json->'rejections'),
                   (plan_json->>'cost_after')::float8, (plan_json->>'size_bytes')::int8
            FROM indexpilot.plans WHERE id = '{plan}'"""
    )[0]
    told = tuple(found["summary"][name] for name in ("recommended", "rejected", "costAfter", "sizeBytes"))
    assert told == (yes, no, cost, size)
    rows = shop.sql(
        f"""SELECT one->>'id', one->>'ddl', (one->>'size_bytes')::int8, (one->>'benefit')::float8
            FROM indexpilot.plans, jsonb_array_elements(plan_json->'recommendations') one WHERE id = '{plan}'"""
    )
    told = [
        (d["id"], d["ddl"], d["sizeBytes"], d["benefit"]) for d in found["decisions"] if d["decision"] != "rejected"
    ]
    assert told == rows and len(found["decisions"]) == yes + no > 0


def test_s2_what_the_planner_could_see_is_what_was_counted(reader, shop):
    counted = """SELECT coalesce(sum(statements) FILTER (WHERE outcome = 'planned'), 0)::int8,
                        coalesce(sum(statements) FILTER (WHERE outcome = 'failed'), 0)::int8
                 FROM indexpilot.explain_statistics WHERE day > current_date - 30"""

    def seen():  # an answer of a moment ago is kept, and what an earlier test asked may still plan statements
        found = look(reader, "/api/explain-stats", "api_explain_stats")["explainStats"]
        planned, failed = shop.sql(counted)[0]
        same = (found["planned"], found["failed"], found["total"]) == (planned, failed, planned + failed)
        return same and (found["coverage"], planned, failed)

    coverage, planned, failed = eventually(seen)
    assert coverage == (100 * planned / (planned + failed) if planned + failed else None)


def test_s2_jobs_of_lifecycle_are_those_that_ran(writer, shop):
    worked(writer, "/api/lifecycle/monthly", {})
    jobs = look(writer, "/api/lifecycle/status", "api_lifecycle_status")["result"]["jobs"]
    rows = shop.sql("SELECT job, max(id) FROM indexpilot.lifecycle_runs GROUP BY job ORDER BY job")
    assert sorted((job["job"], job["last"]["id"]) for job in jobs if job["last"]) == rows


def test_before_init_what_needs_no_table_of_ours_is_told(bare):
    with client(connection=Connection(bare.dsn), settings=SETTINGS) as site:
        found = look(site, "/api/performance", "api_performance")
        assert (found["status"], found["performance"], found["explainStats"]) == ("ok", [], None)
        assert "init" in found["notes"][0]
        assert look(site, "/api/health", "api_health")["indexes"] == []
        assert look(site, "/api/history", "api_history")["status"] == "not_initialised"
        assert look(site, "/api/decisions", "api_decisions")["status"] in ("empty", "ok")


@pytest.mark.parametrize(("path", "name"), READS)
def test_m1_a_database_that_is_away_is_a_state(away, path, name):
    found = look(away, path, name)
    assert found["status"] in ("database_away", "loading", "ok")
    assert found["status"] != "ok" or name in ("api_works",)


@pytest.fixture(scope="module")
def away():
    with client(settings=SETTINGS) as site:
        yield site


def test_m1_old_numbers_stay_with_their_age_while_the_database_is_away(pg, shop):
    role = f"gone_{shop.sql('SELECT current_database()')[0][0]}"
    place = shop.role(role)
    try:
        with client(connection=Connection(place.dsn), settings=SETTINGS) as site:
            assert site.get("/readyz").status_code == 200
            assert look(site, "/api/health", "api_health")["status"] == "ok"
            shop.sql(f"ALTER ROLE {role} NOLOGIN")

            def gone():
                return (found := look(site, "/api/health", "api_health"))["status"] == "database_away" and found

            found = eventually(gone)
            assert found["indexes"] and found["age_seconds"] > 0 and found["why"]
            assert eventually(lambda: site.get("/readyz").status_code == 503)
            assert site.get("/healthz").status_code == 200
            shop.sql(f"ALTER ROLE {role} LOGIN")
            assert eventually(lambda: look(site, "/api/health", "api_health")["status"] == "ok")
    finally:
        shop.sql(f"DROP ROLE {role}")


def test_m3_metrics_are_those_of_prometheus(reader, shop):
    families = {f.name: f for f in text_string_to_metric_families(reader.get("/metrics").text)}
    assert families["indexpilot_up"].samples[0].value == 1


def test_many_readers_are_few_sessions_and_no_more_memory(reader, shop):
    most, errors, seen = SETTINGS.operational.serve.max_connections, [], []

    def read(number):
        with httpx.Client(base_url=reader.base_url, timeout=LIMIT, trust_env=False, verify=False) as own:
            for path, _ in (*READS[number % len(READS) :], *READS[: number % len(READS)]):
                answer = own.get(path)
                if answer.status_code != 200:
                    errors.append((path, answer.text))

    before = psutil.Process().memory_info().rss
    threads = [threading.Thread(target=read, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        while any(thread.is_alive() for thread in threads):
            seen.append(connection.execute(SESSIONS, ("indexpilot/serve",)).fetchone()[0])
    assert errors == []
    assert max(seen) <= most
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


def test_the_fewest_sessions_are_enough_to_see_everything_by_and_by(shop):
    """Also while an index is being built: questions wait for each other, each is answered, and none opens more."""
    most = 3  # the settings take no less
    serve = replace(SERVE, serve=replace(SERVE.serve, max_connections=most))
    asked = {"settings": replace(SETTINGS, operational=serve), "workload": QUERY, "planner": shop.planner}
    seen, done = [], threading.Event()

    def count():
        with psycopg.connect(shop.dsn, autocommit=True) as connection:
            while not done.is_set():
                seen.append(connection.execute(SESSIONS, ("indexpilot/serve",)).fetchone()[0])

    build = "CREATE INDEX CONCURRENTLY orders_built ON orders (total, status)"
    shop.alone()
    with (
        client(connection=Connection(shop.dsn), **asked) as site,
        holding(shop.dsn, "UPDATE orders SET total = total WHERE id = 1") as writer,
        alongside(shop.sql, build),
        alongside(count),
    ):
        site.post("/api/recommend")
        told = {path: settled(site, path, name)["status"] for path, name in READS}
        assert eventually(lambda: look(site, "/api/builds", "api_builds")["result"]["builds"])
        done.set()
        writer.rollback()
    shop.sql("DROP INDEX orders_built")
    assert set(told.values()) <= {"ok", "empty"}, told
    assert 0 < max(seen) <= most
