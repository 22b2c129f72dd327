"""The genome catalog against real tables: discovery, types, vetoes, synchronisation."""

import psycopg
import pytest

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey, discover
from indexpilot_cli.genome.sync import GenomeChangeKind, discover_and_bootstrap, save_fields, sync
from indexpilot_cli.genome.table import obey_genome
from indexpilot_cli.log import metadata, mutations

INJECTIONS = [
    *("x; DROP TABLE t", "'; DROP TABLE t; --", 'a"; DROP TABLE t; --', "%s", "%(x)s", "{schema}", "ä€", "\\", "$1"),
    *("Mixed Case", "select", "order", "group", "n" * 63, "a'b", "$$", "a\nb"),
]

SHAPES = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN code AS varchar(12) NOT NULL;
CREATE DOMAIN codes AS code;
CREATE TABLE shapes (
    id bigserial PRIMARY KEY, name varchar(200) NOT NULL, price numeric(10, 2), tags text[], grid int[][],
    doc jsonb, raw json, blob bytea, page xml, words tsvector, spot point, span daterange, mail "char", feeling mood,
    short code, shorter codes, at timestamptz(3), addr inet, bits bit(3), stay interval day to second, custom_color text
)
"""


@pytest.fixture
def connection(connection):
    # The test role may be called like our schema, which would then stand first in the default search_path.
    connection.execute("SET search_path TO public")
    return connection


@pytest.fixture
def session(database):
    with open_session(database, read_only=False) as opened:
        metadata.migrate(opened)
        yield opened


def discovered(session, **options):
    return {(d.field.table.name, d.field.name): d.field for d in discover(session, **options)}


def known(session):
    return {(f.table.schema, f.table.name, f.name): f for f in genome.fields(session)}


def test_a8_full_types_as_format_type_prints_them(session, connection):
    connection.execute(SHAPES)
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'shapes'::regclass AND attnum > 0"
    ).fetchall()
    found = discovered(session)
    assert {name: found["shapes", name].type for name, _ in rows} == dict(rows)
    assert found["shapes", "price"].type == "numeric(10,2)" and found["shapes", "tags"].type == "text[]"


def test_a7_required_and_groups(session, connection):
    connection.execute(SHAPES)
    found = discovered(session)
    required = {name for (_, name), f in found.items() if f.required}
    assert required == {"id", "name", "short", "shorter"}
    assert found["shapes", "custom_color"].group == "custom" and found["shapes", "name"].group == "core"
    assert discovered(session, groups=[("na*", "identity")])["shapes", "name"].group == "identity"


def test_a6_index_methods_are_sensible(session, connection):
    connection.execute(SHAPES)
    methods = {name: f.method for (_, name), f in discovered(session).items()}
    assert {name for name, method in methods.items() if method is None} == {"raw", "blob", "page"}
    assert {name for name, method in methods.items() if method == "gin"} == {"tags", "grid", "doc", "words"}
    assert {name for name, method in methods.items() if method == "gist"} == {"spot", "span"}
    assert {f.name for f in discovered(session).values() if not f.indexable} == {"raw", "blob", "page"}
    for name, method in methods.items():
        if method is not None:
            connection.execute(f'CREATE INDEX ON shapes USING {method} ("{name}")')


def test_a6_huge_texts_are_not_indexable(session, connection):
    connection.execute(
        "CREATE TABLE texts (id int, essay text, note text, mid text);"
        "ALTER TABLE texts ALTER essay SET STORAGE EXTERNAL, ALTER mid SET STORAGE PLAIN;"
        "INSERT INTO texts SELECT g, repeat(g::text, 4000), 'note ' || g, repeat('x', 1500) || g"
        " FROM generate_series(1, 200) g; ANALYZE texts"
    )
    found = discovered(session)
    assert not found["texts", "essay"].indexable and not found["texts", "mid"].indexable
    assert found["texts", "note"].indexable and found["texts", "id"].indexable


def test_what_is_discovered(session, connection):
    connection.execute(
        "CREATE SCHEMA sales; CREATE TABLE orders (id int); CREATE TABLE sales.orders (id text);"
        "CREATE MATERIALIZED VIEW totals AS SELECT 1 AS n; CREATE VIEW seen AS SELECT 1 AS n;"
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts DEFAULT;"
        "CREATE UNLOGGED TABLE quick (id int); CREATE TEMP TABLE passing (id int);"
        "CREATE TABLE gone (a int, b int); ALTER TABLE gone DROP COLUMN a; CREATE TABLE nothing ()"
    )
    names = {(d.field.table.schema, d.field.table.name, d.field.name) for d in discover(session)}
    assert names == {
        ("public", "orders", "id"),
        ("sales", "orders", "id"),
        ("public", "totals", "n"),
        ("public", "parts", "id"),
        ("public", "quick", "id"),
        ("public", "gone", "b"),
    }
    only = {d.field.table.schema for d in discover(session, schemas=["sales"])}
    assert only == {"sales"}
    without = {str(d.field.table) for d in discover(session, exclude=["quick", "sales.orders"])}
    assert "public.quick" not in without and "sales.orders" not in without and "public.orders" in without


def test_bootstrap_twice_adds_nothing_and_keeps_what_was_set_by_hand(session, connection):
    connection.execute("CREATE TABLE orders (id int PRIMARY KEY, status text, note text)")
    first = discover_and_bootstrap(session)
    assert (first.tables_count, first.fields_count, first.new_fields) == (1, 3, 3)
    connection.execute(
        "UPDATE indexpilot.genome_catalog SET is_indexable = false, feature_group = 'mine' WHERE field_name = 'status'"
    )
    again = discover_and_bootstrap(session)
    assert (again.fields_count, again.new_fields) == (3, 0)
    status = known(session)["public", "orders", "status"]
    assert (status.indexable, status.group) == (False, "mine")


def test_a10_two_schemas_and_odd_names_do_not_collide(session, connection):
    connection.execute('CREATE SCHEMA "S X"; CREATE TABLE "S X"."order" (id int, "Select" text, "group" int)')
    connection.execute('CREATE TABLE "order" (id bigint)')
    discover_and_bootstrap(session)
    found = known(session)
    assert found["S X", "order", "id"].type == "integer" and found["public", "order", "id"].type == "bigint"
    assert ("S X", "order", "Select") in found and ("S X", "order", "group") in found


def test_a10_b4_any_name_is_only_a_name(session, connection):
    connection.execute("CREATE TABLE t (kept int)")
    for name in INJECTIONS:
        connection.execute(psycopg.sql.SQL("CREATE TABLE {0} ({0} int)").format(psycopg.sql.Identifier(name)))
    discover_and_bootstrap(session)
    assert genome.initialize(session, 7) == len(INJECTIONS) + 1
    for name in INJECTIONS:
        key = FieldKey(QualifiedName("public", name), name)
        assert [f.key for f in genome.fields(session, name)] == [key]
        assert genome.update(session, key, indexable=False, group=name)
        assert genome.fields(session, name, "public")[0].group == name
        assert genome.set_enabled(session, 7, key, False) is True
        assert genome.rename(session, key, FieldKey(QualifiedName("public", "renamed"), name))
        assert genome.remove(session, [FieldKey(QualifiedName("public", "renamed"), name)]) == 1
    assert [f.key.field for f in genome.tenant_fields(session, 7, active=True)] == ["kept"]
    assert [f.name for f in genome.fields(session)] == ["kept"]
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a4_unknown_table_has_no_fields(session):
    assert genome.fields(session, "never") == ()


def test_t6_six_changes_are_found_and_followed(session, connection):
    connection.execute(
        "CREATE TABLE old_name (a int, b text, c int, d varchar(5), e int NOT NULL);"
        "CREATE TABLE dropped (x int); CREATE TABLE stays (x int, y int)"
    )
    sync(session)
    genome.initialize(session, 1)
    connection.execute("UPDATE indexpilot.genome_catalog SET is_indexable = false WHERE field_name = 'b'")
    connection.execute(
        "ALTER TABLE old_name RENAME TO new_name; ALTER TABLE new_name RENAME b TO bb;"
        "ALTER TABLE new_name DROP c; ALTER TABLE new_name ADD f int; ALTER TABLE new_name ALTER d TYPE varchar(50);"
        "ALTER TABLE new_name ALTER e DROP NOT NULL; DROP TABLE dropped; CREATE TABLE created (z int)"
    )
    before = known(session)
    dry = sync(session, apply=False)
    assert not dry.applied and known(session) == before
    assert sorted((c.kind.value, c.table.name, c.field, c.before, c.after) for c in dry.changes) == [
        ("column_added", "new_name", "f", None, "integer"),
        ("column_removed", "new_name", "c", "integer", None),
        ("column_renamed", "new_name", "bb", "b", "bb"),
        ("nullability_changed", "new_name", "e", "not null", "null"),
        ("table_added", "created", None, None, None),
        ("table_removed", "dropped", None, None, None),
        ("table_renamed", "new_name", None, "public.old_name", "public.new_name"),
        ("type_changed", "new_name", "d", "character varying(5)", "character varying(50)"),
    ]
    done = sync(session, by=Record("ada"))
    assert done.applied and done.changes == dry.changes
    now = known(session)
    assert {name for _, table, name in now if table == "new_name"} == {"a", "bb", "d", "e", "f"}
    assert now["public", "new_name", "bb"].indexable is False
    assert now["public", "new_name", "d"].type == "character varying(50)"
    assert not now["public", "new_name", "e"].required
    rows = set(connection.execute("SELECT table_name, field_name FROM indexpilot.expression_profile"))
    assert rows == {("new_name", n) for n in ("a", "bb", "d", "e")} | {("stays", "x"), ("stays", "y")}
    *tables, logged, _ = mutations.recent(session)
    assert {(m.type, m.table_name) for m in tables} == {
        ("ALTER_TABLE", "new_name"),
        ("DROP_TABLE", "dropped"),
        ("CREATE_TABLE", "created"),
    }
    assert (logged.type, logged.actor, len(logged.details["changes"])) == ("SCHEMA_SYNC", "ada", 8)
    assert sync(session) == sync(session, apply=False).__class__((), False)
    assert len(mutations.recent(session)) == 5


def test_dropping_and_adding_again_is_not_a_rename(session, connection):
    connection.execute("CREATE TABLE t (a int, b int)")
    sync(session)
    connection.execute("ALTER TABLE t DROP b; ALTER TABLE t ADD c int")
    kinds = {c.kind for c in sync(session, apply=False).changes}
    assert kinds == {GenomeChangeKind.COLUMN_ADDED, GenomeChangeKind.COLUMN_REMOVED}


def test_numbers_that_moved_are_not_believed(session, connection):
    connection.execute("CREATE TABLE t (a int, b int, c int)")
    sync(session)
    connection.execute("UPDATE indexpilot.genome_identity SET attnum = attnum + 1")
    connection.execute("ALTER TABLE t RENAME c TO d")
    kinds = {c.kind for c in sync(session, apply=False).changes}
    assert kinds == {GenomeChangeKind.COLUMN_ADDED, GenomeChangeKind.COLUMN_REMOVED}


def test_sync_of_one_schema_leaves_the_others(session, connection):
    connection.execute("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (x int); CREATE TABLE b.t (x int)")
    sync(session)
    connection.execute("DROP TABLE a.t; DROP TABLE b.t")
    sync(session, schemas=["a"])
    assert set(known(session)) == {("b", "t", "x")}


def test_a_type_that_cannot_be_indexed_adds_a_veto(session, connection):
    connection.execute("CREATE TABLE t (a text)")
    sync(session)
    connection.execute("ALTER TABLE t ALTER a TYPE bytea USING a::bytea")
    sync(session)
    assert known(session)["public", "t", "a"].indexable is False


def test_saving_chosen_tables(session, connection, database):
    connection.execute("CREATE TABLE one (x int, y int); CREATE TABLE two (x int)")
    chosen = Table(QualifiedName("public", "one"), "r", ())
    assert save_fields(Connection(database), [chosen]) == 2
    assert {table for _, table, _ in known(session)} == {"one"}


def test_saving_needs_the_tables(database):
    with pytest.raises(PrerequisiteError) as missing:
        save_fields(Connection(database), [])
    assert missing.value.hint == "indexpilot init"


def test_a5_b8_the_advisor_obeys(session, connection):
    connection.execute("CREATE TABLE t (a int, b int, c int)")
    discover_and_bootstrap(session)
    connection.execute("UPDATE indexpilot.genome_catalog SET is_indexable = false WHERE field_name = 'a'")
    for tenant in (1, 2):
        genome.initialize(session, tenant)
        genome.set_enabled(session, tenant, FieldKey(QualifiedName("public", "t"), "b"), False)
    genome.set_enabled(session, 1, FieldKey(QualifiedName("public", "t"), "c"), False)
    columns = tuple(Column(n, i, "integer", "int4", "N") for i, n in enumerate("abc", 1))
    plain = Catalog(150000, "d", (Table(QualifiedName("public", "t"), "r", columns),))
    obeyed = {c.name: c for c in obey_genome(session, plain).tables[0].columns}
    assert [obeyed[n].indexable for n in "abc"] == [False, False, True]
    assert "is_indexable" in obeyed["a"].not_indexable_why and "every tenant" in obeyed["b"].not_indexable_why
