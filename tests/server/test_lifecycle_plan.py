"""Findings as a plan: applied, taken back, killed in the middle; what a stopped REINDEX CONCURRENTLY leaves."""

import os
import random
import signal
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Bound, Plan, PlanAction, schema_digest
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.execute.context import RunLimits
from indexpilot_cli.lifecycle import lifecycle
from indexpilot_cli.lifecycle.values import LifecycleRequest
from indexpilot_cli.log import plans
from tests.server.applying import look, outcomes, recommendation, run_apply, run_rollback, sql
from tests.server.test_apply_faults import BUILDER, SNAPSHOT, WAITING, Moment, alongside, holding, seen
from tests.server.test_apply_kill import child, exit_code
from tests.waiting import LIMIT

pytestmark = [pytest.mark.rows(20_000), pytest.mark.usefixtures("own_places")]
MORE = """
SET search_path = public;
CREATE INDEX orders_note ON orders (note);
CREATE INDEX "Orders note, again" ON orders (note) WITH (fillfactor = 70);
COMMENT ON INDEX "Orders note, again" IS 'made by hand';
CREATE INDEX orders_lower ON orders (lower(note));
CREATE INDEX orders_lower_2 ON orders (lower(note));
ALTER INDEX orders_lower_2 ALTER COLUMN 1 SET STATISTICS 300;
CREATE TABLE fresh AS SELECT g AS v FROM generate_series(1, 1000) g;
CREATE TABLE parts (id int, order_id bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO parts SELECT g, g, date '2026-01-01' + g % 59 FROM generate_series(1, 3000) g;
CREATE INDEX parts_id ON parts (id);
CREATE INDEX parts_id_again ON parts (id);
ALTER TABLE parts ADD FOREIGN KEY (order_id) REFERENCES orders;
ANALYZE parts;
"""
SHAPE = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisvalid, obj_description(i.indexrelid),
    (SELECT max(a.attstattarget) FROM pg_attribute a WHERE a.attrelid = i.indexrelid)
FROM pg_index i WHERE i.indrelid::regclass::text !~ '^(pg_|indexpilot)' ORDER BY 1
"""


def find(dsn, **asked):
    facts = {"connection": Connection(dsn), "record": Record("tester", "1", "lifecycle"), "min_age": timedelta(days=30)}
    return lifecycle.run(LifecycleRequest(**facts | asked), Silent())


def by_index(outcome):
    return {m.index: m for m in outcome.result.mutations}


def test_a_plan_of_findings_is_applied_and_taken_back_as_it_was(shop):
    sql(shop, MORE)
    before = sql(shop, SHAPE)
    found = find(shop, plan=True)
    assert found.next == (f"indexpilot apply {found.result.plan} --dry-run",)
    dry = run_apply(shop, found.result.plan, dry_run=True)
    assert {m.sql for m in dry.result.mutations if m.kind == "drop_index"} == {
        'DROP INDEX CONCURRENTLY public."Orders note, again"',
        "DROP INDEX CONCURRENTLY public.orders_lower_2",
        "DROP INDEX public.parts_id_again",
    }
    done = run_apply(shop, found.result.plan)
    assert (done.exit_code, set(outcomes(done))) == (0, {"done"})
    kinds = [m.kind for m in done.result.mutations]
    assert kinds[:4] == ["create_index", *["drop_index"] * 3]
    assert set(kinds[4:]) == {"analyze"}
    assert sql(shop, "SELECT count(*) FROM pg_stats WHERE tablename = 'fresh'") == [(1,)]
    names = {row[0] for row in sql(shop, SHAPE)}
    assert not names & {'"Orders note, again"', "orders_lower_2", "parts_id_again"}
    assert "parts_order_id_ip_idx" in names
    assert find(shop, plan=True).result.plan is None
    again = run_apply(shop, found.result.plan)
    assert (again.status, outcomes(again)[:4], set(outcomes(again)[4:])) == ("ok", ["already_done"] * 4, {"done"})
    undone = run_rollback(shop, found.result.plan)
    assert (undone.exit_code, set(outcomes(undone))) == (0, {"done"}), undone.result.mutations
    assert sql(shop, SHAPE) == before


def test_a_table_that_may_not_be_analyzed_has_failed(shop):
    """The server only warns (01000) and says that all went well."""
    sql(shop, "CREATE TABLE public.fresh AS SELECT g FROM generate_series(1, 1000) g")
    role = f"r_{uuid.uuid4().hex[:10]}"
    plan = find(shop, plan=True, states=("never_analyzed",)).result.plan
    for grant in (
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA indexpilot TO {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA indexpilot TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA indexpilot TO {role}",
        f"GRANT SELECT ON public.fresh TO {role}",
    ):
        sql(shop, grant)
    try:
        done = run_apply(psycopg.conninfo.make_conninfo(shop, user=role), plan, force=True)
        assert not [v for v in done.result.verdicts if not v.allowed], done.result.verdicts
        (failed,) = done.result.mutations
        assert (done.exit_code, failed.outcome, failed.error_code) == (7, "failed", "analyze_skipped")
        assert "fresh" in failed.error
        assert sql(shop, "SELECT state FROM indexpilot.mutation_log WHERE table_name = 'fresh'") == [("FAILED",)]
    finally:
        sql(shop, f"DROP OWNED BY {role}")
        sql(shop, f"DROP ROLE {role}")
    assert outcomes(run_apply(shop, plan)) == ["done"]
    assert sql(shop, "SELECT count(*) FROM pg_stats WHERE tablename = 'fresh'") == [(1,)]


def test_one_finding_alone_is_applied_by_its_id(shop):
    sql(shop, MORE)
    found = find(shop, plan=True).result
    wanted = next(f for f in found.findings if f.index == QualifiedName("public", "orders_lower_2"))
    done = run_apply(shop, wanted.id)
    assert outcomes(done) == ["done"]
    assert by_index(done).keys() == {"orders_lower_2"}


def test_an_index_that_changed_since_the_plan_is_left_alone(shop):
    sql(shop, MORE)
    plan = find(shop, plan=True).result.plan
    sql(shop, "DROP INDEX orders_lower_2; CREATE INDEX orders_lower_2 ON orders (upper(note))")
    sql(shop, 'DROP INDEX "Orders note, again"')
    done = by_index(run_apply(shop, plan))
    assert (done["orders_lower_2"].outcome, done["orders_lower_2"].error_code) == ("conflict", "stale_plan")
    assert done["Orders note, again"].outcome == "already_done"
    assert "orders_lower_2" in look(shop).indexes


def test_what_has_come_to_depend_on_an_index_keeps_it(shop):
    sql(
        shop,
        "CREATE UNIQUE INDEX orders_once ON orders (id, note); CREATE UNIQUE INDEX orders_twice ON orders (id, note)",
    )
    plan = find(shop, plan=True).result.plan
    sql(shop, "ALTER TABLE orders ADD CONSTRAINT orders_twice UNIQUE USING INDEX orders_twice")
    done = next(m for m in run_apply(shop, plan).result.mutations if m.kind == "drop_index")
    assert (done.outcome, done.error_code) == ("conflict", "depended_on")


EMPTY = Plan("", datetime.now(UTC), None, "test", 0, 0, 0, 0.0, 0.0, "cost", (), (), Bound(0.0, None, None))


def keep_rebuild(dsn, *names):
    """A stored plan that rebuilds the indexes."""
    with open_session(dsn, read_only=False) as session:
        catalog = read_catalog(session)
        known = {i.name.name: i for i in catalog.indexes()}
        found = []
        for name in names:
            own = recommendation(known[name].definition, name)
            more = {"id": f"F-{uuid.uuid4().hex[:8]}", "undo": "", "action": PlanAction.REINDEX}
            found.append(replace(own, ddl=f"REINDEX INDEX CONCURRENTLY {known[name].name}", **more))
        plan = replace(
            EMPTY,
            id=f"P-{uuid.uuid4().hex[:6]}",
            created_at=datetime.now(UTC),
            recommendations=tuple(found),
            schema_digest=schema_digest(catalog, {r.definition.table for r in found}),
        )
        plans.store(session, plan)
    return plan


def oids(dsn):
    return dict(sql(dsn, "SELECT c.relname::text, c.oid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"))


def test_an_index_is_rebuilt_in_place_of_itself_and_its_neighbours_are_not(shop):
    sql(shop, MORE)
    before = oids(shop)
    done = run_apply(shop, keep_rebuild(shop, "orders_note", "orders_pkey", "Orders note, again", "parts_1_id_idx").id)
    assert outcomes(done) == ["done"] * 4
    after = oids(shop)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"orders_note", "orders_pkey", "Orders note, again", "parts_1_id_idx"}
    assert sql(shop, "SELECT obj_description('\"Orders note, again\"'::regclass)") == [("made by hand",)]
    undone = run_rollback(shop, done.result.plan)
    assert set(outcomes(undone)) == {"already_done"}
    assert oids(shop) == after


def test_what_cannot_be_rebuilt_is_refused_with_the_reason(shop):
    sql(shop, MORE)
    sql(shop, "CREATE TABLE public.rooms (during int4range, EXCLUDE USING gist (during WITH &&))")
    done = by_index(run_apply(shop, keep_rebuild(shop, "parts_id", "rooms_during_excl").id))
    assert "partitioned table" in done["parts_id"].error
    assert "exclusion constraint" in done["rooms_during_excl"].error
    assert {m.outcome for m in done.values()} == {"conflict"}


def test_what_somebody_elses_rebuilding_left_is_not_ours_to_remove(shop):
    sql(shop, "CREATE INDEX orders_note ON orders (note)")
    with (
        holding(shop, *SNAPSHOT),
        psycopg.connect(shop, autocommit=True) as other,
        alongside(other.execute, "REINDEX INDEX CONCURRENTLY orders_note"),
    ):
        seen(shop, "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'")
        other.cancel_safe(timeout=LIMIT)
    assert look(shop).invalid == ["orders_note_ccnew"]
    assert outcomes(run_apply(shop, keep_rebuild(shop, "orders_note").id)) == ["done"]
    assert look(shop).invalid == ["orders_note_ccnew"]


LONG = "orders_with_a_name_of_just_sixty_three_letters_so_it_must_be_cut"[:63]


def test_a_rebuilding_that_is_cancelled_leaves_nothing(shop, monkeypatch):
    sql(shop, f"CREATE INDEX {LONG} ON orders (note)")
    before = oids(shop)
    monkeypatch.setattr(RunLimits, "deadline", lambda _: Moment(shop, WAITING))
    with holding(shop, *SNAPSHOT):
        (failed,) = run_apply(shop, keep_rebuild(shop, LONG).id, force=True).result.mutations
    assert (failed.outcome, failed.error_code) == ("failed", "deadline")
    assert oids(shop) == before


def settled(dsn):
    """Nothing invalid, nothing open in the log."""
    world = look(dsn)
    newest = {row.op_id: row.state for row in world.log}
    return world.invalid == [] and not set(newest.values()) & {"INTENT", "STARTED", "UNKNOWN", "FAILED_LEFTOVER"}


def test_killed_in_the_middle_of_a_rebuilding_the_next_run_cleans_up(shop):
    sql(shop, f"CREATE INDEX {LONG} ON orders (note)")
    plan = keep_rebuild(shop, LONG)
    with holding(shop, *SNAPSHOT), child(lambda: run_apply(shop, plan.id, force=True)) as pid:
        seen(shop, BUILDER)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    done = run_apply(shop, plan.id, lock_timeout=60.0)
    assert done.exit_code == 0
    assert settled(shop)
    assert look(shop).indexes == {LONG: True}


def test_what_was_dropped_and_brought_back_can_be_dropped_again(shop):
    sql(shop, MORE)
    before = sql(shop, SHAPE)
    drops = find(shop, plan=True, states=("duplicate",)).result.plan
    for _ in range(2):
        assert set(outcomes(run_apply(shop, drops))) == {"done"}
        undone = run_rollback(shop, drops)
        assert (set(outcomes(undone)), undone.result.reconciled) == ({"done"}, ())
        assert sql(shop, SHAPE) == before


@pytest.mark.slow
def test_killed_at_twenty_random_moments_of_rebuildings_and_drops(shop):
    sql(shop, MORE)
    names = ("orders_note", "orders_lower")
    plan, chance = keep_rebuild(shop, *names), random.Random(20261129)
    whole = _duration(lambda: run_apply(shop, plan.id))
    shape = sql(shop, SHAPE)
    for moment in range(10):
        _killed(lambda: run_apply(shop, plan.id), whole * (moment + chance.random()) / 10)
        assert run_apply(shop, plan.id, lock_timeout=60.0).exit_code == 0, moment
        assert settled(shop), moment
        assert sql(shop, SHAPE) == shape
    drops = find(shop, plan=True, states=("duplicate",)).result.plan
    whole = _duration(lambda: run_apply(shop, drops))
    for moment in range(10):
        assert run_rollback(shop, drops, lock_timeout=60.0).exit_code == 0
        assert sql(shop, SHAPE) == shape, moment
        _killed(lambda: run_apply(shop, drops), whole * (moment + chance.random()) / 10)
        done = run_apply(shop, drops, lock_timeout=60.0)
        assert (done.exit_code, "somebody else" in str(done.result)) == (0, False), (moment, done)
        assert settled(shop), moment
        # Either of the two: one that was rebuilt has a new oid and is the younger.
        assert len({"orders_lower", "orders_lower_2"} & look(shop).indexes.keys()) == 1, (moment, done)


def _duration(work):
    started = time.monotonic()
    with child(work) as pid:
        assert exit_code(pid) == 0
    return time.monotonic() - started


def _killed(work, after):
    with child(work) as pid:
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
