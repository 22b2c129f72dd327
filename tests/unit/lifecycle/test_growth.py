"""When an index will be bloated, by the looks there are: exact lines are found, wild looks do not bend them."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from indexpilot_cli.core.catalog import Index
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.lifecycle.growth import growth_of, since_built, trend
from indexpilot_cli.lifecycle.usage import IndexCount, UsageSnapshot

NOW = datetime(2026, 11, 29, tzinfo=UTC)
T = QualifiedName("public", "t")
INDEX = Index(QualifiedName("public", "t_a"), IndexDefinition(T, (IndexKey("a"),)), "", oid=7)


def looks(pages, rebuilt=0, step=1.0, place="primary"):
    """Snapshots that end now, one every ``step`` days."""
    sizes = list(pages)
    built = rebuilt if isinstance(rebuilt, list) else [rebuilt] * len(sizes)
    return [
        UsageSnapshot(
            place, NOW - timedelta(days=step * (len(sizes) - 1 - n)), None, n, {7: IndexCount(0, p, rebuilt=b)}
        )
        for n, (p, b) in enumerate(zip(sizes, built, strict=True))
    ]


def grown(snapshots, threshold=1.5):
    return growth_of([INDEX], snapshots, NOW, threshold)


def test_a_steady_growth_crosses_when_its_line_does():
    (found,) = grown(looks(range(1000, 1310, 10), 1000)).growing
    assert (found.bytes_per_day, found.looks, found.since) == (81920.0, 31, NOW - timedelta(days=30))
    assert (found.ratio, found.ratio_per_day) == (pytest.approx(1.3), pytest.approx(0.01))
    assert abs(found.crosses - NOW - timedelta(days=20)) < timedelta(minutes=1)
    assert found.earliest <= found.crosses <= found.latest
    assert "1.5 times about 2026-12-19" in found.text


@pytest.mark.parametrize(("days", "step"), [(3, 0.1), (7, 1.0), (2, 30.0)])
def test_too_few_looks_or_days_are_not_enough_history(days, step):
    found = grown(looks(range(100, 100 + days), 50, step))
    assert (found.enough, found.growing) == (False, ())


def test_what_was_before_a_rebuilding_does_not_count():
    before = looks([*range(2000, 3000, 50), *range(500, 540, 2)], 500)
    (found,) = grown(before).growing
    assert (found.looks, found.bytes_per_day) == (20, 16384.0)
    assert grown(looks([*range(2000, 3000, 50), 500, 510, 520], 500)).growing == ()


def test_standbys_and_indexes_that_do_not_grow_tell_nothing():
    assert grown(looks(range(1000, 1310, 10), 1000, place="standby")).looks == 0
    assert grown(looks([1000] * 30, 900)).growing == ()
    chance = random.Random(5)
    assert all(g.crosses is None for g in grown(looks(sorted(chance.choices((1000, 1001), k=30)), 900)).growing)


def test_growth_of_rows_is_no_bloat():
    pages = list(range(1000, 1310, 10))
    (found,) = grown(looks(pages, [round(p / 1.2) for p in pages])).growing
    assert (found.crosses, found.ratio) == (None, pytest.approx(1.2, rel=0.01))
    assert found.bytes_per_day > 0


def test_without_sizes_after_reindex_only_the_size_is_told():
    (found,) = grown(looks(range(1000, 1310, 10))).growing
    assert (found.ratio, found.crosses) == (None, None)
    assert "not enough history of how much of it is bloat" in found.text


LINES = st.tuples(st.floats(-5, 5), st.floats(-1000, 1000), st.integers(3, 40))


@given(LINES)
def test_points_on_a_line_give_the_line(line):
    slope, start, number = line
    found = trend([(float(x), start + slope * x) for x in range(number)])
    assert found.slope == pytest.approx(slope, abs=1e-9)
    assert found.at(100.0) == pytest.approx(start + 100 * slope, abs=1e-6)
    assert found.low <= found.slope <= found.high


@settings(max_examples=50)
@given(LINES, st.integers(0, 2**32))
def test_a_fifth_of_wild_points_does_not_bend_it(line, seed):
    slope, start, number = line
    assume(number >= 15)
    chance = random.Random(seed)
    points = [(float(x), start + slope * x + chance.gauss(0, 0.01)) for x in range(number)]
    for place in chance.sample(range(number), number // 5):
        points[place] = (points[place][0], 1e6 * chance.choice((-1, 1)))
    assert trend(points).slope == pytest.approx(slope, abs=0.5)


def test_the_interval_holds_the_true_slope_as_often_as_it_says():
    chance, held = random.Random(20261129), 0
    for _ in range(400):
        found = trend([(float(x), 0.3 * x + chance.gauss(0, 4)) for x in range(30)])
        held += found.low <= 0.3 <= found.high
    assert 0.92 <= held / 400 <= 0.98


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_since_the_last_rebuilding_the_size_never_falls(pages):
    found = since_built([(NOW + timedelta(days=n), IndexCount(0, p)) for n, p in enumerate(pages)])
    sizes = [look.pages for look in found]
    assert sizes == sorted(sizes)
    assert sizes == pages[len(pages) - len(sizes) :]
    assert len(sizes) == len(pages) or pages[len(pages) - len(sizes) - 1] > sizes[0]
