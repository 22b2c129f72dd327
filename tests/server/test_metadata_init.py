"""The metadata schema: made once, upgraded, removed; nothing else touched."""

import threading

import psycopg
import pytest
from psycopg import sql as compose

from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.log import metadata, mutations

ODD_NAMES = ["indexpilot", "Index Pilot", 'a"b', "select", "x; DROP SCHEMA public", "ä'ö", "{schema}", "%s", "%(x)s"]


@pytest.fixture
def session(database):
    with open_session(database, read_only=False) as opened:
        yield opened


def tables(connection, schema):
    return {
        name
        for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
    }


def columns(connection, table):
    return connection.execute(
        "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'indexpilot' AND table_name = %s ORDER BY ordinal_position",
        [table],
    ).fetchall()


def test_first_run_makes_everything_and_the_second_nothing(session, connection):
    before = metadata.migrate(session)
    assert before.version is None and not before.schema_exists
    assert tables(connection, "indexpilot") == {t for step in metadata.migrations() for t in step.tables}
    again = metadata.migrate(session)
    assert again.current and metadata.statements(again) == ()
    versions = connection.execute("SELECT version, applied_at FROM indexpilot.schema_version ORDER BY 1").fetchall()
    assert [v for v, _ in versions] == [step.version for step in metadata.migrations()]


def test_printed_sql_is_what_runs(session, connection):
    printed = metadata.statements(metadata.status(session))
    for text in printed:
        connection.execute(text)
    assert metadata.status(session).current
    assert metadata.migrate(session).current


def test_upgrade_from_each_older_version(session, connection):
    texts = metadata.statements(metadata.status(session))
    first = next(n for n, text in enumerate(texts) if text.startswith("INSERT")) + 1
    for text in texts[:first]:
        connection.execute(text)
    assert metadata.status(session).version == 1
    assert metadata.migrate(session).version == 1
    assert metadata.status(session).current


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_schema_name(session, connection, name):
    connection.execute("CREATE TABLE public.query_stats (kept int)")
    metadata.migrate(session, name)
    mutations.record(session, Mutation(MutationType.DISCOVER, {"x": 1}), schema=name)
    assert mutations.recent(session, schema=name)[0].details == {"x": 1}
    assert metadata.status(session, name).current
    assert metadata.uninstall(session, name) is True
    assert tables(connection, name) == set()
    assert tables(connection, "public") == {"query_stats"}


@pytest.mark.parametrize("name", ["", "pg_catalog", "pg_x", "information_schema", "a\0b", "n" * 64, "ä" * 32])
def test_impossible_schema_names(session, name):
    with pytest.raises(UsageError):
        metadata.status(session, name)
    with pytest.raises(UsageError):
        metadata.migrate(session, name)


def test_a1_genome_catalog_is_as_documented(session, connection):
    metadata.migrate(session)
    assert [(c, t, n) for c, t, n, _ in columns(connection, "genome_catalog")] == [
        ("id", "integer", "NO"),
        ("table_name", "text", "NO"),
        ("field_name", "text", "NO"),
        ("field_type", "text", "NO"),
        ("is_required", "boolean", "YES"),
        ("is_indexable", "boolean", "YES"),
        ("default_expression", "boolean", "YES"),
        ("feature_group", "text", "YES"),
        ("created_at", "timestamp with time zone", "YES"),
        ("updated_at", "timestamp with time zone", "YES"),
        ("schema_name", "text", "NO"),
    ]
    defaults = {c: d for c, _, _, d in columns(connection, "genome_catalog")}
    assert defaults["id"].startswith("nextval")
    assert (defaults["is_required"], defaults["is_indexable"], defaults["default_expression"]) == (
        "false",
        "true",
        "true",
    )
    assert defaults["created_at"] == defaults["updated_at"] == "now()"
    assert constraints(connection, "genome_catalog") == [
        "PRIMARY KEY (id)",
        "UNIQUE (table_name, field_name, schema_name)",
    ]


def constraints(connection, table):
    rows = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f', 'c') ORDER BY 1",
        [f"indexpilot.{table}"],
    )
    return [text for (text,) in rows.fetchall()]


def names(connection, table):
    return [name for name, *_ in columns(connection, table)]


def test_b1_expression_profile_is_as_documented(session, connection):
    metadata.migrate(session)
    assert names(connection, "expression_profile") == [
        *("id", "tenant_id", "table_name", "field_name", "is_enabled", "created_at", "schema_name")
    ]
    assert constraints(connection, "expression_profile") == [
        "PRIMARY KEY (id)",
        "UNIQUE (tenant_id, table_name, field_name, schema_name)",
    ]


def test_c1_query_stats_is_as_documented(session, connection):
    metadata.migrate(session)
    assert names(connection, "query_stats") == [
        *("id", "tenant_id", "table_name", "field_name", "query_type", "duration_ms", "created_at")
    ]
    assert constraints(connection, "query_stats") == ["PRIMARY KEY (id)"]


def test_e1_mutation_log_is_as_documented(session, connection):
    metadata.migrate(session)
    number, *others = columns(connection, "mutation_log")[:7]
    assert number[:3] == ("id", "bigint", "NO") and number[3].startswith("nextval")
    assert others == [
        ("tenant_id", "integer", "YES", None),
        ("mutation_type", "text", "NO", None),
        ("table_name", "text", "YES", None),
        ("field_name", "text", "YES", None),
        ("details_json", "jsonb", "YES", None),
        ("created_at", "timestamp with time zone", "YES", "now()"),
    ]
    assert constraints(connection, "mutation_log") == ["PRIMARY KEY (id)"]
    log = names(connection, "mutation_log")
    assert {"op_id", "attempt", "state", "actor", "relid", "columns_fingerprint", "index_name"} <= set(log)
    assert {"definition_sql", "undo_sql", "backend_pid", "backend_start", "sqlstate", "error", "leftover"} <= set(log)


def test_every_time_knows_its_zone(session, connection):
    metadata.migrate(session)
    stamps = connection.execute(
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'indexpilot'"
        " AND data_type = 'timestamp without time zone'"
    ).fetchone()
    assert stamps == (0,)


def test_c10_query_stats_has_its_index(session, connection):
    metadata.migrate(session)
    definitions = connection.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'query_stats'").fetchall()
    assert any("(table_name, field_name, created_at)" in text for (text,) in definitions)


def test_a9_updated_at_moves_and_created_at_does_not(session, connection):
    metadata.migrate(session)
    connection.execute(
        "INSERT INTO indexpilot.genome_catalog (table_name, field_name, field_type) VALUES ('t', 'f', 'text')"
    )
    stamps = "SELECT created_at, updated_at FROM indexpilot.genome_catalog"
    created, updated = connection.execute(stamps).fetchone()
    connection.execute("UPDATE indexpilot.genome_catalog SET field_type = 'text'")
    assert connection.execute(stamps).fetchone() == (created, updated)
    connection.execute("UPDATE indexpilot.genome_catalog SET field_type = 'integer', created_at = '2000-01-01'")
    later = connection.execute(stamps).fetchone()
    assert later[0] == created and later[1] > updated


def test_e9_the_log_is_append_only(session, connection):
    metadata.migrate(session)
    mutations.record(session, Mutation(MutationType.DISCOVER))
    for text in ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(text.format("indexpilot.mutation_log"))


def test_t4_business_tables_stay_as_they_are(session, connection):
    connection.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, note text); CREATE INDEX ON orders (note)")
    everything = (
        "SELECT c.relname, c.relkind::text, c.relfilenode, c.xmin::text FROM pg_class c"
        " WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    before = connection.execute(everything).fetchall()
    metadata.migrate(session)
    assert connection.execute(everything).fetchall() == before
    assert metadata.uninstall(session) is True
    assert connection.execute(everything).fetchall() == before


def test_a_foreign_table_with_our_name_is_left_alone(session, connection):
    connection.execute(
        "CREATE SCHEMA app; CREATE TABLE app.query_stats (mine int); INSERT INTO app.query_stats VALUES (7)"
    )
    with pytest.raises(RefusedError) as refused:
        metadata.migrate(session, "app")
    assert refused.value.code == "name_taken"
    assert tables(connection, "app") == {"query_stats"}
    assert connection.execute("SELECT mine FROM app.query_stats").fetchone() == (7,)


def test_uninstall_keeps_a_schema_that_is_not_ours(session, connection):
    connection.execute("CREATE SCHEMA app; CREATE TABLE app.mine (x int)")
    metadata.migrate(session, "app")
    assert metadata.uninstall(session, "app") is False
    assert tables(connection, "app") == {"mine"}
    assert metadata.uninstall(session, "never_there") is True


def test_two_runs_at_once_agree(database):
    befores, failures = [], []

    def run():
        try:
            with open_session(database, read_only=False) as own:
                befores.append(metadata.migrate(own).version)
        except IndexPilotError as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert befores.count(None) == 1 and len(befores) == 4


def test_without_the_right_to_create_a_schema(session, connection, database):
    role = compose.Identifier("init_" + connection.info.dbname)
    connection.execute(compose.SQL("CREATE ROLE {} LOGIN").format(role))
    try:
        session.execute(compose.SQL("SET ROLE {}").format(role))
        with pytest.raises(PrerequisiteError) as missing:
            metadata.migrate(session)
        assert missing.value.code == "privilege_missing"
        assert metadata.status(session).version is None
    finally:
        session.execute("RESET ROLE")
        connection.execute(compose.SQL("DROP ROLE {}").format(role))


def test_newer_metadata_is_not_touched(session, connection):
    metadata.migrate(session)
    connection.execute("INSERT INTO indexpilot.schema_version (version) VALUES (9999)")
    with pytest.raises(PrerequisiteError) as newer:
        metadata.migrate(session)
    assert newer.value.code == "metadata_too_new"
