"""Intervals over sampled pages hold the truth however the rows lie."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.algorithms.cert.intervals import clopper_pearson, design_effects, sampled_shares
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import PageCount, PageMatches

PAGES, ROWS, READ, SEEDS = 3000, 40, 250, 150
TABLE = QualifiedName("public", "t")


def contiguous(_random):
    return [ROWS if page < PAGES * 0.15 else 0 for page in range(PAGES)]


def scattered(random):
    return [sum(random.random() < 0.05 for _ in range(ROWS)) for _ in range(PAGES)]


def clustered(random):
    return [ROWS // 2 if random.random() < 0.06 else 0 for _ in range(PAGES)]


@pytest.mark.parametrize("layout", [contiguous, scattered, clustered])
def test_the_interval_holds_the_truth_in_97_of_100_samples(layout):
    held = 0
    for seed in range(SEEDS):
        chance = random.Random(seed)
        matches = layout(chance)
        pages = tuple(PageCount(ROWS, (matches[p],)) for p in chance.sample(range(PAGES), READ))
        (found,) = sampled_shares(PageMatches(TABLE, ("c",), pages, PAGES, READ / PAGES))
        held += found.low <= sum(matches) / (PAGES * ROWS) <= found.high
    assert held / SEEDS >= 0.97


def test_what_was_read_whole_is_known():
    (found,) = sampled_shares(PageMatches(TABLE, ("c",), (PageCount(4, (1,)), PageCount(4, (0,))), 2))
    assert (found.low, found.share, found.high) == (0.125, 0.125, 0.125)


def test_nothing_read_says_nothing():
    (found,) = sampled_shares(PageMatches(TABLE, ("c",), (), 2000, 0.1))
    assert (found.low, found.high) == (0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_lies_around_the_share(matches, rows):
    matches = min(matches, rows)
    low, high = clopper_pearson(matches, rows, 0.99)
    assert 0 <= low <= matches / rows <= high <= 1


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=30))
def test_rows_of_pages_are_never_worth_more_than_rows_drawn_alone(pages):
    seen, kept = np.array(pages, dtype=float).T
    assert design_effects(seen, np.minimum(seen, kept)[:, None], 1000) >= 1
