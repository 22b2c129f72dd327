"""``init`` and ``history`` as workflows against a real server."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.admin import history, init
from indexpilot_cli.admin.doctor_checks import version_check
from indexpilot_cli.admin.history import HistoryRequest
from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError, UnreachableError, UsageError
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.schema_tree import canonical_type
from indexpilot_cli.log import metadata, mutations

SCHEMA_YAML = "tables:\n- name: orders\n  fields: {id: bigserial, note: 'varchar(20)', raw: json}\n"


@pytest.fixture
def connection(connection):
    connection.execute("SET search_path TO public")
    return connection


@pytest.fixture
def request_(database):
    return InitRequest(Connection(database), record=Record(actor="ada", command="indexpilot init"))


def run(request, **changes):
    return init.run(dataclasses.replace(request, **changes), Silent())


def log(connection):
    rows = connection.execute("SELECT mutation_type, state, details_json FROM indexpilot.mutation_log ORDER BY id")
    return rows.fetchall()


def in_database(connection):
    return connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'indexpilot'").fetchone()[0] == 1


def test_first_run_then_nothing(request_, connection, tmp_path):
    config = tmp_path / "indexpilot.yaml"
    wanted = {"config_path": str(config), "config_text": "# ours\n"}
    first = run(request_, **wanted)
    tables = {t for step in metadata.migrations() for t in step.tables}
    assert set(first.result.created) == {"schema", "config"} | tables
    assert (first.status, first.exit_code, first.result.schema_version) == ("ok", 0, metadata.latest_version())
    assert (config.read_text(), config.stat().st_mode & 0o777) == ("# ours\n", 0o600)
    config.write_text("# mine\n")
    again = run(request_, **wanted)
    assert (again.status, again.result.created, again.result.sql) == ("skipped", (), ())
    assert config.read_text() == "# mine\n"
    assert [(kind, state) for kind, state, _ in log(connection)] == [("SYSTEM_CONFIG_CHANGE", "DONE")] * 2
    assert first.server.database == connection.info.dbname


def test_checks_speak_of_what_is_there(request_, connection):
    checks = {c.code: c for c in run(request_, dry_run=True).result.checks}
    assert checks["metadata"].state == "missing" and checks["twin"].state in ("ok", "warning")
    assert {"pg_stat_statements", "hypopg"} <= set(checks)
    if checks["hypopg"].fix:
        connection.execute("CREATE EXTENSION hypopg")
        assert {c.code: c.state for c in run(request_, dry_run=True).result.checks}["hypopg"] == "ok"
    if checks["pg_stat_statements"].fix == "CREATE EXTENSION pg_stat_statements;":
        connection.execute("CREATE EXTENSION pg_stat_statements")
        found = {c.code: c for c in run(request_, dry_run=True).result.checks}["pg_stat_statements"]
        assert found.state == "ok" and "track = top" in found.text


def test_check_only_looks(request_, connection, tmp_path):
    config = tmp_path / "x.yaml"
    looked = run(request_, check=True, config_path=str(config), config_text="x")
    assert (looked.status, looked.exit_code) == ("findings", 3)
    assert not in_database(connection) and not config.exists()
    run(request_, config_path=str(config), config_text="x")
    looked = run(request_, check=True, config_path=str(config), config_text="x")
    assert (looked.status, looked.exit_code, looked.result.planned) == ("ok", 0, ())
    assert log(connection)[-1][0] == "DISCOVER"
    config.unlink()
    assert run(request_, check=True, config_path=str(config), config_text="x").exit_code == 3


def test_dry_run_prints_the_sql_that_makes_it(request_, connection, tmp_path):
    config = tmp_path / "x.yaml"
    dry = run(request_, dry_run=True, config_path=str(config), config_text="x")
    assert dry.exit_code == 0 and "config" in dry.result.planned and dry.result.created == ()
    assert not in_database(connection) and not config.exists()
    for statement in dry.result.sql:
        connection.execute(statement)
    assert run(request_, check=True).exit_code == 0


def test_discovery_fills_the_catalog(request_, connection, database):
    connection.execute("CREATE TABLE a (x int, y text); CREATE TABLE b (z int)")
    made = run(request_, discover=True)
    assert (made.result.tables_count, made.result.fields_count) == (2, 3)
    assert "genome" in made.result.created and log(connection)[-1][2]["fields"] == 3
    connection.execute("ALTER TABLE b ADD w int")
    assert run(request_, discover=True).result.fields_count == 4


def test_a_schema_file_fills_the_catalog(request_, database, tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text(SCHEMA_YAML)
    made = run(request_, schema_file=str(path))
    assert (made.result.tables_count, made.result.fields_count) == (1, 3)
    with open_session(database) as session:
        fields = genome.fields(session)
    assert [(f.name, f.type, f.indexable) for f in fields] == [
        ("id", "bigint", True),
        ("note", "character varying(20)", True),
        ("raw", "json", False),
    ]


def test_a_wrong_schema_file_stops_before_anything(request_, connection, tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text("tables:\n- nome: x\n")
    with pytest.raises(UsageError, match="schema"):
        run(request_, schema_file=str(path))
    assert not in_database(connection)


def test_config_only_asks_no_server(tmp_path):
    config = tmp_path / "c.yaml"
    nowhere = InitRequest(
        Connection("host=/nowhere/at/all"), database=False, config_path=str(config), config_text="a: 1\n"
    )
    assert run(nowhere, check=True).exit_code == 3 and not config.exists()
    assert run(nowhere, dry_run=True).result.planned == ("config",) and not config.exists()
    assert run(nowhere).result.created == ("config",) and config.read_text() == "a: 1\n"
    assert run(nowhere).status == "skipped"
    with pytest.raises(UsageError):
        run(nowhere, config_path=str(tmp_path / "no" / "c.yaml"))


def test_an_older_version_wants_upgrade(request_, connection, database):
    with open_session(database) as session:
        texts = metadata.statements(metadata.status(session))
    first = next(n for n, text in enumerate(texts) if text.startswith("INSERT")) + 1
    for text in texts[:first]:
        connection.execute(text)
    with pytest.raises(PrerequisiteError) as older:
        run(request_)
    assert (older.value.code, older.value.hint) == ("upgrade_needed", "indexpilot init --upgrade")
    assert run(request_, check=True).exit_code == 3
    assert run(request_, upgrade=True).result.schema_version == metadata.latest_version()
    assert [state for _, state, _ in log(connection)] == ["FAILED", "DONE", "DONE"]
    connection.execute("INSERT INTO indexpilot.schema_version (version) VALUES (9999)")
    with pytest.raises(PrerequisiteError) as newer:
        run(request_)
    assert newer.value.code == "metadata_too_new"


@pytest.mark.parametrize(
    ("ahead", "state", "fix"), [(0, "ok", ""), (-1, "warning", "init --upgrade"), (1, "warning", "")]
)
def test_doctor_tells_another_version_of_our_tables(ahead, state, fix):
    found = version_check("s", metadata.latest_version() + ahead, metadata.latest_version())
    assert found.state == state and fix in (found.fix or "")


def test_a_read_only_database_is_refused(request_, connection):
    name = connection.info.dbname
    connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(PrerequisiteError) as refused:
        run(request_)
    assert refused.value.code == "read_only"
    assert run(request_, check=True).exit_code == 3


def test_unreachable():
    with pytest.raises(UnreachableError):
        run(InitRequest(Connection("host=/nowhere/at/all")))


def test_types_of_schema_files_are_the_servers_own_words(connection):
    written = [
        *("VARCHAR(200)", "numeric(10, 2)", "decimal(5)", "int[]", "timestamptz(3)", "TIMESTAMP", "time(2)", "timetz"),
        *("char", "char(5)", "bit varying(3)", "bit", "float", "float(10)", "bool", "text[]", "serial", "int2", "uuid"),
        *("double precision", "smallint", "jsonb", "interval", "inet", "date", "varbit(4)", "numeric", "bytea"),
    ]
    columns = ", ".join(f"c{n} {text}" for n, text in enumerate(written))
    connection.execute(f"CREATE TABLE t ({columns})")
    rows = connection.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"
        " ORDER BY attnum"
    ).fetchall()
    assert [canonical_type(text) for text in written] == [text for (text,) in rows]


# -- history


@pytest.fixture
def filled(request_, database):
    run(request_)
    with open_session(database, read_only=False) as session:
        for number in range(5):
            mutations.record(
                session,
                Mutation(
                    MutationType.CREATE_INDEX if number % 2 else MutationType.DROP_INDEX,
                    {"n": number},
                    tenant_id=number % 2 or None,
                    table_name="orders" if number < 3 else "Odd.Name",
                    schema_name="public",
                ),
            )
    return HistoryRequest(Connection(database))


def shown(request, **changes):
    result = history.run(dataclasses.replace(request, **changes), Silent()).result
    return [m.details.get("n") for m in result.mutations if "n" in m.details], result.total


def test_history_filters(filled):
    assert shown(filled, table="orders") == ([2, 1, 0], 3)
    assert shown(filled, table="public.orders", limit=1) == ([2], 3)
    assert shown(filled, table="other.orders") == ([], 0)
    assert shown(filled, table='public."Odd.Name"') == ([4, 3], 2)
    assert shown(filled, types=("create_index",)) == ([3, 1], 2)
    assert shown(filled, types=("CREATE_INDEX", "DROP_INDEX"))[1] == 5
    assert shown(filled, tenant=1) == ([3, 1], 2)
    now = datetime.now(UTC)
    assert shown(filled, types=("DROP_INDEX",), since=now - timedelta(hours=1))[1] == 3
    assert shown(filled, since=now + timedelta(hours=1)) == ([], 0)
    assert shown(filled, table="x'; DROP TABLE indexpilot.mutation_log; --") == ([], 0)


def test_history_is_itself_in_the_log(filled, connection):
    before = len(log(connection))
    outcome = history.run(filled, Silent())
    assert len(log(connection)) == before + 1 and outcome.result.total == before
    assert outcome.server.database == connection.info.dbname and outcome.warnings == ()


def test_history_needs_init_and_a_known_type(database, filled):
    with pytest.raises(UsageError) as unknown:
        history.run(dataclasses.replace(filled, types=("CREATE_INDEXES",)), Silent())
    assert unknown.value.hint == "did you mean CREATE_INDEX?"
    with pytest.raises(PrerequisiteError) as missing:
        other = dataclasses.replace(filled.connection, metadata_schema="elsewhere")
        history.run(dataclasses.replace(filled, connection=other), Silent())
    assert missing.value.code == "not_initialised"
