"""The host's three ways in, profiles, audit: each listed check against a real server."""

import json
import subprocess
import sys

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.errors import PrerequisiteError, UsageError

ROGUES = [
    *("x; DROP TABLE t", "'; DROP TABLE t; --", 'a"; DROP TABLE t; --', "%s", "%(x)s", "{schema}", "n" * 1000, "ä€"),
    *("", "a\0b", "\ud800", "a.b.c", '"', ".", "t.", "$1", "\\"),
]


@pytest.fixture
def connection(connection):
    connection.execute("SET search_path TO public")
    return connection


@pytest.fixture
def pool(database):
    host.init_connection_pool(database, 1, 4)
    host.set_metadata_schema("indexpilot")
    yield database
    host.flush_query_stats()
    host.close_connection_pool()


@pytest.fixture
def ready(pool, connection):
    connection.execute("CREATE TABLE orders (id int PRIMARY KEY, status text, custom_x int)")
    assert host.discover_and_bootstrap_schema()["success"]
    return connection


def log(connection):
    """The rows behind those of setting up."""
    return connection.execute(
        "SELECT mutation_type, tenant_id, table_name, field_name FROM indexpilot.mutation_log"
        " WHERE mutation_type <> 'SYSTEM_CONFIG_CHANGE' ORDER BY id"
    ).fetchall()


def test_c1_tables_are_made_in_an_empty_database(pool, connection):
    made = host.create_metadata_tables()
    assert made["success"] and made["error"] is None and "query_stats" in made["created"]
    assert host.create_metadata_tables()["created"] == []
    connection.execute("CREATE VIEW public.leans AS SELECT * FROM indexpilot.query_stats")
    assert host.drop_metadata_tables()["success"] is False
    connection.execute("DROP VIEW public.leans")
    assert host.drop_metadata_tables()["schema_dropped"] is True
    assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a4_t3_t5_discovery(pool, connection):
    connection.execute(
        "CREATE TABLE a (x int, y text); CREATE TABLE skip (z int); CREATE SCHEMA s; CREATE TABLE s.b ()"
    )
    result = host.discover_and_bootstrap_schema("public", exclude_tables={"skip"})
    assert {k: result[k] for k in ("success", "tables_count", "fields_count", "error")} == {
        **{"success": True, "tables_count": 1, "fields_count": 2, "error": None}
    }
    assert [f["field_name"] for f in host.get_genome_fields("a")] == ["x", "y"]
    assert host.get_genome_fields("never") == [] and len(host.get_genome_fields()) == 2
    assert set(host.get_genome_fields("public.a")[0]) >= {"field_type", "is_indexable", "created_at", "updated_at"}


def test_a2_demo_catalog_twice(pool, connection):
    assert host.bootstrap_genome_catalog()["success"] is False
    host.create_metadata_tables()
    first, second = host.bootstrap_genome_catalog(), host.bootstrap_genome_catalog()
    assert first["tables_count"] == 4 and first["new_fields"] == first["fields_count"] and second["new_fields"] == 0


def test_a3_t2_schema_files_in_three_forms_give_the_same_rows(pool, connection, tmp_path):
    schema = {"tables": [{"name": "t", "fields": [{"name": "a", "type": "varchar(9)", "required": True}]}]}
    (tmp_path / "s.yaml").write_text("tables:\n- name: t\n  fields:\n  - {name: a, type: varchar(9), required: true}\n")
    (tmp_path / "s.json").write_text(json.dumps(schema))
    (tmp_path / "s.py").write_text(f"SCHEMA = {schema!r}\n")
    dumps = []
    for source in (tmp_path / "s.yaml", str(tmp_path / "s.json"), tmp_path / "s.py", schema, host.load_schema(schema)):
        connection.execute("DROP SCHEMA IF EXISTS indexpilot CASCADE")
        assert host.init_schema_from_config(source)["fields_count"] == 1
        dumps.append([{k: v for k, v in f.items() if not k.endswith("_at")} for f in host.get_genome_fields()])
    assert all(dump == dumps[0] for dump in dumps) and dumps[0][0]["field_type"] == "character varying(9)"


def test_n1_a_wrong_schema_is_told_not_raised(pool, connection):
    result = host.init_schema_from_config({"tables": [{"name": "t"}]})
    assert result["success"] is False and result["fields_count"] == 0 and "fields is missing" in result["error"]
    assert host.validate_schema({"tables": [{"name": "t"}]}) == ["fields is missing"]
    assert connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'indexpilot'").fetchone() == (0,)


def test_n2_what_is_discovered_can_be_loaded(ready):
    found = host.discover_schema_from_database()
    again = host.bootstrap_genome_catalog_from_schema(found)
    assert (again["success"], again["fields_count"], again["new_fields"]) == (True, 3, 0)


def test_t6_synchronisation(ready):
    ready.execute("ALTER TABLE orders RENAME status TO state; ALTER TABLE orders ADD note text")
    dry = host.detect_and_sync_schema_changes(auto_update=False)
    assert (dry["success"], dry["applied"], len(dry["changes"])) == (True, False, 2)
    assert {f["field_name"] for f in host.get_genome_fields("orders")} == {"id", "status", "custom_x"}
    done = host.detect_and_sync_schema_changes()
    assert done["applied"] and done["fields_count"] == 4 and done["changes"] == dry["changes"]
    assert log(ready) == [
        ("DISCOVER", None, None, None),  # what only looked
        ("SCHEMA_SYNC", None, "orders", None),
        ("ALTER_TABLE", None, "orders", None),
    ]


def test_a7_groups_can_be_set(ready):
    groups = {f["field_name"]: f["feature_group"] for f in host.get_genome_fields()}
    assert groups == {"id": "core", "status": "core", "custom_x": "custom"}
    assert host.set_feature_group("orders", "status", "workflow")
    assert not host.set_feature_group("orders", "nothing", "workflow")
    assert host.get_genome_fields("orders")[1]["feature_group"] == "workflow"


def test_b2_b4_b6_tenants(ready):
    first = host.initialize_tenant_expression(7)
    assert first == {"tenant_id": 7, "created": 3, "verified": None}
    assert host.initialize_tenant_expression(7)["created"] == 0
    assert log(ready) == [("INITIALIZE_TENANT", 7, None, None)]
    assert host.disable_field(7, "orders", "status") is True
    assert host.disable_field(7, "orders", "status") is False
    assert [f["field_name"] for f in host.get_tenant_fields(7)] == ["id", "custom_x"]
    assert host.enable_field(7, "orders", "status") is True
    assert [f["field_name"] for f in host.get_tenant_fields(7, "public.orders")] == ["id", "status", "custom_x"]
    assert log(ready)[1:] == [("DISABLE_FIELD", 7, "orders", "status"), ("ENABLE_FIELD", 7, "orders", "status")]


def test_b9_answers_are_cached_until_somebody_here_toggles(ready):
    host.initialize_tenant_expression(7)
    assert len(host.get_tenant_fields(7)) == 3
    ready.execute("UPDATE indexpilot.expression_profile SET is_enabled = false WHERE field_name = 'id'")
    assert len(host.get_tenant_fields(7)) == 3
    host.disable_field(7, "orders", "status")
    assert [f["field_name"] for f in host.get_tenant_fields(7)] == ["custom_x"]
    host.configure_profile_cache(0, 1000)
    ready.execute("UPDATE indexpilot.expression_profile SET is_enabled = true")
    assert len(host.get_tenant_fields(7)) == 3


def test_b9_the_cache_goes_by_the_settings(ready, pool, monkeypatch):
    monkeypatch.setenv("INDEXPILOT_FEATURES_EXPRESSION_PROFILES_CACHE_SECONDS", "0")
    host.init_connection_pool(pool, 1, 4)
    switch = "UPDATE indexpilot.genome_catalog SET default_expression = false WHERE field_name = 'custom_x'"
    assert len(host.get_tenant_fields(7)) == 3
    ready.execute(switch)
    assert len(host.get_tenant_fields(7)) == 2
    monkeypatch.setenv("INDEXPILOT_FEATURES_EXPRESSION_PROFILES_CACHE_SECONDS", "300")
    monkeypatch.setenv("INDEXPILOT_FEATURES_EXPRESSION_PROFILES_CACHE_SIZE", "1")
    host.init_connection_pool(pool, 1, 4)
    assert len(host.get_tenant_fields(7)) == 2
    ready.execute(switch.replace("custom_x", "status"))
    assert len(host.get_tenant_fields(7)) == 2
    host.get_tenant_fields(8)  # takes the only place
    assert len(host.get_tenant_fields(7)) == 1


def test_b7_defaults_for_tenants_without_a_profile(ready):
    ready.execute("UPDATE indexpilot.genome_catalog SET default_expression = false WHERE field_name = 'custom_x'")
    assert {f["field_name"]: f["explicit"] for f in host.get_tenant_fields(5)} == {"id": False, "status": False}
    assert host.enable_field(5, "orders", "status") is False
    assert host.disable_field(5, "orders", "status") is True
    assert host.enable_field(5, "orders", "custom_x") is True
    assert {f["field_name"]: f["explicit"] for f in host.get_tenant_fields(5)} == {"id": False, "custom_x": True}


def test_b3_a_tenant_the_host_does_not_know_is_refused(ready):
    ready.execute("CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (1)")
    with pytest.raises(UsageError) as unknown:
        host.initialize_tenant_expression(99999)
    assert unknown.value.code == "unknown_tenant"
    assert ready.execute("SELECT count(*) FROM indexpilot.expression_profile").fetchone() == (0,)
    assert host.initialize_tenant_expression(1)["verified"] is True
    assert host.initialize_tenant_expression(99999, known=True)["created"] == 3


def test_b5_fields_and_tenants_that_cannot_be(ready):
    with pytest.raises(UsageError) as unknown:
        host.enable_field(1, "orders", "statos")
    assert unknown.value.hint == "did you mean status?"
    for tenant in (None, "1", True, 2**31):
        with pytest.raises(UsageError):
            host.enable_field(tenant, "orders", "status")
    assert log(ready) == []


@pytest.mark.parametrize("name", ROGUES)
def test_n4_rogue_names_do_nothing(rogue, name):
    for call in (
        lambda: host.enable_field(1, name, "status"),
        lambda: host.disable_field(1, "orders", name),
        lambda: host.enable_field(1, "orders", "status", name),
    ):
        with pytest.raises(UsageError):
            call()
    for call in (host.get_genome_fields, host.get_table_size_info, lambda n: host.get_tenant_fields(1, n)):
        try:
            assert not call(name)
        except UsageError as refused:
            assert refused.code == "bad_name"
    assert host.validate_table_name(name) is False and host.validate_field_name("orders", name) is False
    assert host.log_query_stat(1, name, name, "READ", 1.0) in (True, False)


@pytest.fixture(scope="module")
def rogue(pg):
    name = "t_rogue_names"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(pg.database(name), autocommit=True) as connection:
            connection.execute("CREATE TABLE public.orders (id int, status text)")
            host.init_connection_pool(pg.database(name), 1, 4)
            assert host.discover_and_bootstrap_schema()["success"]
            yield
            host.flush_query_stats()
            assert connection.execute("SELECT count(*) FROM public.orders").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM indexpilot.query_stats").fetchone() == (0,)
        host.close_connection_pool()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_audit(ready):
    with pytest.raises(UsageError) as unknown:
        host.log_audit_event("NOT_A_TYPE")
    assert unknown.value.code == "unknown_mutation_type"
    number = host.log_audit_event("BULK_UPDATE", 3, "sales.orders", "status", {"password": "x", "rows": 5}, "ada")
    host.log_audit_event(
        "data_migration", details={"dsn": "postgresql://u:geheim99@h/d", "note": "pw=1 password=geheim99"}
    )
    newest, older, _set_up = host.get_recent_mutations()
    assert (older["id"], older["tenant_id"], older["schema_name"], older["actor"]) == (number, 3, "sales", "ada")
    assert older["details_json"] == {"password": "********", "rows": 5}
    assert newest["mutation_type"] == "DATA_MIGRATION" and "geheim99" not in str(newest)
    assert [m["id"] for m in host.get_recent_mutations(tenant_id=3)] == [number]
    assert [m["id"] for m in host.get_recent_mutations(mutation_type="BULK_UPDATE", table_name="orders")] == [number]
    assert len(host.get_recent_mutations(limit=1)) == 1
    summary = host.get_mutation_summary()
    assert summary["total"] == 3 and summary["by_type"]["BULK_UPDATE"]["count"] == 1
    assert host.get_mutation_summary(since=newest["created_at"])["total"] == 1
    assert host.get_recent_mutations(since=newest["created_at"], mutation_type="BULK_UPDATE") == []


def test_n3_generated_statements_run(ready):
    adapter = host.PostgresAdapter()
    ready.execute('CREATE TABLE "order" ("Select" int PRIMARY KEY, doc jsonb)')
    ready.execute(f"CREATE TABLE counted (id {adapter.get_auto_increment_type('bigint')}, b {adapter.get_json_type()})")
    ready.execute(adapter.create_index_sql("order", ["doc"], method="gin"))
    ready.execute(adapter.create_index_sql("order", ["Select"], unique=True, name='x"; DROP TABLE orders; --'))
    ready.execute(adapter.create_foreign_key_sql("orders", ["custom_x"], "order", ["Select"], on_delete="CASCADE"))
    names = {n for (n,) in ready.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'order'").fetchall()}
    assert {"order_doc_ip_idx", 'x"; DROP TABLE orders; --'} < names


def test_another_schema(pool, connection):
    host.set_metadata_schema('My "Schema" %s')
    try:
        connection.execute("CREATE TABLE t (a int)")
        assert host.discover_and_bootstrap_schema(None)["fields_count"] == 1
        host.log_audit_event("DISCOVER")
        assert host.get_mutation_summary()["total"] == 2
    finally:
        host.set_metadata_schema("indexpilot")


def test_without_a_pool_or_tables(database):
    with pytest.raises(PrerequisiteError):
        host.get_genome_fields()
    assert host.create_metadata_tables()["success"] is False
    host.init_connection_pool(database, 1, 2)
    try:
        with pytest.raises(PrerequisiteError) as missing:
            host.log_audit_event("DISCOVER")
        assert missing.value.hint == "indexpilot init"
        asked = (host.get_genome_fields, host.get_query_stats, host.get_field_usage_stats, host.get_recent_mutations)
        for ask in (*asked, lambda: host.get_tenant_fields(1), lambda: host.validate_table_name("orders")):
            with pytest.raises(PrerequisiteError) as missing:
                ask()
            assert missing.value.code == "not_initialised" and "indexpilot init" in missing.value.hint
    finally:
        host.close_connection_pool()


def test_importing_the_interface_is_light():
    heavy = ("postgast", "scipy", "sklearn", "typer", "rich")
    code = f"import indexpilot_cli.host, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "[]"
