"""What nobody reads, over time: on a real standby, over a reset, over a crash, and not for our own EXPLAINs."""

from datetime import timedelta

import psycopg
import pytest

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.core.command import Record
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.server.requesting import QUIET, Place
from tests.server.test_guards_standby import pair  # noqa: F401 - a fixture
from tests.server.test_lifecycle import look, offered, short
from tests.server.test_verify_crash import kill_a_backend
from tests.servers import SETTINGS, binaries
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_places")
MONTH = timedelta(days=30)
KEEP = Record("tester", "1", "lifecycle")
ACTS = (
    "CREATE TABLE public.acts (id int PRIMARY KEY, a int, b int)",
    "INSERT INTO public.acts SELECT g, g, g FROM generate_series(1, 20000) g",
    "CREATE INDEX acts_a ON public.acts (a)",
    "CREATE INDEX acts_b ON public.acts (b)",
    "VACUUM ANALYZE public.acts",
)
READ = "SELECT * FROM public.acts WHERE a = 7"


def filled(dsn):
    place = Place(dsn)
    for statement in ACTS:
        place.sql(statement)
    place.ask(InitRequest, record=QUIET)
    return place


def older(place, days=40):
    """As if the snapshots that were kept so far had been taken so many days ago."""
    place.sql(f"UPDATE indexpilot.counter_snapshots SET taken_at = taken_at - interval '{days} days'")


def counted(dsn, index, least):
    """The counters are written down after a while, at the end of the session at the latest."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        eventually(
            lambda: connection.execute("SELECT pg_stat_get_numscans(%s::regclass)", (index,)).fetchone()[0] >= least
        )


def test_an_index_that_only_a_standby_reads_is_in_use(pair):  # noqa: F811 - the fixture
    primary, standby = pair
    place = filled(primary)
    with psycopg.connect(standby, autocommit=True) as connection:
        eventually(lambda: connection.execute("SELECT to_regclass('indexpilot.counter_snapshots')").fetchone()[0])
        connection.execute(READ)
    counted(standby, "acts_a", 1)
    alone = look(place, min_age=timedelta(0)).result.findings
    told = {short(f): f for f in alone if f.state == "unused"}
    assert {(f.action.value, f.evidence[1].code) for f in told.values()} == {("report", "standbys")}
    both = look(place, min_age=timedelta(0), standbys=(standby,)).result
    assert (offered(both.findings), both.replicas_checked) == ({"acts_b": "unused"}, 1)
    look(place, record=KEEP, standbys=(standby,))
    older(place)
    month = look(place, min_age=MONTH, standbys=(standby,), record=KEEP).result.findings
    # Its last scan on the standby was before the first snapshot there, and none since.
    assert offered(month) == {"acts_a": "unused", "acts_b": "unused"}
    with psycopg.connect(standby, autocommit=True) as connection:
        connection.execute(READ)
    counted(standby, "acts_a", 2)
    assert offered(look(place, min_age=MONTH, standbys=(standby,)).result.findings) == {"acts_b": "unused"}
    for wrong in (primary, "replica1", psycopg.conninfo.make_conninfo(standby, dbname="template1")):
        with pytest.raises(UsageError) as refused:
            look(place, standbys=(wrong,))
        assert refused.value.code == "not_a_standby"


def test_evidence_grows_and_a_reset_and_a_crash_begin_it_anew():
    with LocalServer(binaries(), new_home(), SETTINGS) as server:
        place = filled(server.dsn())
        assert offered(look(place, min_age=MONTH, record=KEEP).result.findings) == {}
        older(place)
        month = look(place, min_age=MONTH).result
        assert offered(month.findings) == {"acts_a": "unused", "acts_b": "unused"}
        assert all((f.scans, (month.now - f.since).days) == (0, 40) for f in month.findings if f.state == "unused")
        place.sql(READ)
        counted(place.dsn, "acts_a", 1)
        assert offered(look(place, min_age=MONTH).result.findings) == {"acts_b": "unused"}
        place.sql("SELECT pg_stat_reset()")
        after = look(place, min_age=MONTH, record=KEEP).result
        assert offered(after.findings) == {}
        assert "not watched for 30 d yet" in after.notes[0]
        place.sql("DELETE FROM indexpilot.counter_snapshots")
        look(place, record=KEEP)
        older(place)
        assert offered(look(place, min_age=MONTH).result.findings).keys() == {"acts_a", "acts_b"}
        kill_a_backend(server)
        assert offered(look(place, min_age=MONTH).result.findings) == {}


def test_our_own_explains_are_no_use_of_an_index():
    with LocalServer(binaries(), new_home(), SETTINGS) as server:
        place = filled(server.dsn())
        place.sql("INSERT INTO public.acts SELECT g, g, g FROM generate_series(20001, 30000) g")
        beyond = "EXPLAIN SELECT * FROM public.acts WHERE a > 20500"
        with open_session(place.dsn) as session:
            for _ in range(10):
                session.rows(beyond)
        assert place.sql("SELECT pg_stat_get_numscans('public.acts_a'::regclass)") == [(0,)]
        for _ in range(10):
            place.sql(beyond)
        counted(place.dsn, "public.acts_a", 10)  # what anybody else's do
