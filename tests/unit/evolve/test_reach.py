"""Which part of a schema a file can reach."""

import pytest

from indexpilot_cli.evolve.review.clone import reach
from indexpilot_cli.evolve.review.clone.reach import SchemaReach
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.snapshot.values import HIDDEN, SchemaObject
from tests.unit.snapshot.samples import snapshot

NOTE = (
    "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO diary VALUES (1); END $$;"
)
BUSY = (
    "CREATE FUNCTION public.busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x' || tg_table_name; END $$;"
)
OBJECTS = (
    ("mood", "TYPE", "CREATE TYPE public.mood AS ENUM ('a');"),
    ("note()", "FUNCTION", NOTE),
    ("busy()", "FUNCTION", BUSY),
    ("cu", "TABLE", "CREATE TABLE public.cu (id bigint, m public.mood);"),
    ("od", "TABLE", "CREATE TABLE public.od (id bigint DEFAULT nextval('public.od_seq'::regclass), cu_id bigint);"),
    ("li", "TABLE", "CREATE TABLE public.li (id bigint, od_id bigint);"),
    ("diary", "TABLE", "CREATE TABLE public.diary (n int);"),
    ("lonely", "TABLE", "CREATE TABLE public.lonely (n int);"),
    ("Odd Name", "TABLE", 'CREATE TABLE public."Odd Name" (n int);'),
    ("noisy", "TABLE", "CREATE TABLE public.noisy (n int);"),
    ("pa", "TABLE", "CREATE TABLE public.pa (n int) PARTITION BY LIST (n);"),
    ("pa_1", "TABLE", "CREATE TABLE public.pa_1 (n int);"),
    ("pa_2", "TABLE", "CREATE TABLE public.pa_2 (n int);"),
    ("od_seq", "SEQUENCE", "CREATE SEQUENCE public.od_seq;"),
    ("both", "VIEW", "CREATE VIEW public.both AS SELECT 1 FROM public.od JOIN public.diary ON true;"),
    ("pa_1", "TABLE ATTACH", "ALTER TABLE ONLY public.pa ATTACH PARTITION public.pa_1 FOR VALUES IN (1);"),
    ("pa_2", "TABLE ATTACH", "ALTER TABLE ONLY public.pa ATTACH PARTITION public.pa_2 FOR VALUES IN (2);"),
    ("cu cu_pkey", "CONSTRAINT", "ALTER TABLE ONLY public.cu ADD CONSTRAINT cu_pkey PRIMARY KEY (id);"),
    ("lonely_n", "INDEX", "CREATE INDEX lonely_n ON public.lonely USING btree (n);"),
    ("pa_n", "INDEX", "CREATE INDEX pa_n ON ONLY public.pa USING btree (n);"),
    ("pa_1_n", "INDEX", "CREATE INDEX pa_1_n ON public.pa_1 USING btree (n);"),
    ("pa_1_n", "INDEX ATTACH", "ALTER INDEX public.pa_n ATTACH PARTITION public.pa_1_n;"),
    ("od od_fk", "FK CONSTRAINT", "ALTER TABLE ONLY public.od ADD FOREIGN KEY (cu_id) REFERENCES public.cu(id);"),
    ("li li_fk", "FK CONSTRAINT", "ALTER TABLE ONLY public.li ADD FOREIGN KEY (od_id) REFERENCES public.od(id);"),
    ("li t", "TRIGGER", "CREATE TRIGGER t AFTER INSERT ON public.li EXECUTE FUNCTION public.note();"),
    ("noisy t", "TRIGGER", "CREATE TRIGGER t AFTER INSERT ON public.noisy EXECUTE FUNCTION public.busy();"),
)
WHOLE = snapshot(objects=tuple(SchemaObject(name, kind, "public", sql) for name, kind, sql in OBJECTS))


@pytest.fixture(autouse=True)
def whatever_the_share(monkeypatch):
    monkeypatch.setattr(reach, "_MOST", 0.9)


def part(text, whole=WHOLE):
    return SchemaReach(whole).part([read_migration("m.sql", text)])


def tables(text):
    found = part(text)
    return None if found is None else {o.name for o in found.objects if o.kind in ("TABLE", "VIEW", "SEQUENCE")}


DOWN = {"od", "od_seq", "li", "cu", "diary", "both"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ALTER TABLE lonely ADD a int", {"lonely"}),
        ("ALTER TABLE LONELY ADD a int", {"lonely"}),
        ('ALTER TABLE "Odd Name" ADD a int', {"Odd Name"}),
        ("DROP INDEX lonely_n", {"lonely"}),
        ("SELECT 1 -- lonely", {"lonely"}),
        ("INSERT INTO lonely SELECT nextval('od_seq')", {"lonely", *DOWN}),
        # What a key refers to is needed; what refers to it is not touched.
        ("ALTER TABLE diary ADD a int", {"diary", "both", "od", "od_seq", "li"}),
        ("ALTER TABLE od ADD a int", DOWN),
        ("ALTER TABLE li ADD a int", {"li", "od", "od_seq", "diary", "both"}),
        ("DROP TYPE mood CASCADE", DOWN),
        ("DROP FUNCTION note CASCADE", {"li", "od", "od_seq", "diary", "both"}),
        ("ALTER INDEX cu_pkey RENAME TO x", DOWN),
        ("ALTER TABLE pa_1 ADD CHECK (n > 0)", {"pa", "pa_1"}),
        ("ALTER TABLE pa ADD a int", {"pa", "pa_1", "pa_2"}),
        ("CREATE TABLE fresh (a int)", set()),
        ("DO $$ BEGIN ALTER TABLE lonely ADD a int; END $$", {"lonely"}),
    ],
)
def test_tables_in_reach(text, wanted):
    assert tables(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "DO $$ BEGIN EXECUTE 'DROP TABLE l' || 'onely'; END $$",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM pg_class LOOP NULL; END LOOP; END $$",
        "SELECT count(*) FROM information_schema.tables",
        "DROP SCHEMA public CASCADE",
        "ALTER SCHEMA public RENAME TO x",
        "ALTER TABLE noisy ADD a int",  # its trigger puts statements together
        "VACUUM",
        "REINDEX DATABASE shop",
        "REINDEX (VERBOSE) SCHEMA public",
        "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO public",
        'ALTER TABLE U&"l\\006fnely" ADD a int',
    ],
)
def test_who_looks_around_gets_everything(text):
    assert part(text) is None


def test_what_the_role_may_not_read_is_written_otherwise_and_kept():
    hidden = SchemaObject("secret", f"{HIDDEN}TABLE", "public", "CREATE TABLE secret ();")
    assert part("ALTER TABLE lonely ADD a int", snapshot(objects=(*WHOLE.objects, hidden))) is None


def test_queries_of_other_tables_are_no_concern_and_needs_of_those_that_are_come_along():
    found = SchemaReach(WHOLE)
    assert {o.name for o in found.part([read_migration("m.sql", "ALTER TABLE lonely ADD a int")]).objects} >= {"lonely"}
    assert found.concerns("SELECT * FROM lonely JOIN pa USING (n)", ())
    assert not found.concerns("SELECT * FROM od", ())
    assert found.concerns("INSERT INTO noisy VALUES (1)", ())  # its trigger may do anything to any table
    assert found.concerns("SELECT shorten(1)", ("shorten",))
    more = found.with_statements(["SELECT * FROM lonely JOIN pa USING (n)"])
    assert {o.name for o in more.objects if o.kind == "TABLE"} == {"lonely", "pa", "pa_1", "pa_2"}
    assert found.left_out('relation "od" does not exist')
    assert not found.left_out('relation "lonely" does not exist') and not found.left_out('relation "no" does not exist')


def test_indexes_are_attached_where_both_are_there():
    attached = [o for o in part("ALTER TABLE pa ADD a int").objects if o.kind == "INDEX ATTACH"]
    assert [o.name for o in attached] == ["pa_1_n"]
    assert not [o for o in part("ALTER TABLE lonely ADD a int").objects if o.kind == "INDEX ATTACH"]
