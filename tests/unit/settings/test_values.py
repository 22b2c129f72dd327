"""Sizes, times and shares as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.settings.keys import convert, duration, keys, share, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5GB", 5 << 30), ("8192", 8192), ("1.5 MiB", 3 << 19), ("10kB", 10240), ("2t", 2 << 40), ("7 B", 7), ("0", 0)],
)
def test_sizes_count_in_1024s(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7d", 604800), ("2s", 2), ("500ms", 0.5), ("5min", 300), ("5m", 300), ("1.5h", 5400), ("30", 30), ("1w", 604800)],
)
def test_times_are_seconds(text, expected):
    assert duration(text) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("5%", 0.05), ("0.05", 0.05), ("100 %", 1.0), ("1", 1.0), ("0", 0.0)])
def test_shares(text, expected):
    assert share(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "GB", "5 XB", "-1GB", "1e5", "five", "5GB extra", "nan"])
def test_sizes_refuse_nonsense(text):
    with pytest.raises(ValueError, match=r"size|number"):
        size(text)


def test_a_share_above_one_says_what_was_meant():
    with pytest.raises(ValueError, match="5%"):
        share("5")


@given(st.text(max_size=20))
def test_no_text_gets_past_the_parsers_with_another_error(text):
    for parse in (size, duration, share):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert math.isfinite(value)
        assert value >= 0


@given(st.integers(0, 10**15))
def test_bytes_come_back(number):
    assert size(f"{number}B") == number


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("features.constraint_optimizer.enabled", "true", "true or false"),
        ("features.constraint_optimizer.enabled", 1, "true or false"),
        ("operational.schema_evolution.long_rows", 1.5, "whole number"),
        ("operational.schema_evolution.long_rows", True, "whole number"),
        ("operational.schema_evolution.long_rows", -1, "at least 0"),
        ("production_safeguards.write_performance.write_overhead_threshold", 2, "at most 1"),
        ("production_safeguards.write_performance.write_overhead_threshold", float("nan"), "finite"),
        ("production_safeguards.write_performance.write_overhead_threshold", [1], "number"),
        ("production_safeguards.maintenance_window.days_of_week", "monday", "list"),
        ("production_safeguards.maintenance_window.days_of_week", [7], "at most 6"),
        ("advisor.what_if", "magic", "auto, twin, hypopg"),
        ("features.constraint_optimizer.enabled", None, "needs a value"),
        ("connection.port", 0, "at least 1"),
        ("operational.serve.max_connections", 2, "at least 3"),
        ("output.format", 3, "expects text"),
    ],
)
def test_wrong_values_are_refused_in_words(path, value, words):
    with pytest.raises(ValueError, match=words):
        convert(keys()[path], value)


def test_a_bare_off_that_yaml_reads_as_false_is_the_word_where_that_is_a_choice():
    assert convert(keys()["advisor.time_model"], False) == "off"
    with pytest.raises(ValueError, match="expects text, got false"):
        convert(keys()["advisor.what_if"], False)


def test_environment_texts_become_types():
    assert convert(keys()["features.constraint_optimizer.enabled"], "off", text=True) is False
    assert convert(keys()["connection.port"], "5433", text=True) == 5433
    assert convert(keys()["production_safeguards.maintenance_window.days_of_week"], "5, 6", text=True) == (5, 6)
    assert convert(keys()["advisor.budget"], "5GB", text=True) == 5 << 30
    assert convert(keys()["advisor.exclude_tables"], "a,b.c", text=True) == ("a", "b.c")
