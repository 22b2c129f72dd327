"""Query statistics from the host's call to the table, and the figures made of them."""

import asyncio
import subprocess
import sys
import threading

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from indexpilot_cli import host
from indexpilot_cli.host import stats
from tests.waiting import LIMIT, eventually

COUNT = "SELECT count(*) FROM indexpilot.query_stats"


@pytest.fixture
def connection(connection):
    connection.execute("SET search_path TO public")
    return connection


@pytest.fixture
def ready(database, connection):
    host.init_connection_pool(database, 2, 12)
    host.set_metadata_schema("indexpilot")
    connection.execute("CREATE TABLE orders (id int, status text)")
    assert host.discover_and_bootstrap_schema()["success"]
    yield connection
    host.flush_query_stats()
    host.close_connection_pool()


def counted(connection):
    return connection.execute(COUNT).fetchone()[0]


def log(number, **changes):
    row = {"tenant_id": 1, "table_name": "orders", "field_name": "status", "query_type": "READ", "duration_ms": 2.0}
    return [host.log_query_stat(**(row | changes)) for _ in range(number)]


def test_c2_the_hundredth_row_writes_all(ready, monkeypatch):
    monkeypatch.setattr(stats._buffer, "_interval", 3600.0)  # on a busy machine five seconds may be over by then
    log(99)
    assert counted(ready) == 0
    log(1)
    eventually(lambda: counted(ready) == 100)


def test_c2_five_seconds_write_what_waits(ready, monkeypatch):
    assert stats._buffer._interval == 5.0
    monkeypatch.setattr(stats._buffer, "_interval", 0.05)  # the timer is the same one; five seconds would be waited for
    log(3)
    eventually(lambda: counted(ready) == 3)


def log_in_eight_threads():
    """40,000 rows from eight threads, written; gives how many of them were dropped."""
    before = host.get_query_log_stats().dropped
    threads = [threading.Thread(target=log, args=[5000]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert host.flush_query_stats(LIMIT)
    return host.get_query_log_stats().dropped - before


def test_c3_what_eight_threads_lose_is_counted(ready):
    dropped = log_in_eight_threads()
    assert counted(ready) + dropped == 40_000


def test_c3_eight_threads_that_wait_lose_nothing(ready):
    host.set_query_stat_wait(LIMIT)
    try:
        assert log_in_eight_threads() == 0
    finally:
        host.set_query_stat_wait(0)
    assert counted(ready) == 40_000


def test_a_wait_is_a_number_of_seconds():
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(ValueError):
            host.set_query_stat_wait(wrong)


def test_c5_a_bad_row_is_left_out_alone(ready):
    ready.execute("CREATE TABLE tenants (id int); INSERT INTO tenants VALUES (1)")
    before = host.get_query_log_stats()
    log(90)
    bad = {"duration_ms": float("nan")}, {"duration_ms": -1}, {"duration_ms": None}, {"table_name": ""}
    assert [log(1, **row)[0] for row in bad] == [False] * 4
    unknown = {"tenant_id": 99999}, {"table_name": "ordres"}, {"field_name": "nothing"}
    assert [log(1, **row)[0] for row in unknown] == [True] * 3
    log(1, tenant_id=99999, skip_validation=True)
    log(1, field_name=None)
    log(1, table_name="public.orders")
    log(1, tenant_id=None)
    assert host.flush_query_stats()
    after = host.get_query_log_stats()
    assert counted(ready) == 94 and after.rejected - before.rejected == 7
    found = ready.execute("SELECT DISTINCT tenant_id FROM indexpilot.query_stats ORDER BY 1").fetchall()
    assert found == [(1,), (99999,), (None,)]


def test_c5_a_row_the_server_refuses_is_left_out_alone(ready):
    before = host.get_query_log_stats().rejected
    ready.execute("ALTER TABLE indexpilot.query_stats ADD CHECK (duration_ms < 1000)")
    ready.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not these'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON indexpilot.query_stats FOR EACH ROW"
        " WHEN (new.query_type = 'BAD') EXECUTE FUNCTION refuse()"
    )
    log(50)
    log(1, duration_ms=5000)
    log(1, query_type="BAD")
    log(48)
    eventually(lambda: counted(ready) == 98)
    eventually(lambda: host.get_query_log_stats().rejected - before == 2)  # counted when the batch is written


@pytest.fixture
def poor(ready, database):
    """A role that may only connect, with the pool in its name."""
    ready.execute("CREATE ROLE stats_of_poor LOGIN; GRANT USAGE ON SCHEMA indexpilot TO stats_of_poor")
    host.init_connection_pool(make_conninfo(database, options="-c role=stats_of_poor"), 1, 2)
    yield "stats_of_poor"
    ready.execute("DROP OWNED BY stats_of_poor; DROP ROLE stats_of_poor")


def test_a_role_without_rights_is_told_which(ready, poor):
    log(1)
    assert not host.flush_query_stats()
    error = host.get_query_log_stats().last_error
    assert error == "the role lacks a privilege: permission denied for table genome_catalog"
    told = host.discover_and_bootstrap_schema()
    assert not told["success"] and "permission denied for table schema_version" in told["error"]
    # What README asks for beside init --grant is enough to record.
    ready.execute(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA indexpilot TO {poor}; GRANT INSERT ON indexpilot.query_stats TO {poor};"
        f"GRANT USAGE ON indexpilot.query_stats_id_seq TO {poor}"
    )
    assert host.flush_query_stats() and counted(ready) == 1


def test_c4_a_locked_table_costs_rows_that_are_counted(ready, database):
    before = host.get_query_log_stats()
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE indexpilot.query_stats")
        assert sum(log(20_000)) == 10_000
        during = host.get_query_log_stats()
    assert during.waiting <= 10_000 and during.dropped - before.dropped == 10_000
    eventually(host.flush_query_stats)
    assert counted(ready) == 10_000
    assert host.get_query_log_stats().dropped == during.dropped


def test_c4_a_database_that_is_gone_costs_a_counter(pg):
    """From the start: no pool, then none that answers; the host's calls and its end go on."""
    code = (
        "from indexpilot_cli import host\n"
        "assert sum(host.log_query_stat(1, 'orders', 'status', 'READ', 1.5) for _ in range(20_000)) == 10_000\n"
        "assert not host.flush_query_stats()\n"
        "found = host.get_query_log_stats()\n"
        "assert (found.dropped, found.written) == (10_000, 0) and found.failures, found\n"
        "print(found.last_error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "the connection pool is not open\n" and "not written" in done.stderr


def test_c9_a_call_asks_nothing_of_the_database(ready, database):
    """No call waits for the server, in a loop's thread neither: all rows are taken while the table is locked."""

    async def serve():
        return log(5000)

    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE indexpilot.query_stats, indexpilot.genome_catalog")
        assert all(log(4000)) and all(asyncio.run(serve()))
        assert counted(blocker) == 0
    eventually(host.flush_query_stats)
    assert counted(ready) == 9000


def test_c2_rows_logged_just_before_exit_are_written(ready, database):
    code = (
        "import sys; from indexpilot_cli import host\n"
        "from indexpilot_cli.host import stats; stats._PATIENCE = 120.0\n"
        "host.init_connection_pool(sys.argv[1], 1, 2)\n"
        "[host.log_query_stat(1, 'orders', 'status', 'READ', 1.5) for _ in range(7)]"
    )
    subprocess.run([sys.executable, "-c", code, database], check=True, timeout=300)
    assert counted(ready) == 7


FORKING = """
import multiprocessing, os, sys, threading
from indexpilot_cli import host
from indexpilot_cli.host import stats

stats._PATIENCE = 120.0

def log(tenant, number):
    for _ in range(number):
        host.log_query_stat(tenant, "orders", "status", "READ", 1.5)

host.init_connection_pool(sys.argv[1], 1, 2)
log(1, 7)
held, go = threading.Event(), threading.Event()

def hold():
    with stats._buffer._change, stats._cache._lock:
        held.set()
        go.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()  # the children are forked while another thread holds the locks
children = [os.fork()]
if children[0] == 0:
    log(2, 130)
    sys.exit(0)
worker = multiprocessing.get_context("fork").Process(target=log, args=(3, 5))
worker.start()
go.set()
assert os.waitpid(children[0], 0)[1] == 0
worker.join()
assert worker.exitcode == 0
log(1, 4)  # on the connections it had: no child has closed them
"""


def test_c2_forked_workers_write_rows_of_their_own(ready, database):
    subprocess.run([sys.executable, "-c", FORKING, database], check=True, timeout=300)
    rows = ready.execute("SELECT tenant_id, count(*) FROM indexpilot.query_stats GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [(1, 11), (2, 130), (3, 5)]


def test_table_sizes_without_counting(ready):
    ready.execute(
        "INSERT INTO orders SELECT g, repeat('x', 50) FROM generate_series(1, 5000) g; CREATE INDEX ON orders (id);"
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES"
        " FROM (0) TO (1000); CREATE TABLE parts_2 PARTITION OF parts DEFAULT; CREATE INDEX ON parts (id);"
        "INSERT INTO parts SELECT generate_series(1, 2000); ANALYZE; CREATE TABLE never (x int)"
    )
    size = host.get_table_size_info("orders")
    truth = ready.execute("SELECT pg_table_size('orders'), pg_indexes_size('orders'), pg_total_relation_size('orders')")
    assert (size["table_bytes"], size["index_bytes"], size["total_bytes"]) == truth.fetchone()
    assert size["row_count"] == 5000 and 0 < size["overhead"] < 1
    parts = host.get_table_size_info("public.parts")
    assert parts["row_count"] == 2000 and parts["index_bytes"] > 0 and parts["table_bytes"] > 0
    assert host.get_table_size_info("never")["row_count"] is None
    assert host.get_table_size_info("nothing_there") is None


def test_a_lost_connection_is_overcome(ready):
    log(100)
    assert host.flush_query_stats()
    ready.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    log(100)
    eventually(lambda: host.flush_query_stats() and counted(ready) == 200)
