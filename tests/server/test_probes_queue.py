"""Who stands in front of a lock, and how fast the server is."""

import psycopg

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve.review.evidence import calibrate, queues
from indexpilot_cli.evolve.review.values import Rates

T, U = QualifiedName("public", "t"), QualifiedName("public", "u")


def test_open_transactions_on_the_tables(database, connection):
    connection.execute("CREATE TABLE t (a int); CREATE TABLE u (a int)")
    name = psycopg.conninfo.make_conninfo(database, application_name="report")
    with psycopg.connect(name) as holder, psycopg.connect(database) as other, open_session(database) as session:
        holder.execute("SELECT * FROM t")
        other.execute("SELECT * FROM u")
        (found,) = queues(session, [T], older_than=0.0)
        assert (found.table, found.application, found.state) == (T, "report", "idle in transaction")
        assert found.pid == holder.info.backend_pid and found.user and 0 <= found.seconds < 60
        assert [q.table for q in queues(session, [T, U], older_than=0.0)] == [T, U]
        assert queues(session, [T], older_than=3600.0) == () and queues(session, []) == ()
        holder.rollback()
        assert queues(session, [T], older_than=0.0) == ()


def test_our_own_session_is_not_in_its_way(database, connection):
    connection.execute("CREATE TABLE t (a int)")
    with open_session(database) as session, session.transaction():
        session.rows("SELECT * FROM t")
        assert queues(session, [T], older_than=0.0) == ()


def test_rates_are_measured_or_usual(database, connection):
    """However slow the machine is: nothing is cut off unless that is asked for."""
    with open_session(database) as session:
        empty = calibrate(session, limit_ms=0)
        connection.execute("CREATE TABLE t AS SELECT g, repeat('x', 200) AS v FROM generate_series(1, 50000) g")
        connection.execute("ANALYZE t")
        found = calibrate(session, limit_ms=0)
        cut = calibrate(session, limit_ms=1)
    usual = Rates()
    assert empty.basis == "calibrated" and empty.scan == usual.scan
    assert found.basis == "calibrated"
    for name in ("scan", "rewrite", "sort", "join", "write"):
        assert 0.1 * getattr(usual, name) <= getattr(found, name) <= 10 * getattr(usual, name)
    assert cut.scan > 0 and cut.basis in ("calibrated", "default")
