"""Every command leaves one row, and the log never gets in the way of a command."""

import psycopg
import pytest
from psycopg import sql as compose

from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError, UnreachableError, UsageError
from indexpilot_cli.log import metadata, mutations
from indexpilot_cli.log.bookkeeping import bookkeeping

ROWS = (
    "SELECT mutation_type, state, actor, details_json, sqlstate, error, table_name, schema_name"
    " FROM indexpilot.mutation_log ORDER BY id"
)
RECORD = Record(actor="ada", version="0.1.0", command="indexpilot discover")


@pytest.fixture
def prepared(database):
    with open_session(database, read_only=False) as session:
        metadata.migrate(session)
    return Connection(database)


def rows(connection):
    return connection.execute(ROWS).fetchall()


def test_success(prepared, connection):
    with bookkeeping(prepared, MutationType.DISCOVER, RECORD, tables=3) as note:
        note.details(indexes=5, password="hunter2hunter2")
        note.table("orders", "public")
    assert note.warning is None and note.warnings == () and note.written == 1
    assert rows(connection) == [
        (
            *("DISCOVER", "DONE", "ada"),
            {
                **{"command": "indexpilot discover", "version": "0.1.0", "actor": "ada", "tables": 3, "indexes": 5},
                "password": "********",
            },
            *(None, None, "orders", "public"),
        )
    ]


def test_failure_of_ours_is_recorded_and_raised(prepared, connection):
    with pytest.raises(UsageError, match="no such table"), bookkeeping(prepared, MutationType.EXPLAIN, RECORD):
        raise UsageError("no such table", detail="word password=verysecret1", code="unknown_table")
    ((kind, state, _, details, *_),) = rows(connection)
    assert (kind, state) == ("EXPLAIN", "FAILED")
    assert (details["error_class"], details["error_code"]) == ("UsageError", "unknown_table")
    assert "verysecret1" not in str(details)


def test_failure_of_the_server_keeps_its_sqlstate(prepared, connection):
    with (
        pytest.raises(PrerequisiteError),
        bookkeeping(prepared, MutationType.ANALYZE_WORKLOAD),
        open_session(prepared.conninfo) as session,
    ):
        session.execute("SET SESSION AUTHORIZATION pg_monitor")
        session.rows("SELECT * FROM indexpilot.mutation_log")
    assert [(r[1], r[4]) for r in rows(connection)] == [("FAILED", "42501")]


@pytest.mark.parametrize(("raised", "state"), [(KeyboardInterrupt, "INTERRUPTED"), (ZeroDivisionError, "FAILED")])
def test_anything_else_is_recorded_and_raised(prepared, connection, raised, state):
    with pytest.raises(raised), bookkeeping(prepared, MutationType.RECOMMEND_INDEX):
        raise raised
    assert [(r[1], r[3]["error_class"]) for r in rows(connection)] == [(state, raised.__name__)]


def test_a_lost_connection_is_recorded(prepared, connection):
    with (
        pytest.raises(UnreachableError),
        bookkeeping(prepared, MutationType.DISCOVER) as note,
        open_session(prepared.conninfo) as session,
    ):
        connection.execute("SELECT pg_terminate_backend(%s)", [session.backend_pid])
        session.rows("SELECT 1")
    assert note.written == 1 and rows(connection)[0][1] == "FAILED"


def test_before_init_there_is_no_row_and_no_warning(database, connection):
    with bookkeeping(Connection(database), MutationType.DISCOVER) as note:
        pass
    assert (note.warning, note.written) == (None, None)


def test_turned_off(prepared, connection):
    with bookkeeping(prepared, MutationType.DISCOVER, Record(enabled=False)) as note:
        pass
    assert note.written is None and rows(connection) == []


def test_offline_has_no_row(prepared, connection):
    with bookkeeping(prepared, MutationType.DISCOVER, offline=True) as note:
        pass
    assert note.written is None and rows(connection) == []


def test_a_role_that_may_not_write_is_warned(prepared, connection):
    role = compose.Identifier("reads_" + connection.info.dbname)
    connection.execute(compose.SQL("CREATE ROLE {} LOGIN").format(role))
    try:
        reader = Connection(psycopg.conninfo.make_conninfo(prepared.conninfo, user=role._obj[0]))
        with bookkeeping(reader, MutationType.DISCOVER) as note:
            pass
        assert note.warning is not None and "privilege" in note.warning.message
    finally:
        connection.execute(compose.SQL("DROP ROLE {}").format(role))


def test_arguments_that_are_not_text_in_utf8(prepared, connection):
    with bookkeeping(prepared, MutationType.DISCOVER, Record(command="x \udce4", actor="\udce4\0")) as note:
        note.details(**{"odd": "a\0b\ud800", "nan": float("nan")})
    assert note.warning is None and rows(connection)[0][3]["odd"] == "ab?"


def test_rows_of_a_newer_program_are_passed_over(prepared, connection):
    connection.execute("INSERT INTO indexpilot.mutation_log (mutation_type) VALUES ('TELEPORT')")
    with open_session(prepared.conninfo) as session:
        assert mutations.recent(session) == () and mutations.summary(session).total == 0


def test_a_database_that_is_read_only(prepared, connection):
    name = compose.Identifier(connection.info.dbname)
    connection.execute(compose.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    with bookkeeping(prepared, MutationType.DISCOVER) as note:
        pass
    assert (note.warning, note.written) == (None, None) and rows(connection) == []


def test_a_log_that_cannot_be_written_is_a_warning(prepared, connection):
    connection.execute("ALTER TABLE indexpilot.mutation_log RENAME COLUMN state TO was_state")
    with bookkeeping(prepared, MutationType.DISCOVER) as note:
        pass
    assert note.warning is not None and note.warning.code == "not_recorded" and "state" in note.warning.message


def test_a_locked_log_is_a_warning_within_seconds(prepared, connection, database):
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE indexpilot.mutation_log")
        with bookkeeping(prepared, MutationType.DISCOVER) as note:
            pass
    assert note.warning is not None and "lock" in note.warning.message


def test_unreachable_is_not_tried_twice(prepared, connection):
    wrong = Connection(psycopg.conninfo.make_conninfo(prepared.conninfo, dbname="not_there_at_all"))
    with pytest.raises(UnreachableError), bookkeeping(wrong, MutationType.DISCOVER) as note:
        open_session(wrong.conninfo)
    assert note.warning is None and note.written is None


def test_the_connections_own_password_never_gets_in(prepared, connection):
    secret = "correct horse battery"
    given = Connection(prepared.conninfo, password=secret)
    with bookkeeping(given, MutationType.DISCOVER) as note:
        note.details(text=f"tried {secret} and failed", nested=[{"x": secret}])
    assert note.written == 1
    assert secret not in str(rows(connection))
