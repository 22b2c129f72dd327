"""Behind a pooler: a small proxy gives clients a process id of its own, as poolers do."""

import socket
import struct
import threading

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.calibrate import refuse_elsewhere
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.connection import require_transactions
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.locks import try_lock
from indexpilot_cli.db.plans import explain_text
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError, RefusedError
from indexpilot_cli.evolve.relation_facts import find_relations, read_relation
from indexpilot_cli.planner.hypopg import HypoPGEstimator

KEY_DATA = b"K" + struct.pack("!i", 12)


def pump(source, target, change=lambda data: data):
    try:
        while data := source.recv(65536):
            target.sendall(change(data))
    except OSError:
        pass
    finally:
        target.close()


def disguise(data):
    """The first process id the server sends, replaced."""
    at = data.find(KEY_DATA)
    return data if at < 0 else data[: at + 5] + struct.pack("!i", 4_000_001) + data[at + 9 :]


@pytest.fixture
def pooled(database, tmp_path):
    given = conninfo_to_dict(database)
    if not str(given.get("host", "")).startswith("/"):
        pytest.skip("needs a server on a Unix socket")
    server_side = f"{given['host']}/.s.PGSQL.{given.get('port') or 5432}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / ".s.PGSQL.5432"))
    listener.listen()

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(server_side)
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, disguise), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield make_conninfo(database, host=str(tmp_path), port="5432")
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_pooler_is_noticed(pooled, database):
    with open_session(pooled) as session:
        assert session.pooled and look(session).pooler_suspected
    with open_session(database) as session:
        assert not session.pooled


def test_plans_through_a_pooler_are_read_only_by_transaction(pooled, connection):
    connection.execute("CREATE TABLE log (x int)")
    connection.execute("CREATE FUNCTION w() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (1) RETURNING x'")
    connection.execute("CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN w(); END'")
    with open_session(pooled) as session:
        session.rows("SET default_transaction_read_only = off")  # as the next client of the pooler might
        with pytest.raises(RefusedError):
            explain_text(session, Plannable("SELECT * FROM log WHERE x = sly()"))
    assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)


def test_hypopg_does_not_work_through_a_pooler(pooled):
    with open_session(pooled) as session, pytest.raises(PrerequisiteError) as caught:
        HypoPGEstimator(session, read_catalog(session))
    assert caught.value.code == "pooler"


KEPT = (
    "SELECT (SELECT array_agg(name ORDER BY name) FROM pg_settings WHERE source = 'session' AND name = ANY (ARRAY["
    "'default_transaction_read_only', 'statement_timeout', 'lock_timeout', 'track_counts', 'jit',"
    "'search_path', 'pg_stat_statements.track'])), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid ="
    " pg_backend_pid()), (SELECT count(*) FROM pg_prepared_statements)"
)


def limits(session):
    return session.one(
        "SELECT current_setting('transaction_read_only') AS a, current_setting('statement_timeout') AS b,"
        " current_setting('lock_timeout') AS c"
    )


@pytest.mark.parametrize("read_only", [True, False])
def test_a_backend_that_a_pooler_lends_keeps_nothing_of_ours(pooled, connection, read_only):
    connection.execute("CREATE TABLE t (a int)")
    with open_session(pooled, read_only=read_only, statement_timeout_ms=7000) as session:
        assert limits(session) == ("on" if read_only else "off", "7s", "100ms")
        with session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            assert limits(session) == ("on" if read_only else "off", "7s", "100ms")
        read_relation(session, find_relations(session, "public", "t", own="indexpilot")[0])
        explain_text(session, Plannable("SELECT * FROM t WHERE a = $1", mode=PlanMode.PREPARED))
        with pytest.raises(StatementError):
            explain_text(session, Plannable("SELECT * FROM t WHERE b = $1", mode=PlanMode.PREPARED))
        with pytest.raises(RefusedError) as caught:
            try_lock(session, 1)
        assert caught.value.code == "pooled"
        # What the backend's next borrower finds: asked past the session, whose own questions are limited.
        assert session._connection.execute(KEPT).fetchone() == (None, 0, 0)


def test_what_writes_through_a_pooler_is_committed(pooled, connection):
    connection.execute("CREATE TABLE t (a int)")
    with open_session(pooled, read_only=False) as session:
        session.execute("INSERT INTO t VALUES (1)")
        with session.transaction(), session.transaction():
            session.execute("INSERT INTO t VALUES (2)")
        with session.transaction(rollback=True):
            session.execute("INSERT INTO t VALUES (3)")
    assert connection.execute("SELECT array_agg(a ORDER BY a) FROM t").fetchone() == ([1, 2],)


def test_calibration_through_a_pooler_is_refused(pooled):
    with open_session(pooled, read_only=False) as session, pytest.raises(RefusedError):
        refuse_elsewhere(session)


def test_a_pooler_that_lends_a_backend_for_each_statement_is_told_as_that():
    class StatementMode:
        def transaction(self):
            raise psycopg.errors.ProtocolViolation("transaction blocks not allowed in statement pooling mode")

    with pytest.raises(PrerequisiteError, match="statement-mode pooler") as caught:
        require_transactions(StatementMode())
    assert caught.value.hint == "connect to the server directly"
