"""Statements on tables that the role may not read are set aside before anybody asks for the types of their values."""

from dataclasses import replace

from indexpilot_cli.advise.pipeline import prepared
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.workload.fold import fold
from tests.unit.workload.shop import CATALOG, USERS

TEXTS = ("SELECT * FROM orders WHERE id = $1", "SELECT * FROM users JOIN orders o ON o.id = $1 WHERE email = $2")


def test_unreadable_tables_are_not_asked_about():
    tables = tuple(replace(t, readable=t is not USERS) for t in CATALOG.tables)
    catalog = replace(CATALOG, tables=tables)
    folded = fold((Workload(SourceKind.SQL, tuple(map(ObservedStatement, TEXTS))),), catalog)
    asked = []
    found = prepared(folded, catalog, lambda text: asked.append(text) or ("integer",))
    assert asked == [TEXTS[0]]
    assert [t.text for t in found.templates] == [TEXTS[0]]
    assert [(s.reason, s.detail) for s in found.skipped] == [("unplanned", "no SELECT on public.users")]
