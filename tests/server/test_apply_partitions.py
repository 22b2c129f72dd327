"""Partitioned tables: the parent's index, one for each partition, and their attachment."""

import os
import signal
import time

import psycopg
import pytest

from indexpilot_cli.model.names import QualifiedName
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.test_apply_faults import SNAPSHOT, eventually, holding
from tests.server.test_apply_kill import PARTITIONS, child

EVENTS = QualifiedName("public", "events")


@pytest.fixture
def shop(database):
    applying.fill(database, 1_000)
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in PARTITIONS:
            connection.execute(statement)
    return database


def test_f23_built_by_attachment_and_taken_back_as_one(shop):
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    name = plan.recommendations[0].name
    done = run_apply(shop, plan.id)
    assert (done.exit_code, outcomes(done)) == (0, ["done"]), done
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
    assert look(shop).indexes == {}


def test_f23_killed_in_the_middle_continues(shop):
    plan = keep_plan(shop, definition("day", "kind", table=EVENTS))
    with holding(shop, *SNAPSHOT), child(lambda: run_apply(shop, plan.id, force=True)) as pid:
        eventually(shop, "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE index_relid <> 0")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        time.sleep(1.0)
    done = run_apply(shop, plan.id, lock_timeout=10.0)
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
