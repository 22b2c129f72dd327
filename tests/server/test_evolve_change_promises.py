"""P1 to P12 of the feature list, each on a real server."""

import subprocess
import sys
import time
from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.model.progress import Silent
from indexpilot_cli.model.requests import Connection, WorkloadRequest
from indexpilot_cli.model.settings import BypassSettings, MaintenanceWindowSettings, SafeguardSettings, SystemBypass
from indexpilot_cli.postgres import locks
from indexpilot_cli.postgres.session import open_session
from indexpilot_cli.workflows import evolve_execute, evolve_impact
from tests.server.evolving_change import Ground, assert_same, prepare

SHOP = """
CREATE TABLE public.customers (id int PRIMARY KEY, email text NOT NULL);
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer_id int REFERENCES public.customers,
    status varchar(10) NOT NULL DEFAULT 'new', price numeric(10, 2), note text,
    total numeric GENERATED ALWAYS AS (price * 2) STORED);
INSERT INTO public.customers VALUES (1, 'a@b'), (2, 'c@d');
INSERT INTO public.orders SELECT i, 1 + i % 2, 'open', i, 'n' || i FROM generate_series(1, 300) i;
CREATE INDEX orders_status_idx ON public.orders (status);
CREATE INDEX orders_lower_idx ON public.orders (lower(status)) INCLUDE (id) WHERE status <> 'done';
ALTER TABLE public.orders ADD CONSTRAINT status_short CHECK (length(status) < 8 AND id > 0);
CREATE STATISTICS public.orders_st ON status, customer_id FROM public.orders;
CREATE VIEW public.open_orders AS SELECT id, note FROM public.orders WHERE status = 'open';
CREATE VIEW public.open_ids AS SELECT id FROM public.open_orders;
CREATE MATERIALIZED VIEW public.by_status AS SELECT status, count(*) FROM public.orders GROUP BY status;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS '
    BEGIN NEW.status := lower(NEW.status); RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE OF status ON public.orders FOR EACH ROW EXECUTE FUNCTION public.touch();
CREATE FUNCTION public.how_many(wanted text) RETURNS bigint LANGUAGE sql
    AS 'SELECT count(*) FROM public.orders WHERE status = wanted';
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_open ON public.orders USING (status = 'open');
"""
PLAIN = """
CREATE TABLE public.plain (id int PRIMARY KEY, a int, b text);
INSERT INTO public.plain SELECT i, i, 'b' || i FROM generate_series(1, 200) i;
CREATE INDEX plain_a_idx ON public.plain (a);
"""


@pytest.fixture
def shop(database):
    found = prepare(database)
    found.script(SHOP)
    return found


@pytest.fixture
def plain(database):
    found = prepare(database)
    found.script(PLAIN)
    return found


@pytest.fixture
def pool(database):
    host.init_connection_pool(database, 1, 2)
    yield
    host.close_connection_pool()


def effects(outcome):
    return {(o.kind, o.name): o.effect for o in outcome.result.change.impact.objects}


def test_p1_everything_that_hangs_on_a_column_is_named(shop):
    shop.sql("SELECT pg_catalog.set_config('x.y', '1', false)")
    found = effects(shop.preview("drop_column", "orders", "status", workload=queries("SELECT 1")))
    assert found[("view", "open_orders")] == "blocks"
    assert found[("view", "open_ids")] == "blocks"
    assert found[("materialized view", "by_status")] == "blocks"
    assert found[("trigger", "touched")] == "blocks"
    assert found[("policy", "only_open")] == "blocks"
    assert found[("index", "orders_status_idx")] == found[("index", "orders_lower_idx")] == "disappears"
    assert found[("check constraint", "status_short")] == found[("statistics", "orders_st")] == "disappears"
    assert found[("trigger function", "touch()")] == found[("function", "how_many(wanted text)")] == "look"
    generated = effects(shop.preview("drop_column", "orders", "price", workload=queries("SELECT 1")))
    assert generated[("generated column", "total")] == "blocks"
    pointing = effects(shop.preview("drop_column", "customers", "id", workload=queries("SELECT 1")))
    assert pointing[("foreign key", "orders_customer_id_fkey of orders")] == "blocks"
    assert (
        effects(shop.preview("rename_column", "orders", "status", new_name="state"))[("view", "open_orders")]
        == "follows"
    )


def queries(*texts):
    return WorkloadRequest(queries=texts)


def test_p1_recorded_queries(shop):
    asked = queries(
        "SELECT id FROM public.orders WHERE note = 'x'",
        "UPDATE public.orders SET note = 'y' WHERE id = 1",
        "SELECT * FROM public.orders WHERE id = 5",
        "SELECT id FROM public.customers",
    )
    found = shop.preview(
        "rename_column", "orders", "note", new_name="remark", workload=asked
    ).result.change.impact.queries
    assert sorted((q.effect, q.whole_row) for q in found) == [("breaks", False), ("breaks", False), ("look", True)]
    assert all("customers" not in q.text for q in found)


def test_p1_values_without_names_break_too(plain):
    asked = queries("INSERT INTO public.plain VALUES (1, 2, 'x')", "INSERT INTO public.plain VALUES (1)")
    found = plain.preview("drop_column", "plain", "b", workload=asked).result.change.impact.queries
    assert [q.text.count(",") for q in found] == [2]
    assert found[0].effect == "breaks"
    assert plain.preview("rename_column", "plain", "b", new_name="c", workload=asked).result.change.impact.queries == ()


BAD = [
    (("add_column", "orders", ""), {"type": "int"}, "bad_name", 2),
    (("add_column", "orders", "x" * 64), {"type": "int"}, "name_too_long", 2),
    (("add_column", "orders", "ä" * 32), {"type": "int"}, "name_too_long", 2),
    (("add_column", "orders", "ctid"), {"type": "int"}, "system_column", 2),
    (("add_column", "orders", "select"), {"type": "int"}, "reserved_word", 2),
    (("add_column", "orders", "status"), {"type": "int"}, "column_exists", 2),
    (("add_column", "orders", "x"), {"type": "itn"}, "unknown_type", 2),
    (("add_column", "orders", "x"), {"type": "int); DROP TABLE orders; --"}, "bad_type", 2),
    (("add_column", "orders", "x"), {"type": "varchar(0)"}, "unknown_type", 2),
    (("add_column", "orders", "x"), {"type": "serial"}, "pseudo_type", 2),
    (("add_column", "orders", "x"), {"type": "anyelement"}, "pseudo_type", 2),
    (("add_column", "orders", "x"), {"type": "int", "default": "'a'"}, "bad_default", 2),
    (("add_column", "orders", "x"), {"type": "int", "default": "status"}, "bad_default", 2),
    (("add_column", "orders", "x"), {"type": "int", "default": "1, ADD COLUMN y int"}, "bad_expression", 2),
    (("add_column", "orders", "x"), {"type": "int", "default": "(SELECT 1)"}, "bad_expression", 2),
    (("add_column", "orders", "x"), {"type": "int", "default": "count(*)"}, "bad_default", 2),
    (("add_column", "orders", "x"), {"type": "int", "not_null": True}, "not_null_without_default", 2),
    (("add_column", "orders", "x"), {"type": "int", "unique": True, "default": "1"}, "duplicates", 2),
    (("add_column", "orders", "x"), {"type": "int", "references": "nowhere (id)"}, "bad_reference", 2),
    (("add_column", "order", "x"), {"type": "int"}, "table_missing", 2),
    (("add_column", "open_orders", "x"), {"type": "int"}, "not_a_table", 2),
    (("add_column", "pg_class", "x"), {"type": "int"}, "system_table", 6),
    (("drop_column", "orders", "statsu"), {}, "column_missing", 2),
    (("drop_column", "orders", "status"), {}, "dependents", 6),
    (("drop_column", "only", "x"), {}, "last_column", 6),
    (("drop_column", "part_1", "x"), {}, "partition", 2),
    (("drop_column", "child", "x"), {}, "inherited_column", 2),
    (("rename_column", "orders", "note"), {"new_name": "status"}, "column_exists", 2),
    (("alter_type", "orders", "note"), {"type": "int"}, "needs_using", 2),
    (("alter_type", "orders", "note"), {"type": "text"}, "same_type", 2),
    (("alter_type", "orders", "total"), {"type": "int"}, "generated_column", 2),
    (("alter_type", "orders", "note"), {"type": "int", "using": "nota::int"}, "bad_expression", 2),
]
ODD = """
CREATE TABLE public.only (x int);
CREATE TABLE public.part (id int, x int) PARTITION BY LIST (id);
CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES IN (1);
CREATE TABLE public.parent (x int, y int); CREATE TABLE public.child () INHERITS (public.parent);
"""


def test_p2_bad_input_is_one_clear_error(shop):
    shop.script(ODD)
    before = shop.dump()
    for arguments, more, code, exit_code in BAD:
        with pytest.raises(IndexPilotError) as caught:
            shop.change(*arguments, **more)
        error = caught.value
        assert (error.code, error.exit_code) == (code, exit_code), (arguments, more, error.message)
        assert "\n" not in error.message
    assert_same(shop.dump(), before)
    assert {(r[1], r[2]) for r in shop.log()} >= {("FAILED", "statsu"), ("FAILED", "total")}
    with pytest.raises(UsageError) as near:
        shop.change("drop_column", "orders", "statsu")
    assert "did you mean status?" in near.value.hint


def test_p2_a_stranger_may_not(plain, pg):
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        if not admin.execute("SELECT FROM pg_roles WHERE rolname = 'evolve_stranger'").fetchall():
            admin.execute("CREATE ROLE evolve_stranger LOGIN")
    plain.script("GRANT USAGE ON SCHEMA public TO evolve_stranger; GRANT SELECT ON public.plain TO evolve_stranger")
    asked = plain.request("add_column", "plain", "x", type="int", execute=False)
    stranger = psycopg.conninfo.make_conninfo(plain.dsn, user="evolve_stranger")
    with pytest.raises(PrerequisiteError) as caught:
        evolve_execute.run(replace(asked, connection=Connection(stranger)), Silent(), None)
    assert (caught.value.code, caught.value.exit_code) == ("not_owner", 5)


def test_p3_not_null_in_steps_that_are_each_brief(plain):
    more = {"type": "uuid", "default": "gen_random_uuid()", "not_null": True, "small_bytes": 0, "batch_pages": 1}
    result = plain.change("add_column", "plain", "token", **more).result
    assert result.outcome == "done"
    assert not result.change.atomic
    assert {s.span for s in result.steps} == {"brief lock", "long but online"}
    (facts,) = plain.sql(
        "SELECT attnotnull, (SELECT count(*) FROM pg_constraint WHERE conrelid = attrelid AND contype = 'c')"
        " FROM pg_attribute WHERE attrelid = 'public.plain'::regclass AND attname = 'token'"
    )
    assert facts == (True, 0)
    assert plain.sql("SELECT count(*) = count(DISTINCT token) FROM public.plain") == [(True,)]


@pytest.mark.parametrize(
    ("default", "atomic"), [("7", True), ("now()", True), ("random()::int", False), ("upper('x')", True)]
)
def test_p3_only_a_volatile_default_needs_steps(plain, default, atomic):
    change = plain.preview(
        "add_column", "plain", "x", type="text", default=f"({default})::text", small_bytes=0
    ).result.change
    assert change.atomic is atomic


def test_p3_the_table_is_not_rewritten(plain):
    file = "SELECT pg_relation_filenode('public.plain')"
    before = plain.sql(file)
    plain.change("add_column", "plain", "x", type="int", default="7", not_null=True)
    assert plain.sql(file) == before


def test_p4_indexes_need_force_and_data_loss_is_said(plain):
    with pytest.raises(RefusedError) as caught:
        plain.change("drop_column", "plain", "a")
    assert "plain_a_idx" in caught.value.message
    assert "a" in plain.columns("public.plain")
    outcome = plain.change("drop_column", "plain", "a", force=True)
    assert outcome.result.undo.loss.startswith("DATA LOSS")
    plain.rollback()
    assert plain.sql("SELECT count(a) FROM public.plain") == [(0,)]
    assert plain.sql("SELECT indexdef FROM pg_indexes WHERE indexname = 'plain_a_idx'")


def test_p4_a_lost_not_null_column_wants_a_value(plain):
    plain.script("ALTER TABLE public.plain ALTER b SET NOT NULL")
    before = plain.dump()
    plain.change("drop_column", "plain", "b")
    failed = plain.rollback()
    assert (failed.result.outcome, failed.exit_code) == ("failed", 7)
    assert "--fill" in failed.result.notes[0]
    assert "b" not in plain.columns("public.plain")
    assert plain.rollback(fill="'lost'").result.outcome == "done"
    assert plain.sql("SELECT DISTINCT b FROM public.plain") == [("lost",)]
    assert_same(plain.dump(), before)


def test_p5_using_and_the_default_goes_along(plain):
    plain.script("ALTER TABLE public.plain ADD code text DEFAULT '5'; ANALYZE public.plain")
    before = plain.dump()
    outcome = plain.change("alter_type", "plain", "code", type="int", using="code::int")
    assert plain.columns("public.plain")["code"] == "integer"
    assert plain.sql("INSERT INTO public.plain (id) VALUES (0) RETURNING code") == [(5,)]
    assert plain.sql("SELECT count(*) FROM pg_stats WHERE tablename = 'plain' AND attname = 'code'") == [(1,)]
    assert [s.outcome for s in outcome.result.steps] == ["done", "done"]
    plain.rollback()
    assert_same(plain.dump(), before)


TYPES = """
varchar(10) -> varchar(20): instant|varchar(10) -> text: instant|text -> varchar(9): rewrite
numeric(5,2) -> numeric(9,2): instant|numeric(5,2) -> numeric(9,3): rewrite|numeric(5,2) -> numeric: instant
int -> bigint: rewrite|char(3) -> text: rewrite|text -> char: rewrite|int -> oid: instant|cidr -> inet: instant
timestamp(3) -> timestamp: instant|timestamp -> timestamp(3): rewrite|interval(2) -> interval: instant
varchar(9)[] -> varchar(20)[]: rewrite|varbit(5) -> varbit(9): instant|timestamp -> timestamptz: rewrite
text -> public.tag: instant|public.tag -> text: instant|text -> public.short: rewrite
"""


def test_p5_the_rules_say_what_the_server_does(plain):
    plain.script("CREATE DOMAIN public.tag AS text; CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 9)")
    plain.script(
        "SET TimeZone = 'Europe/Berlin'; ALTER DATABASE "
        + plain.sql("SELECT current_database()")[0][0]
        + " SET TimeZone = 'Europe/Berlin'"
    )
    cases = [case.strip() for line in TYPES.split("\n") for case in line.split("|") if case.strip()]
    for number, case in enumerate(cases):
        types, _, work = case.partition(": ")
        old, _, new = types.partition(" -> ")
        plain.script(f"CREATE TABLE public.r{number} (v {old})")
        assert plain.preview("alter_type", f"r{number}", "v", type=new).result.change.classified.work == work, case
        file = plain.sql(f"SELECT pg_relation_filenode('public.r{number}')")
        plain.script(f"ALTER TABLE public.r{number} ALTER v TYPE {new}")
        rewritten = plain.sql(f"SELECT pg_relation_filenode('public.r{number}')") != file
        assert rewritten == (work == "rewrite"), case


def test_p6_genome_and_profiles_follow_and_come_back(plain, pool):
    host.discover_and_bootstrap_schema("public")
    host.initialize_tenant_expression(1, known=True)
    host.disable_field(1, "plain", "b")
    fields = "SELECT field_name FROM indexpilot.genome_catalog WHERE table_name = 'plain' ORDER BY 1"
    off = "SELECT field_name FROM indexpilot.expression_profile WHERE table_name = 'plain' AND NOT is_enabled"
    plain.change("rename_column", "plain", "b", new_name="c")
    assert plain.sql(fields) == [("a",), ("c",), ("id",)]
    assert plain.sql(off) == [("c",)]
    plain.rollback()
    assert plain.sql(off) == [("b",)]
    plain.change("drop_column", "plain", "b")
    assert plain.sql(fields) == [("a",), ("id",)]
    plain.rollback()
    assert plain.sql(off) == [("b",)]
    plain.change("add_column", "plain", "d", type="int")
    assert plain.sql(fields) == [("a",), ("b",), ("d",), ("id",)]
    plain.change("alter_type", "plain", "d", type="bigint")
    kind = "SELECT field_type FROM indexpilot.genome_catalog WHERE field_name = 'd'"
    assert plain.sql(kind) == [("bigint",)]
    plain.rollback()
    assert plain.sql(kind) == [("integer",)]


def test_p7_a_preview_touches_nothing(shop):
    before = shop.dump()
    shop.preview("add_column", "orders", "x", type="int", default="1", not_null=True, unique=False)
    shop.preview("drop_column", "orders", "note", save=True)
    shop.preview("alter_type", "orders", "note", type="varchar(5)")
    shop.preview("rename_column", "orders", "note", new_name="remark")
    assert_same(shop.dump(), before)
    assert {r[0] for r in shop.log()} == {"EXPLAIN"}


def test_p8_the_middle_column_comes_back_at_the_end_and_that_is_said(plain):
    outcome = plain.change("drop_column", "plain", "a", force=True, save=True)
    assert any("last column" in note for note in outcome.result.undo.notes)
    plain.rollback()
    assert list(plain.columns("public.plain")) == ["id", "b", "a"]
    assert plain.sql("SELECT count(*) FROM public.plain WHERE a = id") == [(200,)]


def test_p8_what_was_built_since_is_not_dropped_along(plain):
    outcome = plain.change("add_column", "plain", "x", type="int")
    plain.script("CREATE INDEX ON public.plain (x, a)")
    with pytest.raises(RefusedError) as caught:
        plain.rollback(f"M-{outcome.result.id}")
    assert caught.value.code == "takes_along"
    plain.script("CREATE VIEW public.v AS SELECT x FROM public.plain")
    with pytest.raises(RefusedError) as caught:
        plain.rollback(force=True)
    assert caught.value.code == "dependents"
    plain.script("DROP VIEW public.v")
    assert plain.rollback(force=True).result.outcome == "done"


FAULT = """
CREATE FUNCTION public.fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$;
CREATE TRIGGER fault BEFORE INSERT ON indexpilot.mutation_log FOR EACH ROW
    WHEN (NEW.state IN ('DONE', 'REVERTED') AND NEW.op_id IS NOT NULL) EXECUTE FUNCTION public.fault();
"""


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("add_column", {"type": "int", "default": "1", "not_null": True}),
        ("drop_column", {"save": True}),
        ("alter_type", {"type": "varchar(90)"}),
        ("rename_column", {"new_name": "c"}),
    ],
)
def test_p9_a_failure_after_the_ddl_leaves_nothing(plain, kind, more):
    column = "x" if kind == "add_column" else "b"
    plain.change(kind, "plain", column, **more)
    done = plain.dump()
    plain.script(FAULT)
    with_fault = plain.dump()
    failed = plain.rollback()
    assert (failed.result.outcome, failed.exit_code) == ("failed", 7)
    assert_same(plain.dump(), with_fault)
    plain.script("DROP TRIGGER fault ON indexpilot.mutation_log; DROP FUNCTION public.fault")
    assert_same(plain.dump(), done)
    plain.rollback()
    plain.script(FAULT)
    before = plain.dump()
    failed = plain.change(kind, "plain", column, **more)
    assert (failed.result.outcome, failed.exit_code) == ("failed", 7)
    assert_same(plain.dump(), before)
    assert plain.log()[-1][:4] == (plain.log()[-1][0], "FAILED", column, "P0001")


def test_p9_steps_that_stand_are_gone_on_with(plain):
    more = {"type": "int", "default": "(random() * 1e9)::int", "not_null": True, "small_bytes": 0}
    plain.script(
        "CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF OLD.id = 150 THEN RAISE EXCEPTION 'injected'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER stop BEFORE UPDATE ON public.plain FOR EACH ROW EXECUTE FUNCTION public.stop()"
    )
    before = plain.dump()
    first = plain.change("add_column", "plain", "x", **more)
    assert (first.result.outcome, first.exit_code) == ("partial", 7)
    plain.script("ALTER TABLE public.plain DISABLE TRIGGER stop")
    again = plain.change("add_column", "plain", "x", **more)
    assert (again.result.outcome, again.result.resumed) == ("done", True)
    assert again.result.steps[0].outcome == "skipped"
    assert plain.sql("SELECT count(x) FROM public.plain") == [(200,)]
    plain.rollback()
    plain.script("ALTER TABLE public.plain ENABLE TRIGGER stop")
    assert_same(plain.dump(), before)
    plain.change("add_column", "plain", "x", **more)
    assert plain.rollback().result.outcome == "done"
    assert_same(plain.dump(), before)


def test_p10_a_blocker_is_waited_for_briefly_and_named(plain):
    with psycopg.connect(plain.dsn, application_name="long report") as reader:
        reader.execute("SELECT count(*) FROM public.plain")
        outcome = plain.change("add_column", "plain", "x", type="int", lock_timeout=0.5, retries=1)
        assert (outcome.result.outcome, outcome.result.error_code) == ("failed", "lock_timeout")
        (step,) = outcome.result.steps
        assert step.tries == 2
        assert "long report" in step.blockers[0]
        assert any("long report" in text and "holds a lock" in text for text in outcome.result.waiting)
        assert "x" not in plain.columns("public.plain")
    assert plain.log()[-1][1] == "FAILED"
    assert plain.log()[-1][3] == "55P03"


class UntilBusy(Silent):
    """Ends the transaction that is in the way as soon as it is said that the table is busy."""

    def __init__(self, reader):
        self.reader = reader

    def say(self, text):
        if "busy" in text:
            self.reader.commit()


def test_p10_trying_again_gets_through(plain):
    with psycopg.connect(plain.dsn) as reader:
        reader.execute("SELECT count(*) FROM public.plain")
        asked = plain.request("rename_column", "plain", "b", new_name="c", lock_timeout=0.3, retries=3)
        outcome = evolve_execute.run(asked, UntilBusy(reader), None)
    assert outcome.result.outcome == "done"
    assert outcome.result.steps[0].tries == 2


def test_p11_every_operation_has_its_word_also_when_it_fails(plain):
    plain.change("add_column", "plain", "x", type="int")
    plain.change("rename_column", "plain", "x", new_name="y")
    plain.change("alter_type", "plain", "y", type="bigint")
    plain.change("drop_column", "plain", "y")
    done = [(r[0], r[2]) for r in plain.log() if r[1] == "DONE"]
    assert done == [("ADD_COLUMN", "x"), ("RENAME_COLUMN", "x"), ("ALTER_COLUMN", "y"), ("DROP_COLUMN", "y")]
    for kind in ("drop_column", "alter_type", "rename_column"):
        with pytest.raises(UsageError):
            plain.change(kind, "plain", "nothing", type="int", new_name="z")
    failed = [(r[0], r[2], r[6]["error_code"]) for r in plain.log() if r[1] == "FAILED"]
    assert failed == [(word, "nothing", "column_missing") for word in ("DROP_COLUMN", "ALTER_COLUMN", "RENAME_COLUMN")]


def test_p12_impact_is_kept_for_five_minutes_and_forgotten_after_a_change(plain, pool, monkeypatch):
    host.clear_impact_cache()
    looks = []
    real = evolve_impact._look
    monkeypatch.setattr(evolve_impact, "_look", lambda *given: looks.append(1) or real(*given))
    first = host.analyze_schema_change_impact("plain", "a")
    assert host.analyze_schema_change_impact("plain", "a") == first
    assert len(looks) == 1
    host.clear_impact_cache()
    host.analyze_schema_change_impact("plain", "a")
    assert len(looks) == 2
    host.safe_rename_column("plain", "b", "c", execute=True)
    seen = len(looks)
    host.analyze_schema_change_impact("plain", "a")
    assert len(looks) == seen + 1
    clock = time.monotonic()
    monkeypatch.setattr(evolve_impact.time, "monotonic", lambda: clock + 301)
    host.analyze_schema_change_impact("plain", "a")
    assert len(looks) == seen + 2


def test_the_host_functions(plain, pool):
    assert host.validate_schema_change("drop_column", "plain", "nothing")[0]["code"] == "column_missing"
    assert host.validate_schema_change("add_column", "plain", "x", type="int") == []
    assert host.preview_schema_change("drop_column", "plain", "b")["outcome"] == "planned"
    plan = host.generate_rollback_plan("drop_column", "plain", "b")
    assert plan["statements"] == ["ALTER TABLE public.plain ADD COLUMN b text"]
    assert "DATA LOSS" in plan["loss"]
    assert host.safe_add_column("plain", "x", "int", default="1", execute=True)["outcome"] == "done"
    assert host.safe_alter_column_type("plain", "x", "bigint", execute=True)["outcome"] == "done"
    assert host.safe_drop_column("plain", "x", execute=True)["outcome"] == "done"
    assert host.safe_drop_column("plain", "b")["outcome"] == "planned"
    assert list(plain.columns("public.plain")) == ["id", "a", "b"]


def test_the_bypass_and_the_window_are_obeyed(plain):
    off = BypassSettings(system=SystemBypass(enabled=True, reason="release"))
    with pytest.raises(RefusedError) as caught:
        plain.change("add_column", "plain", "x", type="int", bypass=off)
    assert caught.value.code == "bypass"
    never = SafeguardSettings(
        maintenance_window=MaintenanceWindowSettings(enabled=True, start_hour=3, end_hour=3, days_of_week=())
    )
    with pytest.raises(IndexPilotError):
        plain.change("add_column", "plain", "x", type="int", safeguards=never)
    assert "x" not in plain.columns("public.plain")


def test_before_init_only_previews(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(PLAIN.replace("%", "%%"))
    ground = Ground(database)
    assert ground.preview("add_column", "plain", "x", type="int").result.outcome == "planned"
    with pytest.raises(PrerequisiteError):
        ground.change("add_column", "plain", "x", type="int")


WORKER = """
import sys
from indexpilot_cli.model.progress import Silent
from indexpilot_cli.model.requests import ChangeRequest, Connection
from indexpilot_cli.workflows import evolve_execute
request = ChangeRequest("add_column", "public.plain", "x", Connection(sys.argv[1]), type="int", confirmed=True,
    default="(random() * 1e9)::int", not_null=True, execute=True, small_bytes=0, batch_pages=1)
evolve_execute.run(request, Silent(), None)
"""


def test_killed_in_the_middle_it_goes_on(plain):
    """The process is killed while it fills the column; what stands is in the log, and the next run does the rest."""
    plain.script(
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF OLD.id = 150 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER slow BEFORE UPDATE ON public.plain FOR EACH ROW EXECUTE FUNCTION public.slow()"
    )
    before = plain.dump()
    worker = subprocess.Popen([sys.executable, "-c", WORKER, plain.dsn])
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    end = time.monotonic() + 60
    while not (found := plain.sql(sleeping)):
        assert time.monotonic() < end
        assert worker.poll() is None
        time.sleep(0.1)
    with pytest.raises(UsageError) as caught:
        plain.change("add_column", "plain", "x", type="int", default="5")  # another change of the same name
    assert caught.value.code == "column_exists"
    worker.kill()
    worker.wait()
    plain.sql("SELECT pg_terminate_backend(%s, 10000)", found[0][0])
    plain.script("ALTER TABLE public.plain DISABLE TRIGGER slow")
    more = {"type": "int", "default": "(random() * 1e9)::int", "not_null": True, "small_bytes": 0, "batch_pages": 1}
    done = plain.change("add_column", "public.plain", "x", lock_timeout=10.0, **more).result
    assert (done.outcome, done.resumed) == ("done", True)
    assert plain.sql("SELECT count(x) FROM public.plain") == [(200,)]
    plain.script("ALTER TABLE public.plain ENABLE TRIGGER slow")
    assert plain.rollback().result.outcome == "done"
    assert_same(plain.dump(), before)


def test_one_change_of_a_table_at_a_time(plain):
    ((relid,),) = plain.sql("SELECT 'public.plain'::regclass::oid::bigint")
    with open_session(plain.dsn, read_only=False) as other:
        assert locks.try_lock(other, relid)
        with pytest.raises(RefusedError) as caught:
            plain.change("add_column", "plain", "x", type="int")
    assert caught.value.code == "locked"
    assert "x" not in plain.columns("public.plain")
