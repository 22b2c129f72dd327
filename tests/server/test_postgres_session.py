"""Connecting, refusing, failing: what a session says when things go wrong, and what it never says."""

import os
import socket
import threading

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.errors import StatementError, sqlstate
from indexpilot_cli.db.locks import retrying
from indexpilot_cli.db.plans import explain_analyze
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UnreachableError, UsageError
from tests.waiting import eventually

SECRET = "s3cr3t-w0rd"


def texts(error):
    parts = [str(error), error.message, error.detail, error.hint, repr(error.__cause__), repr(error.__context__)]
    return " ".join(str(p) for p in parts)


def refused(conninfo, **options):
    with pytest.raises(IndexPilotError) as caught:
        open_session(conninfo, **options)
    for part in (caught.value.message, caught.value.detail or "", caught.value.hint or ""):
        assert "\n" not in part
    return caught.value


def test_nothing_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    error = refused(f"postgresql://bob:{SECRET}@127.0.0.1:{port}/shop")
    assert isinstance(error, UnreachableError) and error.code == "connection_refused"
    assert SECRET not in texts(error) and str(port) in error.detail and error.hint


def test_no_such_socket(tmp_path):
    assert refused(f"host={tmp_path} dbname=shop").code == "connection_refused"


def test_unknown_host():
    assert refused("host=no-such-host.invalid dbname=x connect_timeout=2").code == "host_unknown"


def test_a_server_that_never_answers():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = refused(f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=x", connect_timeout=2)
    assert error.code == "timeout"


def test_database_missing(database):
    error = refused(make_conninfo(database, dbname="nope"))
    assert (error.code, error.exit_code) == ("database_missing", 4) and '"nope"' in error.detail


def test_role_missing(database):
    assert refused(make_conninfo(database, user="nobody_here")).code == "authentication_failed"


@pytest.mark.parametrize(
    "conninfo", [f"host=x password={SECRET} nonsense=1", f"postgresql://u:{SECRET}@[bad", f"password='{SECRET} x=y"]
)
def test_an_unreadable_connection_string_is_not_repeated(conninfo):
    error = refused(conninfo)
    assert isinstance(error, UsageError) and error.code == "bad_conninfo" and SECRET not in texts(error)


def test_passwords_are_masked_wherever_they_come_from(database, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "from-the-environment")
    with open_session(make_conninfo(database, password=SECRET)) as session:
        for word in (SECRET, "from-the-environment"):
            with pytest.raises(StatementError) as caught:
                session.rows(f"SELECT '{word}'::int")
            assert word not in caught.value.detail and "********" in caught.value.detail


def test_wrong_password(pg, connection):
    """Through a server of its own, since the tests' server trusts everybody."""
    if pg.local is None:
        pytest.skip("needs a server whose pg_hba.conf may be changed")
    name = connection.info.dbname
    hba = pg.local.data / "pg_hba.conf"
    rules = hba.read_text()
    connection.execute("SET password_encryption = 'scram-sha-256'")
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'right'").format(sql.Identifier(name)))
    try:
        hba.write_text(f"local all {name} scram-sha-256\n{rules}")
        connection.execute("SELECT pg_reload_conf()")
        target = make_conninfo(pg.database(name), user=name)

        def turned_away():
            try:
                open_session(target, password=SECRET).close()
            except UnreachableError as caught:
                return caught

        error = eventually(turned_away)  # the reload is asynchronous
        assert error.code == "authentication_failed" and SECRET not in texts(error)
        assert refused(target).code == "authentication_failed"
        with open_session(target, password="right") as session:
            assert session.value("SELECT current_user") == name
    finally:
        hba.write_text(rules)
        connection.execute(sql.SQL("SELECT pg_reload_conf()"))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_no_connect_privilege(database, connection):
    name = connection.info.dbname
    connection.execute(
        sql.SQL("REVOKE CONNECT ON DATABASE {n} FROM public; CREATE ROLE {n} LOGIN").format(n=sql.Identifier(name))
    )
    try:
        error = refused(make_conninfo(database, user=name))
    finally:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    assert isinstance(error, PrerequisiteError) and error.code == "privilege_missing"


def test_defaults_of_a_reading_session(database):
    with open_session(database) as session:
        settings = ["default_transaction_read_only", "statement_timeout", "lock_timeout", "application_name"]
        assert [session.value(f"SHOW {s}") for s in settings] == ["on", "5s", "100ms", "indexpilot"]
        with pytest.raises(RefusedError) as caught:
            session.execute("CREATE TABLE t (x int)")
        assert caught.value.code == "read_only" and sqlstate(caught.value) == "25006"


@pytest.mark.parametrize("given", ["on", "off"])
def test_only_the_statements_of_others_are_compiled(database, connection, given):
    name = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("ALTER DATABASE {} SET jit = {}").format(name, sql.SQL(given)))
    with open_session(database) as session:
        assert session.value("SHOW jit") == "off"
        # A look of others at the plan of theirs: compiled as for everybody.
        connection.execute(
            "CREATE FUNCTION compiled() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_setting(''jit'')'"
        )
        plan = explain_analyze(session, f"SELECT 1 FROM generate_series(1, 3) WHERE compiled() = '{given}'", 5000)
        assert plan["Actual Rows"] == 3
        assert read_catalog(session).settings["jit"] == given
    with open_session(database, read_only=False) as session:
        assert session.value("SHOW jit") == given


def test_what_the_user_set_stays(database, monkeypatch):
    with open_session(make_conninfo(database, application_name="mine"), statement_timeout_ms=None) as session:
        assert session.value("SHOW application_name") == "mine"
        assert session.value("SHOW statement_timeout") == "0"
    monkeypatch.setenv("PGAPPNAME", "theirs")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=7MB")
    with open_session(database.replace("options=''", "")) as session:
        assert session.value("SHOW application_name") == "theirs"
        assert session.value("SHOW work_mem") == "7MB"


def test_a_bare_name_is_a_database(database, monkeypatch, pg):
    given = psycopg.conninfo.conninfo_to_dict(database)
    for key, variable in (("host", "PGHOST"), ("port", "PGPORT"), ("user", "PGUSER"), ("password", "PGPASSWORD")):
        if given.get(key):
            monkeypatch.setenv(variable, str(given[key]))
    with open_session(given["dbname"]) as session:
        assert session.value("SELECT current_database()") == given["dbname"]


def test_a_role_that_is_read_only_by_default_stays_so(database, connection):
    name = connection.info.dbname
    connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))
    with open_session(database, read_only=False) as session, pytest.raises(RefusedError):
        session.execute("CREATE TABLE t (x int)")


def test_percent_and_parameters(database):
    with open_session(database) as session:
        assert session.value("SELECT '100%'") == "100%"
        assert session.one("SELECT %(a)s::int + 1 AS b", {"a": 1}).b == 2
        assert session.rows("SELECT 1 WHERE false") == [] and session.one("SELECT 1 WHERE false") is None


def test_execute_takes_one_statement(database):
    with open_session(database, read_only=False) as session:
        session.execute("CREATE TABLE t (x int)")
        assert session.execute("INSERT INTO t SELECT generate_series(1, %s)", [5]) == 5
        with pytest.raises(StatementError):
            session.execute("DELETE FROM t; SELECT 1")
        assert session.value("SELECT count(*) FROM t") == 5


def test_transactions_roll_back(database):
    with open_session(database, read_only=False) as session:
        session.execute("CREATE TABLE t (x int)")
        with pytest.raises(StatementError), session.transaction():
            session.execute("INSERT INTO t VALUES (1)")
            session.execute("SELECT 1 / 0")
        with session.transaction(rollback=True):
            session.execute("INSERT INTO t VALUES (2)")
        with session.transaction():
            session.execute("INSERT INTO t VALUES (3)")
        assert [r.x for r in session.rows("SELECT x FROM t")] == [3]


def test_privilege_and_notices(database, connection):
    name = connection.info.dbname
    connection.execute("CREATE TABLE t (x int)")
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    try:
        with open_session(make_conninfo(database, user=name), read_only=False) as session:
            with pytest.raises(PrerequisiteError) as caught:
                session.rows("SELECT * FROM t")
            assert caught.value.exit_code == 5 and "permission denied" in caught.value.detail
            session.execute("ANALYZE t")
            (notice,) = session.drain_notices()
            assert notice.severity == "WARNING" and session.drain_notices() == ()
    finally:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_timeout_lock_and_cancel(database, connection):
    connection.execute("CREATE TABLE t (x int)")
    with open_session(database, statement_timeout_ms=1000) as session:
        with pytest.raises(UnreachableError) as caught:
            session.rows("SELECT pg_sleep(20)")
        assert caught.value.code == "timeout" and not session.closed
    with psycopg.connect(database) as holder, open_session(database, lock_timeout_ms=200) as session:
        holder.execute("LOCK TABLE t")
        with pytest.raises(RefusedError) as locked:
            session.rows("SELECT * FROM t")
        assert locked.value.code == "lock_timeout"
    with open_session(database) as session:
        asleep = f"SELECT FROM pg_stat_activity WHERE pid = {session.backend_pid} AND wait_event = 'PgSleep'"
        canceller = threading.Thread(
            target=lambda: eventually(lambda: connection.execute(asleep).rowcount) and session.cancel()
        )
        canceller.start()
        with pytest.raises(UnreachableError):
            session.rows("SELECT pg_sleep(600)")
        canceller.join()
        assert session.value("SELECT 1") == 1


def test_a_lost_connection_is_told_and_made_again(database, connection):
    with open_session(database) as session:
        connection.execute("SELECT pg_terminate_backend(%s)", [session.backend_pid])
        with pytest.raises(UnreachableError) as lost:
            for _ in range(6000):
                session.value("SELECT pg_sleep(0.01)")
        assert lost.value.code == "connection_lost" and session.closed
        assert retrying(lambda: session.value("SELECT 1"), reconnect=session.reconnect, pause=0) == 1
        assert session.value("SHOW default_transaction_read_only") == "on"


def test_a_serialization_failure_is_tried_again(database, connection):
    connection.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (0)")
    attempts = []

    def add(session):
        attempts.append(1)
        with session.transaction():
            session.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            seen = session.value("SELECT x FROM t")
            if len(attempts) == 1:
                connection.execute("UPDATE t SET x = 10")
            session.execute("UPDATE t SET x = %s", [seen + 1])

    with open_session(database, read_only=False) as session:
        retrying(lambda: add(session), pause=0)
    assert len(attempts) == 2 and connection.execute("SELECT x FROM t").fetchone() == (11,)


def test_a_syntax_error_is_tried_once(database):
    attempts = []
    with open_session(database) as session, pytest.raises(StatementError):
        retrying(lambda: attempts.append(1) or session.rows("SELEC"), reconnect=session.reconnect)
    assert attempts == [1]


def test_our_looking_leaves_no_trace_in_pg_stat_statements(database, connection):
    if not os.path.basename(connection.execute("SHOW shared_preload_libraries").fetchone()[0]):  # noqa: PTH119
        pytest.skip("pg_stat_statements is not loaded")
    connection.execute("CREATE EXTENSION pg_stat_statements")
    with open_session(database) as session:
        session.rows("SELECT 1 AS unique_word_here")
    found = connection.execute(
        "SELECT query FROM pg_stat_statements WHERE query LIKE '%unique_word_here' AND query NOT LIKE '%LIKE%'"
    ).fetchall()
    assert found == []


def test_a_closed_session_counts_no_longer(database, connection):
    """For who may have few: a role's CONNECTION LIMIT refuses the next while the last is still leaving."""
    seen = "SELECT FROM pg_stat_activity WHERE pid = %s"
    for _ in range(100):
        with open_session(database) as session:
            first = session.backend_pid
            session.reconnect()
            assert connection.execute(seen, [first]).rowcount == 0
            second = session.backend_pid
        assert connection.execute(seen, [second]).rowcount == 0
