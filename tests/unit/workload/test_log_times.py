"""Times of a log: every way to write a zone, over changes of the clock, and what is said where a guess is made."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.workload.clock import LogClock
from indexpilot_cli.workload.logs import LogSettings, read_log

KNOWN = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", None)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01 10:00:00 UTC", "2026-05-01 10:00"),
        ("2026-05-01 10:00:00.5 +02", "2026-05-01 08:00:00.500000"),
        ("2026-05-01T10:00:00-03:30", "2026-05-01 13:30"),
        ("2026-05-01T10:00:00.123456789Z", "2026-05-01 10:00:00.123456"),
        ("2026-05-01 10:00:00,250 GMT", "2026-05-01 10:00:00.250000"),
        ("2026-10-25 02:30:00.000 CEST", "2026-10-25 00:30"),
        ("2026-10-25 02:30:00.000 CET", "2026-10-25 01:30"),
        ("2026-11-01 01:30:00 EDT", "2026-11-01 05:30"),
        ("2026-11-01 01:30:00 EST", "2026-11-01 06:30"),
        ("2026-07-01 01:30:00 PDT", "2026-07-01 08:30"),
        ("2026-07-01 01:30:00 ACST", "2026-06-30 16:00"),
        ("2026-07-01 01:30:00 +0545", "2026-06-30 19:45"),
    ],
)
def test_times_are_utc(text, expected):
    clock = LogClock()
    assert clock.time(text) == utc(expected)
    assert clock.notes() == ()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-31 10:00:00 UTC", "2026-05-01 25:00:00 UTC", "10:00:00"])
def test_no_times(text):
    assert LogClock().time(text) is None


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("Asia/Kolkata", "04:30"), ("Asia/Jerusalem", "08:00"), ("Europe/Dublin", "09:00"), (None, "04:30")],
)
def test_what_an_abbreviation_means_the_server_s_zone_says(zone, expected):
    month = "01" if zone == "Asia/Jerusalem" else "07"  # IST is Israel's winter and Ireland's summer
    clock = LogClock(zone)
    assert clock.time(f"2026-{month}-01 10:00:00.000 IST") == utc(f"2026-{month}-01 {expected}")
    told = ("times in IST are taken for +5:30 (India, not Israel or Ireland); with a connection the server's "
            "log_timezone is asked")  # fmt: skip
    assert clock.notes() == (() if zone else (told,))


def test_an_abbreviation_that_is_not_the_server_s():
    clock = LogClock("Europe/Berlin")
    assert clock.time("2026-07-01 10:00:00 EDT") == utc("2026-07-01 14:00")
    assert clock.notes() == ("times in EDT are taken for -4:00; the server's log_timezone is Europe/Berlin",)
    unknown = LogClock()
    assert unknown.time("2026-07-01 10:00:00 QQT") == utc("2026-07-01 10:00")
    assert "times in QQT are taken for UTC" in unknown.notes()[0]
    assert LogClock("<+03>-03").time("2026-07-01 10:00:00 +03") == utc("2026-07-01 07:00")


@pytest.mark.parametrize("zone", KNOWN)
def test_every_half_hour_of_a_year_as_the_server_writes_it(zone):
    from zoneinfo import ZoneInfo

    clock, place = LogClock(zone), ZoneInfo(zone or "America/New_York")
    moment = utc("2026-01-01")
    while moment.year == 2026:
        local = moment.astimezone(place)
        assert clock.time(f"{local:%Y-%m-%d %H:%M:%S}.000 {local.tzname()}") == moment
        moment += timedelta(minutes=30)
    assert clock.notes() == ()


def test_times_without_a_zone_or_year():
    clock = LogClock("America/New_York")
    assert clock.time("2026-07-01 10:00:00") == utc("2026-07-01 14:00")
    now = datetime.now(UTC).replace(microsecond=0)
    for days in (0, 1, 200, 363):
        moment = now - timedelta(days=days)
        local = moment.astimezone(clock._zone)
        if local.replace(fold=0).utcoffset() == local.utcoffset():
            assert clock.time(f"{local:%b} {local.day:2} {local:%H:%M:%S}") == moment
    assert LogClock().time("Feb 29 10:00:00").day == 29


FORMATS = ["stderr", "csv", "json"]


def log(format, moments, zone):
    """One statement at each local time, numbered."""
    out = io.StringIO()
    for number, local in enumerate(moments):
        time, message = f"2026-10-25 {local}", f"duration: 1 ms  statement: SELECT {number}"
        if format == "stderr":
            out.write(f"{time} [7] app@shop LOG:  {message}\n")
        elif format == "json":
            entry = {"timestamp": time, "pid": 7, "dbname": "shop", "error_severity": "LOG", "message": message}
            out.write(json.dumps(entry) + "\n")
        else:
            row = [time, "app", "shop", "7", "", "s", "1", "SELECT", time, "", "0", "LOG", "00000", message, *[""] * 9]
            csv.writer(out).writerow(row)
    return io.StringIO(out.getvalue())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("zone", ["Europe/Berlin", None])
def test_since_over_the_hour_that_comes_twice(format, zone):
    moments = ["02:10:00.000 CEST", "02:50:00.250 CEST", "02:10:00.000 CET", "02:50:00.000 CET"]

    def kept(since):
        settings = LogSettings(zone=zone)
        return [s.text[-1] for s in read_log(log(format, moments, zone), since=since, settings=settings).statements]

    assert kept(utc("2026-10-25 00:50:00.250")) == ["1", "2", "3"]
    assert kept(utc("2026-10-25 00:50:00.251")) == ["2", "3"]
    assert kept(utc("2026-10-25 01:30")) == ["3"]
    assert kept(utc("2026-10-25 02:00")) == []


def test_entries_without_a_time_stay_and_that_is_said():
    found = read_log(io.StringIO("[7] LOG:  duration: 1 ms  statement: SELECT 1\n"), since=utc("2026-01-01"))
    assert len(found.statements) == 1
    assert found.notes == ("standard input: 1 entries have no time, so --since leaves them in",)


def test_times_of_a_wrapping_stand_in_for_missing_ones():
    lines = [{"timestamp": "2026-05-01T10:00:00Z"}, {"timestamp": 1777716000000}, {"time": "2026-05-03T10:00:00+02:00"}]
    text = "".join(json.dumps(line | {"textPayload": f"[7]: [1-1] db=shop LOG:  duration: 1 ms  statement: SELECT {n}"})
                   + "\n" for n, line in enumerate(lines))  # fmt: skip
    found = read_log(io.StringIO(text), since=utc("2026-05-02 09:59"))
    assert [s.text for s in found.statements] == ["SELECT 1", "SELECT 2"]
    assert (found.since, found.until) == (utc("2026-05-02 10:00"), utc("2026-05-03 08:00"))
