"""The size model's pure half: arithmetic of pages, limits and order."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.core.catalog import BLOCK, ForeignKey
from indexpilot_cli.methods.deduplication import posting_bytes
from indexpilot_cli.methods.elements import json_keys, json_paths, trigrams
from indexpilot_cli.methods.kinds.gin import item_bytes
from indexpilot_cli.methods.kinds.hash import hash_pages
from indexpilot_cli.methods.size import estimate
from tests.unit.advise.candidates.builders import catalog, column, definition, name, stats, table

T = table(
    "t",
    column("id", "bigint"),
    column("few", statistics=stats(7)),
    column("many", statistics=stats(-0.9)),
    column("b", statistics=stats(-0.9)),
    column("mostly_null", "bigint", statistics=stats(-0.05, 8, nulls=0.9)),
    column("amount", "numeric", statistics=stats(7, 8)),
    column("s", "text", statistics=stats(-1, 37)),
    column("status", "text", statistics=stats(3, 5, common=(("done", 0.9), ("open", 0.09), ("bad", 0.01)))),
    column("tags", "texts", statistics=stats(width=60)),
    rows=200_000.0,
    pages=3000,
)
C = catalog(T)


def pages(keys, shop=T, world=C, **more):
    return estimate(definition("t", keys, **more), shop, world).pages


def test_unique_integers_are_exact():
    assert pages("id", unique=True) == 551
    assert pages("id", options=(("fillfactor", "70"),)) == 710


def test_deduplication_needs_version_13_a_plain_key_and_a_fit_type():
    assert pages("few") < 0.4 * pages("many")
    assert pages("few", world=catalog(T, version=120000)) > 2 * pages("few")
    assert pages("few", include=("b",)) > 2 * pages("few")
    assert pages("amount") > 2 * pages("few")


def test_padded_text_is_deduplicated_by_older_minor_releases():
    shop = table("t", replace(column("c", "text", statistics=stats(50, 7)), base_type="bpchar"), rows=200_000.0)
    old, new = (pages("c", shop, catalog(shop, version=v)) for v in (150018, 150020))
    assert old < 0.5 * new


def test_predicate_shrinks():
    full = estimate(definition("t", "id"), T, C)
    part = estimate(definition("t", "id", predicate="status = 'bad'"), T, C)
    assert part.tuples == pytest.approx(0.01 * full.tuples)
    assert part.pages < 0.02 * full.pages
    nulls = estimate(definition("t", "mostly_null", predicate="mostly_null IS NOT NULL"), T, C)
    assert nulls.tuples == pytest.approx(20_000)


def test_height_grows_with_pages():
    small = replace(T, tuples=100.0)
    assert estimate(definition("t", "id"), small, C).height == 0
    assert estimate(definition("t", "id"), T, C).height == 2
    assert estimate(definition("t", "id"), replace(T, tuples=2e8), C).height == 3


def test_bytes_method_and_confidence():
    found = estimate(definition("t", "id"), T, C)
    assert (found.bytes, found.method, found.confidence) == (found.pages * BLOCK, "btree", "high")
    assert estimate(definition("t", "few, many"), T, C).confidence == "medium"
    dependent = table("t", column("x", statistics=stats(800)), column("y", statistics=stats(900)), rows=500_000.0)
    assert estimate(definition("t", "x, y"), dependent, C).confidence == "low"
    bare = replace(T, columns=tuple(replace(c, statistics=None) for c in T.columns))
    assert estimate(definition("t", "few"), bare, C).confidence == "low"


def test_a_foreign_key_bounds_distinct_pairs():
    shop = table("t", column("x", statistics=stats(2000)), column("y", statistics=stats(1000)), rows=500_000.0)
    parent = table("p", column("x"), column("y"), rows=10_000.0)
    free = catalog(shop, parent)
    bound = replace(free, foreign_keys=(ForeignKey("f", name("t"), ("x", "y"), name("p"), ("x", "y")),))
    assert pages("x, y", shop, bound) < 0.6 * pages("x, y", shop, free)


def test_partitions_add_up():
    parent = replace(T, kind="p", pages=0, tuples=-1.0)
    leaves = tuple(
        replace(T, name=name(f"t{n}"), parent=name("t"), is_partition=True, columns=parent.columns) for n in (1, 2)
    )
    world = catalog(parent, *leaves)
    assert estimate(definition("t", "id"), parent, world).pages == 2 * pages("id")


def test_other_methods():
    assert pages("id", method="brin") < 5
    assert pages("s", method="hash") < pages("s")
    assert pages("tags", method="gin") > 10
    assert estimate(definition("t", "id", method="brin"), T, C).height is None


def test_keys_of_documents():
    assert trigrams("Cat") == {"  c", " ca", "cat", "at "}
    assert json_paths('{"a": {"b": [1, 2]}}') == {"a b\0001", "a b\0002"}
    assert json_keys('{"a": {"b": 1}}') == {"Ka", "Kb", "a b\0V1"}
    assert json_keys("not json") == {"\0VNone"}


def test_pointers_that_lie_together_are_shorter():
    assert 1.0 < item_bytes(60_000, 1000) < item_bytes(2_000, 1000) < item_bytes(20, 1000) < 4.5


@given(st.integers(1, 100_000), st.sampled_from([16, 24, 40, 104, 400]))
def test_posting_lists_never_cost_more_than_single_tuples(count, base):
    assert posting_bytes(count, base) <= count * (base + 4)
    assert posting_bytes(count, base) >= min(count, 1) * (base + 4)
    assert posting_bytes(count + 1, base) >= posting_bytes(count, base)


@settings(max_examples=30)
@given(st.floats(1, 1e8), st.floats(1, 1e8))
def test_more_rows_never_make_it_smaller(left, right):
    low, high = sorted((left, right))
    for keys in ("id", "few", "many, b", "s"):
        a, b = (estimate(definition("t", keys), replace(T, tuples=rows), C) for rows in (low, high))
        assert a.pages <= 1.01 * b.pages + 1
        assert a.height <= b.height


@given(st.floats(1, 1e7))
def test_hash_has_room_for_all(rows):
    assert hash_pages(rows, 0.0, rows, 75) * 407 >= rows
