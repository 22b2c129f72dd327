"""Whether one column decides another, from pages."""

import random

import pytest

from indexpilot_cli.algorithms.cortex.dependence import dependence
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import PageSample, SampledPage


def sample(rows, per_page=20):
    pages = (rows[n : n + per_page] for n in range(0, len(rows), per_page))
    kept = tuple(SampledPage(1, number, tuple(page)) for number, page in enumerate(pages))
    return PageSample(QualifiedName("public", "t"), ("a", "b"), kept, 1000)


def rows(exceptions, values=100, number=4000, clustered=False):
    chance = random.Random(5)
    found = []
    for n in range(number):
        a = n * values // number if clustered else chance.randrange(values)
        found.append((a, a // 4 if chance.random() >= exceptions else chance.randrange(values // 4)))
    return found


@pytest.mark.parametrize(("exceptions", "decides"), [(0.0, True), (0.01, True), (0.1, False), (1.0, False)])
def test_a_decides_b_but_for_a_few(exceptions, decides):
    assert dependence(sample(rows(exceptions)), "a", "b").decides is decides


def test_it_goes_one_way_only():
    assert not dependence(sample(rows(0.0)), "b", "a").decides


def test_a_column_that_is_nearly_always_the_same_is_decided_by_none():
    chance = random.Random(6)
    skewed = [(chance.randrange(100), "done" if chance.random() < 0.99 else "open") for _ in range(4000)]
    found = dependence(sample(skewed), "a", "b")
    assert found.strength > 0.95 and not found.decides


def test_rows_of_one_page_prove_nothing():
    found = dependence(sample(rows(0.0, clustered=True), per_page=400), "a", "b")
    assert found is None or found.values < 30 or found.decides
    assert dependence(sample([(1, 2)] * 10), "a", "b") is None
    assert dependence(sample([(None, 2), (1, None)] * 50), "a", "b") is None
