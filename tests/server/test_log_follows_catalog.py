"""What others do to our indexes, and what is left of runs that failed: the log says what the catalog has."""

from contextlib import suppress

import psycopg
import pytest

from indexpilot_cli.core.names import QualifiedName
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.modelling import Faults, Killed
from tests.server.requesting import DoctorRequest, Place, checks
from tests.server.test_apply_faults import holding
from tests.server.test_apply_kill import PARTITIONS, copy_of
from tests.server.test_rollback_restore import execute

EVENTS = QualifiedName("public", "events")

pytestmark = pytest.mark.rows(1_000)


@pytest.fixture
def events(shop):
    """With a partitioned table beside the orders, and a plan for it."""
    execute(shop, *PARTITIONS)
    return shop, keep_plan(shop, definition("day", "kind", table=EVENTS))


def newest(dsn):
    """The newest row of each operation that built or attached, by index."""
    rows = {row.op_id: row for row in look(dsn).log}
    return {
        (row.index_name, row.details_json["kind"]): row
        for row in rows.values()
        if row.details_json["kind"] != "drop_index"
    }


def stands(dsn):
    """Indexes of which a row says that they stand."""
    return sorted(
        {name for (name, kind), row in newest(dsn).items() if row.state == "VALID" and kind == "create_index"}
    )


def test_a_partition_added_between_a_failed_and_a_repeated_apply_gets_one_attached_index(events):
    dsn, plan = events
    with holding(dsn, "LOCK TABLE public.events_b1 IN SHARE UPDATE EXCLUSIVE MODE"):
        assert run_apply(dsn, plan.id, force=True, retries=0).exit_code == 7
    execute(dsn, "CREATE TABLE public.events_c PARTITION OF public.events FOR VALUES FROM ('2026-03-01') TO (MAXVALUE)")
    with holding(dsn, "LOCK TABLE public.events_b2 IN SHARE UPDATE EXCLUSIVE MODE"):
        failed = run_apply(dsn, plan.id, force=True, retries=0)
    assert (failed.exit_code, outcomes(failed)) == (7, ["failed"])  # parts were built: not 6, "nothing was changed"
    assert outcomes(run_apply(dsn, plan.id)) == ["done"]
    world = look(dsn)
    assert (len(world.indexes), world.invalid) == (6, [])
    assert outcomes(run_apply(dsn, plan.id)) == ["already_done"]
    assert outcomes(run_rollback(dsn, last=True)) == ["done"]
    assert (look(dsn).indexes, stands(dsn)) == ({}, [])


@pytest.mark.parametrize("again", ["apply", "rollback"])
def test_an_index_that_somebody_dropped_stands_no_longer(shop, again):
    plan = keep_plan(shop, definition("customer_id"))
    other = keep_plan(shop, definition("status"))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    assert outcomes(run_apply(shop, other.id)) == ["done"]
    execute(shop, "DROP INDEX public.orders_status_ip_idx")
    if again == "apply":
        assert outcomes(run_apply(shop, other.id)) == ["done"]
        assert stands(shop) == ["orders_customer_id_ip_idx", "orders_status_ip_idx"]
    else:
        assert outcomes(run_rollback(shop, last=True)) == ["done"]
        assert (look(shop).indexes, stands(shop)) == ({}, [])
    told = [row.error for row in look(shop).log if row.state == "REVERTED"]
    assert told[0] == "somebody else dropped it"


def test_an_index_of_another_name_schema_and_oid_is_still_ours(shop):
    plan = keep_plan(shop, definition("customer_id"))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    execute(
        shop,
        'ALTER INDEX public.orders_customer_id_ip_idx RENAME TO "By ""hand"""',
        "ALTER TABLE public.orders RENAME TO sold",
        "CREATE SCHEMA aside",
        "ALTER TABLE public.sold SET SCHEMA aside",
    )
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute('REINDEX INDEX CONCURRENTLY aside."By ""hand"""')
    undone = run_rollback(shop, plan.id)
    assert (undone.exit_code, outcomes(undone)) == (0, ["done"]), undone
    assert (look(shop).indexes, stands(shop)) == ({}, [])
    (row,) = [r for r in look(shop).log if r.error is None and r.state == "VALID" and r.index_name == 'By "hand"'][:1]
    assert (row.schema_name, row.table_name) == ("aside", "sold")


def test_a_partition_taken_away_keeps_its_index_and_loses_its_attachment(events):
    dsn, plan = events
    assert outcomes(run_apply(dsn, plan.id)) == ["done"]
    execute(dsn, "ALTER TABLE public.events DETACH PARTITION public.events_a")
    assert outcomes(run_apply(dsn, plan.id)) == ["already_done"]
    rows = newest(dsn)
    part = "events_a_day_kind_ip_idx"
    assert (rows[part, "create_index"].state, rows[part, "attach_index"].state) == ("VALID", "REVERTED")
    assert outcomes(run_rollback(dsn, plan.id)) == ["done"]
    assert (look(dsn).indexes, stands(dsn)) == ({}, [])


def test_an_index_whose_drop_somebody_left_half_done_is_removed(shop):
    plan = keep_plan(shop, definition("customer_id"))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    execute(shop, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_customer_id_ip_idx'::regclass")
    again = run_apply(shop, plan.id)
    assert (again.exit_code, outcomes(again)) == (0, ["done"]), again
    assert (look(shop).invalid, stands(shop)) == ([], ["orders_customer_id_ip_idx"])


def test_doctor_tells_what_the_log_does_not_know_yet(shop):
    plan = keep_plan(shop, definition("customer_id"))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    place = Place(shop)
    assert checks(place.ask(DoctorRequest), "drift") == []
    execute(shop, "DROP INDEX public.orders_customer_id_ip_idx")
    (told,) = checks(place.ask(DoctorRequest), "drift")
    assert (told.state, told.fix) == ("warning", "indexpilot doctor --reconcile")
    assert "orders_customer_id_ip_idx: somebody else dropped it" in told.text
    settled = place.ask(DoctorRequest, reconcile=True)
    assert (checks(settled, "drift"), stands(shop)) == ([], [])
    (line,) = checks(settled, "settled")
    assert (line.state, "recorded as gone, somebody else dropped it" in line.text) == ("ok", True)


@pytest.mark.parametrize("moment", [2, 3, 4])
def test_an_index_renamed_before_the_next_run_is_still_that_of_the_run_that_died(events, moment):
    dsn, plan = events
    other = keep_plan(dsn, definition("customer_id"))
    with Faults() as faults, pytest.raises(Killed):
        faults.harm, faults.left, faults.dsn = "die after", moment, dsn
        run_apply(dsn, plan.id)
    execute(dsn, 'ALTER INDEX public.events_day_kind_ip_idx RENAME TO "By hand"')
    assert outcomes(run_apply(dsn, other.id)) == ["done"]
    assert newest(dsn)["By hand", "create_index"].state == "STARTED"
    assert outcomes(run_apply(dsn, plan.id)) == ["done"]
    assert look(dsn).invalid == []
    assert outcomes(run_rollback(dsn, plan.id)) == ["done"]
    assert stands(dsn) == ["orders_customer_id_ip_idx"] == sorted(look(dsn).indexes)


def test_a_built_index_renamed_before_its_row_was_closed_is_ours(shop):
    plan = keep_plan(shop, definition("customer_id"))
    with Faults() as faults, pytest.raises(Killed):
        faults.harm, faults.left, faults.dsn = "die before", 4, shop
        run_apply(shop, plan.id)
    execute(shop, "ALTER INDEX public.orders_customer_id_ip_idx RENAME TO by_hand")
    assert outcomes(run_apply(shop, plan.id)) == ["already_done"]
    assert stands(shop) == ["by_hand"] == sorted(look(shop).indexes)


def test_what_became_valid_before_a_later_part_failed_is_closed(events):
    dsn, plan = events
    with Faults() as faults:
        # The ninth statement attaches the index of the partition that has partitions; both of its own are attached.
        faults.harm, faults.left, faults.dsn = "fail", 8, dsn
        failed = run_apply(dsn, plan.id)
    assert (failed.exit_code, outcomes(failed)) == (7, ["failed"])
    states = {name: row.state for (name, kind), row in newest(dsn).items() if kind == "create_index"}
    assert states["events_day_kind_ip_idx"] == "STARTED"
    assert set(states.values()) == {"STARTED", "VALID"} and states["events_b_day_kind_ip_idx"] == "VALID"
    assert outcomes(run_apply(dsn, plan.id)) == ["done"]


@pytest.mark.parametrize("harm", ["die before", "die after"])
def test_a_drop_of_ours_whose_run_died_is_nobody_elses(pg, events, harm):
    """At every moment there is: until a run comes to its end before the next."""
    original, plan = events
    assert outcomes(run_apply(original, plan.id)) == ["done"]
    died, moment = True, 0
    while died:
        with copy_of(pg, original) as dsn:
            with Faults() as faults, suppress(Killed):
                faults.harm, faults.left, faults.dsn = harm, moment, dsn
                run_rollback(dsn, plan.id)
            died, moment = faults.left is None, moment + 1
            assert run_rollback(dsn, plan.id).exit_code == 0
            assert (look(dsn).indexes, stands(dsn)) == ({}, []), moment
            told = [row.error for row in look(dsn).log if row.error]
            assert [text for text in told if "somebody else" in text] == [], moment
    assert moment > 10
