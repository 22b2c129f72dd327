"""N1 to N4 on a server: schema files, the adapter's statements, and names checked against the catalog."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.errors import UsageError
from tests.servers import new_database

ODD = 'Größe "x" %s'  # a legal name


@pytest.fixture(scope="module")
def place(pg):
    """A connection to a database that the process's pool is open on, with our tables and an empty field catalog."""
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        yield dsn, connection


@pytest.fixture
def connection(place):
    dsn, connection = place
    host.init_connection_pool(dsn, 1, 9)
    connection.execute("DROP SCHEMA IF EXISTS indexpilot CASCADE")
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    connection.execute("SET search_path TO public")  # the role is called as our schema is
    assert host.create_metadata_tables()["success"]
    yield connection
    host.close_connection_pool()


def table(connection, name, *columns):
    quoted = psycopg.sql.SQL(", ").join(psycopg.sql.SQL("{} int").format(psycopg.sql.Identifier(c)) for c in columns)
    connection.execute(psycopg.sql.SQL("CREATE TABLE {} ({})").format(psycopg.sql.Identifier(name), quoted))


def test_n1_a_file_with_a_mistake_changes_nothing_and_has_its_line(connection, tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text("tables:\n- name: orders\n  fields:\n  - {name: id, type: 'int; DROP TABLE x'}\n")
    told = host.bootstrap_genome_catalog_from_schema(path)
    assert told["success"] is False and "line 4" in told["error"]
    assert host.validate_schema(path)[0].startswith("line 4: ") and host.get_genome_fields() == []


def test_n2_a_schema_becomes_fields_of_the_catalog(connection, tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text("tables:\n  orders:\n    fields: {id: bigint, custom_note: varchar(9), doc: jsonb}\n")
    assert host.bootstrap_genome_catalog_from_schema(path)["fields_count"] == 3
    found = {f["field_name"]: (f["field_type"], f["feature_group"]) for f in host.get_genome_fields("orders")}
    assert found == {
        "id": ("bigint", "core"),
        "custom_note": ("character varying(9)", "custom"),
        "doc": ("jsonb", "core"),
    }


def test_n3_the_adapter_s_statements_run_on_names_that_need_quotes(connection):
    adapter = host.get_database_adapter("postgresql://localhost/x")
    quoted = adapter.quote_identifier
    table(connection, ODD, "order")
    counter, document = adapter.get_auto_increment_type(), adapter.get_json_type()
    connection.execute(
        f"CREATE TABLE child ({quoted('x; DROP TABLE t')} {counter} PRIMARY KEY, a int, {quoted('D')} {document})"
    )
    connection.execute(adapter.create_index_sql(ODD, ["order"], unique=True))
    connection.execute(adapter.create_index_sql("child", ["D"], method="gin", concurrently=False))
    connection.execute(adapter.create_foreign_key_sql("child", ["a"], ODD, ["order"], on_delete="set null"))
    defined = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'child'::regclass"
    (constraint,) = connection.execute(defined).fetchone()
    assert "ON DELETE SET NULL" in constraint and 'REFERENCES "Größe ""x"" %s"("order")' in constraint
    with pytest.raises(UsageError):
        adapter.create_index_sql("child", ["a"], method="gin); DROP TABLE child; --")
    with pytest.raises(UsageError):
        host.get_database_adapter("mysql://localhost/x")


def test_n4_everything_plain_is_let_through_while_the_catalog_is_empty(connection):
    assert host.validate_table_name("orders") and host.validate_field_name("orders", "größe")
    for name in ("x; drop table t", "n" * 1000, '"', "", "a\0b", "\ud800"):
        assert not host.validate_table_name(name) and not host.validate_field_name("orders", name)


def test_n4_legal_odd_names_are_known_as_they_are(connection):
    table(connection, ODD, ODD, "Select")
    assert host.discover_and_bootstrap_schema()["success"]
    assert host.validate_table_name(ODD) and host.validate_table_name(f"public.{ODD}")
    assert host.validate_field_name(ODD, ODD) and host.validate_field_name(ODD, "Select")
    assert not host.validate_field_name(ODD, "select") and not host.validate_table_name(ODD.lower())


def test_n4_names_are_forgotten_when_the_schema_changes(connection):
    table(connection, "orders", "id")
    assert host.discover_and_bootstrap_schema()["success"]
    assert host.validate_table_name("orders") and not host.validate_table_name("later")
    table(connection, "later", "a")
    host.detect_and_sync_schema_changes()
    assert host.validate_table_name("later")
    assert host.safe_add_column("later", "b", "int", execute=True)["outcome"] == "done"
    assert host.validate_field_name("later", "b")
    host.safe_rename_column("later", "b", "c", execute=True)
    assert host.validate_field_name("later", "c") and not host.validate_field_name("later", "b")


def test_n4_many_threads_ask_while_the_catalog_changes(connection):
    table(connection, "t0", "a")
    assert host.discover_and_bootstrap_schema()["success"]

    def ask(_number):
        return all(host.validate_table_name("t0") and not host.validate_table_name('t0"') for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(8)]
        for number in range(1, 4):
            table(connection, f"t{number}", "a")
            host.detect_and_sync_schema_changes()
            assert host.validate_table_name(f"t{number}")
        assert all(one.result() for one in asked)
