"""Lines of bounded error, summaries of ranges, and what a BRIN index is predicted to read."""

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.algorithms.pgm_index.predict import definitions, layout, pages_per_range
from indexpilot_cli.algorithms.pgm_index.ranges import cut, minmax, minmax_multi, quantiles, read_share
from indexpilot_cli.algorithms.pgm_index.segments import estimated, segments
from indexpilot_cli.core.catalog import Column, ColumnStatistics
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import KeyRange

KEYS = st.lists(st.integers(-1000, 1000) | st.integers(-(2**50), 2**50), min_size=1, max_size=60).map(sorted)


@given(KEYS, st.sampled_from([1, 2, 8, 64]))
def test_every_first_rank_is_within_epsilon_of_its_line(keys, epsilon):
    lines = segments(keys, epsilon)
    firsts = [line.first for line in lines]
    for key in set(keys):
        line = lines[bisect_right(firsts, key) - 1]
        assert abs(line.at(key) - keys.index(key)) <= epsilon + 1e-6


def passes(points, epsilon):
    """Whether one line passes all points within epsilon, by trying every slope at which that could change."""
    ends = [(x, y + sign * epsilon) for x, y in points for sign in (1, -1)]
    slopes = {Fraction(b[1] - a[1], b[0] - a[0]) for a, b in combinations(ends, 2) if a[0] != b[0]} or {Fraction(0)}
    return any(
        max(y - epsilon - slope * x for x, y in points) <= min(y + epsilon - slope * x for x, y in points)
        for slope in slopes
    )


@given(st.lists(st.integers(0, 60), min_size=1, max_size=14).map(sorted), st.sampled_from([1, 2]))
def test_there_are_never_more_lines_than_needed(keys, epsilon):
    points = [(key, keys.index(key)) for key in sorted(set(keys))]
    fewest, start = 0, 0
    while start < len(points):  # the longest first piece is part of a best division
        end = start + 1
        while end < len(points) and passes(points[start : end + 1], epsilon):
            end += 1
        fewest, start = fewest + 1, end
    assert len(segments(keys, epsilon)) == fewest


def test_f6_serial_keys_want_one_line_and_scattered_ones_many():
    serial, scattered = range(50_000), sorted(n * n % 1_000_003 for n in range(50_000))
    assert len(segments(serial, 64)) == 1 and len(segments(scattered, 64)) > 2
    guess = estimated([scattered[n : n + 10_000] for n in (0, 20_000, 40_000)], 50_000, 64)
    assert guess.least <= len(segments(scattered, 64)) <= guess.most
    assert estimated([list(range(100))], 100, 64).least == 1


@given(st.lists(st.integers(0, 10_000), max_size=200), st.integers(0, 10_000), st.integers(0, 3000))
def test_a_summary_covers_every_key_and_multi_never_reads_more(keys, low, width):
    for summary in (minmax(keys), minmax_multi(keys)):
        assert all(any(a <= key <= b for a, b in summary) for key in keys)
    assert len(minmax_multi(keys)) <= 32
    window = [(low, low + width)]
    if keys:
        assert read_share([minmax_multi(keys)], window).share <= read_share([minmax(keys)], window).share


@given(
    st.lists(st.lists(st.integers(0, 500), min_size=1, max_size=40), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 200)), min_size=1, max_size=10),
)
def test_the_share_read_is_that_of_pairs_that_meet(ranges, windows):
    windows = [(low, low + width) for low, width in windows]
    for make in (minmax, minmax_multi):
        summaries = [make(keys) for keys in ranges]
        met = sum(any(a <= high and b >= low for a, b in s) for s in summaries for low, high in windows)
        found = read_share(summaries, windows)
        assert found.share == pytest.approx(met / len(windows) / len(ranges))
        assert 0 <= found.low <= found.share <= found.high <= 1


def test_a_far_value_in_each_range_costs_minmax_everything_and_multi_little():
    ranges = [[*range(n * 100, n * 100 + 100), 10_000 - n] for n in range(40)]
    windows = [(n * 10, n * 10 + 5) for n in range(400)]
    assert read_share([minmax(r) for r in ranges], windows).share > 0.45
    assert read_share([minmax_multi(r) for r in ranges], windows).share < 0.06


def test_ranges_are_cut_where_brin_cuts_them():
    whole = KeyRange(64, ((1.0,), (2.0, 3.0), (), (4.0,)))
    assert list(cut([whole], 8)) == [(1.0,), (2.0, 3.0), (), (4.0,)]
    assert list(cut([whole], 16)) == [(1.0, 2.0, 3.0), (4.0,)]
    assert list(cut([whole], 64)) == []


def test_more_pages_tell_of_larger_ranges():
    assert [layout(n) for n in (300, 480, 3840)] == [(8, 37), (16, 30), (128, 30)]


def column(kind="int4", **statistics):
    known = ColumnStatistics(statistics.pop("null_frac", 0.0), 4, -1.0, **statistics)
    return Column("k", 1, kind, kind, "N", statistics=known)


def test_quantiles_join_the_histogram_and_the_common_values():
    found = quantiles(
        column(
            histogram_bounds=("0", "50", "100"), most_common_vals=("50",), most_common_freqs=(0.5,), null_frac=0.2
        ).statistics,
        "int4",
    )
    assert found.share(-1) == 0 and found.share(101) == 1 and found.key(0.5) == 50
    low, high = found.windows(0.1, "newest")[0]
    assert found.share(low) == pytest.approx(0.9) and high == math.inf
    assert found.windows(0.1, "oldest")[0][0] == -math.inf and len(found.windows(0.1)) == 200
    assert quantiles(column(histogram_bounds=("a", "b")).statistics, "text") is None
    assert quantiles(column(histogram_bounds=("-infinity", "2024-01-01")).statistics, "date") is None


def test_before_version_14_there_is_one_operator_class():
    name = QualifiedName("public", "t")
    assert len(list(definitions(name, column(), 130000))) == 5
    both = list(definitions(name, column("timestamptz"), 140000))
    assert {d.keys[0].operator_class for d in both} == {None, "timestamptz_minmax_multi_ops"}
    assert {pages_per_range(d) for d in both} == {8, 16, 32, 64, 128}
