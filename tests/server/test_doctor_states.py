"""What ``doctor`` says of a real server's states, and that what it advises settles them."""

import pytest

from indexpilot_cli.admin import doctor
from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.admin.doctor_checks import Check
from tests.server.requesting import QUIET, Place, checks, queries
from tests.servers import new_database

pytestmark = pytest.mark.usefixtures("own_places")

SHARD = """
CREATE TABLE shard (region text NOT NULL, k int, v text) PARTITION BY LIST (region);
CREATE TABLE shard_eu PARTITION OF shard FOR VALUES IN ('eu');
CREATE TABLE shard_us PARTITION OF shard FOR VALUES IN ('us');
INSERT INTO shard SELECT CASE WHEN g % 3 = 0 THEN 'us' ELSE 'eu' END, g % 200, 'v' FROM generate_series(1, 2000) g;
"""


@pytest.fixture(scope="module")
def shard(pg):
    with new_database(pg) as dsn:
        place = Place(dsn)
        place.sql(SHARD)
        place.sql("VACUUM ANALYZE")
        yield place


def ask(place, **more):
    return place.ask(DoctorRequest, record=QUIET, **more)


def test_a_twin_without_statements_is_a_line_and_not_the_end(shard):
    found = checks(ask(shard, twin=True, planner=shard.planner), "twin_fidelity")
    assert [(c.state, c.fix) for c in found] == [("warning", "give SQL or log files as arguments")]
    assert found[0].text.startswith("nothing was compared: ")
    given = queries("SELECT * FROM shard WHERE k = 5")
    assert checks(ask(shard, twin=True, planner=shard.planner, workload=given), "twin_fidelity") == []


def test_a_closed_schema_of_the_extension_is_opened_by_what_is_advised(shard):
    if shard.sql("SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'") != [(True,)]:
        pytest.skip("the server records no statements")
    reader = shard.role("doctor_reader")
    shard.sql("GRANT pg_read_all_stats TO doctor_reader")
    shard.sql("CREATE SCHEMA monitoring")
    shard.sql("CREATE EXTENSION pg_stat_statements SCHEMA monitoring")
    try:
        (closed,) = checks(ask(reader), "statements")
        shard.sql(closed.fix)
        (opened,) = checks(ask(reader), "statements")
    finally:
        shard.sql("DROP SCHEMA monitoring CASCADE")
        shard.sql("DROP OWNED BY doctor_reader")
        shard.sql("DROP ROLE doctor_reader")
    assert (closed.state, closed.fix) == ("warning", "GRANT USAGE ON SCHEMA monitoring TO doctor_reader;")
    assert opened.state == "ok"


@pytest.mark.parametrize(("state", "status", "code"), [("error", "partial", 7), ("warning", "findings", 0)])
def test_what_reconcile_could_not_settle_is_told_by_the_exit_code(shard, monkeypatch, state, status, code):
    left = Check(state, "settled", "M-7 shard_eu_v: still there", "indexpilot explain M-7", "settled")
    monkeypatch.setattr(doctor, "settle", lambda *_: (left,))
    outcome = ask(shard, reconcile=True)
    assert (outcome.status, outcome.exit_code) == (status, code)
    assert outcome.result.checks[0] is left
