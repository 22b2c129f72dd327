"""Batches: ranges that miss no page, and a size that finds its way to the aim."""

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.execute.backfill import next_size, ranges


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 200))
def test_ranges_cover_every_page_once(start, length, size):
    pieces = list(ranges(start, start + length, size))
    assert [page for first, end in pieces for page in range(first, end)] == list(range(start, start + length))
    assert all(0 < end - first <= size for first, end in pieces)


@given(st.integers(1, 65_536), st.floats(0.00001, 0.05))
def test_the_size_settles_where_a_batch_takes_as_long_as_it_may(size, seconds_per_page):
    for _ in range(40):
        size = next_size(size, size * seconds_per_page, 0.12)
    assert size == 65_536 or size == 1 or 0.06 <= size * seconds_per_page <= 0.2


@given(st.integers(1, 65_536), st.floats(0, 1000))
def test_the_size_changes_by_half_at_most(size, seconds):
    assert max(1, size // 2) <= next_size(size, seconds, 0.12) <= min(65_536, size * 2)
