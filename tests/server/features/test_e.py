"""E: the audit trail. Every type of row is made by something that was done, not written by hand."""

import contextlib
import json
import os
import signal
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from indexpilot_cli import host
from indexpilot_cli.admin import discover
from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.admin.discover import DiscoverRequest
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.apply import bypass
from indexpilot_cli.apply.values import ApplyRequest, BypassRequest
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import PlanAction
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError, UnreachableError, UsageError
from indexpilot_cli.log import plans
from indexpilot_cli.settings.sections import RateLimiterSettings
from tests.server.applying import CALM, definition, keep_plan, run_apply, run_rollback
from tests.server.requesting import BY_CUSTOMER, change, filled, queries
from tests.server.test_apply_faults import BUILDER, SNAPSHOT, holding, seen
from tests.server.test_apply_kill import child

pytestmark = pytest.mark.usefixtures("own_places")
RECORD = Record("ada", "1", "a script")
TABLES = (
    "CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, note text)",
    "INSERT INTO orders SELECT i, i % 500, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END"
    " FROM generate_series(1, 20000) i",
    "CREATE TABLE columns (id int PRIMARY KEY, gone text, kept text, wide int)",
    "INSERT INTO columns SELECT i, 'a', 'b', i FROM generate_series(1, 20) i",
    "ANALYZE",
)


@pytest.fixture(scope="module")
def place(pg):
    with filled(pg, *TABLES) as found:
        host.init_connection_pool(found.dsn, 1, 3)
        host.discover_and_bootstrap_schema()
        yield found
        host.close_connection_pool()


def newest(place):
    return place.sql("SELECT coalesce(max(id), 0) FROM indexpilot.mutation_log")[0][0]


def since(place, row):
    return {kind for (kind,) in place.sql(f"SELECT mutation_type FROM indexpilot.mutation_log WHERE id > {row}")}


def raising(error, work, *arguments, **more):
    with pytest.raises(error):
        work(*arguments, **more)


def applied(place, *columns, **more):
    plan = keep_plan(place.dsn, definition(*columns))
    return run_apply(place.dsn, plan.id, **more)


def acted(place, action, statement, undo=""):
    """A plan that does something with an index that is there, carried out."""
    place.sql("CREATE INDEX IF NOT EXISTS orders_note ON orders (note)")
    plan = keep_plan(place.dsn, definition("note"))
    (made,) = plan.recommendations
    own = replace(made, id="F-00000001", name="orders_note", ddl=statement, undo=undo, action=action)
    with open_session(place.dsn, read_only=False) as session:
        plans.store(session, replace(plan, id=f"{plan.id}f", recommendations=(own,)))
    return run_apply(place.dsn, f"{plan.id}f")


def rebuilt(place):
    acted(place, PlanAction.REINDEX, "REINDEX INDEX CONCURRENTLY public.orders_note")


def dropped(place):
    undo = "CREATE INDEX CONCURRENTLY orders_note ON public.orders USING btree (note)"
    acted(place, PlanAction.DROP, "DROP INDEX CONCURRENTLY public.orders_note", undo)


def built_and_taken_back(place):
    applied(place, "status", "customer_id")
    run_rollback(place.dsn, last=True)


def refused_by_the_rate(place):
    limited = replace(CALM, rate_limiter=RateLimiterSettings(max_indexes_per_table_per_day=1))
    for columns in (("id", "note"), ("id", "status")):
        applied(place, *columns, safeguards=limited)


def fails(place):
    place.sql("CREATE TABLE public.twice (a int)")
    place.sql("INSERT INTO public.twice VALUES (1), (1)")
    index = definition("a", unique=True, table=replace(definition("id").table, name="twice"))
    run_apply(place.dsn, keep_plan(place.dsn, index).id)


def altered_tables(place):
    place.sql("ALTER TABLE orders ADD later int; CREATE TABLE public.fresh (a int)")
    host.detect_and_sync_schema_changes()
    place.sql("ALTER TABLE orders DROP later; DROP TABLE public.fresh")
    host.detect_and_sync_schema_changes()


def tampered(place, tmp_path):
    plan = keep_plan(place.dsn, definition("id", "customer_id"))
    document = json.loads(json.dumps(to_json(plan)))
    document["recommendations"][0]["definition"]["predicate"] = "true); DROP TABLE orders; --"
    (tmp_path / "plan.json").write_text(json.dumps(document))
    raising(UsageError, change, place, ApplyRequest, str(tmp_path / "plan.json"))


def looked(dsn):
    return discover.run(DiscoverRequest(Connection(dsn), record=RECORD), Silent())


def refused_login(place):
    raising(UnreachableError, looked, make_conninfo(place.dsn, user="nobody_of_that_name", password="hunter2hunter2"))
    looked(place.dsn)


def closed_database(place):
    with psycopg.connect(place.dsn) as connection:
        name = psycopg.sql.Identifier(connection.info.dbname)
    with psycopg.connect(make_conninfo(place.dsn, dbname="postgres"), autocommit=True) as admin:
        for allowed in ("false", "true"):
            admin.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS " + allowed).format(name))
            with contextlib.suppress(UnreachableError):
                looked(place.dsn)


def without_rights(place):
    role = f"r_{os.getpid()}_audit"
    own = place.role(role)
    for grant in ("USAGE ON SCHEMA", "SELECT, INSERT ON ALL TABLES IN SCHEMA", "USAGE ON ALL SEQUENCES IN SCHEMA"):
        place.sql(f"GRANT {grant} indexpilot TO {role}")
    try:
        host.init_connection_pool(own.dsn, 1, 1)
        raising(IndexPilotError, host.set_feature_group, "orders", "status", "flow")
    finally:
        host.init_connection_pool(place.dsn, 1, 3)
        place.sql(f"DROP OWNED BY {role}")
        place.sql(f"DROP ROLE {role}")


def broken_by_us(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discover, "open_source", lambda *_: 1 / 0)
        raising(ZeroDivisionError, looked, place.dsn)


def blocked(place):
    before = host.configure_interceptor().deny
    host.configure_interceptor(deny=("*FROM orders*",))
    try:
        raising(host.QueryBlockedError, host.intercept_query, "SELECT * FROM orders")
    finally:
        host.flush_interceptor_log()
        host.configure_interceptor(deny=before)


def turned(place, action):
    bypass.run(BypassRequest(action, Connection(place.dsn), "a test", record=RECORD), Silent())


def enabled(place):
    host.initialize_tenant_expression(7)
    host.disable_field(7, "orders", "status")
    host.enable_field(7, "orders", "status")


SCRIPTS = {
    "CREATE_INDEX": lambda place, _: applied(place, "customer_id"),
    "DROP_INDEX": lambda place, _: dropped(place),
    "REINDEX": lambda place, _: rebuilt(place),
    "ROLLBACK_INDEX": lambda place, _: built_and_taken_back(place),
    "INDEX_CREATION_FAILED": lambda place, _: fails(place),
    "RECOMMEND_INDEX": lambda place, _: place.ask(
        RecommendRequest, workload=queries(BY_CUSTOMER), planner=place.planner
    ),
    "ENABLE_FIELD": lambda place, _: enabled(place),
    "DISABLE_FIELD": lambda place, _: enabled(place),
    "INITIALIZE_TENANT": lambda place, _: host.initialize_tenant_expression(8),
    "SYSTEM_ENABLE": lambda place, _: turned(place, "enable"),
    "SYSTEM_DISABLE": lambda place, _: (turned(place, "disable"), turned(place, "enable")),
    "SYSTEM_CONFIG_CHANGE": lambda place, _: host.set_feature_group("orders", "status", "flow"),
    "CREATE_TABLE": lambda place, _: altered_tables(place),
    "DROP_TABLE": lambda place, _: altered_tables(place),
    "ALTER_TABLE": lambda place, _: altered_tables(place),
    "ADD_COLUMN": lambda place, _: host.safe_add_column("columns", "new", "int", execute=True),
    "DROP_COLUMN": lambda place, _: host.safe_drop_column("columns", "kept", execute=True),
    "ALTER_COLUMN": lambda place, _: host.safe_alter_column_type("columns", "wide", "bigint", execute=True),
    "RENAME_COLUMN": lambda place, _: host.safe_rename_column("columns", "wide", "wider", execute=True),
    "SCHEMA_SYNC": lambda place, _: altered_tables(place),
    "DISCOVER": lambda place, _: host.discover_schema_from_database(),
    "ANALYZE_WORKLOAD": lambda place, _: place.ask(AnalyzeRequest, workload=queries(BY_CUSTOMER)),
    "EXPLAIN": lambda place, _: host.preview_schema_change("drop_column", "columns", "id", force=True),
    "LIFECYCLE_RUN": lambda place, _: host.perform_weekly_lifecycle(),
    "QUERY_BLOCKED": lambda place, _: blocked(place),
    "RATE_LIMIT_EXCEEDED": lambda place, _: refused_by_the_rate(place),
    "SECURITY_VIOLATION": tampered,
    "AUTHENTICATION_FAILURE": lambda place, _: refused_login(place),
    "AUTHORIZATION_DENIED": lambda place, _: without_rights(place),
    "CRITICAL_ERROR": lambda place, _: broken_by_us(place),
    "CONNECTION_ERROR": lambda place, _: closed_database(place),
    "BULK_UPDATE": lambda place, _: host.prune_query_stats(1),
    "DATA_MIGRATION": lambda place, _: host.safe_drop_column("columns", "gone", save=True, execute=True),
}


def test_e2_every_type_has_its_script():
    assert list(SCRIPTS) == [kind.value for kind in sorted(MutationType, key=list(SCRIPTS).index)]
    assert len(SCRIPTS) == len(MutationType)


@pytest.mark.parametrize("kind", SCRIPTS)
def test_e2_what_is_done_leaves_a_row_of_its_type(place, kind, tmp_path):
    before = newest(place)
    SCRIPTS[kind](place, tmp_path)
    assert kind in since(place, before)


def test_e3_an_unknown_type_is_refused_and_the_nearest_is_named(place):
    before = newest(place)
    for word in ("NOT_A_TYPE", "", "CREATE INDEX", "x'; DROP TABLE indexpilot.mutation_log; --"):
        with pytest.raises(UsageError) as refused:
            host.log_audit_event(word)
        assert refused.value.code == "unknown_mutation_type"
    with pytest.raises(UsageError) as near:
        host.log_audit_event("CREATE_INDXE")
    assert near.value.hint == "did you mean CREATE_INDEX?"
    assert newest(place) == before


def test_e4_events_are_found_by_tenant_type_table_and_time(place):
    began = place.sql("SELECT clock_timestamp()")[0][0]
    facts = (
        ("BULK_UPDATE", 41, "orders", "status"),
        ("BULK_UPDATE", 42, "public.orders", None),
        ("DATA_MIGRATION", 41, '"Odd "" name"', None),
    )
    ids = [host.log_audit_event(*fact, details={"n": n}, actor="eve") for n, fact in enumerate(facts)]
    assert ids == sorted(ids)
    found = host.get_recent_mutations(3)
    assert [row["id"] for row in found] == ids[::-1]
    assert (found[2]["field_name"], found[2]["details_json"], found[2]["actor"]) == ("status", {"n": 0}, "eve")
    assert (found[0]["table_name"], found[1]["schema_name"]) == ('Odd " name', "public")

    def seen(**asked):
        return [row["id"] for row in host.get_recent_mutations(since=began, **asked)]

    assert seen(tenant_id=41) == [ids[2], ids[0]]
    assert seen(mutation_type="bulk_update") == [ids[1], ids[0]]
    assert seen(table_name="orders", tenant_id=41) == [ids[0]]
    assert host.get_recent_mutations(since=began + timedelta(days=1)) == []
    summary = host.get_mutation_summary(tenant_id=41, since=began)
    assert summary["total"] == 2
    assert {kind: row["count"] for kind, row in summary["by_type"].items()} == {"BULK_UPDATE": 1, "DATA_MIGRATION": 1}
    with pytest.raises(UsageError):
        host.get_recent_mutations(mutation_type="NOT_A_TYPE")
    assert host.get_recent_mutations(0) == []
    with pytest.raises(ValueError, match="limit"):
        host.get_recent_mutations(-1)


CONTEXT = {"reason", "cost_benefit_ratio", "queries_analyzed", "actor", "version", "sql", "rollback_sql"}


def test_e6_a_row_of_a_change_says_why_who_and_how(place):
    before = newest(place)
    wanted = queries("SELECT id FROM orders WHERE note = 'x' AND status = 'open'")
    advice = place.ask(RecommendRequest, workload=wanted, planner=place.planner, record=RECORD).result
    assert run_apply(place.dsn, advice.id, force=True).exit_code == 0
    rows = place.sql(f"SELECT op_id, details_json FROM indexpilot.mutation_log WHERE id > {before} ORDER BY id")
    assert [op is not None for op, _ in rows] == [False, True, True, True]
    for op, details in rows:
        found = details if op else details | details["recommendations"][0]
        assert set(found) >= CONTEXT and all(found[key] not in (None, "") for key in CONTEXT), found
    assert rows[0][1]["actor"] == "ada" and rows[0][1]["queries_analyzed"] == 1


def test_e7_the_rollback_sql_of_a_row_runs_as_it_is(place):
    before = place.sql("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'orders'::regclass ORDER BY 1")
    applied(place, "status", "note", "id")
    ((details, undo),) = place.sql(
        "SELECT details_json ->> 'rollback_sql', undo_sql FROM indexpilot.mutation_log"
        " WHERE mutation_type = 'CREATE_INDEX' AND state = 'VALID' ORDER BY id DESC LIMIT 1"
    )
    after = place.sql("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'orders'::regclass ORDER BY 1")
    assert details == undo and len(after) == len(before) + 1
    place.sql(undo)
    assert before == place.sql(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'orders'::regclass ORDER BY 1"
    )


def test_e8_a_change_that_is_killed_leaves_the_row_of_its_beginning(place):
    before = newest(place)
    plan = keep_plan(place.dsn, definition("note", "customer_id"))
    with holding(place.dsn, *SNAPSHOT), child(lambda: run_apply(place.dsn, plan.id, force=True)) as pid:
        seen(place.dsn, BUILDER)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        states = place.sql(
            f"SELECT state FROM indexpilot.mutation_log WHERE id > {before} AND op_id IS NOT NULL ORDER BY id"
        )
        assert states[-1][0] in ("INTENT", "STARTED")
    assert run_apply(place.dsn, plan.id, lock_timeout=60.0).exit_code == 0


def test_e8_what_cannot_be_logged_is_not_done(place):
    host.initialize_tenant_expression(9)
    place.sql(
        "ALTER TABLE indexpilot.mutation_log ADD CONSTRAINT never CHECK (mutation_type <> 'DISABLE_FIELD') NOT VALID"
    )
    try:
        before = host.get_tenant_fields(9, "orders")
        raising(IndexPilotError, host.disable_field, 9, "orders", "note")
        assert host.get_tenant_fields(9, "orders") == before
    finally:
        place.sql("ALTER TABLE indexpilot.mutation_log DROP CONSTRAINT never")


def test_e9_secrets_are_masked_before_they_are_written(place):
    number = host.log_audit_event(
        "SYSTEM_CONFIG_CHANGE",
        details={
            "password": "hunter2",
            "nested": [{"apiKey": "hunter2", "dsn": "postgres://ada:hunter2@db/x"}],
            "sql": "ALTER ROLE ada PASSWORD 'hunter2'",
        },
        actor="ada",
    )
    ((row,),) = place.sql(f"SELECT to_jsonb(m)::text FROM indexpilot.mutation_log m WHERE id = {number}")
    assert "hunter2" not in row and row.count("********") >= 4
