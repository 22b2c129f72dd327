"""Faults that are seen rather than caused by us: F08, F14 and F22 of the fault table, on a real server."""

import psycopg
import pytest

from indexpilot_cli.admin import doctor, init
from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, Record, Silent, WorkloadRequest
from tests.waiting import LIMIT, eventually

QUIET = Record(enabled=False)


@pytest.fixture
def table(connection, database):
    connection.execute("CREATE TABLE public.items (k int NOT NULL, v int NOT NULL)")
    connection.execute("INSERT INTO public.items SELECT i % 5000, i FROM generate_series(1, 20000) i")
    connection.execute("CREATE INDEX items_k ON public.items (k)")
    connection.execute("ANALYZE public.items")
    return database


def checks(dsn, **more):
    result = doctor.run(DoctorRequest(Connection(dsn), record=QUIET, **more), Silent()).result
    return [(c.state, c.text) for c in result.checks if "index" in c.name]


def invalid(connection):
    query = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
    return [row[0] for row in connection.execute(query)]


def test_f08_an_invalid_unique_leftover_is_an_emergency(table, connection):
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY items_k_once ON public.items (k)")
    assert invalid(connection) == ["items_k_once"]
    told = [(state, text) for state, text in checks(table) if "items_k_once" in text]
    assert [(state, "UNIQUE" in text) for state, text in told] == [
        ("warning", False)
    ]  # not ready: no write looks at it
    with psycopg.connect(table) as holder, psycopg.connect(table, autocommit=True) as second:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM public.items")  # its snapshot makes the last phase wait
        second.pgconn.send_query(b"CREATE UNIQUE INDEX CONCURRENTLY items_once ON public.items (v)")
        phase = "SELECT 1 FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'"
        eventually(lambda: connection.execute(phase).fetchone())
        second.cancel_safe(timeout=LIMIT)
        while second.pgconn.get_result():
            pass
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("INSERT INTO public.items SELECT * FROM public.items LIMIT 1")
    states = [state for state, text in checks(table) if "items_once" in text and "UNIQUE" in text]
    assert states == ["error"]


def test_f22_what_a_stopped_reindex_leaves_is_told_and_not_touched(table, connection):
    init.run(InitRequest(Connection(table), record=QUIET), Silent())
    with psycopg.connect(table) as holder, psycopg.connect(table, autocommit=True) as second:
        holder.execute("SELECT count(*) FROM public.items")  # its lock and snapshot make the rebuild wait
        second.pgconn.send_query(b"REINDEX INDEX CONCURRENTLY public.items_k")
        eventually(lambda: any("_cc" in name for name in invalid(connection)))
        second.cancel_safe(timeout=LIMIT)
        while second.pgconn.get_result():
            pass
    left = invalid(connection)
    assert [name for name in left if "_cc" in name]
    assert any("_cc" in text for state, text in checks(table, reconcile=True) if state == "warning")
    assert invalid(connection) == left  # no intent of ours speaks of it: hands off


def test_f14_looking_does_not_count_as_use(table, connection):
    scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'items_k'"
    before = connection.execute(scans).fetchone()
    queries = ("SELECT * FROM public.items WHERE k > 4999", "SELECT max(k) FROM public.items WHERE v = 3")
    request = RecommendRequest(Connection(table), workload=WorkloadRequest(queries=queries), record=QUIET)
    recommend.run(request, Silent())
    connection.execute("SELECT pg_stat_clear_snapshot()")
    assert connection.execute(scans).fetchone() == before
