"""J: a host's adapters, its monitoring and its pool."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import psycopg2
import psycopg2.pool
import pytest
import sqlalchemy
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy.pool import NullPool

from indexpilot_cli import host
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import IndexPilotError, UnreachableError, UsageError
from indexpilot_cli.log.bookkeeping import bookkeeping
from tests.server.applying import definition, keep_plan, run_apply
from tests.server.requesting import filled
from tests.unit.host.test_adapters import Recorder
from tests.waiting import eventually

APPLICATION = "the host's own"
FEW = 'CREATE TABLE "Or ders" (id int PRIMARY KEY, "Sta%tus" text)'


@pytest.fixture(scope="module")
def place(pg):
    with filled(pg, FEW) as found:
        yield found


@pytest.fixture(autouse=True)
def as_before():
    yield
    host.flush_query_stats()
    host.configure_adapters(monitoring=None, error_tracker=None, audit=None, database=None)
    host.close_connection_pool()


class Plain:
    """The least that a pool can be, with connections of its own kind."""

    def __init__(self, connect):
        self._connect = connect
        self.free = []

    def getconn(self):
        return self.free.pop() if self.free else self._connect()

    def putconn(self, connection):
        self.free.append(connection)


def url(dsn, driver):
    given = psycopg.conninfo.conninfo_to_dict(dsn)
    query = {name: str(value) for name, value in given.items() if name != "dbname"}
    return sqlalchemy.URL.create(f"postgresql+{driver}", database=given["dbname"], query=query)


@contextlib.contextmanager
def lent(kind, dsn):
    """A pool of the host's in one of its kinds."""
    with contextlib.ExitStack() as stack:
        match kind:
            case "psycopg_pool":
                options = {"row_factory": dict_row}
                yield stack.enter_context(ConnectionPool(dsn, kwargs=options, min_size=1, max_size=2, open=True))
            case "psycopg2":
                pool = psycopg2.pool.ThreadedConnectionPool(1, 2, dsn)
                stack.callback(pool.closeall)
                yield pool
            case "sqlalchemy psycopg" | "sqlalchemy psycopg2":
                engine = sqlalchemy.create_engine(url(dsn, kind.split()[1]), pool_size=1, max_overflow=1)
                stack.callback(engine.dispose)
                yield engine
            case "plain":
                pool = Plain(lambda: psycopg.connect(dsn, autocommit=True))
                stack.callback(lambda: [connection.close() for connection in pool.free])
                yield pool


KINDS = ("psycopg_pool", "psycopg2", "sqlalchemy psycopg", "sqlalchemy psycopg2", "plain")


def wrong(role, text, adapter):
    with pytest.raises(UsageError, match=text) as refused:
        host.configure_adapters(**{role: adapter})
    assert refused.value.code == "bad_adapter"


class Narrow(Recorder):
    def alert(self, text):
        """Takes too little."""


class Waits(Recorder):
    async def record(self, event):
        """Nobody would await it."""


def test_j1_a_wrong_object_is_refused_by_the_method_it_lacks(place):
    wrong("monitoring", "no method count, gauge, timing, alert: object", object())
    wrong("monitoring", r"alert must be alert\(level, name, text, value\): Narrow", Narrow())
    wrong("error_tracker", "no method capture_exception", object())
    wrong("audit", "no method record", print)
    wrong("audit", r"record must be record\(event\): Waits", Waits())
    wrong("database", "no method getconn, putconn", place.dsn)
    wrong("database", "coroutine", AsyncConnectionPool(place.dsn, open=False))
    wrong("database", "sqlite", sqlalchemy.create_engine("sqlite://"))
    wrong("database", "putconn", type("Half", (), {"getconn": lambda self: None})())
    assert host.get_host_database_adapter() is None and host.get_adapter_stats() == {}


def test_j2_what_happens_is_told_to_monitoring_audit_and_error_tracker(place):
    seen = Recorder()
    host.configure_adapters(monitoring=seen, error_tracker=seen, audit=seen)
    host.init_connection_pool(place.dsn, 1, 2)
    host.log_audit_event("BULK_UPDATE", 7, '"Or ders"', details={"password": "hunter2", "rows": 3})
    with pytest.raises(ZeroDivisionError), bookkeeping(place.connection, MutationType.DISCOVER):
        raise ZeroDivisionError("x")
    host.log_query_stat(None, "orders", None, "READ", 1.0, skip_validation=True)
    host.log_query_stat(None, "orders", None, "READ", float("nan"))
    assert host.flush_query_stats()
    book = host.AlertBook((host.AlertRule("too_alive", host.AlertLevel.ERROR, "indexpilot_up", above=0),))
    host.get_health(book)
    told = delivered(seen)
    audit = [call[1] for call in told if call[0] == "audit"]
    assert [(row["mutation_type"], row["state"]) for row in audit] == [
        ("BULK_UPDATE", None),
        ("CRITICAL_ERROR", "FAILED"),
    ]
    assert audit[0]["details_json"] == {"password": "********", "rows": 3}
    truth = place.sql(f"SELECT id, created_at FROM indexpilot.mutation_log WHERE id = {audit[0]['id']}")
    assert truth == [(audit[0]["id"], audit[0]["created_at"])]
    (error,) = [call[1] for call in told if call[0] == "error"]
    assert isinstance(error, ZeroDivisionError)
    counted = {(name, *tags.values()): value for kind, name, value, tags in quantities(told) if kind == "count"}
    assert counted[("mutations", "BULK_UPDATE", "")] == 1 and counted[("errors", "ZeroDivisionError")] == 1
    assert (counted[("query_stats.written",)], counted[("query_stats.rejected",)]) == (1, 1)
    timings = {(name, *tags.values()) for kind, name, _, tags in quantities(told) if kind == "timing"}
    assert ("query_stats.flush", "done") in timings and ("runs", "", "failed") in timings
    gauges = {name: value for kind, name, value, _ in quantities(told) if kind == "gauge"}
    assert gauges["up"] == 1 and gauges["pool_connections"] >= 0
    assert [call[1:3] for call in told if call[0] == "alert"] == [("error", "too_alive")]


def delivered(seen):
    for get in (host.get_monitoring_adapter, host.get_error_tracker, host.get_audit_adapter):
        assert get().flush() and get().stats().failures == 0
    return seen.calls


def quantities(told):
    return [call for call in told if call[0] in ("count", "gauge", "timing")]


def test_j2_an_index_that_is_built_is_counted_and_timed(place, own_places):
    seen = Recorder()
    host.configure_adapters(monitoring=seen)
    index = definition("Sta%tus", table=QualifiedName("public", "Or ders"))
    assert run_apply(place.dsn, keep_plan(place.dsn, index).id, force=True).exit_code == 0
    assert host.get_monitoring_adapter().flush()
    told = [(kind, name, tags) for kind, name, _, tags in quantities(seen.calls)]
    assert ("count", "mutations", {"type": "CREATE_INDEX", "state": "valid"}) in told
    assert ("timing", "operations", {"kind": "create_index", "outcome": "done"}) in told


def test_j2_a_row_that_is_rolled_back_is_not_told(place):
    seen = Recorder()
    host.configure_adapters(audit=seen)
    host.init_connection_pool(place.dsn, 1, 2)
    before = place.sql("SELECT count(*) FROM indexpilot.mutation_log")
    with pytest.raises(UsageError):
        host.enable_field(7, "nowhere", "x")
    assert place.sql("SELECT count(*) FROM indexpilot.mutation_log")[0][0] == before[0][0] + len(delivered_audit(seen))


def delivered_audit(seen):
    assert host.get_audit_adapter().flush()
    return seen.calls


def busy(place):
    """The names under which sessions are in the database, but for the test's own."""
    rows = place.sql(
        "SELECT DISTINCT application_name FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return {name for (name,) in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_j3_the_host_s_pool_is_used_and_none_is_opened(place, kind):
    with lent(kind, make_conninfo(place.dsn, application_name=APPLICATION)) as pool:
        host.configure_adapters(database=pool)
        host.init_connection_pool("host=/nowhere/at/all")  # not asked while there is a pool of the host's
        assert host.discover_and_bootstrap_schema()["success"]
        assert [f["field_name"] for f in host.get_genome_fields('"Or ders"')] == ["id", "Sta%tus"]
        host.initialize_tenant_expression(7)
        assert host.log_query_stat(7, "Or ders", "Sta%tus", "READ", 1.5) and host.flush_query_stats()
        assert host.get_query_stats(None, "Or ders")[-1]["avg_ms"] == 1.5
        number = host.log_audit_event("BULK_UPDATE", details={"kind": kind, "none": None, "list": [1]})
        assert host.get_recent_mutations(1)[0]["details_json"] == {"kind": kind, "none": None, "list": [1]}
        with host.get_connection() as connection:
            assert connection.execute("SHOW application_name").fetchone() == (APPLICATION,)
            eventually(lambda: busy(place) == {APPLICATION})  # those that ended a moment ago may still be there
            assert host.get_pool_stats().used == 1
        with pytest.raises(ZeroDivisionError), host.get_connection() as connection:
            connection.execute("CREATE TABLE gone (a int)")
            raise ZeroDivisionError
        assert place.sql("SELECT to_regclass('gone')") == [(None,)]
        eventually(lambda: busy(place) <= {APPLICATION})
        health = host.get_health(host.AlertBook())
        assert health.is_up and health.pool.used == 0
        assert host.preview_schema_change("drop_column", '"Or ders"', "Sta%tus")["undo"]["statements"]
        assert place.sql(f"SELECT count(*) FROM indexpilot.mutation_log WHERE id = {number}") == [(1,)]
        stats = host.get_adapter_stats()["database"]
        assert stats.delivered > 5 and stats.failures == 0


def test_j3_connections_come_back_as_they_were_lent(place):
    connection = psycopg.connect(place.dsn, autocommit=True, row_factory=dict_row)
    with connection, contextlib.closing(psycopg2.connect(place.dsn)) as other:
        connection.execute("SET work_mem = '9MB'")
        other.autocommit = True
        for lender in (Plain(lambda: connection), Plain(lambda: other)):
            host.configure_adapters(database=lender)
            host.get_mutation_summary()
            with pytest.raises(UsageError):
                host.log_audit_event("NOT_A_TYPE")
        assert connection.autocommit and connection.row_factory is dict_row
        assert connection.execute("SHOW work_mem").fetchone() == {"work_mem": "9MB"}
        assert other.autocommit and other.info.transaction_status == 0
        # Of one that is in the middle of the host's own work nothing would be left to roll back.
        connection.autocommit = False
        connection.execute("SELECT 1")
        host.configure_adapters(database=Plain(lambda: connection))
        with pytest.raises(IndexPilotError) as refused:
            host.get_mutation_summary()
        assert refused.value.code == "lent_in_transaction"


@pytest.mark.parametrize("kind", KINDS[:4])
def test_j3_dead_connections_of_the_host_s_pool_are_not_used(place, kind):
    with lent(kind, make_conninfo(place.dsn, application_name=APPLICATION)) as pool:
        host.configure_adapters(database=pool)
        with host.get_connection(), host.get_connection():
            pass
        place.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $${APPLICATION}$$")
        for _ in range(3):
            assert host.get_mutation_summary()["total"] >= 0


@pytest.mark.parametrize("kind", ["psycopg_pool", "psycopg2"])
def test_j3_threads_wait_for_the_connections_of_a_small_pool(place, kind):
    with lent(kind, place.dsn) as pool, ThreadPoolExecutor(8) as threads:
        host.configure_adapters(database=pool)
        found = [threads.submit(host.get_mutation_summary) for _ in range(40)]
        assert all(one.result()["total"] >= 0 for one in found)
        assert host.get_adapter_stats()["database"].failures == 0


def test_j3_a_statement_alone_is_alone_with_psycopg2_too(place):
    with lent("psycopg2", place.dsn) as pool:
        host.configure_adapters(database=pool)
        with host.place.session() as session:
            with pytest.raises(IndexPilotError, match="refused a statement"), session.transaction():
                session.explain('EXPLAIN (FORMAT JSON) SELECT 1; DROP TABLE "Or ders"')
            assert session.explain("EXPLAIN (FORMAT JSON) SELECT 1")["Node Type"] == "Result"
            with pytest.raises(IndexPilotError) as missing, session.transaction():
                session.value("SELECT 1 FROM nowhere_at_all")
            assert "nowhere_at_all" in missing.value.detail and missing.value.__cause__.sqlstate == "42P01"


def test_j4_getters_give_what_is_configured(place):
    assert host.get_monitoring_adapter() is None and host.get_host_database_adapter() is None
    assert host.get_database_adapter(place.dsn).quote_identifier("Or ders") == '"Or ders"'
    seen = Recorder()
    with lent("plain", place.dsn) as pool:
        host.configure_adapters(monitoring=seen, database=pool)
        assert host.get_monitoring_adapter().adapter is seen
        assert host.get_host_database_adapter().pool is pool


def test_j4_a_pool_that_takes_nothing_back_breaks_nothing_and_is_counted(place):
    class Keeps(Plain):
        def putconn(self, connection):
            connection.close()
            raise RuntimeError("not today")

    host.configure_adapters(database=Keeps(lambda: psycopg.connect(place.dsn)))
    assert host.get_mutation_summary()["total"] >= 0
    stats = host.get_adapter_stats()["database"]
    assert (stats.delivered, stats.failures, stats.last_error) == (1, 1, "RuntimeError: not today")


def test_j4_a_pool_that_fails_breaks_nothing_and_is_counted(place):
    def broken():
        raise RuntimeError("no connection today")

    host.configure_adapters(database=Plain(broken))
    with pytest.raises(UnreachableError) as refused:
        host.get_mutation_summary()
    assert "no connection today" in refused.value.detail
    assert host.log_query_stat(7, "orders", None, "READ", 1.0) is True
    assert not host.get_health(host.AlertBook()).is_up
    stats = host.get_adapter_stats()["database"]
    assert stats.failures >= 2 and "no connection today" in stats.last_error
    engine = sqlalchemy.create_engine(url(make_conninfo(place.dsn, port=1), "psycopg2"), poolclass=NullPool)
    host.configure_adapters(database=engine)
    with pytest.raises(UnreachableError):
        host.get_mutation_summary()
    with lent("plain", place.dsn) as pool:
        host.configure_adapters(database=pool)
        assert host.flush_query_stats()
