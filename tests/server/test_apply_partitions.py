"""Partitioned tables: the parent's index, one for each partition, and their attachment."""

import os
import signal

import psycopg
import pytest

from indexpilot_cli.core.names import QualifiedName
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.test_apply_faults import SNAPSHOT, holding, seen
from tests.server.test_apply_kill import PARTITIONS, child
from tests.server.test_rollback_restore import execute, schema_of

EVENTS = QualifiedName("public", "events")


pytestmark = pytest.mark.rows(1_000)


@pytest.fixture
def shop(shop):
    """With a partitioned table beside the orders."""
    with psycopg.connect(shop, autocommit=True) as connection:
        for statement in PARTITIONS:
            connection.execute(statement)
    return shop


def test_f23_built_by_attachment_and_taken_back_as_one(shop):
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    name = plan.recommendations[0].name
    done = run_apply(shop, plan.id)
    assert (done.exit_code, outcomes(done)) == (0, ["done"]), done
    (told,) = done.result.mutations
    with psycopg.connect(shop) as connection:
        (size,) = connection.execute(
            "SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(%s::regclass)", [name]
        ).fetchone()
        # From the first intent to the attachment of the last part.
        (whole,) = connection.execute(
            "SELECT extract(epoch FROM max(created_at) - min(created_at)) * 1000 FROM indexpilot.mutation_log"
        ).fetchone()
    assert told.size_bytes == size > 4 * 8192
    assert told.milliseconds > 0.9 * float(whole)
    world = look(shop)
    assert len(world.indexes) == 5
    assert world.invalid == []
    assert name in world.indexes
    ops = {}
    for row in world.log:
        ops.setdefault(row.op_id, []).append(row.state)
    assert len(ops) == 9  # five indexes, four attachments
    assert all(states[-1] == "VALID" for states in ops.values())
    assert outcomes(run_apply(shop, plan.id)) == ["already_done"]
    part = next(r for r in world.log if r.index_name == "events_a_day_kind_ip_idx")
    assert outcomes(run_rollback(shop, f"M-{part.id}")) == ["skipped"]
    undone = run_rollback(shop, plan.id)
    assert (undone.exit_code, outcomes(undone)) == (0, ["done"])
    assert [m.size_bytes for m in undone.result.mutations] == [size]
    assert look(shop).indexes == {}


def test_f23_killed_in_the_middle_continues(shop):
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    with holding(shop, *SNAPSHOT), child(lambda: run_apply(shop, plan.id, force=True)) as pid:
        seen(shop, "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE index_relid <> 0")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    done = run_apply(shop, plan.id, lock_timeout=60.0)
    assert (done.exit_code, outcomes(done)) == (0, ["done"]), done
    world = look(shop)
    assert (len(world.indexes), world.invalid) == (5, [])
    newest = {row.op_id: row.state for row in world.log}
    assert set(newest.values()) <= {"VALID", "FAILED_CLEAN"}


def test_f23_an_unfinished_one_can_be_taken_back(shop):
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    with holding(shop, "LOCK TABLE public.events_b1 IN SHARE UPDATE EXCLUSIVE MODE"):
        done = run_apply(shop, plan.id, force=True, retries=0)
    assert (done.exit_code, outcomes(done)) == (7, ["failed"])
    undone = run_rollback(shop, plan.id)
    assert undone.exit_code == 0, undone
    assert look(shop).indexes == {}


def test_a_second_life_after_a_rollback_is_logged_and_taken_back_whole(shop):
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    assert outcomes(run_rollback(shop, last=True)) == ["done"]
    with holding(shop, "LOCK TABLE public.events_a IN SHARE UPDATE EXCLUSIVE MODE"):
        assert outcomes(run_apply(shop, plan.id, force=True, retries=0)) == ["failed"]
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    assert outcomes(run_rollback(shop, last=True)) == ["done"]
    world = look(shop)
    newest = {row.op_id: row for row in world.log}
    built = [row for row in newest.values() if row.details_json["kind"] == "create_index" and row.state == "VALID"]
    assert (world.indexes, [row.index_name for row in built]) == ({}, [])


def dropped(shop):
    """The number of the drop of a partitioned index that had more than its definition says; the schema before."""
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    execute(
        shop,
        "ALTER INDEX public.events_a_day_kind_ip_idx RENAME TO by_hand",
        "COMMENT ON INDEX public.by_hand IS 'the busy one'",
        "ALTER TABLE public.events_a CLUSTER ON by_hand",
    )
    before = schema_of(shop)
    (drop,) = run_rollback(shop, plan.id).result.mutations
    assert look(shop).indexes == {}
    return f"M-{drop.id}", before


def test_f23_a_dropped_one_comes_back_with_all_its_parts(shop):
    number, before = dropped(shop)
    (planned,) = run_rollback(shop, number, dry_run=True).result.mutations
    assert planned.sql.startswith("CREATE INDEX events_day_kind_ip_idx ON ONLY public.events ")
    assert planned.notes == ("and one on each partition, attached one by one",)
    back = run_rollback(shop, number)
    assert (back.exit_code, outcomes(back)) == (0, ["done"]), back
    assert (len(look(shop).indexes), look(shop).invalid) == (5, [])
    assert schema_of(shop) == before
    newest = {row.op_id: (row.mutation_type, row.state) for row in look(shop).log}
    assert sorted(set(newest.values())) == [("ROLLBACK_INDEX", "REVERTED"), ("ROLLBACK_INDEX", "VALID")]
    assert outcomes(run_rollback(shop, number)) == ["already_done"]
    whole = next(r for r in reversed(look(shop).log) if r.index_name == "events_day_kind_ip_idx" and r.state == "VALID")
    assert outcomes(run_rollback(shop, f"M-{whole.id}")) == ["done"]
    assert look(shop).indexes == {}


def test_f23_a_new_partition_gets_its_part_too(shop):
    number, _ = dropped(shop)
    execute(
        shop, "CREATE TABLE public.events_c PARTITION OF public.events FOR VALUES FROM ('2026-03-01') TO (MAXVALUE)"
    )
    execute(shop, "DROP TABLE public.events_b1")
    back = run_rollback(shop, number)
    assert (back.exit_code, outcomes(back)) == (0, ["done"]), back
    names = ["by_hand", "events_b2_day_kind_ip_idx", "events_b_day_kind_ip_idx", "events_c_day_kind_ip_idx"]
    assert sorted(look(shop).indexes) == [*names, "events_day_kind_ip_idx"]
    assert look(shop).invalid == []


def test_f23_bringing_back_continues_where_it_was_stopped(shop):
    number, before = dropped(shop)
    with holding(shop, "LOCK TABLE public.events_b2 IN SHARE UPDATE EXCLUSIVE MODE"):
        stopped = run_rollback(shop, number, retries=0)
    assert (stopped.exit_code, outcomes(stopped)) == (7, ["failed"]), stopped
    assert outcomes(run_rollback(shop, number)) == ["done"]
    world = look(shop)
    assert world.invalid == []
    assert schema_of(shop) == before
    assert world.log[-1].state == "REVERTED"
    assert world.log[-1].details_json["reverted_by"] in {str(row.op_id) for row in world.log}
