"""The catalog of a database full of awkward things, read by a superuser and by an ordinary role."""

import psycopg
import pytest
from psycopg import sql

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from tests.servers import new_database

SCHEMA = r"""
CREATE SCHEMA "Odd Schema";
CREATE SCHEMA indexpilot;
CREATE TABLE indexpilot.schema_version (version int);
SET search_path = public;
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN very_positive AS positive;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"');
CREATE TABLE "Odd Schema"."Select" (
    "order" int PRIMARY KEY, "a""b" text COLLATE "C" NOT NULL DEFAULT 'x', feeling mood,
    amount very_positive, tags text[], at timestamptz, span int4range,
    twice int GENERATED ALWAYS AS ("order" * 2) STORED
) WITH (fillfactor = 70);
INSERT INTO "Odd Schema"."Select" ("order", "a""b", feeling, amount, tags, at, span)
SELECT i, CASE WHEN i % 2 = 0 THEN 'v,{"' || i ELSE 'it''s \ common' END,
       (ARRAY['sad', 'it''s "fine"'])[1 + i % 2]::mood, 1 + i % 7,
       ARRAY['t' || i % 3, 'a,b', NULL], timestamptz '2024-01-01 00:00+00' + i * interval '1 day', int4range(i, i + 10)
FROM generate_series(1, 2000) i;
CREATE INDEX "Idx One" ON "Odd Schema"."Select" ("a""b" DESC, at DESC NULLS LAST, "order" NULLS FIRST)
    INCLUDE (feeling) WITH (fillfactor = 80) WHERE amount > 3 AND "a""b" <> 'x)';
CREATE UNIQUE INDEX expr ON "Odd Schema"."Select"
    (lower("a""b") text_pattern_ops, ("order" + 1), ("a""b") COLLATE "POSIX");
CREATE INDEX gin ON "Odd Schema"."Select" USING gin (tags);
CREATE INDEX brin ON "Odd Schema"."Select" USING brin (at) WITH (pages_per_range = 16);
COMMENT ON INDEX "Odd Schema".gin IS 'indexpilot:1';
CREATE TABLE part (id int, at date NOT NULL, ref int REFERENCES "Odd Schema"."Select" ON DELETE CASCADE)
    PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX part_id ON part (id);
INSERT INTO part SELECT i, date '2024-06-01' + i, i % 50 + 1 FROM generate_series(1, 500) i;
CREATE TABLE animal (name text);
CREATE TABLE dog (bark int) INHERITS (animal);
INSERT INTO animal SELECT 'cat' FROM generate_series(1, 100);
INSERT INTO dog SELECT 'dog', 1 FROM generate_series(1, 300);
CREATE MATERIALIZED VIEW summary AS SELECT at, count(*) AS n FROM part GROUP BY at;
CREATE UNIQUE INDEX ON summary (at);
CREATE VIEW recent AS SELECT id FROM part WHERE at > '2025-01-01';
CREATE FUNCTION steady(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE UNLOGGED TABLE never (x int);
CREATE TABLE many (id int PRIMARY KEY, payload text);
INSERT INTO many SELECT i, repeat('x', 50) FROM generate_series(1, 60000) i;
ALTER TABLE many CLUSTER ON many_pkey;
"""
ODD = QualifiedName("Odd Schema", "Select")


@pytest.fixture
def awkward(connection, database):
    connection.execute(SCHEMA)
    connection.execute("VACUUM ANALYZE")
    return database


@pytest.fixture(scope="module")
def still(pg):
    """The awkward database once for all tests that only look."""
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as filling:
            filling.execute(SCHEMA)
            filling.execute("VACUUM ANALYZE")
        yield dsn


@pytest.fixture(scope="module")
def catalog(still):
    with open_session(still) as session:
        return read_catalog(session)


@pytest.fixture
def looking(still):
    with psycopg.connect(still, autocommit=True) as conn:
        yield conn


@pytest.fixture
def changing(awkward):
    with open_session(awkward) as session:
        return read_catalog(session)


def index(catalog, schema, name):
    return next(i for t in catalog.tables for i in t.indexes if i.name == QualifiedName(schema, name))


def test_our_own_schema_is_not_on_the_path_of_a_role_of_its_name(session):
    session.execute("SET search_path = indexpilot, public")
    session.execute("CREATE SCHEMA IF NOT EXISTS indexpilot")
    assert read_catalog(session).search_path == ("public",)
    assert read_catalog(session, metadata_schema="other").search_path == ("indexpilot", "public")


def test_every_user_table_is_there_and_nothing_else(catalog):
    assert {(str(t.name), t.kind, t.persistence) for t in catalog.tables} == {
        ('"Odd Schema"."Select"', "r", "p"),
        ("public.animal", "r", "p"),
        ("public.dog", "r", "p"),
        ("public.many", "r", "p"),
        ("public.never", "r", "u"),
        ("public.part", "p", "p"),
        ("public.part_1", "r", "p"),
        ("public.part_2", "r", "p"),
        ("public.summary", "m", "p"),
    }
    assert set(catalog.views) == {QualifiedName("public", "recent")}
    assert catalog.search_path[-1] == "public"
    assert catalog.resolve("many").name == QualifiedName("public", "many")


def test_columns(catalog):
    columns = {c.name: c for c in catalog.table(ODD).columns}
    assert columns["order"].not_null and columns["order"].category == "N"
    text = columns['a"b']
    assert (text.type, text.collation, text.has_default, text.length, text.alignment) == ("text", "C", True, -1, "i")
    assert columns["feeling"].category == "E"
    assert (columns["amount"].type, columns["amount"].base_type) == ("very_positive", "int4")
    assert (columns["tags"].element_type, columns["tags"].category) == ("text", "A")
    assert columns["twice"].generated == "s"
    assert catalog.table(QualifiedName("public", "many")).column("payload").collation is None


def test_statistics_are_the_servers_text_forms(catalog):
    columns = {c.name: c.statistics for c in catalog.table(ODD).columns}
    assert columns['a"b'].most_common_vals == ("it's \\ common",)
    assert columns['a"b'].most_common_freqs == pytest.approx((0.5,))
    assert all(value.startswith('v,{"') for value in columns['a"b'].histogram_bounds)
    assert set(columns["feeling"].most_common_vals) == {"sad", 'it\'s "fine"'}
    assert {"a,b", "t0", "t1", "t2"} == set(columns["tags"].most_common_elems)
    assert columns["order"].n_distinct == -1 and len(columns["order"].histogram_bounds) == 101
    assert columns["at"].histogram_bounds[0].startswith("2024-01-0")
    if catalog.major >= 17:
        assert len(columns["span"].range_bounds_histogram) > 50
        assert columns["span"].range_bounds_histogram[0] == "[1,11)"
        assert columns["span"].range_empty_frac == 0


def test_statistics_of_array_values_stay_whole(catalog):
    tags = catalog.table(ODD).column("tags").statistics
    assert set(tags.most_common_vals) == {'{t0,"a,b",NULL}', '{t1,"a,b",NULL}', '{t2,"a,b",NULL}'}


def test_trees_of_tables_have_the_statistics_of_the_tree(catalog):
    animal = catalog.table(QualifiedName("public", "animal")).column("name").statistics
    assert animal.most_common_vals == ("dog", "cat")
    part = catalog.table(QualifiedName("public", "part"))
    assert part.column("id").statistics.n_distinct == -1
    assert part.partition_key == "RANGE (at)"
    child = catalog.table(QualifiedName("public", "part_1"))
    assert (child.parent, child.is_partition) == (part.name, True)
    dog = catalog.table(QualifiedName("public", "dog"))
    assert (dog.parent, dog.is_partition) == (QualifiedName("public", "animal"), False)


def test_indexes_are_structures(catalog):
    one = index(catalog, "Odd Schema", "Idx One").definition
    assert one.keys == (
        IndexKey(column='a"b', descending=True),
        IndexKey(column="at", descending=True, nulls_first=False),
        IndexKey(column="order", nulls_first=True),
    )
    assert one.include == ("feeling",) and one.options == (("fillfactor", "80"),)
    assert one.predicate == """((amount)::integer > 3) AND ("a""b" <> 'x)'::text)"""
    lower, plus, collated = index(catalog, "Odd Schema", "expr").definition.keys
    assert (lower.expression, lower.operator_class) == ('lower("a""b")', "text_pattern_ops")
    assert plus.expression == '"order" + 1'
    assert (collated.column, collated.collation) == ('a"b', "POSIX")
    assert index(catalog, "Odd Schema", "brin").definition.options == (("pages_per_range", "16"),)
    assert index(catalog, "Odd Schema", "gin").comment == "indexpilot:1"
    primary = index(catalog, "public", "many_pkey")
    assert primary.primary and primary.constraint == "p" and primary.clustered and primary.definition.unique


def test_structure_round_trips_through_ddl(changing, awkward, connection):
    """An index built from what we read is read back as the same structure."""
    before = {str(i.name): i.definition for t in changing.tables for i in t.indexes if t.kind != "p"}
    for number, definition in enumerate(before.values()):
        connection.execute(create_index(definition, f"copy_{number}", concurrently=False))
    with open_session(awkward) as session:
        after = {i.name.name: i.definition for t in read_catalog(session).tables for i in t.indexes}
    assert {f"copy_{n}": d for n, d in enumerate(before.values())} == {
        name: d for name, d in after.items() if name.startswith("copy_")
    }


def test_statistics_of_index_expressions(catalog):
    statistics = index(catalog, "Odd Schema", "expr").statistics
    assert statistics[0].most_common_vals == ("it's \\ common",)
    assert statistics[1].n_distinct == -1 and statistics[2] is None
    assert index(catalog, "public", "many_pkey").statistics == ()


def test_sizes_are_those_of_the_files_now(catalog, looking):
    for table in catalog.tables:
        if table.kind in "rm":
            assert (
                table.size_bytes
                == looking.execute("SELECT pg_relation_size(%s::regclass)", [str(table.name)]).fetchone()[0]
            )
    many = catalog.table(QualifiedName("public", "many"))
    assert many.tuples == 60000 and many.pages > 100
    visible = looking.execute("SELECT relallvisible FROM pg_class WHERE relname = 'many'").fetchone()[0]
    assert many.all_visible_pages == visible
    assert many.indexes[0].pages > 100 and many.indexes[0].tuples == 60000
    assert catalog.table(ODD).fillfactor == 70


def test_current_length_counts_not_the_analyzed_one(awkward, connection):
    connection.execute("INSERT INTO many SELECT i, repeat('x', 50) FROM generate_series(60001, 90000) i")
    with open_session(awkward) as session:
        many = read_catalog(session).table(QualifiedName("public", "many"))
    analyzed = connection.execute("SELECT relpages FROM pg_class WHERE relname = 'many'").fetchone()[0]
    assert many.pages * BLOCK == connection.execute("SELECT pg_relation_size('many')").fetchone()[0]
    assert many.pages > analyzed


def test_tables_without_analyze_say_so(connection, database):
    connection.execute("CREATE TABLE fresh (x int)")
    with open_session(database) as session:
        fresh = read_catalog(session).table(QualifiedName("public", "fresh"))
    assert fresh.tuples == -1 and fresh.rows == 0 and fresh.column("x").statistics is None


def test_foreign_keys_of_the_parent_only(catalog):
    (key,) = catalog.foreign_keys
    assert (key.table, key.columns, key.referenced, key.referenced_columns, key.on_delete) == (
        QualifiedName("public", "part"),
        ("ref",),
        ODD,
        ("order",),
        "c",
    )


def test_settings_functions_extensions(awkward, connection):
    name = connection.info.dbname
    connection.execute(sql.SQL("ALTER DATABASE {} SET random_page_cost = 1.25").format(sql.Identifier(name)))
    with open_session(awkward) as session:
        catalog = read_catalog(session)
    assert catalog.settings["random_page_cost"] == "1.25"
    assert {"work_mem", "effective_cache_size", "jit_above_cost", "enable_hashjoin"} <= catalog.settings.keys()
    assert {catalog.functions[f] for f in ("lower", "public.steady", "steady", "date_trunc")} == {"i"}
    assert catalog.functions["now"] == "s" and catalog.functions["random"] == "v"
    assert catalog.has_extension("plpgsql")


def test_an_ordinary_role_sees_what_it_may(awkward, connection):
    name = connection.info.dbname
    connection.execute(
        sql.SQL(
            "CREATE ROLE {role} LOGIN; GRANT pg_read_all_stats TO {role}; GRANT CONNECT ON DATABASE {role} TO {role};"
            " GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
            " REVOKE SELECT ON dog FROM {role}"
        ).format(role=sql.Identifier(name))
    )
    try:
        with open_session(psycopg.conninfo.make_conninfo(awkward, user=name)) as session:
            catalog = read_catalog(session)
    finally:
        connection.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=sql.Identifier(name)))
    assert {t.name.name for t in catalog.tables if not t.readable} == {"Select", "dog"}
    assert len(catalog.table(ODD).columns) == 8 and catalog.table(ODD).columns[0].statistics is None
    many = catalog.table(QualifiedName("public", "many"))
    assert many.column("id").statistics.n_distinct == -1 and many.indexes[0].pages > 100
    assert len(catalog.table(ODD).indexes) == 5


def test_schemas_can_be_chosen(still):
    with open_session(still) as session:
        assert {t.name for t in read_catalog(session, schemas=("Odd Schema",)).tables} == {ODD}


def test_values_do_not_depend_on_the_roles_output_settings(awkward, connection):
    name = connection.info.dbname
    connection.execute(sql.SQL("ALTER DATABASE {} SET datestyle = 'German'").format(sql.Identifier(name)))
    with open_session(awkward) as session:
        at = read_catalog(session).table(ODD).column("at").statistics
        assert session.value("SHOW datestyle").startswith("German")
    assert at.histogram_bounds[0].startswith("2024-01-0")


def test_the_catalog_survives_json(catalog):
    assert from_json(type(catalog), to_json(catalog)) == catalog


def test_nulls_not_distinct(connection, database):
    if connection.info.server_version < 150000:
        pytest.skip("from 15 on")
    connection.execute("CREATE TABLE t (a int, UNIQUE NULLS NOT DISTINCT (a))")
    with open_session(database) as session:
        (found,) = read_catalog(session).table(QualifiedName("public", "t")).indexes
    assert found.definition == IndexDefinition(
        QualifiedName("public", "t"), (IndexKey(column="a"),), unique=True, nulls_not_distinct=True
    )
    assert found.constraint == "u"


def test_collations_of_expressions_whatever_the_index_stores_of_them(connection, database):
    connection.execute("CREATE EXTENSION pg_trgm")
    connection.execute("CREATE TABLE texts (a text, b text[])")
    keys = (
        "gin (lower(a) gin_trgm_ops)",
        "gist ((a || 'x') gist_trgm_ops)",
        "gin ((b || b))",
        'btree (lower(a) COLLATE "C")',
    )
    for key in keys:
        connection.execute(f"CREATE INDEX ON texts USING {key}")
    with open_session(database) as session:
        (table,) = read_catalog(session).tables
    found = {index.name.name: index.definition.keys[0].collation for index in table.indexes}
    assert sorted(found.items()) == [
        ("texts_expr_idx", None),
        ("texts_expr_idx1", None),
        ("texts_lower_idx", None),
        ("texts_lower_idx1", "C"),
    ]


def test_tree_heights_where_pageinspect_is(connection, awkward):
    if not connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pageinspect'").fetchone():
        pytest.skip("no contrib")
    connection.execute("CREATE EXTENSION pageinspect")
    with open_session(awkward) as session:
        catalog = read_catalog(session)
    assert index(catalog, "public", "many_pkey").tree_height == 1
    assert index(catalog, "public", "summary_at_idx").tree_height is not None
    assert index(catalog, "Odd Schema", "gin").tree_height is None


def test_many_tables_take_few_questions(connection, database):
    connection.execute(
        "DO $$ BEGIN FOR i IN 1..500 LOOP"
        " EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text, b date)', i); END LOOP; END $$"
    )
    with open_session(database) as session:
        asked = []
        rows = session.rows
        session.rows = lambda *a, **k: asked.append(a) or rows(*a, **k)
        catalog = read_catalog(session)
    assert len(catalog.tables) == 500 and len(asked) <= 20


def test_a_collation_may_take_different_bytes_for_equal(connection, database):
    try:
        connection.execute("CREATE COLLATION folds (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("built without ICU")
    connection.execute("CREATE TABLE texts (a text, b text COLLATE folds, c int)")
    with open_session(database) as session:
        (table,) = read_catalog(session).tables
    assert {c.name: c.deterministic for c in table.columns} == {"a": True, "b": False, "c": True}
