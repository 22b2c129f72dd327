"""Type changes that would block go by a shadow column; saved values come back untouched by triggers."""

import pytest

from indexpilot_cli.errors import RefusedError
from tests.server.evolving_change import assert_same, prepare

TABLE = """
CREATE TABLE public.wide (id int PRIMARY KEY, code int NOT NULL, seen timestamptz);
INSERT INTO public.wide SELECT i, i FROM generate_series(1, 500) i;
CREATE INDEX wide_code_idx ON public.wide (code);
CREATE FUNCTION public.seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := now(); RETURN NEW; END $$;
"""
TRIGGER = "CREATE TRIGGER seen BEFORE UPDATE ON public.wide FOR EACH ROW EXECUTE FUNCTION public.seen()"


@pytest.fixture
def ground(initialised):
    found = prepare(initialised)
    found.script(TABLE)
    return found


def test_a_big_rewrite_goes_by_a_shadow_column_and_back(ground):
    shown = ground.preview("alter_type", "wide", "code", type="bigint", small_bytes=0)
    assert [s.how for s in shown.result.change.steps] == ["shadow"] * 4
    done = ground.change("alter_type", "wide", "code", type="bigint", small_bytes=0)
    assert done.result.outcome == "done", done.result
    assert ground.columns("public.wide")["code"] == "bigint"
    assert ground.sql("SELECT count(*) FROM public.wide WHERE code = id") == [(500,)]
    assert ground.rollback(execute=False).result.outcome == "planned"
    assert ground.columns("public.wide")["code"] == "bigint"
    back = ground.rollback()
    assert back.result.outcome == "done", back.result
    assert ground.columns("public.wide")["code"] == "integer"


def test_an_instant_change_does_not(ground):
    ground.script("ALTER TABLE public.wide ADD note varchar(5)")
    change = ground.preview("alter_type", "wide", "note", type="varchar(9)", small_bytes=0).result.change
    assert (change.classified.work, change.atomic) == ("instant", True)


def test_saved_values_come_back_as_they_were(ground):
    ground.script(TRIGGER)
    before, data = ground.dump(), ground.sql("SELECT id, seen, code FROM public.wide ORDER BY id")
    ground.change("drop_column", "wide", "code", save=True, force=True)
    ground.sql("INSERT INTO public.wide (id) VALUES (9999)")
    failed = ground.rollback()
    assert failed.result.error_code is not None  # the new row has no value
    ground.sql("DELETE FROM public.wide WHERE id = 9999")
    assert ground.rollback().result.outcome == "done"
    assert ground.sql("SELECT id, seen, code FROM public.wide ORDER BY id") == data
    assert ground.sql("SELECT tgenabled FROM pg_trigger WHERE tgname = 'seen'") == [("O",)]
    assert before.count("CREATE TRIGGER") == ground.dump().count("CREATE TRIGGER") > 0


def test_a_sequence_never_goes_back(ground):
    ground.script("CREATE TABLE public.s (id int PRIMARY KEY, n serial); INSERT INTO public.s VALUES (1), (2), (3)")
    before = ground.dump()
    ground.change("drop_column", "s", "n", save=True)
    ground.rollback()
    assert_same(ground.dump(), before)
    assert ground.sql("INSERT INTO public.s VALUES (4) RETURNING n") == [(4,)]


def test_values_need_a_key_to_be_saved_by(ground):
    ground.script("CREATE TABLE public.heap (a int, b int)")
    with pytest.raises(RefusedError) as caught:
        ground.change("drop_column", "heap", "b", save=True)
    assert caught.value.code == "no_key"


def test_rows_that_a_policy_hides_are_not_left_behind(ground):
    ground.script("ALTER TABLE public.wide ENABLE ROW LEVEL SECURITY; ALTER TABLE public.wide FORCE ROW LEVEL SECURITY")
    ground.change("drop_column", "wide", "code", save=True, force=True)
    ((table,),) = ground.sql(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE relname LIKE 'saved_wide%' AND relkind = 'r'"
    )
    assert ground.sql(f"SELECT count(*) FROM {table}") == [(500,)]


def test_the_server_is_asked_before_it_is_done(ground):
    """The rules take every conversion that is given for one that computes; the server knows that this does not."""
    ground.script("ALTER TABLE public.wide ADD t varchar")
    asked = {"type": "text", "using": "t::varchar::text"}
    assert ground.preview("alter_type", "wide", "t", **asked).result.change.classified.work == "rewrite"
    done = ground.change("alter_type", "wide", "t", **asked, small_bytes=0).result
    assert (done.outcome, done.change.classified.work, done.change.atomic) == ("done", "instant", True)
    assert done.change.classified.by.startswith("server")
    ground.script("ALTER TABLE public.wide ADD u varchar(5); CREATE INDEX ON public.wide (u) WHERE u <> ''")
    done = ground.change("alter_type", "wide", "u", type="varchar(9)").result
    assert done.change.classified.work == "index_rebuild"


def test_a_way_back_that_writes_everything_is_not_gone_unasked(ground):
    ground.script("ALTER TABLE public.wide ADD t varchar(5)")
    before = ground.dump()
    assert ground.change("alter_type", "wide", "t", type="text", small_bytes=0).result.change.atomic
    with pytest.raises(RefusedError) as caught:
        ground.rollback(small_bytes=0)
    assert caught.value.code == "blocks"
    assert "--online" in caught.value.hint
    assert ground.rollback(small_bytes=0, force=True).result.outcome == "done"
    assert_same(ground.dump(), before)


def test_the_way_back_does_not_depend_on_the_search_path(ground):
    ground.script(
        "CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('ok', 'bad');"
        "CREATE FUNCTION s.usual() RETURNS s.mood LANGUAGE sql AS $$ SELECT 'ok'::s.mood $$;"
        "ALTER TABLE public.wide ADD m s.mood DEFAULT s.usual();"
        "ALTER TABLE public.wide ADD CHECK (m <> 'bad'::s.mood)"
    )
    before = ground.dump()
    ((name,),) = ground.sql("SELECT current_database()")
    ground.script(f"ALTER DATABASE {name} SET search_path = s, public")
    ground.change("drop_column", "wide", "m", force=True)
    ground.script(f"ALTER DATABASE {name} RESET search_path")
    assert ground.rollback().result.outcome == "done"
    assert_same(ground.dump(), before)
    ground.script("ALTER TABLE public.wide DROP CONSTRAINT wide_m_check")
    before = ground.dump()
    ground.script(f"ALTER DATABASE {name} SET search_path = s, public")
    assert ground.change("alter_type", "wide", "m", type="text", using="m::text").result.outcome == "done"
    ground.script(f"ALTER DATABASE {name} RESET search_path")
    assert ground.rollback().result.outcome == "done"
    assert_same(ground.dump(), before)
