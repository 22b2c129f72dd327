"""Welch's test and Holm against scipy and against definitions."""

from statistics import variance

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from indexpilot_cli.apply.verify.windows import VarianceTerm, chance_above, holm


@given(st.lists(st.integers(1, 500), min_size=3, max_size=30), st.lists(st.integers(1, 500), min_size=3, max_size=30))
def test_two_parts_are_welch(left, right):
    assume(len(set(left)) > 1 or len(set(right)) > 1)
    expected = stats.ttest_ind(left, right, equal_var=False, alternative="greater")
    parts = [VarianceTerm(variance(side) / len(side), len(side) - 1) for side in (left, right)]
    difference = sum(left) / len(left) - sum(right) / len(right)
    assert chance_above(difference, parts) == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


def test_no_spread_is_certain():
    assert chance_above(0.0, [VarianceTerm(0, 10)]) == 1.0
    assert chance_above(0.1, [VarianceTerm(0, 10)]) == 0.0


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_and_keeps_order(values):
    adjusted = holm(values)
    assert all(a >= v and a <= 1 for a, v in zip(adjusted, values, strict=True))
    assert sorted(range(len(values)), key=lambda i: (values[i], i)) == sorted(
        range(len(values)), key=lambda i: (adjusted[i], values[i], i)
    )
