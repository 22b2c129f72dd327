"""P1 to P6 of the feature list, each on a real server."""

from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.core.command import Connection, Silent, WorkloadRequest
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.evolve.change import execute as evolve_execute
from tests.server.evolving_change import assert_same


@pytest.fixture
def pool(initialised):
    host.init_connection_pool(initialised, 1, 2)
    yield
    host.close_connection_pool()


def effects(outcome):
    return {(o.kind, o.name): o.effect for o in outcome.result.change.impact.objects}


def test_p1_everything_that_hangs_on_a_column_is_named(entangled):
    entangled.sql("SELECT pg_catalog.set_config('x.y', '1', false)")
    found = effects(entangled.preview("drop_column", "orders", "status", workload=queries("SELECT 1")))
    assert found[("view", "open_orders")] == "blocks"
    assert found[("view", "open_ids")] == "blocks"
    assert found[("materialized view", "by_status")] == "blocks"
    assert found[("trigger", "touched")] == "blocks"
    assert found[("policy", "only_open")] == "blocks"
    assert found[("index", "orders_status_idx")] == found[("index", "orders_lower_idx")] == "disappears"
    assert found[("check constraint", "status_short")] == found[("statistics", "orders_st")] == "disappears"
    assert found[("trigger function", "touch()")] == found[("function", "how_many(wanted text)")] == "look"
    generated = effects(entangled.preview("drop_column", "orders", "price", workload=queries("SELECT 1")))
    assert generated[("generated column", "total")] == "blocks"
    pointing = effects(entangled.preview("drop_column", "customers", "id", workload=queries("SELECT 1")))
    assert pointing[("foreign key", "orders_customer_id_fkey of orders")] == "blocks"
    assert (
        effects(entangled.preview("rename_column", "orders", "status", new_name="state"))[("view", "open_orders")]
        == "follows"
    )


def queries(*texts):
    return WorkloadRequest(queries=texts)


def test_p1_recorded_queries(entangled):
    asked = queries(
        "SELECT id FROM public.orders WHERE note = 'x'",
        "UPDATE public.orders SET note = 'y' WHERE id = 1",
        "SELECT * FROM public.orders WHERE id = 5",
        "SELECT id FROM public.customers",
    )
    found = entangled.preview(
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


def test_p1_a_column_named_by_an_insert_breaks(plain):
    asked = queries("INSERT INTO public.plain (a, b) VALUES (1, 2)", "INSERT INTO public.plain (a) VALUES (1)")
    for kind, more in (("drop_column", {}), ("rename_column", {"new_name": "c"})):
        found = plain.preview(kind, "plain", "b", workload=asked, **more).result.change.impact.queries
        assert [(q.effect, "b" in q.text.split("VALUES")[0].split("(")[1]) for q in found] == [("breaks", True)]


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


def test_p2_bad_input_is_one_clear_error(entangled):
    entangled.script(ODD)
    before = entangled.dump()
    for arguments, more, code, exit_code in BAD:
        with pytest.raises(IndexPilotError) as caught:
            entangled.change(*arguments, **more)
        error = caught.value
        assert (error.code, error.exit_code) == (code, exit_code), (arguments, more, error.message)
        assert "\n" not in error.message
    assert_same(entangled.dump(), before)
    assert {(r[1], r[2]) for r in entangled.log()} >= {("FAILED", "statsu"), ("FAILED", "total")}
    with pytest.raises(UsageError) as near:
        entangled.change("drop_column", "orders", "statsu")
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
