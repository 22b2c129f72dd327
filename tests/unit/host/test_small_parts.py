"""Cache, adapter and name checks."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.adapter import PostgresAdapter, detect_database, get_database_adapter
from indexpilot_cli.host.place import TtlCache
from indexpilot_cli.host.stats import Names, is_plain
from tests.waiting import LIMIT

ADAPTER = PostgresAdapter()


def test_cache_keeps_for_its_time_and_size():
    now = [0.0]
    made = []
    cache = TtlCache(10.0, 2, lambda: now[0])

    def get(key):
        return cache.get(key, lambda: made.append(key) or len(made))

    assert [get("a"), get("a"), get("b")] == [1, 1, 2]
    now[0] = 9.9
    assert get("a") == 1
    now[0] = 10.0
    assert get("a") == 3
    get("b")
    get("c")
    assert len(cache) == 2
    cache.clear()
    assert get("c") == len(made) and len(cache) == 1


def test_a_value_made_before_clear_is_not_kept():
    cache = TtlCache(10.0, 10)
    begun, cleared = threading.Event(), threading.Event()

    def slow():
        begun.set()
        cleared.wait(LIMIT)
        return "old"

    thread = threading.Thread(target=lambda: cache.get("k", slow))
    thread.start()
    begun.wait(LIMIT)
    cache.clear()
    cleared.set()
    thread.join()
    assert cache.get("k", lambda: "new") == "new"


def test_n3_adapter_words():
    assert ADAPTER.get_json_type() == "jsonb"
    assert [ADAPTER.get_auto_increment_type(t) for t in ("integer", "BIGINT", "smallint")] == [
        *("serial", "bigserial", "smallserial")
    ]
    with pytest.raises(UsageError):
        ADAPTER.get_auto_increment_type("text")


def test_n3_adapter_statements():
    assert ADAPTER.create_index_sql("orders", ["customer_id", "Status"]) == (
        'CREATE INDEX CONCURRENTLY "orders_customer_id_Status_ip_idx" ON public.orders (customer_id, "Status")'
    )
    assert ADAPTER.create_index_sql("t", ["doc"], method="gin", name="x", concurrently=False) == (
        "CREATE INDEX x ON public.t USING gin (doc)"
    )
    assert ADAPTER.create_foreign_key_sql("a", ["b_id"], "order", ["id"], on_delete="set null") == (
        'ALTER TABLE public.a ADD CONSTRAINT a_b_id_fkey FOREIGN KEY (b_id) REFERENCES public."order" (id)'
        " ON DELETE SET NULL NOT VALID"
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: ADAPTER.create_index_sql("t", ["a"], method="btree) ; drop table t"),
        lambda: ADAPTER.create_index_sql("t", []),
        lambda: ADAPTER.create_index_sql("t", "abc"),
        lambda: ADAPTER.create_index_sql("t\0", ["a"]),
        lambda: ADAPTER.create_index_sql("t", [""]),
        lambda: ADAPTER.create_foreign_key_sql("t", ["a"], "u", ["a", "b"]),
        lambda: ADAPTER.create_foreign_key_sql("t", ["a"], "u", ["a"], on_delete="cascade; drop table t"),
        lambda: ADAPTER.quote_identifier(""),
        lambda: detect_database("mysql://x"),
    ],
)
def test_n3_adapter_refuses(call):
    with pytest.raises(UsageError):
        call()


def test_n3_detector():
    for text in ("postgresql://h/d", "postgres://h", "postgresql+psycopg://h", "host=x dbname=y", "shop", ""):
        assert detect_database(text) == "postgresql"


@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=70))
def test_n3_quoted_names_have_no_way_out(name):
    quoted = ADAPTER.quote_identifier(name)
    if quoted != name:
        assert quoted[0] == quoted[-1] == '"' and '"' not in quoted[1:-1].replace('""', "")


def test_n4_names_of_an_empty_catalog_are_plain_ones():
    names = Names({})
    for good in ("orders", "sales.orders", "Mixed Case", "größe", "a$1", "订单"):
        assert names.has_table(good) and names.has_field("orders", good.split(".")[0])
    for bad in ("x; drop table t", 'a"b', "n" * 1000, "", "a'b", "a\0b", "1a", "a.b.c", "--", "ä" * 32):
        assert not names.has_table(bad) and not is_plain(bad)


def test_n4_names_of_a_catalog_are_its_own():
    names = Names({"t": frozenset({"a"}), "public.t": frozenset({"a"})})
    assert names.has_table("public.t") and names.has_field("t", "a")
    assert not names.has_table("u") and not names.has_field("t", "b") and not names.has_field("u", "a")


def test_n3_the_adapter_of_a_database():
    assert get_database_adapter().quote_identifier("order") == '"order"'
    assert isinstance(get_database_adapter("postgresql+psycopg://h/d"), PostgresAdapter)
    with pytest.raises(UsageError):
        get_database_adapter("mysql://h/d")
