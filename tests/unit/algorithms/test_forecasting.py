"""Forecasts: what repeats is found, what is too short is not guessed, and intervals hold what they promise."""

import math
import random
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.algorithms.forecasting import NoForecast, day_classes, forecast

MONDAY = date(2026, 1, 5)


def test_two_weeks_are_needed():
    found = forecast([5.0] * 13, MONDAY, 30)
    assert found == NoForecast("no forecast: 13 days are known, two weeks are needed")
    assert forecast([5.0] * 14, MONDAY, 30).total == pytest.approx(150)


def test_a_week_repeats():
    week = [100, 110, 105, 95, 100, 10, 5]
    found = forecast([float(v) for v in week * 6], MONDAY, 14)
    assert found.days == pytest.approx(week * 2, rel=0.15, abs=3)


def test_the_turn_of_the_month_is_expected_once_two_were_seen():
    classes = day_classes(MONDAY, 100)
    calls = [500.0 if kind == 2 else 1.0 for kind in classes[:70]]
    found = forecast(calls, MONDAY, 30)
    assert found.model == "day classes"
    assert [day > 100 for day in found.days] == [kind == 2 for kind in classes[70:100]]


def test_a_new_level_is_followed_in_days():
    draw = random.Random(3)
    old = [100 * math.exp(draw.gauss(0, 0.1)) for _ in range(40)]
    new = [1000 * math.exp(draw.gauss(0, 0.1)) for _ in range(4)]
    assert forecast([*old, *new], MONDAY, 10).total == pytest.approx(10_000, rel=0.3)


def test_days_lie_inside_the_interval_as_often_as_it_says():
    inside = []
    for seed in range(12):
        draw = random.Random(seed)
        calls = [200 * math.exp(draw.gauss(0, 0.4)) for _ in range(56)]
        for n in range(42, 55):
            found = forecast(calls[:n], MONDAY, 7)
            low, high = ((1 + found.days[0]) * factor - 1 for factor in found.spread)
            inside.append(low <= calls[n] <= high)
    assert 0.72 <= sum(inside) / len(inside) <= 0.88


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e9), min_size=14, max_size=90), st.integers(1, 40))
def test_a_forecast_is_never_negative_and_its_quantiles_are_in_order(values, horizon):
    found = forecast(values, MONDAY + timedelta(days=len(values) % 7), horizon)
    assert len(found.days) == horizon
    assert all(math.isfinite(day) and day >= 0 for day in found.days)
    assert 0 <= found.low <= found.high
