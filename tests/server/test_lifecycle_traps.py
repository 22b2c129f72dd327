"""``lifecycle`` on indexes of which each is a trap: what goes and nothing else, and each undo gives back all of it."""

import threading
import uuid
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.apply.values import ApplyRequest, RollbackRequest
from indexpilot_cli.core.command import TableFilter
from tests.server.lifecycle_traps import DROPS, MISSING, drops, statements
from tests.server.requesting import CALM, QUIET, RECORD, Place, change
from tests.server.test_apply_faults import seen
from tests.server.test_lifecycle import look, offered, short
from tests.servers import new_database

pytestmark = pytest.mark.usefixtures("own_places")
MONTH = timedelta(days=30)
BUILT = "SELECT 1 FROM pg_index WHERE indrelid = 'w.children'::regclass AND NOT indisvalid"
SHAPE = """
SELECT c.oid::regclass::text, pg_get_indexdef(c.oid), i.indisvalid, i.indisclustered, c.reloptions,
    obj_description(c.oid, 'pg_class'), h.inhparent::regclass::text,
    (SELECT array_agg(a.attstattarget) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
WHERE c.relnamespace::regnamespace::text IN ('w', 'w2')
"""


@pytest.fixture(scope="module")
def place(pg):
    with new_database(pg) as dsn:
        place = Place(dsn)
        version = place.sql("SELECT current_setting('server_version_num')::int")[0][0]
        for statement in statements(version):
            place.sql(statement)
        place.ask(InitRequest, record=QUIET)
        yield place


@pytest.fixture(scope="module")
def found(place):
    return look(place, min_age=MONTH).result.findings


def test_what_is_needless_is_offered_and_no_trap(place, found):
    with psycopg.connect(place.dsn) as connection:
        expected = drops(connection.info.server_version)
    told = offered(found)
    assert told.keys() == expected
    assert DROPS.items() <= told.items()
    assert {short(f) for f in found if f.state == "fk_missing"} == MISSING


def test_each_undo_gives_back_the_index_with_all_its_marks(place, found):
    with psycopg.connect(place.dsn) as connection:
        before = set(map(str, connection.execute(SHAPE)))
        for finding in (f for f in found if f.action == "drop" and f.undo is not None):
            for script in (finding.ddl, finding.undo):
                for statement in script.rstrip(";").split(";\n"):
                    connection.execute(statement.replace(" CONCURRENTLY", ""))
            assert set(map(str, connection.execute(SHAPE))) == before, short(finding)
        connection.rollback()


def test_what_was_applied_and_taken_back_is_what_it_was_but_for_what_was_invalid(place):
    before = set(map(str, place.sql(SHAPE)))
    only = ("marked", "whole", "uncovered")
    planned = look(place, min_age=MONTH, plan=True, record=RECORD, filter=_tables(*only)).result
    dropped = {short(f) for f in planned.findings if f.action == "drop"}
    assert dropped == {'w."marked ""2"".x"', "w.whole_again", "w.uncovered_nm", "w.uncovered_mt"}
    assert change(place, ApplyRequest, planned.plan, safeguards=CALM).exit_code == 0
    back = change(place, RollbackRequest, planned.plan)
    assert back.exit_code == 0
    after = set(map(str, place.sql(SHAPE)))
    assert after <= before
    assert {row.split("'")[1] for row in before - after} == {"w.uncovered_nm", "w.uncovered_mt"}


@pytest.fixture(scope="module")
def plain(place):
    """The place for the owner of one of its tables, who is nobody else."""
    name = f"plain_{uuid.uuid4().hex[:12]}"
    owner = place.role(name)
    place.sql(f"GRANT USAGE ON SCHEMA w TO {name}; ALTER TABLE w.children OWNER TO {name}")
    yield owner
    place.sql(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")


@contextmanager
def _building(place, statement):
    """Somebody's concurrent build that waits for a transaction, which reads another table."""
    holder = psycopg.connect(place.dsn)
    holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    holder.execute("SELECT 1 FROM w.above")
    builder = threading.Thread(target=place.sql, args=(statement,))
    builder.start()
    try:
        seen(place.dsn, BUILT)
        yield
    finally:
        holder.close()
        builder.join()


@pytest.mark.parametrize(
    "statement",
    ["CREATE INDEX CONCURRENTLY children_m ON w.children (m)", "REINDEX TABLE CONCURRENTLY w.children"],
)
def test_what_somebody_builds_is_told_to_everybody_and_never_offered(place, plain, statement):
    """Line K3; a plain role sees of others' builds only that there are some."""
    with _building(place, statement):
        for who in (place, plain):
            told = look(who, min_age=MONTH, filter=_tables("children"), states=("invalid",)).result.findings
            assert told
            assert all(f.action == "report" and "is being built by pid" in f.evidence[0].text for f in told)
    assert place.sql(BUILT) == []


def _tables(*names):
    return TableFilter(tables=tuple(f"w.{name}" for name in names))
