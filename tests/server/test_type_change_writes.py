"""What a type change writes is what the rules say it writes, and no more is done than that: asked of the server."""

import psycopg
import pytest

from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve import relation_facts
from indexpilot_cli.evolve.alter_table import by_rules
from indexpilot_cli.evolve.change.plan import type_change
from tests.server.evolving_change import prepare

TYPES = """
CREATE DOMAIN d_text AS text; CREATE DOMAIN d_deep AS d_text; CREATE DOMAIN d_checked AS text CHECK (VALUE <> 'x');
CREATE DOMAIN d_checked_below AS d_checked; CREATE DOMAIN d_filled AS text NOT NULL; CREATE DOMAIN d_v20 AS varchar(20);
CREATE DOMAIN d_v20_deep AS d_v20; CREATE DOMAIN d_num AS numeric(10, 2); CREATE DOMAIN d_int AS int;
CREATE DOMAIN d_tz AS timestamptz; CREATE DOMAIN d_inet AS inet
"""
# From the first type to each of the others: what can be told apart by rule.
FAMILIES = (
    (
        "varchar(10)",
        "varchar(20) varchar(9) varchar text char(20) bpchar d_text d_deep d_checked d_v20 d_v20_deep name",
    ),
    ("varchar", "varchar(20) text bpchar d_text d_v20"),
    ("text", "varchar varchar(20) bpchar d_text d_deep d_checked d_checked_below d_filled d_v20"),
    ("d_v20", "text varchar varchar(20) varchar(10) varchar(30) d_text d_v20_deep"),
    ("d_checked", "text varchar d_text d_checked_below"),
    ("char(5)", "char(9) bpchar text varchar(9)"),
    ("numeric(10,2)", "numeric(12,2) numeric(9,2) numeric(12,3) numeric d_num int8"),
    ("varbit(5)", "varbit(9) varbit(3) varbit bit(5)"),
    ("bit(3)", "bit(5) varbit"),
    ("cidr", "inet d_inet text"),
    ("inet", "cidr"),
    ("int4", "int8 oid regclass d_int"),
    ("d_int", "int4 int8 oid"),
    ("timestamptz", "timestamp timestamp(6) timestamp(3) timestamptz(3) timestamptz(6) d_tz date time"),
    ("timestamptz(3)", "timestamp timestamptz(6) timestamp(3) d_tz"),
    ("timestamp", "timestamptz timestamptz(6) timestamptz(3) d_tz"),
    ("d_tz", "timestamptz timestamp"),
    ("d_num", "numeric numeric(10,2) numeric(12,2)"),
    ("time(3)", "time time(1) time(6) timetz"),
    ("interval(3)", "interval interval(6) interval(1)"),
    ("varchar(10)[]", "varchar(20)[] varchar[] text[]"),
    ("numeric(10,2)[]", "numeric[] numeric(12,2)[]"),
    ("timestamptz[]", "timestamp[]"),
)
CLOCKS = tuple((old, new) for old, new in FAMILIES if "time" in old or old == "d_tz")


def measured(connection, old, new):
    """What the server does to a column with an index, in a transaction that is rolled back; None where it refuses."""
    indexed = "SELECT FROM pg_class WHERE relname = 't_i'"
    files = "SELECT pg_relation_filenode('t'), pg_relation_filenode(to_regclass('t_i'))"
    try:
        with connection.transaction(force_rollback=True):
            table, index = connection.execute(files).fetchone()
            connection.execute(f"ALTER TABLE t ALTER x TYPE {new}")
            now, index_now = connection.execute(files).fetchone()
    except psycopg.Error:
        return None
    assert bool(connection.execute(indexed).fetchall()) == (index is not None)
    return "rewrite" if table != now else "index_rebuild" if index != index_now else "instant"


def told(session, new):
    (found,) = relation_facts.find_relations(session, "public", "t", own="indexpilot")
    table = relation_facts.read_relation(session, found)
    return by_rules(type_change(session, table, table.column("x"), new, None)).work.value


def differences(dsn, zone, families):
    """Where rules and server differ, and how many changes were compared."""
    found, compared = [], 0
    with (
        psycopg.connect(dsn, autocommit=True) as connection,
        open_session(dsn, read_only=True, statement_timeout_ms=60_000, lock_timeout_ms=None) as session,
    ):
        connection.execute(f"SET TimeZone = '{zone}'")
        session.execute(f"SET TimeZone = '{zone}'")
        for old, others in families:
            for index in ("SELECT", "CREATE INDEX t_i ON t (x)"):
                connection.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (x {old}); {index}")
                for new in others.split():
                    truth = measured(connection, old, new)
                    compared += truth is not None
                    if truth not in (None, rules := told(session, new)):
                        found.append(f"{zone}: {old} to {new}, {index}: rules {rules}, server {truth}")
    return found, compared


def test_rules_say_what_the_server_does(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TYPES)
    found, compared = differences(database, "UTC", FAMILIES)
    assert found == []
    assert compared > 150


ASSIGNED = (
    "CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN d_mood AS mood; CREATE DOMAIN d_ints AS int[]; "
    "CREATE TYPE pair AS (a int, b text); CREATE DOMAIN d_below AS d_int CHECK (VALUE > 0)"
)
KINDS = (
    "int4 int8 text varchar(9) jsonb timestamptz inet d_int d_below d_text d_tz mood d_mood d_ints pair int4[] text[] "
    "d_int[] mood[] int2vector point"
)


def test_what_needs_using_is_what_the_server_refuses_without(database):
    from indexpilot_cli.evolve.alter_table import assignable

    found, compared = [], 0
    with (
        psycopg.connect(database, autocommit=True) as connection,
        open_session(database, read_only=True, statement_timeout_ms=60_000, lock_timeout_ms=None) as session,
    ):
        connection.execute(f"{TYPES}; {ASSIGNED}")
        for old in KINDS.split():
            connection.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (x {old})")
            (relation,) = relation_facts.find_relations(session, "public", "t", own="indexpilot")
            table = relation_facts.read_relation(session, relation)
            for new in KINDS.split():
                says = assignable(type_change(session, table, table.column("x"), new, None))
                compared += 1
                if says is not _taken(connection, new):
                    found.append(f"{old} to {new}: rules {says}")
    assert (found, compared) == ([], len(KINDS.split()) ** 2)


def _taken(connection, new):
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"ALTER TABLE t ALTER x TYPE {new}")
    except psycopg.errors.DatatypeMismatch:
        return False
    return True


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Africa/Abidjan", "0", "Etc/Greenwich"])
def test_only_a_zone_that_always_was_utc_spares_the_table(database, zone):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TYPES)
    found, compared = differences(database, zone, CLOCKS)
    assert found == []
    assert compared > 30


STAMPS = """
CREATE TABLE public.ev (id int PRIMARY KEY, "At" timestamptz DEFAULT now(), n varchar(10), d timestamp);
INSERT INTO public.ev SELECT g, timestamptz '2024-06-30 12:00+00' + g * interval '1 day', 'x', '2024-06-30 12:00'
FROM generate_series(1, 500) g
"""
FILE = "SELECT pg_relation_filenode('public.ev')"
READ = 'SELECT id, "At"::text, n, d::text FROM public.ev ORDER BY id'


def stamps(database, zone):
    ground = prepare(database)
    ground.script(STAMPS)
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    ground.script(f"ALTER DATABASE \"{name}\" SET TimeZone = '{zone}'")
    return ground


def carried_out(ground, column, **more):
    """The change of a table that counts as large, by the plain ALTER; gives its result."""
    planned = ground.preview("alter_type", "ev", column, small_bytes=0, **more).result
    outcome = ground.change("alter_type", "ev", column, small_bytes=0, **more).result
    assert outcome.outcome == "done", outcome
    assert [s.statements for s in planned.steps] == [s.statements for s in outcome.steps]
    assert {s.span for s in outcome.steps} == {"brief lock", "blocks nobody"}
    return outcome


def test_in_utc_a_zoned_column_loses_its_zone_in_a_moment(database):
    ground = stamps(database, "UTC")
    file, rows = ground.sql(FILE), ground.sql(READ)
    outcome = carried_out(ground, "At", type="timestamp")
    assert ground.sql(FILE) == file
    assert [(r[1] + "+00") for r in ground.sql(READ)] == [r[1] for r in rows]
    assert outcome.steps[0].statements[0] == "SET LOCAL TimeZone = 'UTC'"
    assert any("TimeZone UTC" in note for note in outcome.change.notes)
    # Whoever takes it back, and in whatever zone: each moment stays the one that it was.
    ground.script("SELECT set_config('TimeZone', 'Europe/Berlin', false)")
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    ground.script(f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Tokyo'")
    assert ground.rollback(small_bytes=0).result.outcome == "done"
    ground.script(f"ALTER DATABASE \"{name}\" SET TimeZone = 'UTC'")
    assert (ground.sql(FILE), ground.sql(READ)) == (file, rows)


@pytest.mark.parametrize(
    ("column", "new", "using"),
    [
        ("At", "timestamp", "\"At\" AT TIME ZONE 'UTC'"),
        ("At", "timestamp", "timezone('utc', \"At\")"),
        ("At", "timestamp", "(\"At\" AT TIME ZONE 'Etc/UTC')::timestamp"),
        ("d", "timestamptz", "d AT TIME ZONE 'UTC'"),
    ],
)
def test_a_conversion_that_names_utc_needs_no_session_of_utc(database, column, new, using):
    ground = stamps(database, "Europe/Berlin")
    file, rows = ground.sql(FILE), ground.sql(READ)
    ((wanted,),) = ground.sql(f"SELECT array_agg(({using})::text ORDER BY id) FROM public.ev")
    carried_out(ground, column, type=new, using=using)
    assert ground.sql(FILE) == file
    assert [row[0] for row in ground.sql(f'SELECT "{column}"::text FROM public.ev ORDER BY id')] == wanted
    assert ground.rollback(small_bytes=0).result.outcome == "done"
    assert (ground.sql(FILE), ground.sql(READ)) == (file, rows)


def test_another_zone_or_an_expression_that_says_more_is_no_moment(database):
    ground = stamps(database, "Europe/Berlin")
    for using in ("\"At\" AT TIME ZONE 'Asia/Tokyo'", "(\"At\" + '1 h') AT TIME ZONE 'UTC'", None):
        planned = ground.preview("alter_type", "ev", "At", type="timestamp", using=using, small_bytes=0).result
        assert planned.change.classified.work == "rewrite"
        assert planned.steps[0].title.startswith("add a second column")


@pytest.mark.parametrize("new", ["varchar(40)", "text", "public.short"])
def test_a_limit_that_grows_is_a_moment(database, new):
    ground = stamps(database, "UTC")
    ground.script("CREATE DOMAIN public.short AS varchar(20)")
    file, rows = ground.sql(FILE), ground.sql(READ)
    carried_out(ground, "n", type=new)
    assert (ground.sql(FILE), ground.sql(READ)) == (file, rows)
