"""The write bill."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.core.catalog import Activity, Catalog, Column, ColumnStatistics, ForeignKey, Index, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, RelationUse, StatementKind
from indexpilot_cli.methods.kinds import index_kinds
from indexpilot_cli.methods.writes import entry_cost, table_write_us, write_cost, write_model
from indexpilot_cli.methods.written import TableWrites, rows_per_call, table_writes
from tests.unit.advise.select.model_planner import index, table, template


def column(name, number, base_type="int4", correlation=0.0, width=4):
    statistics = ColumnStatistics(0.0, width, -1.0, correlation=correlation)
    return Column(name, number, base_type, base_type, "N", statistics=statistics)


COLUMNS = (
    column("id", 1, correlation=1.0),
    column("status", 2),
    column("note", 3, "text", width=60),
    column("key", 4, "uuid", width=16),
    column("amount", 5),
)
KEY = Index(QualifiedName("public", "t0_pkey"), index("id", unique=True), "", primary=True)
ORDERS = Table(table(), "r", COLUMNS, (KEY,), pages=1000, tuples=100_000.0)
BUSY = TableWrites(
    inserts=1000, updates=500, hot_share=0.8, updated=((frozenset({"status"}), 400.0), (frozenset({"amount"}), 100.0))
)


def cost(definition, seen=BUSY, base=10_000.0, **kinds):
    return write_cost(definition, ORDERS, seen, base, **kinds)


def test_entries_cost_by_method_type_and_order():
    per_insert = {name: cost(index(name)).per_insert_us for name in ("id", "status", "note", "key")}
    assert per_insert["id"] < per_insert["status"] <= per_insert["key"] < per_insert["note"]
    assert cost(index("status", method="brin")).per_insert_us < cost(index("status", method="hash")).per_insert_us
    assert cost(index("note", method="gin")).wal_bytes > 1000


def test_an_updated_column_costs_hot_updates():
    status, amount, key = cost(index("status")), cost(index("amount")), cost(index("key"))
    assert (status.hot_before, status.hot_after) == (0.8, pytest.approx(0.16))
    assert amount.hot_after == pytest.approx(0.64)
    assert key.hot_loss == 0.0
    assert status.per_update_us > amount.per_update_us > 0
    assert "HOT 80 -> 16 %" in status.text


@pytest.mark.parametrize(
    ("indexed", "hot", "left"),
    [
        ("status", 0.2, 0.0),  # all that are HOT change the amount alone
        ("note", 0.2, 0.16),
        ("status", 0.9, 0.72),  # more are HOT than leave the status as it is: statements set it to what it was
    ],
)
def test_only_updates_that_are_hot_now_can_be_lost(indexed, hot, left):
    there = Index(QualifiedName("public", "there"), index(indexed), "")
    found = write_cost(index("amount"), replace(ORDERS, indexes=(KEY, there)), replace(BUSY, hot_share=hot), 10_000.0)
    assert found.hot_after == pytest.approx(left)


def test_included_and_predicate_columns_count_too():
    assert cost(index("key", include=("status",))).hot_loss == pytest.approx(0.64)
    assert cost(index("key", predicate="status = 1")).hot_loss == pytest.approx(0.64)
    assert cost(index("key", predicate="statuses = 1")).hot_loss == 0.0


def test_brin_blocks_hot_only_before_16():
    assert cost(index("status", method="brin"), major=15).hot_loss > 0
    assert cost(index("status", method="brin"), major=16).hot_loss == 0


def test_a_partial_index_pays_for_the_rows_it_holds():
    whole, part = cost(index("status")), cost(index("status", predicate="amount > 9"), entries=1000.0)
    assert part.per_insert_us < whole.per_insert_us / 8
    assert part.wal_bytes == pytest.approx(whole.wal_bytes / 100)


def test_relative_to_what_writes_cost_now():
    world = Catalog(170000, "db", (ORDERS,))
    model = write_model(world, {ORDERS.name: BUSY}, [index("status")], "ms")
    bill = model.of(index("status"))
    assert bill.relative == pytest.approx(bill.total_us / model.base_us[ORDERS.name])
    assert model.units(index("status")) == pytest.approx(bill.total_us / 1000)
    assert model.of(index("nothing", on=1)).total_us == 0
    in_cost = write_model(world, {ORDERS.name: BUSY}, [index("status")], "cost")
    assert in_cost.units(index("status")) == pytest.approx(bill.total_us / 10)
    assert any("per unit" in note for note in in_cost.notes)


# What tests/benchmarks/writes.py measured on PostgreSQL 15: microseconds added to a row that is inserted in bulk and
# alone, and to an update of a column of the index (which was HOT); microseconds of the statement without the index.
FEW = replace(column("few", 7), statistics=ColumnStatistics(0.0, 4, 40.0))
MAIL = replace(COLUMNS[2], name="mail", statistics=ColumnStatistics(0.0, 23, -1.0, correlation=0.0))
PLAIN = replace(ORDERS, columns=(*COLUMNS, column("serial", 6, correlation=1.0), FEW, MAIL))
MEASURED = {
    index("amount"): (2.8, 3.4, 5.5),
    index("few"): (1.1, 2.3, 6.5),
    index("key"): (2.8, 2.9, None),
    index("mail"): (3.9, 4.3, 8.3),
    index("few", "amount"): (3.2, 3.7, 7.4),
    index("serial"): (0.7, 0.7, None),
    index("amount", include=("note",)): (3.2, 4.2, 8.1),
    index("mail", method="hash"): (1.8, 2.9, None),
}


def added(definition):
    seen = TableWrites(inserts=1, updates=1, hot_share=1.0, updated=((frozenset(definition.columns), 1.0),))
    found = write_cost(definition, PLAIN, seen, 1.0, major=15)
    return found.per_insert_us, found.per_update_us


def test_the_model_is_within_a_quarter_of_what_was_measured():
    off = []
    for definition, (bulk, alone, updated) in MEASURED.items():
        inserting, updating = added(definition)
        off.append(abs(inserting / ((bulk + alone) / 2) - 1))
        if updated is not None:
            off.append(abs(updating / updated - 1))
    assert max(off) <= 0.25
    assert sum(off) / len(off) <= 0.15


def test_the_share_is_of_the_statement_that_writes():
    alone, many = TableWrites(inserts=100, statements=100), TableWrites(inserts=100, statements=1)
    for seen, measured in ((alone, 12.6), (many, 3.6)):
        base = table_write_us(PLAIN, seen) / 100
        assert base == pytest.approx(measured, rel=0.1)
        told = write_cost(index("amount"), PLAIN, seen, base * 100, major=15)
        assert told.relative == pytest.approx(3.1 / measured, rel=0.25)
    assert "single-row statements, modelled" in write_cost(index("amount"), PLAIN, alone, 1.0).text
    assert "statements of 100 rows" in write_cost(index("amount"), PLAIN, many, 1.0).text
    keys = tuple(ForeignKey(f"f{n}", PLAIN.name, ("amount",), QualifiedName("public", "p"), ("id",)) for n in (1, 2))
    with_keys = table_write_us(PLAIN, alone, Catalog(150000, "db", (PLAIN,), foreign_keys=keys)) / 100
    assert with_keys == pytest.approx(27.6, rel=0.1)


def test_times_that_the_workload_knows_come_first():
    use = RelationUse(table(), "t", write=StatementKind.INSERT)
    slow = replace(template("i", 50, kind=StatementKind.INSERT, uses=(use,)), total_ms=2.0)
    seen = table_writes(catalog(), [slow])[table()]
    assert (seen.inserts, seen.measured_us, table_write_us(ORDERS, seen)) == (50, 2000.0, 2000.0)
    text = write_cost(index("amount"), ORDERS, seen, 2000.0).text
    assert text == (
        "+3.0 us and +89 B of WAL per inserted row: +8 % of the table's present write time "
        "(single-row statements, measured by the workload)"
    )


def test_unknown_updates_are_spread_over_columns_no_index_holds():
    seen = replace(BUSY, updated=())
    assert cost(index("status"), seen).hot_loss == pytest.approx(0.8 / 4)
    assert cost(index("id"), seen).hot_loss == 0.0


# -- rates


def catalog(**activity):
    busy = replace(ORDERS, activity=Activity(**activity))
    now = datetime(2026, 1, 8, tzinfo=UTC)
    return Catalog(170000, "db", (busy,), statistics_since=now - timedelta(days=7), taken_at=now)


def write(name, kind, times, updated=(), **sample):
    use = RelationUse(table(), "t", write=kind, updated=frozenset(updated))
    found = template(name, times, kind=kind, uses=(use,))
    return replace(found, samples=(ObservedStatement(name, **sample),) if sample else ())


def test_the_workload_s_own_writes_come_first():
    templates = [
        write("i", StatementKind.INSERT, 50),
        write("u", StatementKind.UPDATE, 20, ["status"], calls=10, rows=30),
        write("d", StatementKind.DELETE, 5),
    ]
    seen = table_writes(catalog(inserts=9_999, updates=100, hot_updates=25), templates)[table()]
    assert (seen.inserts, seen.updates, seen.deletes, seen.hot_share) == (50, 60, 5, 0.25)
    assert seen.updated == ((frozenset({"status"}), 60.0),)
    assert rows_per_call(templates[0]) == 1.0


def test_counters_are_a_rate_over_the_window():
    end = datetime(2026, 1, 8, tzinfo=UTC)
    seen = table_writes(catalog(inserts=7000), [], end - timedelta(days=1), end)[table()]
    assert seen.inserts == pytest.approx(1000)
    assert "rate" in seen.origin


def test_counters_are_in_proportion_to_scans_when_the_window_is_not_known():
    reads = [template("q", calls=20)]
    seen = table_writes(catalog(inserts=107_000, seq_scans=100, index_scans=900), reads)[table()]
    assert seen.inserts == pytest.approx(140)  # the 100,000 rows there are taken as loaded


def test_a_table_that_was_only_loaded_is_not_charged():
    assert table_writes(catalog(inserts=6_000_000, seq_scans=2), [template("q")]) == {}


def test_every_kind_tells_what_an_entry_costs():
    for method in (*index_kinds(), "of_an_extension"):
        us, wal = entry_cost(index("amount", method=method), ORDERS)
        assert us > 0 and wal > 0
