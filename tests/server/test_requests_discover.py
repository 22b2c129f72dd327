"""``discover`` asked by a request: what is listed in which order, what is warned of, what the log says."""

import pytest

from indexpilot_cli.admin.discover import DiscoverRequest
from indexpilot_cli.core.command import TableFilter
from indexpilot_cli.errors import IndexPilotError, UnreachableError, UsageError
from tests.server.requesting import NOWHERE, QUIET, RECORD, ask


def names(outcome):
    return [t.name.short for t in outcome.result.tables]


def only(place, **fields):
    return names(place.ask(DiscoverRequest, filter=TableFilter(**fields), record=QUIET, sort="name"))


def test_every_kind_of_table_and_index_is_named(analyzed_shop):
    outcome = analyzed_shop.ask(DiscoverRequest)
    tables = {t.name.short: t for t in outcome.result.tables}
    assert {name: t.kind for name, t in tables.items()} == {
        "customers": "table",
        "orders": "table",
        "sales.cities": "materialized view",
        "sales.remote": "foreign table",
        "sales.visits": "partitioned",
        "sales.visits_1": "partition",
        "sales.visits_2": "partition",
    }
    assert {i.name.name: i.kind for i in tables["orders"].indexes} == {
        "orders_pkey": "primary",
        "orders_moment": "unique",
        "orders_place_excl": "constraint",
        "orders_status": "index",
    }
    assert tables["orders"].rows == 20000
    assert tables["orders"].index_bytes == sum(i.bytes for i in tables["orders"].indexes) > 0
    assert (outcome.command, outcome.status, outcome.exit_code) == ("discover", "ok", 0)
    assert outcome.warnings == () and outcome.next == ("indexpilot doctor",)
    assert analyzed_shop.last() == ("DISCOVER", "DONE", {"tables": 7, "hidden": 0})


def test_the_order_is_the_one_asked_for(analyzed_shop):
    def sorted_by(sort):
        return analyzed_shop.ask(DiscoverRequest, sort=sort, record=QUIET).result.tables

    sizes = [t.bytes for t in sorted_by("size")]
    assert sizes == sorted(sizes, reverse=True)
    assert sorted_by("size")[0].name.short == "orders"
    assert [t.name for t in sorted_by("name")] == sorted(t.name for t in sorted_by("name"))


def test_the_busiest_come_first_by_what_was_counted(analyzed_shop):
    for _ in range(5):
        analyzed_shop.sql("SELECT count(*) FROM public.customers WHERE city = 'city7'")
    analyzed_shop.sql("UPDATE public.orders SET status = status WHERE id < 3")
    result = analyzed_shop.ask(DiscoverRequest, sort="reads", record=QUIET).result
    reads = [t.reads_per_s or 0.0 for t in result.tables]
    assert reads == sorted(reads, reverse=True) and reads[0] > 0
    assert result.stats_since < result.now
    written = analyzed_shop.ask(DiscoverRequest, sort="writes", record=QUIET).result.tables
    assert written[0].name.short == "orders" and written[0].writes_per_s > 0


def test_filters_leave_what_they_say(analyzed_shop):
    assert only(analyzed_shop, schemas=("public",)) == ["customers", "orders"]
    assert only(analyzed_shop, tables=("sales.visits",)) == ["sales.visits", "sales.visits_1", "sales.visits_2"]
    assert only(analyzed_shop, tables=("orders", "customers"), exclude=("public.orders",)) == ["customers"]
    big = analyzed_shop.ask(DiscoverRequest, min_size_bytes=500_000, record=QUIET)
    assert names(big) == ["orders"] and big.result.hidden == 6


@pytest.mark.parametrize(
    ("fields", "code", "hint"),
    [
        ({"tables": ("ordrs",)}, "unknown_table", "did you mean table orders?"),
        ({"exclude": ("zzzzzz",)}, "unknown_table", "indexpilot discover lists what is there"),
        ({"schemas": ("sale",)}, "unknown_schema", "did you mean schema sales?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_logged(analyzed_shop, fields, code, hint):
    with pytest.raises(UsageError) as raised:
        analyzed_shop.ask(DiscoverRequest, filter=TableFilter(**fields))
    assert (raised.value.code, raised.value.hint) == (code, hint)
    kind, state, details = analyzed_shop.last()
    assert (kind, state, details["error_code"]) == ("DISCOVER", "FAILED", code)


def test_what_is_wrong_is_warned_of(neglected_shop):
    found = {(w.code, w.object) for w in neglected_shop.ask(DiscoverRequest).warnings}
    assert found == {
        ("stats_missing", "public.raw_0"),
        ("index_invalid", "public.items_k_once"),
        ("index_invalid", "public.raw_inverse"),
    }
    tables = {t.name.short: t for t in neglected_shop.ask(DiscoverRequest, record=QUIET).result.tables}
    assert tables["raw_0"].rows is None
    assert [i.valid for i in tables["raw_0"].indexes] == [False]


def test_a_role_that_may_read_nothing_is_told_so_and_not_recorded(analyzed_shop):
    before = analyzed_shop.log()
    outcome = analyzed_shop.role("requests_stranger").ask(DiscoverRequest)
    codes = {w.code for w in outcome.warnings}
    unreadable = {w.object for w in outcome.warnings if w.code == "not_readable"}
    assert {"public.orders", "public.customers"} <= unreadable
    assert outcome.status == "ok" and codes <= {"not_readable", "not_recorded"}
    assert analyzed_shop.log() == before


def test_nothing_is_written_where_that_is_asked_or_there_is_no_log(analyzed_shop, bare):
    before = analyzed_shop.log()
    analyzed_shop.ask(DiscoverRequest, record=QUIET)
    assert analyzed_shop.log() == before
    outcome = bare.ask(DiscoverRequest)
    assert (outcome.result.tables, outcome.result.hidden, outcome.warnings) == ((), 0, ())
    assert bare.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'indexpilot'") == []


def test_columns_are_saved_for_the_tables_shown(analyzed_shop, bare):
    outcome = analyzed_shop.ask(DiscoverRequest, save=True, filter=TableFilter(tables=("customers",)))
    assert outcome.result.saved_fields == 3
    saved = analyzed_shop.sql("SELECT table_name, field_name FROM indexpilot.genome_catalog ORDER BY 2")
    assert saved == [("customers", "city"), ("customers", "email"), ("customers", "id")]
    with pytest.raises(IndexPilotError) as raised:
        bare.ask(DiscoverRequest, save=True)
    assert raised.value.code == "not_initialised"


def test_a_snapshot_does_for_a_server(analyzed_shop, shop_snapshot):
    before = analyzed_shop.log()
    outcome = ask(DiscoverRequest, NOWHERE, snapshot=shop_snapshot, record=RECORD, sort="name")
    live = analyzed_shop.ask(DiscoverRequest, record=QUIET, sort="name")
    assert names(outcome) == names(live)
    assert outcome.server.database == live.server.database
    assert analyzed_shop.log() == before


def test_nobody_there_and_no_file(tmp_path):
    with pytest.raises(UnreachableError):
        ask(DiscoverRequest, NOWHERE)
    with pytest.raises(UsageError):
        ask(DiscoverRequest, NOWHERE, snapshot=str(tmp_path / "none.ipsnap"))
