"""What an online type change refuses, what makes it take itself back, and what it minds on the way."""

import threading
from contextlib import closing

import psycopg
import pytest

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.evolve.change import log
from indexpilot_cli.evolve.change.online import online as online_change
from indexpilot_cli.evolve.change.online.plan import make_plan
from indexpilot_cli.evolve.change.online.texts import OnlineRequest
from indexpilot_cli.execute.context import RunLimits, open_context
from indexpilot_cli.execute.signals import Stop
from tests.server.changing_online import migrated
from tests.server.evolving_change import Ground, dump
from tests.server.test_online_rollback import CALM, ITEMS, StopsAt, ctx, items, rollback, run, stopped, values
from tests.servers import new_database
from tests.waiting import LIMIT, eventually


@pytest.fixture(scope="module")
def place(pg):
    with new_database(pg) as dsn:
        migrated(dsn)
        yield Ground(dsn)


@pytest.fixture
def ground(place):
    """The module's database; the log begins anew for each test."""
    place.script(
        "DROP TABLE IF EXISTS public.items, public.kinds, public.gone, public.heard, public.orders CASCADE;"
        "DROP PUBLICATION IF EXISTS news;"
        "ALTER TABLE indexpilot.mutation_log DISABLE TRIGGER USER; TRUNCATE indexpilot.mutation_log;"
        "ALTER TABLE indexpilot.mutation_log ENABLE TRIGGER USER"
    )
    return place


def states(ground):
    found = ground.sql("SELECT state FROM indexpilot.mutation_log WHERE mutation_type = 'ALTER_COLUMN' ORDER BY id")
    return [state for (state,) in found]


IN_THE_WAY = {
    "view seen": "CREATE VIEW public.seen AS SELECT v FROM public.items",
    "materialized view kept": "CREATE MATERIALIZED VIEW public.kept AS SELECT v + 1 AS w FROM public.items",
    "foreign key items_w_fkey": "ALTER TABLE public.items ADD UNIQUE (v); ALTER TABLE public.items"
    " ADD w integer REFERENCES public.items (v)",
    "column twice": "ALTER TABLE public.items ADD twice integer GENERATED ALWAYS AS (v * 2) STORED",
    "policy": "CREATE POLICY mine ON public.items USING (v > 0)",
    "trigger on_v": "CREATE OR REPLACE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER on_v BEFORE UPDATE OF v ON public.items FOR EACH ROW EXECUTE FUNCTION public.f()",
    "inheritance": "CREATE TABLE public.child () INHERITS (public.items)",
    "rewrite rules": "CREATE RULE r AS ON UPDATE TO public.items DO ALSO NOTHING",
    "published (news)": "CREATE PUBLICATION news FOR TABLE public.items",
    "exclusion constraint items_v_excl": "ALTER TABLE public.items ADD EXCLUDE (v WITH =)",
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_what_cannot_follow_is_named_and_nothing_is_changed(ground, what):
    items(ground, value="i")
    ground.script(IN_THE_WAY[what])
    before = dump(ground.dsn)
    with pytest.raises(RefusedError) as caught:
        run(ground)
    assert what in caught.value.detail and caught.value.code == "shadow_unsupported"
    assert dump(ground.dsn) == before and states(ground) == []


@pytest.mark.parametrize(
    ("type_name", "using", "kind"),
    [
        ("no_such_type", None, UsageError),
        ("integer", "no_such_column", UsageError),
        ("integer", "(SELECT 1)", UsageError),
        ("date", None, UsageError),
        ("integer", "(random() * 10)::integer", RefusedError),
        ("integer, DROP COLUMN note", None, UsageError),
    ],
)
def test_what_does_not_work_is_said_before_anything_is_changed(ground, type_name, using, kind):
    items(ground)
    before = dump(ground.dsn)
    with pytest.raises(kind):
        run(ground, type_name, using=using)
    assert dump(ground.dsn) == before and states(ground) == []


def test_values_are_tried_before_anything_is_changed(ground):
    items(ground, type_name="text", value="CASE WHEN i = 250 THEN 'none' ELSE i::text END")
    before = dump(ground.dsn)
    with pytest.raises(RefusedError, match="none") as caught:
        run(ground, "integer", using="v::integer")
    assert caught.value.code == "bad_values" and dump(ground.dsn) == before and states(ground) == []
    items(ground, type_name="varchar(60)", value="repeat('x', i % 30)")
    with pytest.raises(RefusedError, match="too long"):
        run(ground, "varchar(20)")


def test_a_duplicate_of_the_new_type_takes_everything_back(ground):
    items(ground, type_name="text", value="CASE WHEN i = 2 THEN '01' ELSE i::text END")
    ground.script("ALTER TABLE public.items ADD UNIQUE (v); CREATE INDEX items_first ON public.items (v, id)")
    before = dump(ground.dsn)
    report = run(ground, "integer", using="v::integer")
    assert (report.outcome, report.error_code) == ("failed", "statement_failed") and "uniqu" in report.error
    assert dump(ground.dsn) == before and states(ground)[-1] == "FAILED_CLEAN"
    ground.script("UPDATE public.items SET v = '2' WHERE id = 2")
    assert run(ground, "integer", using="v::integer").outcome == "done"


def planned(opened, wanted):
    with closing(opened.builder("op")) as session:
        return make_plan(session, wanted, "op")


def test_looking_changes_nothing(ground):
    items(ground, "default", "not null", "index", "constraint", "comment", "privilege")
    before = dump(ground.dsn)
    with ctx(ground) as opened:
        plan = planned(opened, OnlineRequest(ITEMS, "v", "bigint"))
    assert plan.rewrites
    assert {i.name for i in plan.indexes} == {"items_v", "items_part", "items_uni", "v_u"}
    assert dump(ground.dsn) == before and states(ground) == []
    items(ground)
    with ctx(ground) as opened:
        assert not planned(opened, OnlineRequest(ITEMS, "note", "varchar")).rewrites


def test_the_users_triggers_do_not_run_for_the_filling_but_for_everybody_else(ground):
    items(ground)
    ground.script(
        "CREATE TABLE public.heard (id integer);"
        "CREATE OR REPLACE FUNCTION public.hear() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN NEW.v := NEW.v + 1000; INSERT INTO public.heard VALUES (NEW.id); RETURN NEW; END';"
        "CREATE TRIGGER hear BEFORE UPDATE ON public.items FOR EACH ROW EXECUTE FUNCTION public.hear()"
    )
    held = values(ground)
    assert stopped(ground, "ANALYZE").outcome == "interrupted"
    assert ground.sql("SELECT count(*) FROM public.heard") == [(0,)]
    ground.script("UPDATE public.items SET note = 'new' WHERE id = 1")
    assert run(ground).outcome == "done"
    assert ground.sql("SELECT count(*) FROM public.heard") == [(1,)]
    assert values(ground) == [(1, str(int(held[0][1]) + 1000)), *held[1:]]


@pytest.fixture
def owner(ground):
    """A role that owns the table and may write the log, and one that only writes the table."""
    items(ground)
    of = psycopg.conninfo.conninfo_to_dict(ground.dsn)["dbname"]
    names = [f"{name}_{of}" for name in ("owner", "writer")]
    owner, writer = names
    ground.script(
        f"CREATE ROLE {owner} LOGIN; CREATE ROLE {writer} LOGIN; ALTER TABLE public.items OWNER TO {owner};"
        f"GRANT ALL ON SCHEMA public, indexpilot TO {owner};"
        f"GRANT ALL ON ALL TABLES IN SCHEMA indexpilot TO {owner};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA indexpilot TO {owner};"
        f"GRANT USAGE ON SCHEMA public TO {writer};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.items TO {writer}"
    )
    yield tuple(psycopg.conninfo.make_conninfo(ground.dsn, user=name) for name in names)
    ground.script(f"DROP OWNED BY {owner}, {writer} CASCADE; DROP ROLE {owner}, {writer}")


def run_as(dsn, title=None, **more):
    stop = Stop()
    progress = StopsAt(stop, title or "never")
    with open_context(Connection(dsn), Record("owner", "1", "x"), progress, stop, RunLimits()) as opened:
        return online_change.run_online(opened, OnlineRequest(ITEMS, "v", "bigint", pace=CALM, **more))


def test_an_ordinary_owner_and_writers_that_know_nothing_of_us(ground, owner):
    owning, writing = owner
    before = dump(ground.dsn)
    assert run_as(owning, "ANALYZE").outcome == "interrupted"
    with psycopg.connect(writing, autocommit=True) as connection:
        connection.execute("INSERT INTO public.items (id, v) VALUES (7777, 77)")
        connection.execute("UPDATE public.items SET v = 88 WHERE id = 1")
    assert run_as(owning).outcome == "done"
    assert dict(values(ground))[7777] == "77" and dict(values(ground))[1] == "88"
    assert rollback(ground).outcome == "reverted"
    assert dump(ground.dsn) == before


def test_an_owner_who_may_only_refer_to_the_other_table(ground, owner):
    ground.script("ALTER TABLE public.items ADD CONSTRAINT v_f FOREIGN KEY (v) REFERENCES public.kinds")
    role = psycopg.conninfo.conninfo_to_dict(owner[0])["user"]
    ground.script(f"GRANT REFERENCES ON public.kinds TO {role}; GRANT SELECT ON public.kinds TO {role}")
    before = dump(ground.dsn)
    assert run_as(owner[0]).outcome == "done"
    assert rollback(ground).outcome == "reverted" and dump(ground.dsn) == before


def test_without_superuser_rights_triggers_for_every_row_are_refused(ground, owner):
    ground.script(
        "CREATE OR REPLACE FUNCTION public.hear() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER hear AFTER UPDATE ON public.items FOR EACH STATEMENT EXECUTE FUNCTION public.hear()"
    )
    with pytest.raises(RefusedError) as caught:
        run_as(owner[0])
    assert "hear" in caught.value.detail


def test_a_value_that_depends_on_a_setting_is_the_same_whoever_writes(ground):
    items(ground, type_name="timestamp", value="timestamp '2026-01-01' + i * interval '1 hour'")
    assert stopped(ground, "ANALYZE", "timestamptz").outcome == "interrupted"
    ground.script("SET TimeZone = 'Asia/Tokyo'; UPDATE public.items SET v = '2026-07-01 12:00' WHERE id = 1")
    assert run(ground, "timestamptz").outcome == "done"
    zone = "SELECT v = ('2026-07-01 12:00'::timestamp AT TIME ZONE current_setting('TimeZone')) FROM public.items"
    assert ground.sql(f"{zone} WHERE id = 1") == [(True,)]


@pytest.mark.parametrize(
    ("before", "value", "after", "using"),
    [
        ("text", "'{\"a\": ' || i || '}'", "json", "v::json"),
        ("jsonb", "to_jsonb(i)", "json", None),
        ("integer", "i % 50", "numeric(12,3)", "v / 8.0 + length(note)"),
        ("char(12)", "'c' || i", "text", None),
        ("integer[]", "ARRAY[i, NULL]", "bigint[]", None),
        ("double precision", "CASE i % 3 WHEN 0 THEN 'NaN' ELSE i / 3.0 END", "real", None),
        ("text", "'v' || i", 'text COLLATE "C"', None),
    ],
)
def test_any_type_can_be_compared(ground, before, value, after, using):
    items(ground, type_name=before, value=value)
    schema, held = dump(ground.dsn), values(ground)
    assert run(ground, after, using=using).outcome == "done"
    ours = values(ground)
    assert rollback(ground).outcome == "reverted"
    assert dump(ground.dsn) == schema and values(ground) == held
    tail = f" USING {using}" if using else ""
    ground.script(f"ALTER TABLE public.items ALTER v TYPE {after}{tail}")
    assert ours == values(ground)


QUOTED = """
CREATE SCHEMA "A b";
CREATE TABLE "A b"."My ""Table" ("Key" integer PRIMARY KEY,
    "a %s 'c" integer DEFAULT 3 CONSTRAINT "Not %%" CHECK ("a %s 'c" > 0), "order" text);
CREATE INDEX "I %s" ON "A b"."My ""Table" ("a %s 'c", "order");
INSERT INTO "A b"."My ""Table" SELECT i, i, i FROM generate_series(1, 50) AS i
"""


def test_names_that_need_quoting(ground):
    ground.script(QUOTED)
    table, column = QualifiedName("A b", 'My "Table'), "a %s 'c"
    before = dump(ground.dsn)
    with ctx(ground) as opened:
        wanted = OnlineRequest(table, column, "bigint", using=f'"{column}" * 2 + length("order")', pace=CALM)
        assert online_change.run_online(opened, wanted).outcome == "done"
        assert ground.sql(f'SELECT sum("{column}")::integer FROM "A b"."My ""Table"') == [(2641,)]
        assert online_change.rollback_online(opened, table, column, CALM).outcome == "reverted"
    assert dump(ground.dsn) == before


IDENTITY = """
DROP TABLE IF EXISTS public.items;
CREATE TABLE public.items (
    note text, v integer GENERATED {kind} AS IDENTITY (START 10 INCREMENT 5 CACHE 3) PRIMARY KEY
);
INSERT INTO public.items (note) SELECT 'n' || i FROM generate_series(1, 200) AS i;
GRANT USAGE ON SEQUENCE public.items_v_seq TO pg_monitor;
COMMENT ON SEQUENCE public.items_v_seq IS 'numbers'
"""


@pytest.mark.parametrize("kind", ["ALWAYS", "BY DEFAULT"])
def test_an_identity_column_goes_on_counting(ground, kind):
    ground.script(IDENTITY.format(kind=kind))
    before = dump(ground.dsn)
    assert run(ground).outcome == "done"
    add = "INSERT INTO public.items (note) VALUES ('after') RETURNING v"
    highest = ground.sql("SELECT max(v) FROM public.items")[0][0]
    assert highest < ground.sql(add)[0][0] <= highest + 15
    assert ground.sql("SELECT data_type::text, max_value FROM pg_sequences WHERE sequencename = 'items_v_seq'") == [
        ("bigint", 2**63 - 1)
    ]
    assert rollback(ground).outcome == "reverted"
    assert ground.sql(add)[0][0] > highest + 5
    assert dump(ground.dsn) == before
    with pytest.raises(RefusedError, match="cannot be changed online"):
        run(ground, "numeric")


REFERRED = """
ALTER TABLE public.items DROP CONSTRAINT items_pkey, ADD PRIMARY KEY (v), ADD UNIQUE (id, v);
CREATE TABLE public.orders (n integer, v integer REFERENCES public.items ON DELETE CASCADE ON UPDATE CASCADE,
    i integer, FOREIGN KEY (i, v) REFERENCES public.items (id, v) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO public.orders SELECT id, v, id FROM public.items;
COMMENT ON CONSTRAINT orders_v_fkey ON public.orders IS 'what was ordered'
"""


def test_foreign_keys_of_other_tables_come_along(ground):
    items(ground, value="i")
    ground.script(REFERRED)
    before = dump(ground.dsn)
    assert stopped(ground, "ANALYZE").outcome == "interrupted"
    ground.script("DELETE FROM public.orders WHERE n = 4; UPDATE public.items SET v = 5004 WHERE v = 4")
    assert rollback(ground).outcome == "reverted" and dump(ground.dsn) == before
    assert run(ground).outcome == "done"
    ground.script("UPDATE public.items SET v = 5000 WHERE v = 1; DELETE FROM public.orders WHERE n = 2")
    assert ground.sql("SELECT v FROM public.orders WHERE n = 1") == [(5000,)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        ground.script("INSERT INTO public.orders VALUES (9, 999999, 9)")
    assert rollback(ground).outcome == "reverted"
    assert dump(ground.dsn) == before
    assert ground.sql("SELECT v FROM public.orders WHERE n = 1") == [(5000,)]
    assert ground.sql("SELECT v FROM public.items WHERE id = 1") == [(5000,)]


def test_an_index_that_comes_in_the_middle_is_carried_over(ground):
    items(ground, "index")
    assert stopped(ground, "ANALYZE").outcome == "interrupted"
    ground.script("CREATE INDEX late ON public.items (v, note)")
    assert run(ground).outcome == "done"
    assert ground.sql("SELECT pg_get_indexdef('public.late'::regclass)")[0][0].endswith("(v, note)")


def test_a_trigger_that_somebody_took_away_is_made_again_and_what_it_missed_is_found(ground):
    items(ground)
    assert stopped(ground, "ANALYZE").outcome == "interrupted"
    (trigger,) = ground.sql("SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'public.items'::regclass")[0]
    ground.script(f"DROP TRIGGER {trigger} ON public.items; UPDATE public.items SET v = v + 100 WHERE id % 3 = 0")
    held = values(ground)
    assert run(ground).outcome == "done"
    assert values(ground) == held


@pytest.mark.parametrize("name", ["v_indexpilot_new", "v_indexpilot_old"])
def test_a_column_with_our_name_is_left_alone(ground, name):
    items(ground)
    ground.script(f"ALTER TABLE public.items ADD {name} integer")
    before = dump(ground.dsn)
    with pytest.raises(RefusedError) as caught:
        run(ground)
    assert caught.value.code == "name_taken" and dump(ground.dsn) == before and states(ground) == []


def test_an_index_with_our_name_is_left_alone_and_the_change_taken_back(ground):
    items(ground, "index")
    ground.script("CREATE INDEX items_v_ipnew ON public.items (note)")
    before = dump(ground.dsn)
    report = run(ground)
    assert (report.outcome, report.error_code) == ("failed", "name_taken")
    assert dump(ground.dsn) == before and states(ground)[-1] == "FAILED_CLEAN"


def test_a_table_of_another_name_is_left_alone(ground):
    items(ground)
    assert stopped(ground, "ANALYZE").outcome == "interrupted"
    ground.script("ALTER TABLE public.items RENAME TO gone; CREATE TABLE public.items (id integer, v integer)")
    with pytest.raises(RefusedError) as caught:
        rollback(ground)
    assert caught.value.code == "nothing_open"
    assert run(ground, "numeric").outcome == "done"  # another table, another change
    gone = QualifiedName("public", "gone")
    before = dump(ground.dsn)
    with ctx(ground) as opened, pytest.raises(RefusedError, match="another table"):
        online_change.rollback_online(opened, gone, "v", CALM)
    assert dump(ground.dsn) == before
    ground.script("DROP TABLE public.items; ALTER TABLE public.gone RENAME TO items")
    assert rollback(ground).outcome == "reverted"


class LocksARow(Silent):
    """Keeps a row locked from the stage "filling" until somebody waits for it."""

    def __init__(self, holder, looking):
        self.holder, self.looking = holder, looking
        self.release = threading.Thread(target=self.release_when_waited_for)

    def stage(self, title, total=None):
        if title.startswith("filling") and not self.release.ident:
            self.holder.execute("SELECT FROM public.items WHERE id = 100 FOR UPDATE")
            self.release.start()

    def release_when_waited_for(self):
        waiting = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        eventually(lambda: self.looking.execute(waiting, [self.holder.info.backend_pid]).rowcount)
        self.holder.rollback()


def test_rows_that_somebody_keeps_locked_are_waited_for(ground):
    items(ground)
    before = values(ground)
    with psycopg.connect(ground.dsn) as holder, psycopg.connect(ground.dsn, autocommit=True) as looking:
        progress = LocksARow(holder, looking)
        with open_context(Connection(ground.dsn), Record("tester", "1", "x"), progress, Stop(), RunLimits()) as opened:
            report = online_change.run_online(opened, OnlineRequest(ITEMS, "v", "bigint", pace=CALM))
        progress.release.join()
    assert report.outcome == "done"
    assert values(ground) == before
    assert ground.sql("SELECT pg_typeof(v)::text FROM public.items LIMIT 1") == [("bigint",)]


def test_the_same_again_is_no_work_and_another_change_is_refused(ground):
    items(ground)
    assert run(ground).outcome == "done"
    assert run(ground).outcome == "already_done"
    with pytest.raises(RefusedError) as caught:
        run(ground, "numeric")
    assert caught.value.code == "other_change_open"
    with ctx(ground) as opened:
        assert log.newest_open(opened, ITEMS, "v") is not None
        online_change.finish_online(opened, ITEMS, "v", CALM)
        assert log.newest_open(opened, ITEMS, "v") is None
    assert run(ground).outcome == "already_done"


def test_two_at_once_do_the_work_once(ground, monkeypatch):
    monkeypatch.setattr(online_change, "ORPHAN", LIMIT)  # the second waits for the first, however slow the machine is
    items(ground, "index")
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(run(ground).outcome)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reports) == ["already_done", "done"]
    assert states(ground).count("INTENT") == 1
    assert rollback(ground).outcome == "reverted"
