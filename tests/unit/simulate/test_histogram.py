import math

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.simulate.open_loop import LatencyHistogram

LATENCIES = st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=200)


def recorded(values):
    found = LatencyHistogram()
    for value in values:
        found.record(value)
    return found


@given(LATENCIES, st.floats(0, 1))
def test_a_percentile_is_the_value_that_sorting_gives(values, share):
    ordered = sorted(values)
    exact = ordered[max(1, math.ceil(share * len(values))) - 1]
    found = recorded(values).percentile(share)
    assert exact * (1 - 1e-12) <= found <= exact * (1 + 1 / 1024)
    assert found <= max(values)


@given(LATENCIES)
def test_everything_is_counted(values):
    found = recorded(values)
    assert (found.count, found.most_ms) == (len(values), max(values))
    assert math.isclose(found.mean_ms, sum(values) / len(values))


def test_nothing_recorded_is_nothing():
    empty = LatencyHistogram()
    assert (empty.count, empty.mean_ms, empty.percentile(0.95)) == (0, 0.0, 0.0)


@given(st.floats(-1, 1e-6))
def test_what_no_clock_can_tell_is_counted(value):
    assert recorded([value]).count == 1
