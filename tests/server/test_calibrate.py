"""What writes cost, measured on a server: nothing stays there but the numbers, and those are used or refused."""

import json
import os
from types import SimpleNamespace

import pytest
from psycopg import connect, conninfo, sql

from indexpilot_cli.admin import init
from indexpilot_cli.admin.calibrate import CalibrateAction, CalibrateRequest, run
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Connection, Silent
from indexpilot_cli.db.calibrate import TAG, Measurement, refuse_elsewhere, scratch
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.log import calibrations
from indexpilot_cli.methods.rates import SHIPPED, EntryClass
from tests.servers import new_database

pytestmark = pytest.mark.server
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'indexpilot\\_scratch%'"


@pytest.fixture(scope="module")
def first(pg, tmp_path_factory):
    """A database that was calibrated before our tables were made, what came of it, and where it is kept."""
    with pytest.MonkeyPatch.context() as patch, new_database(pg) as dsn:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield dsn, calibrate(dsn), os.environ["XDG_STATE_HOME"]


@pytest.fixture
def measured(first, monkeypatch):
    """The database, and the first calibration."""
    monkeypatch.setenv("XDG_STATE_HOME", first[2])
    return first[:2]


def calibrate(dsn, action=CalibrateAction.MEASURE, **options):
    return run(CalibrateRequest(Connection(dsn), action, 1000, **options), Silent()).result


def kept(dsn):
    with open_session(dsn) as session:
        return calibrations.kept(session)


def rows(dsn, text):
    with connect(dsn, autocommit=True) as connection:
        found = connection.execute(text)
        return found.fetchall() if found.description else None


def test_every_class_is_measured_and_nothing_stays(measured):
    dsn, result = measured
    rates = result.calibration.rates
    assert {r.kind for r in rates.entries} == set(EntryClass) - {EntryClass.OTHER}
    assert rates.plausible and rates.row_us > 0 and rates.scan_us > 0 and rates.page_image_us > 0
    # WAL does not depend on how busy the machine is.
    assert 30 < rates.of(EntryClass.RANDOM).wal < 120 < rates.of(EntryClass.GIN_AT_ONCE).wal
    assert str(result.calibration.server_version) == rows(dsn, "SHOW server_version_num")[0][0]
    assert rows(dsn, SCHEMAS) == []


def test_what_is_measured_is_kept_in_a_file_and_then_in_our_tables(measured):
    dsn, result = measured
    assert result.place.endswith(".json")
    assert kept(dsn).calibration == calibrate(dsn, CalibrateAction.SHOW).calibration == result.calibration
    init.run(init.InitRequest(Connection(dsn)), Silent())
    assert kept(dsn).calibration == result.calibration  # still the file: our tables have none
    with open_session(dsn, read_only=False) as session:
        calibrations.keep(Connection(dsn), result.calibration)
        assert kept(dsn).place == "indexpilot.calibrations"
        assert calibrations.kept(session).rates.basis == result.calibration.origin
    for spoilt, word in (("{}", "cannot be read"), ('[1, "x"]', "cannot be read"), (old(result), "version 9")):
        rows(dsn, sql.SQL("UPDATE indexpilot.calibrations SET document = {}::jsonb").format(sql.Literal(spoilt)))
        found = kept(dsn)
        assert word in found.problem and found.rates is SHIPPED and len(found.warnings) == 1
    assert calibrate(dsn, CalibrateAction.FORGET).forgotten == 2
    assert kept(dsn) == calibrations.KeptCalibration()


def old(result):
    return json.dumps(to_json(result.calibration) | {"server_version": 90624})


def test_a_file_of_garbage_is_told_and_not_used(measured, monkeypatch, tmp_path):
    dsn, result = measured
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    rows(dsn, "DROP SCHEMA IF EXISTS indexpilot CASCADE")
    place = calibrations.keep(Connection(dsn), result.calibration)
    for garbage in (b"", b"\xff\xfe", b"[", b"null", b'{"rates": {"entries": [{"kind": "x"}]}}', b"[" * 200_000):
        (tmp_path / place).write_bytes(garbage)
        assert "cannot be read" in kept(dsn).problem and kept(dsn).rates is SHIPPED


def test_what_a_killed_run_left_goes_with_the_next_and_what_lives_stays(measured):
    dsn, _ = measured
    rows(
        dsn,
        "CREATE SCHEMA indexpilot_scratch_dead; CREATE TABLE indexpilot_scratch_dead.t (); "
        "CREATE SCHEMA indexpilot_scratch_users",
    )
    rows(dsn, sql.SQL("COMMENT ON SCHEMA indexpilot_scratch_dead IS {}").format(sql.Literal(TAG)))
    with open_session(dsn, read_only=False) as session, scratch(session) as living:
        assert calibrate(dsn, CalibrateAction.FORGET).swept == 1
        assert {name for (name,) in rows(dsn, SCHEMAS)} == {living, "indexpilot_scratch_users"}
    assert rows(dsn, SCHEMAS) == [("indexpilot_scratch_users",)]
    rows(dsn, "DROP SCHEMA indexpilot_scratch_users")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_run_leaves_nothing(measured, error):
    dsn, _ = measured
    with open_session(dsn, read_only=False) as session, pytest.raises(error), scratch(session):
        raise error
    with open_session(dsn, read_only=False) as session, pytest.raises(ValueError, match="lost"), scratch(session):
        session.close()
        raise ValueError("lost")
    assert rows(dsn, SCHEMAS) == []


def test_where_nothing_can_be_written_it_is_refused(measured):
    dsn, _ = measured
    read_only = conninfo.make_conninfo(dsn, options="-c default_transaction_read_only=on")
    with pytest.raises(PrerequisiteError, match="read-only") as refused:
        calibrate(read_only, CalibrateAction.PLAN)
    assert refused.value.code == "read_only"
    usual = {"in_recovery": False, "read_only": False, "may_create": True, "has_plpgsql": True}
    usual |= {"role": 'a "b"', "database": "d b"}
    for fact, word in (
        ({"in_recovery": True}, "standby"),
        ({"may_create": False}, "may make no schema"),
        ({"has_plpgsql": False}, "plpgsql"),
    ):
        session = SimpleNamespace(pooled=False, one=lambda _name, fact=fact: SimpleNamespace(**usual | fact))
        with pytest.raises(PrerequisiteError, match=word) as refused:
            refuse_elsewhere(session)
    session = SimpleNamespace(pooled=False, one=lambda _name: SimpleNamespace(**usual | {"may_create": False}))
    with pytest.raises(PrerequisiteError) as refused:
        refuse_elsewhere(session)
    assert refused.value.hint == 'GRANT CREATE ON DATABASE "d b" TO "a ""b""";'


def test_the_time_is_kept_to(measured):
    dsn, _ = measured
    left = iter((1.0, 1.0, 0.0, 0.0))
    with open_session(dsn, read_only=False, statement_timeout_ms=None) as session:
        with scratch(session) as schema:
            found = Measurement(session, schema, 1000, lambda: next(left)).run(lambda kind: None).entries
        with scratch(session) as schema, pytest.raises(PrerequisiteError, match="before anything was measured"):
            Measurement(session, schema, 1000, lambda: next(left)).run(lambda kind: None)
    assert [rate.kind for rate in found] == [EntryClass.APPEND, EntryClass.FEW]
    assert rows(dsn, SCHEMAS) == []
