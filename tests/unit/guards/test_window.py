"""The maintenance window under a controlled clock, and as properties."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.guards.calendar import MaintenanceWindow, parse_window
from indexpilot_cli.guards.window import duration, judge

BERLIN = "Europe/Berlin"
YORK = "America/New_York"
ZONES = ("UTC", BERLIN, YORK, "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Africa/Casablanca")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def left(minutes):
    return timedelta(minutes=minutes)


# window, moment (UTC), open, minutes left, next opening (UTC)
TABLE = [
    # before, first minute, inside, last minute, end (exclusive)
    ("02:00-06:00 UTC", "2026-11-20T01:59:59", False, 0, "2026-11-20T02:00"),
    ("02:00-06:00 UTC", "2026-11-20T02:00:00", True, 240, "2026-11-20T02:00"),
    ("02:00-06:00 UTC", "2026-11-20T05:59:00", True, 1, "2026-11-20T05:59"),
    ("02:00-06:00 UTC", "2026-11-20T06:00:00", False, 0, "2026-11-21T02:00"),
    # the clock of the specification: 3, 7, 12, 20, 23 h
    ("02:00-06:00 UTC", "2026-11-20T03:00:00", True, 180, "2026-11-20T03:00"),
    ("02:00-06:00 UTC", "2026-11-20T07:00:00", False, 0, "2026-11-21T02:00"),
    ("22:00-02:00 UTC", "2026-11-20T12:00:00", False, 0, "2026-11-20T22:00"),
    ("22:00-02:00 UTC", "2026-11-20T20:00:00", False, 0, "2026-11-20T22:00"),
    ("22:00-02:00 UTC", "2026-11-20T23:00:00", True, 180, "2026-11-20T23:00"),
    # across midnight; what begins on Friday is Friday's, and Saturday's early hours after it too
    (f"22:00-02:30 {BERLIN} mon-fri", "2026-11-20T20:59:59", False, 0, "2026-11-20T21:00"),
    (f"22:00-02:30 {BERLIN} mon-fri", "2026-11-20T21:00:00", True, 270, "2026-11-20T21:00"),
    (f"22:00-02:30 {BERLIN} mon-fri", "2026-11-21T01:29:00", True, 1, "2026-11-21T01:29"),
    (f"22:00-02:30 {BERLIN} mon-fri", "2026-11-21T01:30:00", False, 0, "2026-11-23T21:00"),
    # Monday 00:30 belongs to Sunday, which is no day of the window
    (f"22:00-02:30 {BERLIN} mon-fri", "2026-11-22T23:30:00", False, 0, "2026-11-23T21:00"),
    ("22:00-00:00 UTC sat", "2026-11-21T23:59:00", True, 1, "2026-11-21T23:59"),
    ("22:00-24:00 UTC sat", "2026-11-22T00:00:00", False, 0, "2026-11-28T22:00"),
    # Berlin, clocks forward on 2026-03-29 from 02:00 to 03:00 (01:00 UTC)
    (f"02:15-02:45 {BERLIN}", "2026-03-29T01:15:00", False, 0, "2026-03-30T00:15"),
    (f"02:15-02:45 {BERLIN}", "2026-03-29T00:30:00", False, 0, "2026-03-30T00:15"),
    (f"01:30-02:30 {BERLIN}", "2026-03-29T00:30:00", True, 30, "2026-03-29T00:30"),
    (f"01:30-02:30 {BERLIN}", "2026-03-29T01:00:00", False, 0, "2026-03-29T23:30"),
    (f"02:30-04:00 {BERLIN}", "2026-03-29T00:59:59", False, 0, "2026-03-29T01:00"),
    (f"02:30-04:00 {BERLIN}", "2026-03-29T01:00:00", True, 60, "2026-03-29T01:00"),
    (f"22:00-05:00 {BERLIN}", "2026-03-28T21:00:00", True, 360, "2026-03-28T21:00"),
    # Berlin, clocks back on 2026-10-25 from 03:00 to 02:00 (01:00 UTC): 02:30 comes twice, the first counts
    (f"02:15-02:45 {BERLIN}", "2026-10-25T00:15:00", True, 30, "2026-10-25T00:15"),
    (f"02:15-02:45 {BERLIN}", "2026-10-25T00:45:00", False, 0, "2026-10-26T01:15"),
    (f"02:15-02:45 {BERLIN}", "2026-10-25T01:20:00", False, 0, "2026-10-26T01:15"),
    (f"22:00-05:00 {BERLIN}", "2026-10-24T20:00:00", True, 480, "2026-10-24T20:00"),
    (f"01:30-03:30 {BERLIN}", "2026-10-24T23:30:00", True, 180, "2026-10-24T23:30"),
    # New York, forward on 2026-03-08 (07:00 UTC), back on 2026-11-01 (06:00 UTC)
    (f"02:15-02:45 {YORK}", "2026-03-08T07:15:00", False, 0, "2026-03-09T06:15"),
    (f"01:00-03:30 {YORK}", "2026-03-08T06:00:00", True, 90, "2026-03-08T06:00"),
    (f"01:00-03:00 {YORK}", "2026-11-01T05:00:00", True, 180, "2026-11-01T05:00"),
    (f"01:15-01:45 {YORK}", "2026-11-01T06:15:00", False, 0, "2026-11-02T06:15"),
    (f"22:00-04:00 {YORK} sat", "2026-10-31T05:00:00", False, 0, "2026-11-01T02:00"),
    # all day, every day: never closes
    ("00:00-24:00 UTC", "2026-11-20T23:59:00", True, None, "2026-11-20T23:59"),
]


@pytest.mark.parametrize(("text", "moment", "is_open", "minutes", "opens"), TABLE)
def test_controlled_clock(text, moment, is_open, minutes, opens):
    window, now = parse_window(text), utc(moment)
    assert window.is_open(now) is is_open
    if minutes is not None:
        assert window.time_left(now) == left(minutes)
    assert window.next_opening(now) == utc(opens)
    assert judge(window, "test", now).allowed is is_open


def test_any_zone_of_the_clock_gives_the_same_answer():
    window = parse_window(f"22:00-02:30 {BERLIN}")
    now = utc("2026-11-20T21:30")
    for zone in ZONES:
        assert window.is_open(now.astimezone(ZoneInfo(zone)))


def test_skipped_opening_is_reported():
    window = parse_window(f"02:15-02:45 {BERLIN}")
    now = utc("2026-03-29T00:10")
    assert window.skipped(now) == date(2026, 3, 29)
    verdict = judge(window, "test", now)
    assert not verdict.allowed
    assert "no minute on 2026-03-29" in verdict.reason
    assert verdict.retry_at == utc("2026-03-30T00:15")
    assert window.skipped(utc("2026-03-30T00:10")) is None


def test_all_day_windows_are_one_long_opening():
    window = parse_window("00:00-24:00 UTC mon-fri")
    monday = utc("2026-11-16T00:00")
    assert window.closes(monday) == utc("2026-11-21T00:00")
    assert parse_window("00:00-24:00 UTC").time_left(monday) > timedelta(days=7)


def test_a_build_starts_only_if_twice_its_time_fits():
    window = parse_window("02:00-06:00 UTC")
    now = utc("2026-11-20T05:00")
    assert judge(window, "test", now, left(30)).allowed
    late = judge(window, "test", now, left(31))
    assert not late.allowed
    assert late.retry_at == utc("2026-11-21T02:00")
    assert "31 min" in late.reason


def test_duration_grows_with_table_and_index():
    assert duration(0, 0) > timedelta(0)
    assert duration(10**9, 10**9) > duration(10**8, 10**9) > duration(10**8, 10**8)


def test_no_window_is_always_open():
    assert judge(None, "test", utc("2026-11-20T05:00"), left(10**5)).allowed


windows = st.builds(
    MaintenanceWindow,
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sampled_from(ZONES),
    st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
).filter(lambda w: w.start != w.end)
moments = st.datetimes(datetime(2019, 1, 1), datetime(2032, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))


@given(windows, moments)
def test_open_means_time_left_and_next_opening_now(window, now):
    is_open = window.is_open(now)
    assert (window.time_left(now) > timedelta(0)) is is_open
    assert (window.next_opening(now) == now) is is_open
    assert (window.closes(now) is not None) is is_open


@given(windows, moments)
def test_next_opening_is_open_and_the_end_is_not(window, now):
    opens = window.next_opening(now)
    assert opens is not None and opens >= now
    assert window.is_open(opens)
    if opens > now:
        assert not window.is_open(now)
        assert not window.is_open(opens - timedelta(seconds=1))
        assert not window.is_open(now + (opens - now) / 2)
    end = window.closes(opens)
    assert end is not None and end > opens
    if end - opens < timedelta(days=7):
        assert not window.is_open(end)
    assert window.is_open(end - timedelta(microseconds=1))


@given(windows, moments)
def test_inside_the_wall_clock_agrees_except_in_a_repeated_hour(window, now):
    """Where no clock change is near, the window is what the wall clock says."""
    zone = ZoneInfo(window.zone)
    offsets = {(now + timedelta(hours=h)).astimezone(zone).utcoffset() for h in range(-49, 26)}
    if len(offsets) > 1:
        return
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    days = [local.weekday()] if window.start < window.end else []
    if window.start < window.end:
        expected = window.start <= minute < window.end and days[0] in window.days
    else:
        today = minute >= window.start and local.weekday() in window.days
        yesterday = minute < window.end and (local.weekday() - 1) % 7 in window.days
        expected = today or yesterday
    assert window.is_open(now) is expected


@given(windows, st.dates(date(2019, 1, 1), date(2032, 1, 1)))
def test_an_opening_never_ends_before_it_starts_and_is_at_most_two_hours_off(window, day):
    opening = window.opening(day)
    if opening is None:
        assert day.weekday() not in window.days
        return
    minutes = window.end - window.start if window.end > window.start else window.end - window.start + 1440
    real = (opening.end - opening.start).total_seconds() / 60
    assert real >= 0
    assert abs(real - minutes) <= 120
