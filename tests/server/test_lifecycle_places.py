"""``lifecycle`` where little is there or allowed: an empty database, before init, a plain role, a snapshot file."""

from datetime import timedelta

import psycopg
import pytest

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.admin.snapshot import SnapshotRequest
from tests.server.requesting import QUIET, Place, queries
from tests.server.test_lifecycle import look, offered
from tests.servers import new_database

pytestmark = pytest.mark.usefixtures("own_places")
PAIR = (
    "CREATE TABLE acts (id int PRIMARY KEY, a int)",
    "INSERT INTO acts SELECT g, g FROM generate_series(1, 1000) g",
    "CREATE INDEX acts_a ON acts (a)",
    "CREATE INDEX acts_a_again ON acts (a)",
    "ANALYZE acts",
)


@pytest.fixture(scope="module")
def pair_of_equals(pg):
    with new_database(pg) as dsn:
        place = Place(dsn)
        for statement in PAIR:
            place.sql(statement)
        yield place


def test_an_empty_database_has_nothing_to_do(bare):
    found = look(bare, min_age=timedelta(0))
    assert (found.status, found.result.findings, found.result.indexes, found.next) == ("ok", (), 0, ())


def test_before_init_structure_is_judged_and_nothing_is_kept(pair_of_equals):
    found = look(pair_of_equals)
    assert offered(found.result.findings) == {"acts_a_again": "duplicate"}
    assert found.warnings == ()


def test_a_plain_role_sees_what_the_catalogs_show(pair_of_equals):
    pair_of_equals.ask(InitRequest, record=QUIET)
    name = f"r_{pair_of_equals.sql('SELECT current_database()')[0][0]}"
    pair_of_equals.sql(f'CREATE ROLE "{name}" LOGIN')
    try:
        role = Place(psycopg.conninfo.make_conninfo(pair_of_equals.dsn, user=name))
        found = look(role, min_age=timedelta(days=30))
        assert offered(found.result.findings) == {"acts_a_again": "duplicate"}
        assert {f.state.value for f in found.result.findings} == {"duplicate"}
    finally:
        pair_of_equals.sql(f'DROP ROLE "{name}"')


def test_a_snapshot_file_knows_structure_and_says_what_it_does_not_know(pair_of_equals, tmp_path):
    path = str(tmp_path / "acts.ipsnap")
    pair_of_equals.ask(SnapshotRequest, path, workload=queries("SELECT * FROM acts WHERE a = 7"), record=QUIET)
    found = look(pair_of_equals, snapshot=path, min_age=timedelta(0))
    assert offered(found.result.findings) == {"acts_a_again": "duplicate"}
    assert found.result.findings[0].evidence[-1].code == "priced"
    assert "not who read them over time" in found.result.notes[0]
