"""``lifecycle`` on a database whose truth is known: every true finding, no false one, nothing without evidence."""

from datetime import timedelta

import psycopg
import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.lifecycle import lifecycle
from indexpilot_cli.lifecycle.values import LifecycleRequest
from tests.server.lifecycle_seed import AFTER, ANALYZED, DROPS, FAILING, FOR_KEYS, OTHERS, SEED, UNUSED
from tests.server.requesting import QUIET, filled

pytestmark = pytest.mark.usefixtures("own_places")
AT_ONCE = timedelta(0)


def look(place, **asked):
    request = LifecycleRequest(**{"connection": place.connection, "record": QUIET, "min_age": AT_ONCE} | asked)
    return lifecycle.run(request, Silent())


def short(finding):
    if finding.index is not None:
        return finding.index.short
    columns = f" ({', '.join(map(quote_identifier, finding.about.split()))})" if finding.state == "fk_missing" else ""
    return finding.table.short + columns


def offered(findings):
    """Index to state of those that are offered to be dropped."""
    return {short(f): f.state.value for f in findings if f.action == "drop"}


@pytest.fixture(scope="module")
def seed(pg):
    with filled(pg, SEED, *(f"ANALYZE {table}" for table in ANALYZED), *AFTER, fail=FAILING) as place:
        yield place


@pytest.fixture(scope="module")
def found(seed):
    return look(seed).result.findings


def test_every_needless_index_is_offered_and_no_other(found, seed):
    assert seed.sql("select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid"
                    " where c.relnamespace::regnamespace::text !~ '^(pg_|indexpilot)'")[0][0] >= 60  # fmt: skip
    invalid = {"torn_once": "invalid", "torn_ratio": "invalid"}
    assert offered(found) == DROPS | dict.fromkeys(UNUSED, "unused") | invalid


def test_nobody_reads_them_but_a_foreign_key_would_miss_them(found):
    told = {short(f): f for f in found if f.state == "unused" and f.action == "report"}
    assert told.keys() == FOR_KEYS
    assert all(f.ddl is None and "foreign_key" in {r.code for r in f.evidence} for f in told.values())


def test_every_other_finding_and_no_other(found):
    indexed = ("unused", "duplicate", "redundant", "overlapping")
    assert {(f.state, f.severity, f.action, short(f)) for f in found if f.state not in indexed} == OTHERS


def test_each_has_evidence_an_id_of_its_own_and_statements_that_run(found, seed):
    assert len({f.id for f in found}) == len(found)
    assert all(f.evidence and f.table for f in found)
    with psycopg.connect(seed.dsn) as connection:
        for finding in found:
            if finding.ddl is not None:
                before = _shape(connection)
                _tried(connection, finding.ddl)
                if finding.undo is not None:
                    _tried(connection, finding.undo)
                    assert _shape(connection) == before
                connection.rollback()


def _tried(connection, script):
    for statement in script.rstrip(";").split(";\n"):
        connection.execute(statement.replace(" CONCURRENTLY", ""))


def _shape(connection):
    query = (
        "select string_agg(pg_get_indexdef(i.indexrelid) || i.indisvalid, E'\\n' order by i.indexrelid::regclass::text)"
        " from pg_index i where i.indrelid::regclass::text !~ '^(pg_|indexpilot)'"
    )
    return connection.execute(query).fetchone()[0]


def test_without_evidence_nothing_is_called_unused_and_that_is_said(seed):
    outcome = look(seed, min_age=timedelta(days=30))
    assert offered(outcome.result.findings).keys() == DROPS.keys() | {"torn_once", "torn_ratio"}
    (note,) = outcome.result.notes
    assert "indexes without a scan were not watched for 30 d yet: " in note
    assert "this is our first snapshot" in note
    overlapping = {short(f): f for f in outcome.result.findings if f.state == "overlapping"}
    assert overlapping.keys() == {"c_note_incl", "c_region", "days_2_own"}
    assert "c_region_nulls (region NULLS FIRST)" in overlapping["c_region"].evidence[0].text


def test_a_table_a_state_and_a_size_can_be_asked_for(seed):
    tables = look(seed, filter=lifecycle.TableFilter(tables=("rooms",))).result.findings
    assert offered(tables) == {
        "rooms_identity_again": "redundant",
        "rooms_floor": "duplicate",
        "rooms_gist": "duplicate",
    }
    assert {f.state.value for f in look(seed, states=("invalid",)).result.findings} == {"invalid"}
    assert offered(look(seed, min_bytes=1 << 30).result.findings) == {}
