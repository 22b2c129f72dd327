"""apply on a real server: what it builds, what it writes down, what it refuses."""

import psycopg
import pytest

from indexpilot_cli.core.index import IndexKey
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback

pytestmark = pytest.mark.rows(20_000)


def test_builds_records_and_tags(shop):
    plan = keep_plan(shop, definition("customer_id", IndexKey("created_at", descending=True)))
    done = run_apply(shop, plan.id)
    assert (done.status, done.exit_code, outcomes(done)) == ("ok", 0, ["done"])
    name = plan.recommendations[0].name
    world = look(shop)
    assert world.indexes == {name: True}
    assert world.states() == ["INTENT", "STARTED", "VALID"]
    last = world.log[-1]
    assert last.mutation_type == "CREATE_INDEX"
    assert (last.table_name, last.index_name, last.field_name) == ("orders", name, "customer_id")
    assert last.definition_sql.startswith(f"CREATE INDEX {name} ON public.orders")
    assert last.relid and last.columns_fingerprint and last.backend_pid and last.backend_start and last.attempt == 1
    assert {"reason", "cost_benefit_ratio", "queries_analyzed", "actor", "version", "sql", "rollback_sql"} <= set(
        last.details_json
    )
    with psycopg.connect(shop) as connection:
        comment = connection.execute("SELECT obj_description(%s::regclass)", (f"public.{name}",)).fetchone()[0]
        versions = connection.execute("SELECT index_name, version FROM indexpilot.index_versions").fetchall()
    assert comment == f"indexpilot:{last.op_id}"
    assert versions == [(name, 1)]


def test_same_plan_twice_is_already_done(shop):
    plan = keep_plan(shop, definition("customer_id"))
    run_apply(shop, plan.id)
    again = run_apply(shop, plan.id)
    assert (again.exit_code, outcomes(again), again.result.skipped) == (0, ["already_done"], "already_done")
    assert len(look(shop).log) == 3


def test_rollback_takes_it_back(shop):
    plan = keep_plan(shop, definition("customer_id"), definition("status", predicate="status = 'open'"))
    assert outcomes(run_apply(shop, plan.id)) == ["done", "done"]
    undone = run_rollback(shop, plan.id)
    assert (undone.exit_code, outcomes(undone)) == (0, ["done", "done"])
    assert look(shop).indexes == {}
    world = look(shop)
    assert world.states()[6:] == ["INTENT", "STARTED", "VALID", "REVERTED"] * 2
    assert {row.mutation_type for row in world.log[6:]} == {"ROLLBACK_INDEX"}
