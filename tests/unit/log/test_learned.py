"""Calls a day from counters that were looked at now and then."""

from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.log.learned import CallCounters, daily_calls

START = datetime(2026, 3, 1, 6, tzinfo=UTC)


def looks(*counts, hours=24, since=START, name="a"):
    return [CallCounters(START + timedelta(hours=n * hours), since, {name: c}) for n, c in enumerate(counts)]


def test_differences_are_spread_over_the_days_between():
    found = daily_calls(looks(0, 100, 200, 600))["a"]
    assert found.first == datetime(2026, 3, 2).date()
    assert found.calls == pytest.approx((100, 25 + 300))  # six hours of the day before the last look, eighteen after


def test_counters_that_began_anew_lose_only_what_nobody_saw():
    kept = looks(500, 600, hours=48)
    anew = [CallCounters(kept[-1].taken_at + timedelta(hours=48), kept[-1].taken_at, {"a": 40.0})]
    assert daily_calls([*kept, *anew])["a"].calls == pytest.approx((50, 12.5 + 15, 20))


def test_before_a_gap_nothing_is_known():
    early, late = looks(0, 100), looks(0, 24, 48)
    moved = [CallCounters(c.taken_at + timedelta(days=30), START, c.calls) for c in late]
    found = daily_calls([*early, *moved])["a"]
    assert found.first == datetime(2026, 4, 1).date() and found.calls == pytest.approx((24.0,))


@pytest.mark.parametrize("kept", [(), looks(5), looks(1, 2, hours=3)])
def test_less_than_a_day_is_nothing(kept):
    assert daily_calls(kept) == {}


def test_a_statement_that_is_new_has_its_first_calls_and_one_that_was_discarded_none():
    first, second = looks(10, 10)
    third = CallCounters(second.taken_at + timedelta(days=1), START, {"b": 48.0})
    found = daily_calls([first, second, third])
    assert found["a"].calls == pytest.approx((0.0,)) and found["b"].calls[-1] == pytest.approx(36.0)
