"""The pool under threads, deaths and careless borrowers."""

import threading

import psycopg
import pytest

from indexpilot_cli.core import telemetry
from indexpilot_cli.db.pool import _state, close_connection_pool, get_connection, get_pool_stats, init_connection_pool
from indexpilot_cli.errors import PrerequisiteError, UnreachableError, UsageError
from tests.waiting import LIMIT, eventually


@pytest.fixture
def pool(database):
    init_connection_pool(database, 2, 4, timeout=LIMIT)
    yield database
    close_connection_pool()


def settled(**wanted):
    """Connections come back through a worker of the pool: soon, not at once."""
    eventually(lambda: all(getattr(get_pool_stats(), name) == value for name, value in wanted.items()))
    return get_pool_stats()


def test_h5_numbers_are_true(pool):
    assert settled(size=2, free=2).used == 0
    with get_connection(), get_connection(), get_connection():
        stats = settled(size=3)
        assert (stats.used, stats.free, stats.size, stats.minimum, stats.maximum) == (3, 0, 3, 2, 4)
    assert settled(free=3).used == 0


def test_h2_thirty_threads_share_four_connections(pool):
    held, most, failures = [], [], []
    lock = threading.Lock()

    def work(number):
        try:
            for _ in range(5):
                with get_connection() as conn:
                    with lock:
                        held.append(number)
                        most.append(len(held))
                    conn.execute("SELECT pg_sleep(0.002)")
                    with lock:
                        held.remove(number)
        except Exception as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and 2 <= max(most) <= 4
    assert settled(used=0, waiting=0).used == 0


def test_h6_nothing_leaks_to_the_next_borrower(database):
    init_connection_pool(database, 1, 1)
    try:
        with get_connection() as conn:
            pid = conn.info.backend_pid
            conn.autocommit = True
            conn.execute("SET work_mem = '9MB'")
            conn.execute("SELECT pg_advisory_lock(42)")
            conn.execute("CREATE TEMP TABLE mine (x int)")
            conn.row_factory = psycopg.rows.dict_row
        with get_connection() as conn:
            assert conn.info.backend_pid == pid and conn.autocommit is False
            assert conn.execute("SHOW work_mem").fetchone() != ("9MB",)
            assert conn.execute("SELECT to_regclass('mine')").fetchone() == (None,)
            mine = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            assert conn.execute(mine).fetchone() == (0,)
    finally:
        close_connection_pool()


def test_work_commits_and_errors_roll_back(pool):
    with get_connection() as conn:
        conn.execute("CREATE TABLE t (x int)")
    with pytest.raises(psycopg.errors.DivisionByZero), get_connection() as conn:
        conn.execute("INSERT INTO t VALUES (1)")
        conn.execute("SELECT 1 / 0")
    with get_connection() as conn:
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert settled(used=0).used == 0


def test_h3_dead_connections_are_replaced(pool, connection):
    with get_connection(), get_connection():
        pass
    settled(free=2)
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'indexpilot'")
    for _ in range(3):
        with get_connection() as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("threads", [1, 8])
def test_of_a_pool_whose_connections_all_died_nobody_meets_two(database, connection, threads, monkeypatch):
    """Who meets one has all of them looked at: the pool's own way waits longer after each, for a minute in all."""
    dead = []
    monkeypatch.setattr(telemetry, "count", lambda name: dead.append(name))
    init_connection_pool(database, 20, 20, timeout=LIMIT)
    try:
        settled(size=20, free=20)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'indexpilot' AND datname = current_database()"
        )
        answers = []

        def work():
            for _ in range(3):
                with get_connection() as conn:
                    answers.append(conn.execute("SELECT 1").fetchone())

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert answers == [(1,)] * 3 * threads
        assert set(dead) == {"pool.dead_connections"} and 1 <= len(dead) <= threads
        settled(size=20, free=20)
    finally:
        close_connection_pool()


def test_a_connection_that_dies_in_use_is_not_lent_again(pool, connection):
    with pytest.raises(psycopg.OperationalError), get_connection() as conn:
        connection.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])
        conn.execute("SELECT 1")
    with get_connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert settled(used=0).used == 0


@pytest.fixture
def impatient(database, monkeypatch):
    """A pool of one connection, of which nobody waits long for it once it is open."""
    init_connection_pool(database, 1, 1, timeout=LIMIT)
    monkeypatch.setattr(_state.pool, "timeout", 0.1)
    yield database
    close_connection_pool()


def test_waiting_ends_with_a_clear_error(impatient):
    with get_connection(), pytest.raises(UnreachableError) as caught, get_connection():
        pass
    assert caught.value.code == "pool_exhausted"


def test_a_server_that_takes_no_connection_any_more_is_told_as_such(pg, impatient):
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        name = psycopg.conninfo.conninfo_to_dict(impatient)["dbname"]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    with pytest.raises(UnreachableError) as caught, get_connection():
        pass
    assert "not currently accepting connections" in caught.value.detail


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 5), (-1, 5), (6, 5)])
def test_h2_impossible_sizes_are_refused(database, minimum, maximum):
    with pytest.raises(UsageError):
        init_connection_pool(database, minimum, maximum)
    assert get_pool_stats().maximum == 0


def test_without_a_pool():
    with pytest.raises(PrerequisiteError), get_connection():
        pass
    close_connection_pool()
    assert get_pool_stats() == type(get_pool_stats())(0, 0, 0, 0, 0, 0)


def test_a_second_pool_takes_the_place_of_the_first(pool):
    init_connection_pool(pool, 1, 3)
    assert get_pool_stats().maximum == 3
    with get_connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_an_unreachable_server_is_told_at_once(database):
    with pytest.raises(UnreachableError) as caught:
        init_connection_pool(psycopg.conninfo.make_conninfo(database, dbname="nope", password="s3cret"))
    assert caught.value.code == "database_missing" and "s3cret" not in str(caught.value.detail)
    assert get_pool_stats().maximum == 0
