"""Statements of all cases in any order: what is said to fail must fail, whatever the statements before it did."""

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve.review.probes.ask import run_probes
from indexpilot_cli.evolve.review.probes.probes import probes
from tests.server import probing
from tests.server.test_probes_truth import CASES

_LEFT_OUT = ("BEGIN", "ROLLBACK", "DO ")
STATEMENTS = sorted(
    {s.sql for _, _, text in CASES for s in probing.migration(text).statements if not s.sql.startswith(_LEFT_OUT)}
)


@pytest.fixture(scope="module")
def opened(dirty):
    with psycopg.connect(dirty, autocommit=True) as connection, open_session(dirty) as session:
        yield connection, session, probing.known(dirty)


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
def test_what_is_said_to_fail_fails(opened, statements):
    connection, session, (catalog, facts) = opened
    read = probing.migration(*statements)
    found = run_probes(session, probes(read, probing.rules(read), catalog, facts=facts))
    said = probing.said(found)
    if said is not None:
        truth = really(connection, statements)
        assert truth is not None and truth <= said, [a for a in found if a.found]
