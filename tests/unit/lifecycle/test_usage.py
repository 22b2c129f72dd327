"""What snapshots of counters prove about an index: silence, resets, crashes, standbys."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.lifecycle.usage import PRIMARY, IndexCount, UsageSnapshot, began_anew, usage_of

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def day(number):
    return NOW - timedelta(days=number)


def taken(days_ago, scans, *, since=None, commits=None, place=PRIMARY, oid=1, **more):
    counts = {} if scans is None else {oid: IndexCount(scans, **more)}
    return UsageSnapshot(place, day(days_ago), since, 1000 - days_ago if commits is None else commits, counts)


def quiet(*snapshots):
    """Days since which the index is quiet; None when it is in use as far as we know."""
    *before, today = snapshots
    since = usage_of([today], before)[1].quiet_since
    return None if since is None else (NOW - since).days


@pytest.mark.parametrize(
    ("snapshots", "days"),
    [
        ((taken(0, 0),), 0),
        ((taken(0, 5),), None),
        ((taken(40, 0), taken(0, 0)), 40),
        ((taken(40, 7), taken(0, 7)), 40),
        ((taken(40, 7), taken(20, 7), taken(0, 9)), None),
        ((taken(40, 7), taken(20, 9), taken(10, 9), taken(0, 9)), 20),
        ((taken(40, None), taken(20, 0), taken(0, 0)), 20),
        ((taken(40, None), taken(20, 3), taken(0, 3)), 20),
        ((taken(40, None), taken(0, 3)), None),
    ],
)
def test_silence_begins_with_the_look_after_the_last_change(snapshots, days):
    assert quiet(*snapshots) == days


@pytest.mark.parametrize(
    ("snapshots", "days"),
    [
        # somebody reset the counters 10 days ago: what was before is not known
        ((taken(40, 0, since=day(90)), taken(20, 0, since=day(90)), taken(0, 0, since=day(10))), 10),
        # an index that was read since the reset
        ((taken(40, 0, since=day(90)), taken(0, 4, since=day(10))), None),
        # a crash: no reset is told, the counters are smaller
        ((taken(40, 9), taken(20, 0), taken(0, 0)), 20),
        # a crash while this index stood at zero: the commits tell
        ((taken(40, 0, commits=900), taken(20, 0, commits=5), taken(0, 0, commits=50)), 20),
    ],
)
def test_a_reset_and_a_crash_begin_the_silence_anew(snapshots, days):
    assert quiet(*snapshots) == days


def test_another_index_that_fell_tells_of_a_crash_too():
    before = UsageSnapshot(PRIMARY, day(9), None, 10, {1: IndexCount(0), 2: IndexCount(50)})
    after = UsageSnapshot(PRIMARY, day(5), None, 11, {1: IndexCount(0), 2: IndexCount(2)})
    assert began_anew(before, after)
    assert quiet(before, after, taken(0, 0, commits=12)) == 5


def test_a_counter_of_zero_says_nothing_of_the_time_before_the_index_was_seen():
    assert quiet(taken(0, 0, since=day(90))) == 0
    assert quiet(taken(30, 0, since=day(90)), taken(0, 0, since=day(90))) == 30


def test_where_its_making_is_known_the_counter_speaks_from_then_on():
    assert quiet(taken(0, 0, since=day(90), made=day(60))) == 60
    assert quiet(taken(0, 0, since=day(50), made=day(60))) == 50
    assert quiet(taken(0, 0, made=day(60))) == 0


def test_the_moment_of_the_last_scan_is_believed():
    assert quiet(taken(0, 5, last_scan=day(70))) == 70
    assert quiet(taken(40, 5), taken(0, 6, last_scan=day(3))) == 3


def standby(days_ago, scans, **more):
    return taken(days_ago, scans, place="db2:5432", **more)


def test_an_index_is_as_quiet_as_on_the_server_that_read_it_last():
    primary = [taken(40, 0), taken(0, 0)]
    read = usage_of([primary[1], standby(0, 8)], [primary[0], standby(40, 5)])[1]
    assert (read.quiet_since, read.scans, read.elsewhere) == (None, 8, 8)
    silent = usage_of([primary[1], standby(0, 5)], [primary[0], standby(20, 5)])[1]
    assert silent.quiet_since == day(20)


def test_a_standby_seen_for_the_first_time_proves_nothing_yet():
    found = usage_of([taken(0, 0), standby(0, 0)], [taken(40, 0)])[1]
    assert found.quiet_since == NOW
    known = usage_of([taken(0, 0), standby(0, 0, since=day(35))], [taken(40, 0)])[1]
    assert known.quiet_since == day(35)


def test_a_standby_without_the_index_is_no_proof():
    assert usage_of([taken(0, 0), standby(0, None)], [taken(40, 0)])[1].quiet_since is None


def test_ten_thousand_indexes_and_a_year_of_snapshots_take_seconds():
    counts = {oid: IndexCount(oid % 3) for oid in range(10_000)}
    days = [UsageSnapshot(PRIMARY, day(n), None, 1000 - n, counts) for n in range(40, 0, -1)]
    begun = time.process_time()
    found = usage_of([UsageSnapshot(PRIMARY, day(0), None, 2000, counts)], days)
    assert time.process_time() - begun < 60
    assert found[0].quiet_since == found[1].quiet_since == day(40)


def test_the_looks_at_which_a_quiet_index_had_been_used_are_kept():
    *before, today = (taken(70, 0), taken(60, 5), taken(50, 5), taken(30, 9), taken(0, 9))
    assert usage_of([today], before)[1].used == (day(60), day(30))
    *before, today = (taken(30, 5, since=day(90)), taken(20, 2, since=day(25)), taken(0, 2, since=day(25)))
    assert usage_of([today], before)[1].used == (day(20),)  # counters that began anew say what they count since
    *before, today = (taken(30, 5), taken(0, 9))
    assert usage_of([today], before)[1].used == ()  # in use
