"""What ANALYZE would find, from sampled rows."""

import random

import pytest

from indexpilot_cli.algorithms.cert.resample import CountedValues, as_analyzed, combined, decides, dependent
from indexpilot_cli.core.catalog import Column, ColumnStatistics

NUMBER = Column("n", 1, "integer", "int4", "N")
KNOWN = ColumnStatistics(0.0, 4, 10, correlation=0.5, histogram_bounds=("a", "b"))
WORD = Column("w", 2, "text", "text", "S", statistics=KNOWN)


def test_few_values_are_all_listed():
    found = as_analyzed(CountedValues.of(["a"] * 75 + ["b"] * 20 + [None] * 5), [1.0] * 100, 10_000, WORD)
    assert found.null_frac == pytest.approx(0.05)
    assert dict(zip(found.most_common_vals, found.most_common_freqs, strict=True)) == pytest.approx(
        {"a": 0.75, "b": 0.2}
    )
    assert (found.n_distinct, found.histogram_bounds, found.correlation) == (2, (), 0.5)


def test_weights_move_a_value_to_another_share():
    values = ["1"] * 10 + ["2"] * 90
    weights = [9.0] * 10 + [1.0] * 90
    found = as_analyzed(CountedValues.of(values), weights, 10_000, NUMBER)
    assert dict(zip(found.most_common_vals, found.most_common_freqs, strict=True))["1"] == pytest.approx(0.5)


def test_a_column_of_single_values_has_a_histogram_and_grows_with_the_table():
    values = [str(n) for n in random.Random(1).sample(range(100_000), 3000)]
    found = as_analyzed(CountedValues.of(values), [1.0] * 3000, 100_000, NUMBER)
    assert found.most_common_vals == () and found.n_distinct < -0.5
    bounds = [int(b) for b in found.histogram_bounds]
    assert bounds == sorted(bounds) and len(bounds) == 101
    assert bounds[50] == pytest.approx(50_000, rel=0.1)


def test_an_order_that_we_do_not_know_keeps_its_histogram():
    values = [f"w{n}" for n in range(500)]
    unknown = Column("j", 3, "citext", "jsonb", "U", statistics=KNOWN)
    assert as_analyzed(CountedValues.of(values), [1.0] * 500, 5000, unknown).histogram_bounds == ("a", "b")


def test_one_column_decides_another_as_far_as_its_values_always_come_with_one():
    rows = [("a", "x")] * 60 + [("b", "y")] * 30 + [("c", "x")] * 5 + [("c", "y")] * 5
    assert decides(rows, 0, 1) == pytest.approx(0.9)
    assert dependent(rows, ("p", "q")).dependencies == (("p", "q", pytest.approx(0.9)),)


def test_combinations_are_told_with_what_independence_would_make_of_them():
    found = combined([("a", "x")] * 50 + [("b", "y")] * 50, [1.0] * 100, ("p", "q"))
    assert found.values == (("a", "x"), ("b", "y"))
    assert found.frequencies == pytest.approx((0.5, 0.5))
    assert found.base_frequencies == pytest.approx((0.25, 0.25))
