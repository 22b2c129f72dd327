"""Columns together: what rows say against what the planner expects, and which kind of statistics would mend it."""

import random

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind
from indexpilot_cli.lifecycle.findings.together import ColumnPair, Misjudged, PairEvidence, by_frequency, judged

T = QualifiedName("public", "t")
PAIR = ColumnPair(T, ("a", "b"), 1, 1)


def independent(rows, a, b, seed=1):
    chance = random.Random(seed)
    return [(str(chance.randrange(a)), str(chance.randrange(b))) for _ in range(rows)]


def judge(sample, rows, expected=None, groups=None):
    return judged(PAIR, PairEvidence(sample, rows, expected, groups))


@pytest.mark.parametrize("seed", range(20))
def test_independent_columns_are_judged_well(seed):
    chance = random.Random(seed)
    a, b = chance.randrange(2, 300), chance.randrange(2, 300)
    rows = 1_000_000
    sample = independent(chance.choice((2_000, 20_000)), a, b, seed)
    assert not isinstance(judge(sample, rows, rows / a / b, min(a * b, rows / 10)), Misjudged)


@pytest.mark.parametrize("parts", [150, 1000])
def test_one_that_decides_the_other_is_a_dependency(parts):
    sample = [(str(n), str(int(n) // 10)) for n, _ in independent(20_000, parts, 2)]
    found = judge(sample, 1e6, expected=1e6 / parts / (parts / 10))
    assert found.kinds == (StatisticsKind.DEPENDENCIES,)
    assert [r.code for r in found.reasons] == ["estimate", "why", "effect"]


def test_a_few_combinations_are_a_list_whether_or_not_one_decides_the_other():
    sample = [(str(n % 6), str(n % 6 // 2)) for n in range(5000)]
    assert judge(sample, 1e6, expected=1e6 / 6 / 3 / 2).kinds == (StatisticsKind.MCV,)


def test_many_groups_that_are_few():
    sample = [(str(n), str(int(n) % 50)) for n, _ in independent(20_000, 500, 2)]
    assert judge(sample, 1e6, groups=25_000.0).kinds == (StatisticsKind.NDISTINCT,)
    assert judge(sample, 1e6, groups=600.0) is None


def test_little_evidence_is_no_finding():
    assert "rows with values of both" in judge([("1", "2")] * 50, 1e6, expected=1.0)
    assert "rows with values of both" in judge([("1", None)] * 5000, 1e6, expected=1.0)
    unlike = [(str(n), str(n)) for n in range(1000)]
    assert judge(unlike, 1e9, expected=1.0) is None
    assert judge(unlike, 1e9, expected=1e6) == "no kind of extended statistics would mend the estimate"


def test_a_small_number_of_rows_does_not_matter():
    sample = [(str(n % 100), str(n % 100)) for n in range(1000)]
    assert judge(sample, 1000, expected=0.1) is None


def test_values_are_spread_from_the_commonest_to_the_rarest():
    rows = [("a", "a")] * 90 + [("b", "b")] * 9 + [("c", "c"), (None, "d")]
    assert [first for first, _ in by_frequency(rows, 10)] == ["a"] * 9 + ["b"]
    assert list(by_frequency([(None, "d")], 10)) == []


def test_wider_statistics_serve_in_any_order():
    def made(columns, *kinds):
        return ExtendedStatistics(T, T, columns, kinds)

    both = StatisticsKind.DEPENDENCIES, StatisticsKind.MCV
    assert made(("c", "b", "a"), *both).serves(made(("a", "b"), StatisticsKind.MCV))
    assert not made(("a", "b"), *both).serves(made(("a", "b"), StatisticsKind.NDISTINCT))
    assert not made(("a", "b"), *both).serves(made(("a", "c"), StatisticsKind.MCV))
    assert not ExtendedStatistics(T, QualifiedName("x", "t"), ("a", "b"), both).serves(made(("a", "b"), *both))
