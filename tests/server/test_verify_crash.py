"""F13: the server crashes between the two readings of a verification, and its counters begin anew."""

import contextlib
import os
import signal

import psycopg
import pytest

from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, run_apply
from tests.server.test_apply_kill import restart
from tests.server.test_verify_apply import observed, statistics, with_statements
from tests.servers import SETTINGS, binaries, has_contrib
from tests.waiting import eventually


@pytest.fixture
def server():
    found = binaries()
    if not has_contrib(found):
        pytest.skip("pg_stat_statements is not on this server")
    preload = {"shared_preload_libraries": "pg_stat_statements"}
    with LocalServer(found, new_home(), SETTINGS | preload) as server:
        applying.fill(server.dsn(), 30_000)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            with_statements(connection)
            connection.execute("create table public.other as select n as id from generate_series(1, 5000) n")
        yield server


def kill_a_backend(server):
    """The server recovers as after a crash, and goes on running."""
    since = "select stats_reset from pg_stat_bgwriter"
    with psycopg.connect(server.dsn(), autocommit=True) as victim:
        before = victim.execute(since).fetchone()
        os.kill(victim.info.backend_pid, signal.SIGKILL)

    def is_back():
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.dsn(), autocommit=True) as found:
            return found.execute(since).fetchone() != before

    eventually(is_back)


def scans(dsn, name):
    query = "select idx_scan, (select stats_reset from pg_stat_database where datname = current_database())"
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(f"{query} from pg_stat_user_indexes where indexrelname = %s", [name]).fetchone()


@pytest.mark.parametrize("crash", [lambda server: restart(server, "immediate"), kill_a_backend])
def test_f13_a_crash_between_the_readings_is_not_enough_evidence(server, crash):
    dsn = server.dsn()
    statistics(dsn, 110)
    plan = keep_plan(dsn, definition("note"))  # of no use: without the crash it would be taken back
    name = plan.recommendations[0].name
    run_apply(dsn, plan.id, verify="statistics", auto_revert=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select count(*) from orders where note = 'x'")
    statistics(dsn, 110)
    assert "not enough evidence" not in observed(dsn)
    assert scans(dsn, name)[0] > 0
    crash(server)
    assert scans(dsn, name) in ((0, None), (None, None))  # what the catalog shows after it: no scan, no reset
    assert "not enough evidence yet: the server crashed" in observed(dsn)
    statistics(dsn, 130)  # more calls than before the crash: nothing has fallen

    again = run_apply(dsn, plan.id, verify="statistics", auto_revert=True)
    assert again.exit_code == 0
    (told,) = again.result.reconciled
    assert (told.outcome, told.verification, told.notes) == ("done", "not_enough_evidence", ("observed anew",))
    world = look(dsn)
    assert world.indexes == {name: True}
    assert world.states() == ["INTENT", "STARTED", "VALID"]

    assert "the server crashed" not in observed(dsn)
    statistics(dsn, 110)
    settled = run_apply(dsn, plan.id, verify="statistics", auto_revert=True)
    assert [m.verification for m in settled.result.reconciled] == ["reverted"]
    assert look(dsn).indexes == {}
    assert look(dsn).states()[-1] == "REVERTED"


def test_a_clean_restart_keeps_the_evidence(server):
    dsn = server.dsn()
    statistics(dsn, 110)
    plan = keep_plan(dsn, definition("customer_id"))
    run_apply(dsn, plan.id, verify="statistics")
    restart(server, "fast")
    statistics(dsn, 110)
    assert "faster" in observed(dsn)
    (told,) = run_apply(dsn, plan.id, verify="statistics").result.reconciled
    assert told.verification == "verified"
    assert "kB, predicted 976.6 kB (-" in told.verification_text
    assert told.verification_text.endswith("when built (+0%)")
