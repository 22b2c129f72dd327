"""K6 as a host application asks for it: is this the hour to build, and how long to wait otherwise?"""

from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli import host
from indexpilot_cli.errors import UsageError

KEY = "INDEXPILOT_PRODUCTION_SAFEGUARDS_MAINTENANCE_WINDOW_"


@pytest.fixture
def window(monkeypatch, tmp_path):
    """Sets the configured window."""
    monkeypatch.chdir(tmp_path)

    def configure(**settings):
        for name, value in ({"enabled": "true"} | settings).items():
            monkeypatch.setenv(KEY + name.upper(), value)

    return configure


def at(hour, day=2):
    """That hour of a day of March 2026; the second is a Monday."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "open_at"),
    [
        ({}, [3]),  # two to six, every day
        ({"start_hour": "22", "end_hour": "4"}, [3, 23]),
        ({"start_hour": "0", "end_hour": "24"}, [3, 7, 12, 20, 23]),
        ({"days_of_week": "1"}, []),
        ({"enabled": "false"}, [3, 7, 12, 20, 23]),
    ],
)
def test_k6_clock_at_five_hours(window, settings, open_at):
    window(**settings)
    assert [hour for hour in (3, 7, 12, 20, 23) if host.is_in_maintenance_window(at(hour))] == open_at


def test_k6_how_long_to_wait(window):
    window()
    assert host.should_wait_for_maintenance_window(at(3)) == (False, 0.0)
    assert host.should_wait_for_maintenance_window(at(7)) == (True, 19 * 3600.0)
    assert host.should_wait_for_maintenance_window(at(6)) == (True, 20 * 3600.0)
    window(days_of_week="5,6")
    assert host.should_wait_for_maintenance_window(at(3)) == (True, (4 * 24 + 23) * 3600.0)
    now, (waits, seconds) = host.is_in_maintenance_window(), host.should_wait_for_maintenance_window()
    assert (now, 0.0 <= seconds <= timedelta(days=7).total_seconds()) == (not waits, True)


def test_k6_a_time_without_a_zone_is_one_of_the_window_s(window):
    window(timezone="Asia/Tokyo")
    assert host.is_in_maintenance_window(datetime(2026, 3, 2, 3)) is True
    assert host.is_in_maintenance_window(at(3)) is False and host.is_in_maintenance_window(at(18)) is True


def test_k6_a_window_that_is_wrong_is_said(window):
    window(timezone="Nowhere/Land")
    with pytest.raises(UsageError):
        host.is_in_maintenance_window(at(3))
