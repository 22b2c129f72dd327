"""S2: what the API tells of plans, statements, builds, versions and migrations is what SQL written by hand tells."""

import psycopg
import pytest

from indexpilot_cli.core.command import Connection, Record
from tests.server.applying import definition, keep_plan
from tests.server.requesting import filled
from tests.server.test_apply_faults import alongside, holding
from tests.server.test_serve_api import FILL, QUERY, SETTINGS, look, worked
from tests.serving import TOKEN, client
from tests.waiting import eventually

REPEATED = "CREATE UNIQUE INDEX CONCURRENTLY orders_once ON orders (customer_id)"
LOOKUP = "SELECT * FROM orders WHERE customer_id = {}"
BUILDING = """
SELECT p.pid, a.usename, a.application_name, p.relid::regclass::text, p.phase, pg_blocking_pids(p.pid)
FROM pg_stat_progress_create_index p JOIN pg_stat_activity a USING (pid)
WHERE p.datname = current_database() AND p.phase = 'waiting for writers before build'"""


@pytest.fixture(scope="module")
def shop(pg):
    """With an index that a failed build has left, and seven lookups that the server has counted, where it counts."""
    with filled(pg, FILL, "ANALYZE", fail=(REPEATED,)) as place:
        yield place


@pytest.fixture(scope="module")
def site(shop):
    asked = {"workload": QUERY, "record": Record("operator", "1", "serve"), "allow_apply": True}
    with client(TOKEN, connection=Connection(shop.dsn), settings=SETTINGS, planner=shop.planner, **asked) as found:
        yield found


@pytest.fixture(scope="module")
def built(shop, site):
    """A kept plan that was approved and applied: its id and that of its one index."""
    plan = keep_plan(shop.dsn, definition("customer_id"))
    worked(site, f"/api/plans/{plan.id}/approve", {"reason": "for the report"})
    done = worked(site, "/api/apply", {"plan": plan.id, "force": True})
    assert done["exit_code"] == 0, done
    return plan.id, plan.recommendations[0].id


def checks(site, code):
    found = look(site, "/api/doctor", "api_doctor")["result"]["checks"]
    return [one for one in found if one["code"] == code]


def test_doctor_tells_the_server_as_it_is(site, shop):
    found = look(site, "/api/doctor", "api_doctor")["server"]
    told = tuple(found[name] for name in ("version", "database", "user", "port", "in_recovery"))
    rows = shop.sql(
        """SELECT split_part(current_setting('server_version'), ' ', 1), current_database(), current_user,
                  current_setting('port')::int, pg_is_in_recovery()"""
    )
    assert [told] == rows


def test_doctor_tells_what_is_invalid_and_what_is_ours(site, shop):
    (invalid,) = shop.sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    (check,) = checks(site, "invalid_index")
    assert check["state"] != "ok" and invalid[0] in check["text"]
    version = shop.sql("SELECT max(version) FROM indexpilot.schema_version")[0][0]
    assert checks(site, "metadata")[0]["text"].endswith(f"version {version}")
    open_ones = shop.sql("SELECT count(*) FROM indexpilot.mutation_log WHERE state IN ('STARTED', 'RUNNING')")
    assert (checks(site, "operations")[0]["state"] == "ok") is (open_ones == [(0,)])


def test_the_workload_is_what_the_server_counted(shop):
    if not shop.sql("SELECT 1 FROM pg_settings WHERE name = 'pg_stat_statements.max'"):
        pytest.skip("pg_stat_statements is not loaded")
    shop.sql("CREATE EXTENSION pg_stat_statements")
    for number in range(7):
        shop.sql(LOOKUP.format(number))
    with client(connection=Connection(shop.dsn), settings=SETTINGS) as site:
        found = look(site, "/api/workload", "api_workload")["result"]
    (template,) = [one for one in found["templates"] if one["text"] == LOOKUP.format("$1")]
    calls, total, blocks = shop.sql(
        """SELECT calls, total_exec_time, shared_blks_hit + shared_blks_read FROM pg_stat_statements
           WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query = %s""",
        LOOKUP.format("$1"),
    )[0]
    assert (template["calls"], template["blocks"]) == (calls, blocks) and calls == 7
    assert template["total_ms"] == pytest.approx(total)
    assert template["mean_ms"] == pytest.approx(total / 7)
    assert template["share"] == pytest.approx(total / sum(one["total_ms"] for one in found["templates"]))


def test_builds_are_those_that_the_server_shows(site, shop):
    (left,) = look(site, "/api/builds", "api_builds")["result"]["leftovers"]
    rows = shop.sql(
        """SELECT indexrelid::regclass::text, indrelid::regclass::text, pg_relation_size(indexrelid)
           FROM pg_index WHERE NOT indisvalid"""
    )
    assert [(left["index"]["name"], left["table"]["name"], left["size_bytes"])] == rows

    def build():
        dsn = psycopg.conninfo.make_conninfo(shop.dsn, application_name="nightly")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE INDEX CONCURRENTLY orders_total ON orders (total)")

    with (
        holding(shop.dsn, "UPDATE orders SET total = 0 WHERE id = 1") as writer,
        alongside(build),
    ):
        pid, user, application, table, phase, blockers = eventually(lambda: shop.sql(BUILDING))[0]
        (one,) = eventually(lambda: look(site, "/api/builds", "api_builds")["result"]["builds"])
        assert (one["pid"], one["user"], one["application"]) == (pid, user, application)
        assert (one["table"]["name"], one["phase"]) == (table, phase)
        assert [blocker["pid"] for blocker in one["blockers"]] == blockers == [writer.info.backend_pid]
        writer.rollback()


def test_plans_are_those_that_are_kept(site, shop, built):
    told = look(site, "/api/plans", "api_plans")["plans"]
    told = [(p["id"], p["recommendations"], p["cost_before"], len(p["approvals"])) for p in told]
    assert told == shop.sql(
        """SELECT id, jsonb_array_length(plan_json->'recommendations'), (plan_json->>'cost_before')::float8,
                  (SELECT count(*) FROM indexpilot.plan_approvals WHERE plan_id = plans.id)
           FROM indexpilot.plans ORDER BY created_at DESC"""
    )


def test_a_plan_and_its_advice_are_the_kept_ones(site, shop, built):
    plan, advice = built
    found = look(site, f"/api/plans/{plan}", "api_plan")["result"]
    assert [(found["cost_before"], found["cost_after"], found["recommendations"][0]["ddl"])] == shop.sql(
        """SELECT (plan_json->>'cost_before')::float8, (plan_json->>'cost_after')::float8,
                  plan_json#>>'{recommendations,0,ddl}' FROM indexpilot.plans WHERE id = %s""",
        plan,
    )
    told = look(site, f"/api/explain/{advice}", "api_explain")["result"]["recommendation"]
    assert [(told["id"], told["size_bytes"], told["benefit"])] == shop.sql(
        """SELECT one->>'id', (one->>'size_bytes')::int8, (one->>'benefit')::float8
           FROM indexpilot.plans, jsonb_array_elements(plan_json->'recommendations') one WHERE plans.id = %s""",
        plan,
    )


def test_explaining_a_change_tells_its_row_of_the_log(site, shop, built):
    number, kind, state, actor, text = shop.sql(
        """SELECT id, mutation_type, state, actor, definition_sql FROM indexpilot.mutation_log
           WHERE mutation_type = 'CREATE_INDEX' ORDER BY id DESC LIMIT 1"""
    )[0]
    told = look(site, f"/api/explain/M-{number}", "api_explain")["result"]["mutation"]
    told = tuple(told[name] for name in ("id", "type", "state", "actor", "sql"))
    assert told == (f"M-{number}", kind, state, actor, text)


def test_explaining_a_statement_tells_the_servers_own_cost(site, shop):
    (template,) = look(site, "/api/workload", "api_workload")["result"]["templates"]
    told = look(site, f"/api/explain/{template['id']}", "api_explain")["result"]
    (plan,) = shop.sql(f"EXPLAIN (FORMAT JSON) {QUERY.queries[0]}")[0][0]
    assert told["plans"][0]["cost"] == pytest.approx(plan["Plan"]["Total Cost"], rel=0.01)


def test_versions_are_those_that_were_kept(site, shop, built):
    told = look(site, "/api/versions", "api_versions")["result"]["versions"]
    told = [(v["index"]["name"], v["version"], v["current"], v["definition"]) for v in told]
    assert told and told == shop.sql(
        "SELECT index_name, version, is_current, definition_sql FROM indexpilot.index_versions ORDER BY id DESC"
    )


def test_a_review_on_a_clone_tells_the_locks_that_a_statement_takes(site, shop):
    statement = "ALTER TABLE orders ADD COLUMN place int DEFAULT 7"
    answer = site.post("/api/review", json={"sql": statement, "offline": False})
    ended = lambda: (a := site.get(answer.headers["Location"])).status_code == 200 and a.json()  # noqa: E731
    (told,) = eventually(ended)["result"]["files"][0]["statements"]
    with psycopg.connect(shop.dsn) as connection:
        connection.execute(statement)
        rows = connection.execute(
            """SELECT relation::regclass::text, mode FROM pg_locks
               WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation = 'orders'::regclass"""
        ).fetchall()
        connection.rollback()
    assert [(lock["relation"]["name"], lock["mode"]) for lock in told["locks"]] == rows
    (blocked,) = told["blocks"]
    size = shop.sql("SELECT pg_relation_size('orders'), reltuples FROM pg_class WHERE oid = 'orders'::regclass")
    assert [(blocked["bytes"], blocked["rows"])] == size
