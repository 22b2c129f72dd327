"""A schema per tenant: one advice and one plan for schemas with the same tables."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.apply.values import ApplyRequest, RollbackRequest
from indexpilot_cli.core.command import TableFilter
from indexpilot_cli.errors import UsageError
from tests.server.requesting import CALM, QUIET, TWIN, change, filled, queries

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("own_places")]

TENANT = """
CREATE SCHEMA "{schema}"; SET search_path = "{schema}";
CREATE TYPE state AS ENUM ('open', 'done');
CREATE TABLE customers ({columns}, PRIMARY KEY (id));
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, state state, "Placed At" date);
INSERT INTO customers (id, city) SELECT i, 'c' || i FROM generate_series(1, 500) i;
INSERT INTO orders SELECT i, 1 + i % 500, 'open', date '2026-01-01' + i FROM generate_series(1, {rows}) i;
"""
COLUMNS = "id int, city text"
SCHEMAS = {"Big Corp": 20000, "acme": 2000, "zeta": 2000, "delta": 2000, "odd": 2000}
BY_CUSTOMER = 'SELECT id, "Placed At" FROM {orders} WHERE customer_id = 7'
BY_DAY = "SELECT id FROM zeta.orders WHERE \"Placed At\" = '2026-03-04'"
TEXTS = (*(BY_CUSTOMER.format(orders=f"{s}.orders") for s in ("acme", '"Big Corp"', "zeta")),
         BY_CUSTOMER.format(orders="orders"), BY_DAY)  # fmt: skip


@pytest.fixture(scope="module")
def tenants(pg):
    """Four schemas with the same tables (columns in another order in one, indexes of their own in two), and an odd one.

    A table outside of them has the name of theirs.
    """
    texts = [TENANT.format(schema=s, rows=n, columns=COLUMNS) for s, n in SCHEMAS.items()]
    texts[1] = TENANT.format(schema="acme", rows=2000, columns="city text, id int")
    own = ("CREATE INDEX by_customer ON acme.orders (customer_id)",
           'CREATE INDEX by_day ON "Big Corp".orders ("Placed At")', "ALTER TABLE odd.orders ADD note text",
           "CREATE TABLE customers (id int)")  # fmt: skip
    with filled(pg, *texts, *own, "ANALYZE") as place:
        yield replace(place, planner=TWIN)


def advised(place, *texts, **more):
    facts = {"workload": queries(*texts), "planner": place.planner, "tenant_schemas": 3, "record": QUIET}
    return place.ask(RecommendRequest, **facts | more).result


def test_schemas_with_the_same_tables_get_one_advice_built_where_it_is_missing(tenants):
    plan = advised(tenants, *TEXTS)
    assert plan.templates == 2 and plan.skipped == ()
    by_customer, by_day = plan.advised
    entries = [(str(r.definition.table), r.name) for r in plan.recommendations]
    customer, day = "orders_customer_id_ip_idx", "orders_Placed At_ip_idx"
    assert sorted(entries) == sorted(
        [*((f"{s}.orders", customer) for s in ('"Big Corp"', "delta", "zeta")),
         *((f"{s}.orders", day) for s in ("acme", "delta", "zeta"))]
    )  # fmt: skip
    assert (by_customer.copies, by_day.copies) == (3, 3)
    assert {r.same_as for r in plan.recommendations} == {None, by_customer.id, by_day.id}
    assert any("3 of the 4 schemas" in reason.text for reason in by_customer.reasons)
    assert plan.size_bytes == sum(r.size_bytes for r in plan.recommendations) == sum(map(plan.size_of, plan.advised))
    first, odd = plan.notes[:2]
    assert '4 schemas have the same 2 tables ("Big Corp" to zeta)' in first and "the largest" in first
    assert odd == 'odd is advised on by itself: unlike "Big Corp", orders has a column note'


def test_the_same_advice_costs_no_more_planner_calls_for_more_schemas(tenants):
    few = advised(tenants, *TEXTS[:2], filter=TableFilter(exclude=("zeta.orders",)))
    many = advised(tenants, *TEXTS[:2])
    assert many.calls <= few.calls and few.advised[0].copies == 2 < many.advised[0].copies


def test_a_schema_asked_for_by_name_is_advised_on_alone(tenants):
    plan = advised(tenants, BY_DAY, filter=TableFilter(schemas=("zeta",)))
    (only,) = plan.recommendations
    assert str(only.definition.table) == "zeta.orders" and (only.copies, only.table_digest) == (1, "")
    apart = advised(tenants, BY_DAY, tenant_schemas=0)
    assert [str(r.definition.table) for r in apart.recommendations] == ["zeta.orders"]


def test_a_tenant_can_be_a_schema(tenants):
    plan = advised(tenants, *TEXTS, tenants=("zeta",))
    assert {str(r.definition.table) for r in plan.recommendations} == {"zeta.orders"}
    (note,) = [note for note in plan.notes if note.startswith("tenant zeta has ")]
    assert note.startswith("tenant zeta has 40.00% of the recorded calls:")
    with pytest.raises(UsageError, match="no schema has the name of a tenant"):
        advised(tenants, BY_DAY, tenants=("nobody",))


def test_the_indexes_in_one_schema_keep_to_its_budget(tenants):
    free = advised(tenants, *TEXTS)
    most = max(r.size_bytes for r in free.recommendations if r.definition.table.schema == "Big Corp")
    tight = advised(tenants, *TEXTS, tenant_budget=most // 2)
    assert {r.definition.table.schema for r in tight.recommendations} == {"acme", "delta", "zeta"}
    (why,) = [r for r in tight.rejections if r.reason == "over_budget"]
    assert "the storage budget of tenant Big Corp" in why.detail


def test_a_name_without_schema_means_what_the_search_path_finds(tenants):
    plan = advised(tenants, "SELECT * FROM customers WHERE id = 7")  # there is public.customers
    assert plan.recommendations == () and plan.templates == 1
    assert "public.customers" in {str(r.definition.table) for r in plan.rejections if r.definition}


def test_a_schema_that_is_gone_or_changed_costs_its_entries_only(tenants):
    plan = tenants.ask(
        RecommendRequest, workload=queries(*TEXTS[:2]), planner=TWIN, tenant_schemas=3
    ).result  # kept: apply takes it by its id
    assert len(plan.recommendations) == 3
    tenants.sql("DROP SCHEMA delta CASCADE")
    tenants.sql("ALTER TABLE zeta.orders ADD extra int")
    facts = {"safeguards": CALM, "window": "00:00-24:00 UTC", "force": True}
    told = change(tenants, ApplyRequest, plan.id, **facts)
    outcomes = {str(m.table): (m.outcome, m.error_code) for m in told.result.mutations}
    assert outcomes == {
        '"Big Corp".orders': ("done", None),
        "delta.orders": ("skipped", "table_missing"),
        "zeta.orders": ("skipped", "stale_plan"),
    }
    assert told.exit_code == 7  # a table that changed is told; one that is gone alone is no fault
    again = change(tenants, ApplyRequest, plan.id, **facts)
    assert {m.outcome for m in again.result.mutations} == {"already_done", "skipped"}
    undone = change(tenants, RollbackRequest, plan.id)
    assert [(str(m.table), m.outcome) for m in undone.result.mutations] == [('"Big Corp".orders', "done")]
