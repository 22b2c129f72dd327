"""``lifecycle builds`` beside real builds: phases, who is in the way, an end that was measured, what is not shown."""

import threading
from contextlib import contextmanager, suppress

import psycopg
import pytest

from indexpilot_cli.lifecycle import builds
from indexpilot_cli.lifecycle.builds import BuildsRequest
from tests.server.requesting import QUIET, Place
from tests.server.test_apply_faults import SNAPSHOT, holding, seen
from tests.servers import new_database
from tests.waiting import eventually

# A row's key is computed no sooner than nobody holds the lock of its hundred: the test lets the build go on in steps.
TABLES = """
CREATE SCHEMA "odd place";
CREATE TABLE "odd place"."Acts" (id int, filler text);
ALTER TABLE "odd place"."Acts" ALTER filler SET STORAGE PLAIN;
INSERT INTO "odd place"."Acts" SELECT g, repeat('x', 3000) FROM generate_series(1, 600) g;
CREATE FUNCTION gate(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    WHILE NOT pg_try_advisory_xact_lock_shared(4711, i / 100) LOOP PERFORM pg_sleep(0.005); END LOOP;
    RETURN i;
END $$;
"""
ON_ACTS = 'CREATE INDEX CONCURRENTLY "Odd idx" ON "odd place"."Acts" (id) WHERE filler <> \'s3cret\''
PHASE = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase = "


class Heard:
    def __init__(self):
        self.said = []

    def stage(self, title, total=None):
        pass

    def advance(self, amount=1):
        pass

    def say(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def place(pg):
    with new_database(pg) as dsn:
        found = Place(dsn)
        found.sql(TABLES)
        yield found


def look(place, wait=lambda _: None, heard=None, **asked):
    request = BuildsRequest(**{"connection": place.connection, "record": QUIET} | asked)
    return builds.run(request, heard or Heard(), wait)


def here(outcome, place):
    """Of the whole server's builds, which other tests have too, those of the place's database."""
    name = psycopg.conninfo.conninfo_to_dict(place.dsn)["dbname"]
    return [b for b in outcome.result.builds if b.now.database == name]


@contextmanager
def building(place, statement):
    """The statement in a session of its own, until it has ended."""

    def work():
        session = psycopg.connect(place.dsn, autocommit=True, application_name="somebody else")
        with session as connection, suppress(psycopg.errors.QueryCanceled):
            connection.execute(statement)

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()


@contextmanager
def held_up(place, statement=ON_ACTS, way=SNAPSHOT, sign=PHASE + "'waiting for old snapshots'"):
    """The statement, held up by a transaction until the block ends; gives the pids of both and a way to let it go."""
    with holding(place.dsn, *way) as blocker, building(place, statement):
        try:
            yield seen(place.dsn, sign), blocker.info.backend_pid, blocker.rollback
        finally:
            blocker.rollback()
    place.sql('DROP INDEX "odd place"."Odd idx"')


def test_a_build_of_others_is_shown_with_the_transaction_it_waits_for(place):
    with held_up(place) as (pid, blocker, _):
        outcome = look(place)
        (found,) = here(outcome, place)
        now = found.now
        assert (now.pid, now.command, now.application) == (pid, "CREATE INDEX CONCURRENTLY", "somebody else")
        assert (str(now.table), str(now.index)) == ('"odd place"."Acts"', '"odd place"."Odd idx"')
        assert [b.pid for b in now.blockers] == [blocker]
        assert now.blockers[0].seconds > 0
        assert found.forecast.ends is None
        assert found.forecast.why == f"it waits for pid {blocker}"
        assert outcome.status == "findings"
        assert "s3cret" not in repr(outcome)
    assert not here(look(place), place)


def test_watching_tells_phases_and_ends_with_the_builds(place):
    heard = Heard()
    with held_up(place) as (_, blocker, let_go):
        outcome = look(place, lambda _: let_go() if heard.said else None, heard, watch=True)
    assert not here(outcome, place)
    line = next(line for line in heard.said if "old snapshots" in line and "Odd idx" in line)
    assert f'"odd place"."Odd idx": waiting for old snapshots; waits for pid {blocker}' in line


@contextmanager
def gates(place, *numbers):
    """Locks that hold the build up at these hundreds; gives a way to open the next."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        for number in numbers:
            connection.execute(f"SELECT pg_advisory_lock(4711, {number})")
        left = list(numbers)
        yield lambda: connection.execute(f"SELECT pg_advisory_unlock(4711, {left.pop(0)})")


def test_the_end_is_an_interval_from_what_was_seen_to_move(place):
    done = "SELECT max(blocks_done) FROM pg_stat_progress_create_index WHERE datname = current_database()"
    blocks = iter((99, 149, 199))  # two rows a block
    with gates(place, 1, 2, 3, 4, 5) as go_on, building(place, 'CREATE INDEX ON "odd place"."Acts" (gate(id))'):

        def wait(_):
            go_on()
            reached = next(blocks)
            eventually(lambda: place.sql(done)[0][0] >= reached)

        seen(place.dsn, done)
        eventually(lambda: place.sql(done)[0][0] >= 49)
        (found,) = here(look(place, wait), place)
        assert (found.now.command, found.now.unit, found.now.total) == ("CREATE INDEX", "blocks", 300)
        assert found.now.index is None  # its transaction alone can see it
        assert 0.6 < found.now.share < 0.7
        ends = found.forecast.phase_ends
        assert found.now.at < ends.earliest < ends.latest
        assert found.forecast.ends.latest is None and "sorting" in found.forecast.why
        go_on(), go_on()


def test_a_build_that_waits_for_its_first_lock_is_known_by_its_statement(place):
    statement = 'CREATE /* a remark */ INDEX -- one more\n CONCURRENTLY "Odd idx" ON "odd place"."Acts" (id)'
    lock = 'LOCK TABLE "odd place"."Acts" IN SHARE UPDATE EXCLUSIVE MODE'
    waits = 'SELECT l.pid FROM pg_locks l WHERE NOT granted AND relation = \'"odd place"."Acts"\'::regclass'
    with held_up(place, statement, (lock,), waits) as (pid, blocker, _):
        (found,) = here(look(place, seconds=0.0), place)
    assert (found.now.pid, found.now.command) == (pid, "CREATE INDEX CONCURRENTLY")
    assert (found.now.phase, found.now.table.name) == ("waiting for the lock of its table", "Acts")
    assert [b.pid for b in found.now.blockers] == [blocker]


def test_leftovers_are_told_and_may_still_refuse_rows(place):
    with held_up(place, ON_ACTS.replace("INDEX", "UNIQUE INDEX")) as (pid, _, let_go):
        place.sql("SELECT pg_cancel_backend(%s)", pid)
        eventually(lambda: not here(look(place, seconds=0.0), place))
        let_go()
        outcome = look(place)
        (left,) = outcome.result.leftovers
        assert (str(left.index), left.refuses, left.holder) == ('"odd place"."Odd idx"', True, None)
        assert (outcome.status, outcome.next) == ("findings", ("indexpilot lifecycle --check invalid",))
        with holding(place.dsn, 'LOCK TABLE "odd place"."Acts" IN SHARE UPDATE EXCLUSIVE MODE') as holder:
            (left,) = look(place).result.leftovers
            assert left.holder == holder.info.backend_pid


def test_a_role_that_sees_only_itself_is_told_so_and_still_sees_who_waits_for_whom(place):
    plain = place.role("meter_plain")
    with held_up(place) as (pid, blocker, _):
        outcome = look(plain)
        (found,) = here(outcome, place)
    assert (found.now.pid, found.now.phase, found.now.table, found.now.began) == (pid, None, None, None)
    assert [b.pid for b in found.now.blockers] == [blocker]
    assert found.forecast.why == "its progress is hidden from this role"
    assert not outcome.result.sees_all
    (note,) = outcome.result.notes
    assert "GRANT pg_read_all_stats TO meter_plain" in note
    place.sql("DROP ROLE meter_plain")
