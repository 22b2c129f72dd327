"""F18: taking an index back on the primary cancels the queries that use it on a standby."""

import threading

import psycopg
import pytest

from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.test_guards_standby import pair as _pair
from tests.waiting import eventually

pair = _pair  # the fixture: a primary and its standby, as DSNs
LONG = "SELECT count(*), pg_sleep(600) FROM (SELECT 1 FROM public.orders WHERE customer_id = 77 OFFSET 0) AS found"


@pytest.fixture
def impatient(pair):
    """A standby that waits half a second for its queries before it replays what they are in the way of."""
    _, standby = pair
    with psycopg.connect(standby, autocommit=True) as replica:
        replica.execute("ALTER SYSTEM SET max_standby_streaming_delay = '500ms'")
        replica.execute("SELECT pg_reload_conf()")
    return pair


def replayed(standby, name):
    with psycopg.connect(standby, autocommit=True) as replica:
        query = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = %s"
        return replica.execute(query, [name]).fetchone()[0]


def read(standby, errors):
    """Ten minutes' query by the index, or the error that ends it."""
    with psycopg.connect(standby, autocommit=True, options="-c enable_seqscan=off") as reader:
        try:
            reader.execute(LONG)
        except psycopg.Error as error:
            errors.append(error.sqlstate)


def is_reading(watcher):
    return watcher.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()


def test_f18_a_drop_says_so_before_and_cancels_the_query_on_the_standby(impatient):
    primary, standby = impatient
    applying.fill(primary, 20_000)
    plan = keep_plan(primary, definition("customer_id"))
    name = plan.recommendations[0].name
    assert outcomes(run_apply(primary, plan.id, force=True)) == ["done"]
    eventually(lambda: replayed(standby, name))
    errors = []
    reading = threading.Thread(target=read, args=(standby, errors))
    reading.start()
    with psycopg.connect(standby, autocommit=True) as watcher:
        eventually(lambda: is_reading(watcher))

    (told,) = run_rollback(primary, plan.id, dry_run=True).warnings
    assert (told.code, told.object) == ("standby_queries", "copy")
    assert "queries on copy that use a dropped index are cancelled there (SQLSTATE 40001)" in told.message
    asked = []
    declined = run_rollback(primary, plan.id, confirm=lambda planned: asked.append(planned.warnings))
    assert (declined.exit_code, asked) == (6, [(told,)])  # whoever is asked knows it before the answer
    assert errors == []

    done = run_rollback(primary, plan.id)
    assert (done.exit_code, outcomes(done), done.warnings) == (0, ["done"], (told,))
    reading.join()
    assert errors == ["40001"]
    eventually(lambda: replayed(standby, name) == 0)
    world = look(primary)
    assert world.indexes == {}
    assert world.states()[-1] == "REVERTED"
    assert {row.details_json.get("standbys") for row in world.log if row.state == "STARTED"} >= {"copy"}
