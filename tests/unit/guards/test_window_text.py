"""Windows as text and as settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards.calendar import MaintenanceWindow, from_settings, parse_window
from indexpilot_cli.settings.sections import MaintenanceWindowSettings

ALL = (0, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("22:00-02:30 Europe/Berlin mon-fri", MaintenanceWindow(1320, 150, "Europe/Berlin", (0, 1, 2, 3, 4))),
        ("22:00-02:30 mon-fri Europe/Berlin", MaintenanceWindow(1320, 150, "Europe/Berlin", (0, 1, 2, 3, 4))),
        (" 2:00 - 6:00  UTC ", MaintenanceWindow(120, 360, "UTC", ALL)),
        ("00:00-24:00 utc daily", MaintenanceWindow(0, 1440, "UTC", ALL)),
        ("01:00-02:00 UTC sat,sun", MaintenanceWindow(60, 120, "UTC", (5, 6))),
        ("01:00-02:00 UTC fri-mon", MaintenanceWindow(60, 120, "UTC", (0, 4, 5, 6))),
        ("01:00-02:00 UTC Monday", MaintenanceWindow(60, 120, "UTC", (0,))),
        ("01:00-02:00 UTC weekdays,sun", MaintenanceWindow(60, 120, "UTC", (0, 1, 2, 3, 4, 6))),
        ("01:00-02:00 America/New_York weekends", MaintenanceWindow(60, 120, "America/New_York", (5, 6))),
    ],
)
def test_texts(text, window):
    assert parse_window(text) == window


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("22:00-02:30 Europe/Berln", "unknown time zone 'Europe/Berln'", "did you mean Europe/Berlin?"),
        ("22:00-02:30 berlin", "unknown time zone 'berlin'", "did you mean Europe/Berlin?"),
        ("22:00-02:30 New_York", "unknown time zone", "did you mean America/New_York?"),
        ("22:00-02:30 Xyzzy/Plugh", "unknown time zone", "IANA"),
        ("22:00-02:30 ../etc/passwd", "unknown time zone", "IANA"),
        ("22:00-02:30", "names no time zone", "Europe/Berlin"),
        ("22:00-02:30 mon-fri", "names no time zone", "Europe/Berlin"),
        ("22:00-02:30 UTC mon-fry", "unknown day 'fry'", "did you mean friday?"),
        ("25:00-02:30 UTC", "25:00 is no time of day", "23:59"),
        ("24:00-02:30 UTC", "24:00 is no time of day", "23:59"),
        ("22:60-02:30 UTC", "22:60 is no time of day", "23:59"),
        ("22:00-24:30 UTC", "24:30 is no time of day", "24:00"),
        ("22:00-22:00 UTC", "never open", "00:00-24:00"),
        ("22-02 UTC", "cannot read the window", "22:00-02:30"),
        ("", "cannot read the window", "22:00-02:30"),
        ("22:00-02:30 UTC mon extra", "one word too many", "22:00-02:30"),
    ],
)
def test_mistakes_are_usage_errors(text, message, hint):
    with pytest.raises(UsageError) as raised:
        parse_window(text)
    assert message in raised.value.message
    assert hint in (raised.value.hint or "")
    assert raised.value.code == "bad_window"


def test_the_settings_zone_serves_a_text_without_one():
    assert parse_window("22:00-02:30 mon", "Europe/Berlin").zone == "Europe/Berlin"
    assert parse_window("22:00-02:30 UTC", "Europe/Berlin").zone == "UTC"


def test_settings():
    assert from_settings(MaintenanceWindowSettings()) == MaintenanceWindow(120, 360, "UTC", ALL)
    night = MaintenanceWindowSettings(start_hour=22, end_hour=2, days_of_week=(4, 0, 4), timezone="Europe/Berlin")
    assert from_settings(night) == MaintenanceWindow(1320, 120, "Europe/Berlin", (0, 4))
    assert from_settings(MaintenanceWindowSettings(start_hour=0, end_hour=24)) == MaintenanceWindow(0, 1440, "UTC", ALL)


@pytest.mark.parametrize(
    "settings",
    [
        MaintenanceWindowSettings(timezone="Europe/Berln"),
        MaintenanceWindowSettings(start_hour=5, end_hour=5),
        MaintenanceWindowSettings(days_of_week=()),
    ],
)
def test_settings_that_never_open(settings):
    with pytest.raises(UsageError):
        from_settings(settings)


@given(
    st.builds(
        MaintenanceWindow,
        st.integers(0, 1439),
        st.integers(0, 1440),
        st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]),
        st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    ).filter(lambda w: w.start != w.end)
)
def test_the_text_of_a_window_reads_back(window):
    assert parse_window(str(window)) == window


@given(st.text(max_size=40))
def test_any_text_is_a_window_or_a_usage_error(text):
    try:
        assert isinstance(parse_window(text), MaintenanceWindow)
    except UsageError as error:
        assert error.hint
