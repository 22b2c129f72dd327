"""Statements of all cases in any order: what is said to fail must fail, whatever the statements before it did."""

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.evolve.probes import probes
from indexpilot_cli.postgres.probe import run_probes
from indexpilot_cli.postgres.session import open_session
from indexpilot_cli.workload.safe_reader import SafeReader
from tests.server import probing
from tests.server.test_probes_truth import CASES
from tests.servers import new_database

_LEFT_OUT = ("BEGIN", "ROLLBACK", "DO ")
STATEMENTS = sorted(
    {s.sql for _, _, text in CASES for s in probing.migration(text).statements if not s.sql.startswith(_LEFT_OUT)}
)


@pytest.fixture(scope="module")
def shop(pg):
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(probing.SCHEMA)
        connection.execute("ANALYZE")
        with open_session(dsn) as session:
            yield connection, session, probing.known(dsn)


def really(connection, statements):
    """Number of the statement that fails, None when all run."""
    with connection.transaction(force_rollback=True):
        for number, statement in enumerate(statements, 1):
            try:
                connection.execute(statement)
            except psycopg.Error:
                return number
    return None


@settings(max_examples=60, deadline=None)
@given(statements=st.lists(st.sampled_from(STATEMENTS), min_size=2, max_size=5))
def test_what_is_said_to_fail_fails(shop, statements):
    connection, session, (catalog, facts) = shop
    read = probing.migration(*statements)
    found = run_probes(session, probes(read, probing.rules(read), catalog, SafeReader(), facts=facts))
    said = probing.said(found)
    if said is not None:
        truth = really(connection, statements)
        assert truth is not None and truth <= said, [a for a in found if a.found]
