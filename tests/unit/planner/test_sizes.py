"""Sizes and heights from statistics."""

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.planner.twin.sizes import KeyWidth, btree_height, btree_pages, fan_out, tuple_width

WIDTHS = st.lists(
    st.builds(KeyWidth, st.integers(1, 200), st.sampled_from([1, 2, 4, 8]), st.booleans()), min_size=1, max_size=5
)


def test_widths_are_those_of_index_tuples():
    assert tuple_width([KeyWidth(4)]) == 16
    assert tuple_width([KeyWidth(8, 8)]) == 16
    assert tuple_width([KeyWidth(4), KeyWidth(8, 8)]) == 24
    assert tuple_width([KeyWidth(4, 4, nulls=True)]) == 24


def test_a_million_integers_take_what_postgresql_needs():
    assert abs(btree_pages(1_000_000, [KeyWidth(4)], distinct=None) - 2745) <= 2
    assert abs(btree_pages(1_000_000, [KeyWidth(4)], distinct=10) - 850) <= 25


@given(st.floats(0, 1e9), WIDTHS)
def test_sharing_keys_never_costs_space(rows, widths):
    plain = btree_pages(rows, widths, distinct=None)
    assert btree_pages(rows, widths, distinct=max(1.0, rows / 7)) <= plain


@given(st.integers(1, 10**7), st.integers(1, 10**7), WIDTHS)
def test_larger_trees_are_not_lower(one, other, widths):
    low, high = sorted((one, other))
    assert btree_height(low, widths) <= btree_height(high, widths)


@given(st.integers(2, 10**6), WIDTHS)
def test_the_height_holds_the_leaves(leaves, widths):
    height = btree_height(btree_pages(leaves, widths, distinct=None), widths)
    assert fan_out(tuple_width(widths) + 4) ** (height + 1) >= 1
    assert 0 <= height <= 12


def test_heights_of_known_trees():
    assert btree_height(2, [KeyWidth(4)]) == 0
    assert btree_height(30, [KeyWidth(4)]) == 1
    assert btree_height(414, [KeyWidth(4)]) == 2 or btree_height(414, [KeyWidth(4)]) == 1
    assert btree_height(23_097, [KeyWidth(4), KeyWidth(4)]) == 2
