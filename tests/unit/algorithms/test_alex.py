"""Where new keys land, and how full an index is built for them."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.algorithms.alex import EMPTIEST, FULLEST, Landing, arrivals, distance, effective, fillfactor

PAGES, ROWS = 100, 40


def landing(keys, threshold=0.2):
    pages = [keys[n : n + ROWS] for n in range(0, len(keys), ROWS)]
    return arrivals(pages).landing(threshold)


def drawn(chance, of):
    return [(of(chance, n),) for n in range(PAGES * ROWS)]


PATTERNS = {
    "serial": (Landing.APPEND, lambda _, n: n),
    "late by a little": (Landing.APPEND, lambda c, n: n + c.randint(-20, 20)),
    "uuid": (Landing.SPREAD, lambda c, _: UUID(int=c.getrandbits(128))),
    "text": (Landing.SPREAD, lambda c, _: f"{c.getrandbits(40):x}"),
    "skewed but the same": (Landing.SPREAD, lambda c, _: c.paretovariate(1.2)),
    "moved": (Landing.DRIFT, lambda c, n: c.gauss(0.8 if n >= 3600 else 0, 1)),
    "crowded": (Landing.HOT_SPOT, lambda c, n: c.uniform(0.5, 0.503) if n >= 3600 and n % 2 else c.random()),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_told_apart(name):
    expected, of = PATTERNS[name]
    assert landing(drawn(random.Random(5), of)) is expected


@pytest.mark.parametrize("groups", [8, 40, 2000])
@pytest.mark.parametrize("together", [False, True])
def test_keys_appended_to_each_group(groups, together):
    """In one column or two; groups that a leaf holds several of fill all leaves alike."""
    chance = random.Random(2)
    keys = [(chance.randrange(groups), n) for n in range(PAGES * ROWS)]
    keys = [(group * 10_000_000 + n,) for group, n in keys] if together else keys
    assert landing(keys) is (Landing.GROUPS if groups < 2000 else Landing.SPREAD)


@pytest.mark.parametrize("clumped", [False, True])
def test_stationary_keys_rarely_raise_a_false_alarm(clumped):
    """Also where rows of one page are alike: counted one by one they would seem to drift nearly always."""
    chance, alarms, runs = random.Random(11), 0, 200
    for _ in range(runs):
        pages = []
        for _ in range(60):
            middle = chance.random()
            pages.append([(chance.gauss(middle, 0.05) if clumped else chance.random(),) for _ in range(40)])
        alarms += arrivals(pages).landing(0.0) is not Landing.SPREAD
    assert alarms < 0.05 * runs


def test_a_planted_change_is_seen_in_the_first_window():
    chance = random.Random(3)
    seen = [landing(drawn(chance, PATTERNS["moved"][1])) for _ in range(20)]
    assert seen.count(Landing.DRIFT) == 20


@given(st.floats(0, 10))
def test_room_is_within_its_bounds_and_grows_with_the_growth(share):
    assert EMPTIEST <= fillfactor(share) <= FULLEST
    assert fillfactor(share + 0.2) <= fillfactor(share)
    assert 0.9 * fillfactor(share) / 100 <= 0.9


def test_leaves_are_ninety_per_cent_full_after_the_growth():
    assert [fillfactor(g) for g in (0, 0.1, 0.3, 0.5, 2)] == [90, 80, 70, 60, 60]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.lists(st.integers(0, 20), min_size=1, max_size=40))
def test_the_distance_is_that_of_kolmogorov_and_smirnov(left, right):
    from scipy.stats import ks_2samp

    found = distance(sorted((v,) for v in left), sorted((v,) for v in right))
    assert found == pytest.approx(ks_2samp(left, right).statistic)


def test_alike_rows_of_a_page_count_as_one():
    old = [(n,) for n in range(1000)]
    alike = [[(n * 10,)] * 30 for n in range(50)]
    assert effective(alike, old) == pytest.approx(50, rel=0.1)
    chance = random.Random(4)
    apart = [[(chance.randrange(1000),) for _ in range(30)] for _ in range(50)]
    assert effective(apart, old) > 700


def test_too_few_pages_or_keys_say_nothing():
    assert arrivals([[(1,)]] * 6) is None
    assert arrivals([[(1,)]] * 100) is None
