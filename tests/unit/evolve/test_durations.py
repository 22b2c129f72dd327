"""Seconds from sizes: proportional, never less than nothing, honest about their basis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import Relation, Work, WorkKind
from indexpilot_cli.evolve.review.judge import HIGH, LOW, Bench, RelationSizes, expected
from indexpilot_cli.evolve.review.values import Rates
from tests.unit.evolve.probing import CATALOG, ORDERS

MEASURED = {  # seconds on 2 million rows, 255 MB: the faster and the slower of two major versions
    WorkKind.VERIFY: (0.14, 0.18),
    WorkKind.VALIDATE_FOREIGN_KEY: (0.45, 0.52),
    WorkKind.BUILD_INDEX: (1.0, 1.7),
}


@pytest.mark.parametrize("kind", MEASURED)
def test_what_was_measured_lies_in_the_range(kind):
    middle = expected(kind, 2e6, 255 * 2**20, Rates())
    low, high = MEASURED[kind]
    assert middle * LOW <= high and middle * HIGH >= low


def test_a_rewrite_with_its_indexes():
    whole = expected(WorkKind.REWRITE, 2e6, 255 * 2**20, Rates()) + 2 * expected(WorkKind.BUILD_INDEX, 2e6, 0, Rates())
    assert whole * LOW <= 3.3 and whole * HIGH >= 4.4


@given(st.sampled_from(list(WorkKind)), st.floats(1, 1e9), st.floats(1, 1e12))
def test_more_data_takes_longer(kind, rows, size):
    once, four = expected(kind, rows, size, Rates()), expected(kind, 4 * rows, 4 * size, Rates())
    assert once > 0 and 3.9 <= four / once <= 4.1


def test_ranges_and_their_basis():
    seconds = Bench(RelationSizes(CATALOG), Rates(basis="calibrated")).duration
    found = seconds(Work(WorkKind.SCAN, Relation(ORDERS)))
    assert 0 < found.low < found.high <= found.low * 6 and found.basis == "calibrated"
    assert seconds(Work(WorkKind.SCAN, Relation(QualifiedName("public", "fresh"), existed=False))) is None
