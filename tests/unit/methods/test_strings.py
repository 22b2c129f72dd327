"""String profiles: what tells strings apart, counted in a sample and expected of the whole table."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.methods.strings import LENGTHS, LONGEST_KEY, alike, profile, shared_prefix, stored_bytes

CHANCE = random.Random(7)
SECTIONS = [f"https://shop.example/c-{n:03d}/" for n in range(300)]


def pages_of(values, rows=40):
    return [values[n : n + rows] for n in range(0, len(values), rows)]


def truth(values, part):
    counts = Counter(map(part, values))
    return sum(c * (c - 1) for c in counts.values()) / len(values)


@given(st.lists(st.text("ab", max_size=6), min_size=1, max_size=40))
def test_shared_prefix_is_the_longest_that_all_begin_with(values):
    shared = shared_prefix(values)
    assert len({v[:shared] for v in values}) == 1
    assert shared == min(map(len, values)) or len({v[: shared + 1] for v in values}) > 1


@settings(max_examples=30)
@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=41, max_size=200), st.integers(1, 5))
def test_of_a_table_read_whole_the_count_is_exact(values, length):
    found = alike([values], len(values), lambda v: v[:length])
    assert found == pytest.approx(truth(values, lambda v: v[:length]))


@pytest.mark.parametrize("sorted_on_disk", [False, True])
def test_collisions_are_expected_within_a_factor_of_two(sorted_on_disk):
    everything = [CHANCE.choice(SECTIONS) + f"{CHANCE.getrandbits(48):012x}" for _ in range(60_000)]
    if sorted_on_disk:  # neighbours agree: counting them as if drawn one by one would say 150 times too many
        everything.sort()
    pages = CHANCE.sample(pages_of(everything), 250)
    seen = profile(pages, len(everything))
    for length, expected in seen.heads:
        real = truth(everything, lambda v, k=length: v[:k])
        assert expected == pytest.approx(real, rel=1.0, abs=0.6), length
        assert real < 1 or expected > real / 2


def test_what_tells_urls_apart_stands_at_their_end():
    values = [
        f"https://shop.example/a/very/long/path/that/all/of/them/share/{CHANCE.getrandbits(64):016x}"
        for _ in range(9000)
    ]
    seen = profile(pages_of(values), 1e6)
    assert seen.shared >= 60
    assert seen.tail in LENGTHS and seen.tail <= 12
    assert seen.head is None or seen.head >= 64
    assert seen.distinct > 0.99 and seen.repeats == 0
    assert seen.width == pytest.approx(len(values[0]))


def test_few_values_are_not_different():
    seen = profile(pages_of([f"status-{n % 7}" for n in range(4000)]), 4000)
    assert seen.distinct < 0.01
    assert seen.repeats == pytest.approx(4000 / 7, rel=0.01)


def test_values_that_no_btree_holds():
    noise = "".join(CHANCE.choice("0123456789abcdef") for _ in range(6000))
    assert stored_bytes(noise) > LONGEST_KEY
    assert stored_bytes("ab" * 3000) < LONGEST_KEY  # compressed
    seen = profile([[noise, "short"], [None, "other"]], 4)
    assert seen.overlong == pytest.approx(1 / 3)
    assert seen.longest == 6000


def test_nothing_is_known_of_nothing():
    assert profile([], 100) is None
    assert profile([[None, None]], 100) is None
