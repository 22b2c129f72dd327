"""Behind a pooler: a small proxy gives clients a process id of its own, as poolers do."""

import socket
import struct
import threading

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.plans import explain_text
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError, RefusedError
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
