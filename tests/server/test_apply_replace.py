"""A replacement is one step: the new index first, then the drop; killed anywhere it is finished or taken back whole."""

import os
import random
import signal
import time
from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli.apply import apply
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import PlanAction, ReplacedIndex
from indexpilot_cli.db.session import open_session
from indexpilot_cli.log import plans
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.test_apply_faults import BUILDER, SNAPSHOT, holding, seen
from tests.server.test_apply_kill import child, exit_code

pytestmark = [pytest.mark.rows(20_000), pytest.mark.usefixtures("own_places")]
OLD, OTHER = "Old by customer", "old_again"
MORE = (
    f'CREATE INDEX "{OLD}" ON public.orders (customer_id) WITH (fillfactor = 70)',
    f"COMMENT ON INDEX public.\"{OLD}\" IS 'made by hand'",
)
SHAPE = """
SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid, obj_description(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'public.orders'::regclass ORDER BY 1
"""
DROPPING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP %INDEX%'"


def sql(dsn, *texts):
    with psycopg.connect(dsn, autocommit=True) as connection:
        for text in texts:
            cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def replacing(dsn, *old, new=None):
    """A kept plan that puts an index on (customer_id, created_at), or ``new``, in the place of the old ones."""
    new = new or definition("customer_id", "created_at")
    plan = keep_plan(dsn, new)
    gone = tuple(
        ReplacedIndex(
            name,
            definition(new.keys[0]),
            f"DROP INDEX CONCURRENTLY {QualifiedName('public', name)}",
            f"CREATE INDEX CONCURRENTLY {QualifiedName('public', name).name} ON public.orders (customer_id)",
            1,
        )
        for name in old
    )
    changed = replace(plan.recommendations[0], action=PlanAction.REPLACE, replaces=gone)
    plan = replace(plan, id=f"P-{random.Random(plan.id).randrange(16**6):06x}", recommendations=(changed,))
    with open_session(dsn, read_only=False, statement_timeout_ms=30_000) as session:
        plans.store(session, plan)
    return plan


def settled(dsn):
    """No invalid index, and no operation that the log leaves open."""
    world = look(dsn)
    newest = {row.op_id: row.state for row in world.log}
    assert (world.invalid, set(newest.values()) - {"VALID", "FAILED_CLEAN", "REVERTED"}) == ([], set())
    return world


def test_the_new_one_is_built_and_then_the_old_ones_go(shop):
    sql(shop, *MORE, f"CREATE INDEX {OTHER} ON public.orders (customer_id)")
    before = sql(shop, SHAPE)
    plan = replacing(shop, OLD, OTHER)
    name = plan.recommendations[0].name
    dry = run_apply(shop, plan.id, dry_run=True)
    assert [(m.kind, m.index, m.outcome) for m in dry.result.mutations] == [
        ("create_index", name, "planned"),
        ("drop_index", OLD, "planned"),
        ("drop_index", OTHER, "planned"),
    ]
    done = run_apply(shop, plan.id)
    assert (done.exit_code, outcomes(done)) == (0, ["done"] * 3), done.result.mutations
    assert set(look(shop).indexes) == {name}
    assert [r.state for r in look(shop).log] == ["INTENT", "STARTED", "VALID"] * 3
    again = run_apply(shop, plan.id)
    assert (again.exit_code, outcomes(again)) == (0, ["already_done"])
    undone = run_rollback(shop, plan.id)
    assert (undone.exit_code, outcomes(undone)) == (0, ["done"] * 3), undone.result.mutations
    # What was dropped is back before what stands in its place goes.
    assert [m.kind for m in undone.result.mutations] == ["create_index", "create_index", "drop_index"]
    assert sql(shop, SHAPE) == before
    settled(shop)


@pytest.mark.parametrize("named", ["build", "last"])
def test_either_number_takes_the_whole_step_back(shop, named):
    sql(shop, *MORE)
    before = sql(shop, SHAPE)
    done = run_apply(shop, replacing(shop, OLD).id)
    build, _ = (f"M-{m.id}" for m in done.result.mutations)
    targets = (build,) if named == "build" else ()  # the last change is the drop
    undone = run_rollback(shop, *targets, last=named == "last")
    assert (undone.exit_code, [m.kind for m in undone.result.mutations]) == (0, ["create_index", "drop_index"])
    assert sql(shop, SHAPE) == before
    again = run_rollback(shop, build)
    assert set(outcomes(again)) == {"already_done"}


def test_a_build_that_fails_leaves_the_old_one(shop):
    sql(shop, *MORE)
    before = sql(shop, SHAPE)
    plan = replacing(shop, OLD)
    with holding(shop, "LOCK TABLE public.orders IN SHARE UPDATE EXCLUSIVE MODE"):
        done = run_apply(shop, plan.id, force=True, retries=0)
    assert (done.exit_code, outcomes(done)) == (7, ["failed"])
    assert sql(shop, SHAPE) == before


def test_an_old_one_that_something_needs_by_now_stays(shop):
    sql(shop, *MORE)
    plan = replacing(shop, OLD)
    unique = 'CREATE UNIQUE INDEX "{0}" ON public.orders (customer_id, id)'
    sql(shop, f'DROP INDEX public."{OLD}"', unique.format(OLD))
    done = run_apply(shop, plan.id)
    assert (done.exit_code, outcomes(done)) == (7, ["done", "conflict"])
    assert OLD in look(shop).indexes


def test_what_does_not_do_its_work_takes_no_place(shop):
    sql(shop, *MORE)
    plan = replacing(shop, OLD, new=definition("created_at", "customer_id"))
    gone = replace(plan.recommendations[0].replaces[0], definition=definition("customer_id"))
    changed = replace(plan.recommendations[0], replaces=(gone,))
    with open_session(shop, read_only=False, statement_timeout_ms=30_000) as session:
        plans.store(session, replace(plan, id="P-0f0f0f", recommendations=(changed,)))
    done = run_apply(shop, "P-0f0f0f")
    assert [(m.outcome, m.error_code) for m in done.result.mutations] == [("done", None), ("conflict", "not_replaced")]
    assert OLD in look(shop).indexes


def built_only(dsn, plan):
    """The step as a run leaves it that is killed between its build and its drop."""

    def die_before_the_drop():
        apply.drop_planned = lambda *_: os._exit(9)
        run_apply(dsn, plan.id)

    with child(die_before_the_drop) as pid:
        assert exit_code(pid) == 9
    assert {plan.recommendations[0].name, OLD} <= set(look(dsn).indexes)


def killed(work, dsn, sign):
    with child(work) as pid:
        seen(dsn, sign)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("phase", "then"), [("build", run_apply), ("between", run_apply), ("drop", run_apply), ("drop", run_rollback)]
)
def test_killed_in_any_phase_the_next_run_ends_it(shop, phase, then):
    sql(shop, *MORE)
    before = sql(shop, SHAPE)
    plan = replacing(shop, OLD)
    if phase == "build":
        with holding(shop, *SNAPSHOT):
            killed(lambda: run_apply(shop, plan.id, force=True), shop, BUILDER)
    else:
        built_only(shop, plan)
    if phase == "drop":
        with holding(shop, "UPDATE orders SET note = 'x' WHERE id = 1"):
            killed(lambda: run_apply(shop, plan.id, force=True, lock_timeout=30.0), shop, DROPPING)
    done = then(shop, plan.id, lock_timeout=60.0)
    assert done.exit_code == 0, done.result
    if then is run_apply:
        assert set(settled(shop).indexes) == {plan.recommendations[0].name}
        assert run_rollback(shop, plan.id).exit_code == 0
    assert sql(shop, SHAPE) == before
    settled(shop)


MOMENTS = int(os.environ.get("INDEXPILOT_TEST_KILLS", "3"))  # 20 were run when this was written


def test_killed_at_random_moments(shop):
    sql(shop, *MORE)
    before = sql(shop, SHAPE)
    plan = replacing(shop, OLD)
    chance = random.Random(20261129)
    started = time.monotonic()
    with child(lambda: run_apply(shop, plan.id)) as pid:
        assert exit_code(pid) == 0
    whole = time.monotonic() - started
    assert run_rollback(shop, plan.id).exit_code == 0
    for moment in range(MOMENTS):
        for work in (run_apply, run_rollback):
            with child(lambda work=work: work(shop, plan.id)) as pid:
                time.sleep(whole * (moment + chance.random()) / MOMENTS)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            done = work(shop, plan.id, lock_timeout=60.0)
            assert done.exit_code == 0, (moment, done)
            world = settled(shop)
            if work is run_apply:
                assert set(world.indexes) == {plan.recommendations[0].name}, moment
        assert sql(shop, SHAPE) == before, moment
