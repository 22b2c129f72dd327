"""What probes foresee is what happens: every case runs for real, in a transaction that is rolled back."""

import re
from pathlib import Path

import psycopg
import pytest

from tests.server import probing
from tests.servers import new_database

CASES = re.findall(
    r"^-- (fails|runs|unknown): ([^\n]+)\n(.*?)(?=^-- |\Z)",
    Path(__file__).with_name("probe_cases.sql").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def shop(pg):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(probing.SCHEMA)
            connection.execute("ANALYZE")
        yield dsn


@pytest.mark.parametrize(("kind", "name", "text"), CASES, ids=[f"{kind} {name}" for kind, name, _ in CASES])
def test_foreseen(shop, kind, name, text):
    migration = probing.migration(text)
    really = probing.truth(shop, *(s.sql for s in migration.statements))
    found = probing.answers(shop, migration)
    assert (really is not None) is (kind == "fails"), f"the case itself is wrong: {really}"
    if really is not None:
        assert probing.said(found) == really[0], found
        assert next(a.probe.sqlstate for a in found if a.found)[:2] == really[1][:2]
    else:
        assert all(a.found is False or (kind == "unknown" and a.found is None) for a in found), found
