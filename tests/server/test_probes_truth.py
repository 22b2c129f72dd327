"""What probes foresee is what happens: every case runs for real, in a transaction that is rolled back."""

import re
from pathlib import Path

import pytest

from tests.server import probing

CASES = re.findall(
    r"^-- (fails|runs|unknown): ([^\n]+)\n(.*?)(?=^-- |\Z)",
    Path(__file__).with_name("probe_cases.sql").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("kind", "name", "text"), CASES, ids=[f"{kind} {name}" for kind, name, _ in CASES])
def test_foreseen(dirty, kind, name, text):
    migration = probing.migration(text)
    really = probing.truth(dirty, *(s.sql for s in migration.statements))
    found = probing.answers(dirty, migration)
    assert (really is not None) is (kind == "fails"), f"the case itself is wrong: {really}"
    if really is not None:
        assert probing.said(found) == really[0], found
        assert next(a.probe.sqlstate for a in found if a.found)[:2] == really[1][:2]
    else:
        assert all(a.found is False or (kind == "unknown" and a.found is None) for a in found), found
