"""Heights of B-trees from their pages."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.methods.deduplication import tuple_size
from indexpilot_cli.methods.fields import unknown_field
from indexpilot_cli.methods.kinds.btree import btree_height, btree_size


def key(width, align, nulls=0.0):
    return replace(unknown_field(1e6), widths=(width,), align=align, nulls=nulls)


KEYS = st.lists(
    st.builds(key, st.integers(1, 200), st.sampled_from([1, 2, 4, 8]), st.sampled_from([0.0, 0.5])),
    min_size=1,
    max_size=5,
)


def test_widths_are_those_of_index_tuples():
    assert tuple_size([key(4, 4)]) == 16
    assert tuple_size([key(8, 8)]) == 16
    assert tuple_size([key(4, 4), key(8, 8)]) == 24


@given(st.integers(1, 10**7), st.integers(1, 10**7), KEYS)
def test_larger_trees_are_not_lower(one, other, keys):
    low, high = sorted((one, other))
    assert btree_height(low, keys) <= btree_height(high, keys)


@given(st.floats(1, 1e8), KEYS)
def test_the_height_of_a_built_tree_follows_from_its_pages(rows, keys):
    tree = btree_size(keys, (), rows, folds=False, fillfactor=90)
    assert btree_height(tree.pages, keys) == tree.height


def test_heights_of_known_trees():
    assert btree_height(2, [key(4, 4)]) == 0
    assert btree_height(30, [key(4, 4)]) == 1
    assert btree_height(23_097, [key(4, 4), key(4, 4)]) == 2
