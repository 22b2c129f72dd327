"""The hooks for SQLAlchemy, Django and psycopg against a server: what is recorded, and what never reaches the host."""

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine

from indexpilot_cli import host
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host import aio
from indexpilot_cli.host.hooks import recorder
from tests.servers import new_database
from tests.waiting import LIMIT, eventually


@pytest.fixture(scope="module")
def shop(pg):
    """The DSN of a database with a table and ours, and the pool on it."""
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute("CREATE TABLE public.orders (id int PRIMARY KEY, status text, at date)")
        host.init_connection_pool(dsn, 1, 4)
        host.set_metadata_schema("indexpilot")
        assert host.discover_and_bootstrap_schema()["success"]
        yield dsn
        host.flush_query_stats()
        host.close_connection_pool()


@pytest.fixture
def rows(shop):
    """Asks for the rows since the test began: (tenant, field, kind) of each, and the counters' difference."""
    host.flush_query_stats()
    before = host.get_recorded_statements()
    with psycopg.connect(shop, autocommit=True) as admin:
        admin.execute("TRUNCATE indexpilot.query_stats")

        def found():
            assert host.flush_query_stats(LIMIT)
            text = "SELECT tenant_id, field_name, query_type FROM indexpilot.query_stats ORDER BY id"
            return admin.execute(text).fetchall()

        found.counted = lambda: changes(before, host.get_recorded_statements())
        yield found


def changes(before, after):
    numbers = {name: getattr(after, name) - getattr(before, name) for name in ("understood", "partly", "failed")}
    numbers["without_tenant"] = after.without_tenant - before.without_tenant
    skipped = {reason: number - before.skipped.get(reason, 0) for reason, number in after.skipped.items()}
    return {name: number for name, number in (numbers | skipped).items() if number}


@pytest.fixture
def engine(shop):
    made = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(shop))
    yield made
    made.dispose()


def test_sqlalchemy_records_what_succeeds(engine, rows):
    assert host.record_sqlalchemy(engine)
    assert host.record_sqlalchemy(engine, lambda: 7)  # again: another tenant, no second row
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO orders VALUES (:id, :s)"), [{"id": n, "s": "x"} for n in range(3)])
        connection.execute(sa.text("SELECT * FROM orders WHERE status LIKE 'x%' AND id % 2 = 0"))
        connection.exec_driver_sql("SELECT * FROM orders WHERE status LIKE '50%%'")
        streamed = connection.execution_options(stream_results=True)
        assert len(streamed.execute(sa.text("SELECT * FROM orders")).all()) == 3
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO orders VALUES (1)"))
    assert rows() == [(7, None, "insert"), (7, "status", "like"), (7, "status", "like")]
    counted = rows.counted()
    # SQLAlchemy asks a new connection what it is; those questions touch no table.
    assert {name: counted[name] for name in ("understood", "partly", "failed", "unmeasured")} == {
        **{"understood": 3, "partly": 1, "failed": 1, "unmeasured": 1}
    }
    assert set(counted) <= {"understood", "partly", "failed", "unmeasured", "no_table", "utility"}


def test_sqlalchemy_async_engines_and_tenants_of_tasks(shop, rows):
    account: ContextVar[int] = ContextVar("account")

    async def visit(engine, number):
        account.set(number)
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT * FROM orders WHERE id = :id"), {"id": number})

    async def serve():
        async def creator():
            return await psycopg.AsyncConnection.connect(shop)

        engine = create_async_engine("postgresql+psycopg://", async_creator=creator)
        assert host.record_sqlalchemy(engine, account)
        await asyncio.gather(*(visit(engine, number) for number in range(5)))
        with pytest.raises(TimeoutError):
            async with engine.connect() as connection, asyncio.timeout(None) as limit:
                over = asyncio.create_task(end_when_it_sleeps(limit))
                await connection.execute(sa.text("SELECT count(*), pg_sleep(600) FROM orders"))
        await over
        await engine.dispose()

    async def end_when_it_sleeps(limit):
        asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        with psycopg.connect(shop, autocommit=True) as looking:
            await asyncio.to_thread(eventually, lambda: looking.execute(asleep).rowcount)
        limit.reschedule(0)

    asyncio.run(serve())
    assert sorted(rows()) == [(number, "id", "equal") for number in range(5)]
    assert rows.counted()["failed"] == 1


def test_another_database_is_let_alone(rows):
    engine = sa.create_engine("sqlite://")
    assert host.record_sqlalchemy(engine) is False
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    assert rows.counted() == {}


def test_psycopg_cursors(shop, rows):
    kinds = [psycopg.Cursor, psycopg.ClientCursor]
    for tenant, base in enumerate(kinds):
        factory = host.recording_cursor(lambda tenant=tenant: tenant, base)
        with psycopg.connect(shop, cursor_factory=factory) as connection:
            connection.execute("SELECT * FROM orders WHERE status = %s AND at > %s", ["x", None])
            connection.execute(b"SELECT * FROM orders WHERE id = 5")
            connection.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier("orders")), [-1])
    with psycopg.connect(shop, cursor_factory=host.recording_cursor(base=psycopg.RawCursor)) as connection:
        connection.execute("SELECT * FROM orders WHERE id = $1 AND status LIKE '%s%%'", [1])
    one = [("status", "equal"), ("at", "range"), ("id", "equal"), ("id", "equal"), (None, "delete")]
    raw = [(None, "id", "equal"), (None, "status", "like")]
    assert rows() == [(tenant, *row) for tenant in range(2) for row in one] + raw
    assert rows.counted() == {"understood": 7}


def test_psycopg_tells_what_it_does_not_measure(shop, rows):
    options = {
        "cursor_factory": host.recording_cursor(),
        "server_cursor_factory": host.recording_cursor(base=psycopg.ServerCursor),
    }
    with psycopg.connect(shop) as connection:
        connection.cursor_factory = options["cursor_factory"]
        connection.server_cursor_factory = options["server_cursor_factory"]
        with connection.pipeline():
            connection.execute("SELECT * FROM orders")
        with connection.cursor("named") as cursor:
            cursor.execute("SELECT * FROM orders")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM nowhere")
    assert rows() == [] and rows.counted() == {"unmeasured": 2, "failed": 1}


def test_nothing_reaches_the_host(shop, rows):
    """A tenant that raises or is no number; SQL that is not one statement; a long text; more texts than are kept."""

    def broken():
        raise LookupError("no request here")

    with psycopg.connect(shop, cursor_factory=host.recording_cursor(broken)) as connection:
        connection.execute("SELECT * FROM orders WHERE id = 1")
    with psycopg.connect(shop, cursor_factory=host.recording_cursor(lambda: "acme")) as connection:
        connection.execute("SELECT * FROM orders WHERE id = 1")
    with psycopg.connect(shop, cursor_factory=host.recording_cursor()) as connection:
        for number in range(recorder._TEXTS + 5):
            connection.execute(f"SELECT {number} FROM orders WHERE id = {number}")
        connection.execute("SELECT * FROM orders WHERE status IN ('x'" + ", 'x'" * 20_000 + ")")
        connection.execute("SELECT 1; SELECT 2")
    assert rows() == [(None, "id", "equal")] * (recorder._TEXTS + 6)
    counted = rows.counted()
    assert (counted["without_tenant"], counted["too_long"], counted["unparsed"]) == (1, 1, 1)
    assert len(recorder._texts) <= recorder._TEXTS


def test_our_own_statements_are_none_of_the_hosts(shop, rows):
    """As when our pool is the host's, whose cursors record."""
    with psycopg.connect(shop, cursor_factory=host.recording_cursor()) as connection:
        for _ in range(3):
            connection.execute("SELECT /* indexpilot */ * FROM orders")
            host.flush_query_stats()
    assert rows() == [] and rows.counted() == {"own": 3}


def test_a_table_that_the_catalog_learns_is_recorded_from_then_on(shop, rows):
    with psycopg.connect(shop, autocommit=True, cursor_factory=host.recording_cursor()) as connection:
        connection.execute("CREATE TABLE public.late (id int)")
        connection.execute("SELECT * FROM late WHERE id = 1")
        assert rows() == [] and rows.counted() == {"utility": 1, "no_table": 1}
        assert host.detect_and_sync_schema_changes()["success"]
        connection.execute("SELECT * FROM late WHERE id = 1")
    assert rows() == [(None, "id", "equal")]


def test_switched_off_nothing_is_recorded(shop, rows, monkeypatch):
    monkeypatch.setenv("INDEXPILOT_BYPASS_FEATURES_STATS_COLLECTION_ENABLED", "false")
    host.init_connection_pool(shop, 1, 4)
    with psycopg.connect(shop, cursor_factory=host.recording_cursor()) as connection:
        connection.execute("SELECT * FROM orders WHERE id = 1")
    monkeypatch.delenv("INDEXPILOT_BYPASS_FEATURES_STATS_COLLECTION_ENABLED")
    host.init_connection_pool(shop, 1, 4)
    assert rows() == [] and rows.counted() == {}


def test_installing_a_hook_loads_no_parser():
    code = (
        "import sys, sqlalchemy; from indexpilot_cli import host\n"
        "host.record_sqlalchemy(sqlalchemy.create_engine('postgresql+psycopg://')); host.recording_cursor()\n"
        "print([m for m in ('postgast', 'google.protobuf', 'django', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "[]"


def test_the_library_on_asyncio(shop, rows):
    """Results and errors are the namesakes'; the loop runs on meanwhile; a cancelled call gives its connection back."""
    host.log_query_stat(3, "orders", "status", "equal", 1.0)

    async def serve():
        with psycopg.connect(shop) as blocker:
            blocker.execute("LOCK TABLE indexpilot.query_stats")
            asking = asyncio.create_task(aio.get_field_usage_stats())
            while host.get_pool_stats().used == 0:
                await asyncio.sleep(0)  # the loop is free while the thread waits for the lock
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert await aio.flush_query_stats(LIMIT)
        usage, size = await asyncio.gather(aio.get_field_usage_stats(), aio.get_table_size_info("orders"))
        with pytest.raises(UsageError):
            await aio.enable_field(1, "orders", "nothing")
        return usage, size

    usage, size = asyncio.run(serve())
    assert [(row["field_name"], row["tenant_count"]) for row in usage] == [("status", 1)]
    assert size["table_name"] == "orders"
    eventually(lambda: host.get_pool_stats().used == 0)


def test_threads_of_one_cursor_class(shop, rows):
    factory = host.recording_cursor()

    def visit(tenant):
        with host.tenant_context(tenant), psycopg.connect(shop, cursor_factory=factory) as connection:
            for number in range(50):
                connection.execute("SELECT * FROM orders WHERE id = %s", [number])

    threads = [threading.Thread(target=visit, args=[tenant]) for tenant in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rows()) == sorted([(tenant, "id", "equal") for tenant in range(4)] * 50)
