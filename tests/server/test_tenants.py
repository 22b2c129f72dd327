"""Tenants that share tables by a column: advice for some of them, budgets of their own, and no cost by their number."""

import pytest

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import UsageError
from tests.server.requesting import QUIET, filled, queries

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("own_places")]

SHOP = """
CREATE TABLE orgs (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, "Org Id" int NOT NULL REFERENCES orgs, note text, placed date);
CREATE TABLE items (id int PRIMARY KEY, "Org Id" int NOT NULL REFERENCES orgs, sku text);
INSERT INTO orgs SELECT generate_series(1, 3000);
INSERT INTO orders SELECT g, CASE WHEN g % 5 < 2 THEN 7 ELSE 1 + g % 1000 END, 'n' || g, date '2026-01-01' + g % 300
FROM generate_series(1, 20000) g;
INSERT INTO items SELECT id, "Org Id", 's' || id FROM orders;
"""
OF_SEVEN = "SELECT * FROM orders WHERE \"Org Id\" = 7 AND note = 'n5'"
OF_NINE = "SELECT * FROM orders o WHERE o.\"Org Id\" IN (9, 11) AND placed = '2026-02-07'"
OF_ANYBODY = 'SELECT * FROM items WHERE "Org Id" = $1 AND sku = $2'
OF_NOBODY = "SELECT count(*) FROM items WHERE id = $1"
TEXTS = (OF_SEVEN, OF_NINE, OF_ANYBODY, OF_NOBODY)


@pytest.fixture(scope="module")
def shop(pg):
    with filled(pg, SHOP, "ANALYZE") as place:
        yield place


def advised(place, *texts, **more):
    facts = {"workload": queries(*texts), "planner": place.planner, "record": QUIET}
    return place.ask(RecommendRequest, **facts | more).result


def where(plan):
    return {r.definition.table.name: r.definition.predicate for r in plan.recommendations}


def test_a_tenant_gets_the_advice_for_its_own_statements_and_values(shop):
    plan = advised(shop, *TEXTS, tenants=("7",))
    assert where(plan) == {"orders": '"Org Id" = 7', "items": '"Org Id" = 7'}
    assert any("for tenant 7 alone (--tenant), 40" in r.text for r in plan.recommendations[0].reasons)
    # Its own call, and two fifths of the one whose tenant is not known, of four.
    assert plan.notes[0].startswith("tenant 7 has 35.0") and "as much as of the rows" in plan.notes[0]
    assert [s.text for s in plan.skipped if s.reason == "other_tenant"] == ["SELECT count(*) FROM items WHERE id = $1"]
    assert any(note.startswith("large tenants by Org Id: 7 40% of the rows of ") for note in plan.notes)
    nine = advised(shop, *TEXTS[:2], tenants=("9",))
    assert nine.notes[0].startswith("tenant 9 has 50.00% of the recorded calls:")
    assert where(nine) == {"orders": None}  # the statement asks for another tenant too
    assert where(advised(shop, *TEXTS[:2], tenants=("9", "11"))) == {"orders": '"Org Id" IN (9, 11)'}


def test_a_tenant_that_cannot_be_one_is_refused(shop):
    with pytest.raises(UsageError, match=r"Org Id of .* is a number, not 'acme; drop table orders'"):
        advised(shop, OF_SEVEN, tenants=("acme; drop table orders",))
    with pytest.raises(UsageError, match="the workload is empty"):
        advised(shop, OF_SEVEN, tenants=("8",))


def test_recorded_statistics_say_whose_they_are(shop):
    shop.sql(
        "INSERT INTO indexpilot.query_stats (tenant_id, table_name, field_name, query_type, duration_ms)"
        " SELECT t, 'orders', f, 'read', 10 FROM (VALUES (7, 'note'), (9, 'placed')) v (t, f), generate_series(1, t) g"
    )
    plan = advised(shop, tenants=("9",), workload=WorkloadRequest(SourceKind.QUERY_STATS))
    assert plan.notes[0].startswith("tenant 9 has 56.25% of the recorded time")
    assert {c for r in plan.recommendations for c in r.definition.columns} == {"placed"}


def test_the_indexes_of_a_tenant_keep_to_its_budget(shop):
    wanted = advised(shop, OF_SEVEN, tenants=("7",))
    (own,) = wanted.recommendations
    assert advised(shop, OF_SEVEN, tenants=("7",), tenant_budget=2 * own.size_bytes).recommendations == (own,)
    tight = advised(shop, OF_SEVEN, tenants=("7",), tenant_budget=own.size_bytes // 2)
    assert own.definition not in [r.definition for r in tight.recommendations]
    (why,) = [r for r in tight.rejections if r.definition == own.definition]
    assert why.reason == "over_budget" and "the storage budget of tenant 7" in why.detail


def test_more_tenants_cost_no_more_planner_calls(shop):
    def calls(tenants):
        shop.sql(f'UPDATE orders SET "Org Id" = 1 + id % {tenants}')
        shop.sql("ANALYZE orders")
        shop.sql("DELETE FROM indexpilot.expression_profile")
        shop.sql(
            "INSERT INTO indexpilot.expression_profile (tenant_id, table_name, field_name, is_enabled)"
            f" SELECT g, 'orders', 'note', g % 2 = 0 FROM generate_series(1, {tenants}) g"
        )
        return advised(shop, OF_SEVEN, OF_ANYBODY).calls, advised(shop, OF_SEVEN, OF_ANYBODY, tenants=("7",)).calls

    assert calls(3000) <= calls(1000)
