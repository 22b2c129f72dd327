"""What entries and builds cost: defaults, and what was measured on a server."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.methods.kinds import index_kinds
from indexpilot_cli.methods.rates import SHIPPED, Calibration, EntryClass, EntryRate, WriteRates
from indexpilot_cli.methods.size import build_seconds, estimate
from indexpilot_cli.methods.writes import entry_cost, table_write_us, write_cost
from indexpilot_cli.methods.written import TableWrites
from tests.unit.advise.select.model_planner import index
from tests.unit.methods.test_maintenance import ORDERS

SLOW = WriteRates(tuple(EntryRate(r.kind, 3 * r.us, r.wal, 3 * r.build_us) for r in SHIPPED.entries[:3]), basis="slow")
CALIBRATION = Calibration(datetime(2026, 11, 29, tzinfo=UTC), 150020, ("fsync = on",), 100_000, SLOW)


def test_what_was_not_measured_goes_at_the_same_pace():
    assert SLOW.pace == pytest.approx(3.0) and SHIPPED.pace == 1.0
    for kind in EntryClass:
        assert SLOW.of(kind).us == pytest.approx(3 * SHIPPED.of(kind).us)
        assert SLOW.of(kind).wal == SHIPPED.of(kind).wal


@pytest.mark.parametrize("method", index_kinds())
def test_every_kind_goes_by_the_rates(method):
    definition = index("amount", method=method)
    (usual, _), (slow, _) = entry_cost(definition, ORDERS), entry_cost(definition, ORDERS, SLOW)
    assert slow == pytest.approx(3 * usual)
    kind = index_kinds()[method]
    assert kind.build_us(definition, ORDERS, SLOW) == pytest.approx(3 * kind.build_us(definition, ORDERS, SHIPPED))


def test_the_write_bill_goes_by_the_rates_and_says_so():
    seen = TableWrites(inserts=100, updates=50, statements=150)
    measured = replace(seen, rates=SLOW)
    usual = write_cost(index("status"), ORDERS, seen, table_write_us(ORDERS, seen))
    slow = write_cost(index("status"), ORDERS, measured, table_write_us(ORDERS, measured))
    assert slow.per_insert_us == pytest.approx(3 * usual.per_insert_us)
    assert (usual.basis, slow.basis) == ("model", "slow")


def test_a_pending_list_is_cheaper_than_none():
    at_once = replace(index("note", method="gin"), options=(("fastupdate", "off"),))
    assert entry_cost(index("note", method="gin"), ORDERS)[0] < entry_cost(at_once, ORDERS)[0]


def test_builds_take_longer_for_more_and_longer_keys_and_read_the_table_twice():
    catalog = Catalog(150020, "db", (ORDERS,))

    def seconds(definition, table=ORDERS, rates=SHIPPED):
        return build_seconds(definition, table, catalog, estimate(definition, table, catalog), rates)

    reading = 2 * ORDERS.pages * SHIPPED.scan_us / 1e6
    assert reading < seconds(index("id")) < seconds(index("amount")) < seconds(index("note"))
    assert seconds(index("amount"), replace(ORDERS, tuples=400_000.0)) > 3 * (seconds(index("amount")) - reading)
    assert seconds(index("amount"), rates=SLOW) > 2 * seconds(index("amount"))
    assert seconds(index("amount"), replace(ORDERS, tuples=0.0, pages=0)) == pytest.approx(0.0)


def test_a_calibration_survives_being_written():
    assert from_json(Calibration, json.loads(json.dumps(to_json(CALIBRATION)))) == CALIBRATION
    assert "2026-11-29" in CALIBRATION.origin


@pytest.mark.parametrize(
    "rates",
    [
        WriteRates(()),
        replace(SHIPPED, row_us=float("nan")),
        replace(SHIPPED, scan_us=-1.0),
        replace(SHIPPED, page_image_us=float("inf")),
        WriteRates((EntryRate(EntryClass.RANDOM, 1e9, 1.0, 1.0),)),
    ],
)
def test_what_nobody_can_have_measured_is_not_plausible(rates):
    assert SHIPPED.plausible and SLOW.plausible
    assert not rates.plausible
