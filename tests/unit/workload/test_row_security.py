"""Policies in the statements of the roles that are subject to them."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.catalog import Policy
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import AtomKind, ObservedStatement, SourceKind, Workload
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.predicates.row_security import secured
from tests.unit.workload.shop import CATALOG

ORDERS, USERS = QualifiedName("public", "orders"), QualifiedName("public", "users")
MINE = Policy(ORDERS, "*", True, "(customer_id = (current_setting('app.customer'::text))::integer)")
OPEN = Policy(ORDERS, "r", True, "flag")
SMALL = Policy(ORDERS, "w", False, "(total < 100)")
MEMBER = Policy(USERS, "*", True, "(EXISTS (SELECT 1 FROM items i WHERE (i.order_id = users.id)))")
WHO = "(SELECT current_setting('app.customer'::text))::int"


def catalog(*policies):
    return replace(CATALOG, policies=policies, functions={"current_setting": "s"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT id FROM orders", f"SELECT id FROM orders WHERE orders.customer_id = {WHO}"),
        ("SELECT id FROM orders o WHERE id = 5 OR flag",
         f"SELECT id FROM orders o WHERE (id = 5 OR flag) AND o.customer_id = {WHO}"),
        ("DELETE FROM orders WHERE id = 5", f"DELETE FROM orders WHERE id = 5 AND orders.customer_id = {WHO}"),
        ("SELECT 1 FROM items JOIN orders o ON o.id = order_id",
         f"SELECT 1 FROM items JOIN orders o ON o.id = order_id WHERE o.customer_id = {WHO}"),
        ("SELECT 1 FROM items LEFT JOIN orders o ON o.id = order_id",
         "SELECT 1 FROM items LEFT JOIN LATERAL (SELECT * FROM public.orders WHERE o.customer_id = "
         f"{WHO}) o ON o.id = order_id"),
        ("SELECT (SELECT count(*) FROM orders) FROM items",
         f"SELECT (SELECT count(*) FROM orders WHERE orders.customer_id = {WHO}) FROM items"),
        ("WITH orders AS (SELECT 1 AS id) SELECT id FROM orders", None),
        ("SELECT id FROM archive.orders", None),
        ("INSERT INTO orders (id) VALUES (1)", None),
    ],
)  # fmt: skip
def test_the_clause_stands_where_the_table_is_read(text, expected):
    assert _flat(secured(text, catalog(MINE))) == _flat(expected or text)


def _flat(text):
    return text.replace("(", "").replace(")", "").replace("pg_catalog.", "")


def test_permissive_policies_are_alternatives_and_restrictive_ones_are_not():
    assert " OR orders.flag" in _flat(secured("SELECT id FROM orders", catalog(MINE, OPEN, SMALL)))
    changed = _flat(secured("UPDATE orders SET note = 'x'", catalog(MINE, OPEN, SMALL)))
    assert " OR orders.flag" in changed and "AND orders.total < 100" in changed
    assert secured("DELETE FROM orders", catalog(SMALL)) == "DELETE FROM orders"  # of updates only


def test_a_policy_with_a_subquery_keeps_its_own_names():
    found = secured("SELECT name FROM users u", catalog(MEMBER))
    assert _flat(found).endswith("WHERE EXISTS SELECT 1 FROM items i WHERE i.order_id = u.id")


def test_folded_statements_have_the_condition_and_a_note_says_so():
    workload = Workload(SourceKind.SQL, (ObservedStatement("SELECT id FROM orders ORDER BY placed LIMIT 5"),))
    folded = fold([workload], catalog(MINE))
    (use,) = [u for u in folded.templates[0].uses if u.table == ORDERS]
    assert [(a.kind, a.column) for a in use.atoms] == [(AtomKind.EQUAL, "customer_id")]
    assert any("row-level security" in note for note in folded.notes)
    assert fold([workload], CATALOG).notes == ()
