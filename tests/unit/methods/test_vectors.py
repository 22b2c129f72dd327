"""What an exact index of vectors would read: little in few dimensions, everything in many."""

import numpy as np
import pytest

from indexpilot_cli.methods.vectors import exact_search

CHANCE = np.random.default_rng(3)


def blobs(dimensions, count=3000):
    centres = CHANCE.uniform(0, 100, (20, dimensions))
    return (centres[CHANCE.integers(0, 20, count)] + CHANCE.normal(0, 0.5, (count, dimensions))).tolist()


@pytest.mark.parametrize("dimensions", [4, 16])
def test_clustered_vectors_are_found_by_reading_few(dimensions):
    assert exact_search(blobs(dimensions), 100_000).read < 0.1


def test_uniform_vectors_of_64_dimensions_are_all_read():
    seen = exact_search(CHANCE.uniform(0, 1, (3000, 64)).tolist(), 100_000)
    assert seen.read > 0.5
    assert seen.intrinsic > 30


def test_the_intrinsic_dimension_of_uniform_vectors_grows_with_theirs():
    found = [exact_search(CHANCE.uniform(0, 1, (1500, d)).tolist(), 1500).intrinsic for d in (2, 8, 32)]
    assert found == sorted(found)


def test_vectors_that_cannot_be_compared():
    assert exact_search([[1.0, 2.0]] * 100, 1000) is None
    assert exact_search([[1.0]] * 200 + [[1.0, 2.0]], 1000) is None
    assert exact_search([[]] * 300, 1000) is None
    assert exact_search([[1.0, 1.0]] * 300, 1000).intrinsic == 0
