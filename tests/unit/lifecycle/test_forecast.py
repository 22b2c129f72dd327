"""When a build ends: an interval from what was seen to move, or why it cannot be told yet."""

from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.lifecycle.forecast import BuildLook, forecast

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LOAD = "building index: loading tuples in tree"
SCAN = "building index: scanning table"
LAST = "index validation: scanning table"
PLAIN, CIC, RIC = "CREATE INDEX", "CREATE INDEX CONCURRENTLY", "REINDEX CONCURRENTLY"


def looks(phase, *done, command=PLAIN, total=1000, began=100, unit="blocks", **more):
    """One look a second, the last one now; the statement began so many seconds ago."""
    start = NOW - timedelta(seconds=len(done) - 1)
    began = None if began is None else NOW - timedelta(seconds=began)
    return [
        BuildLook(7, start + timedelta(seconds=n), began, command, phase, unit, d, total, **more)
        for n, d in enumerate(done)
    ]


def seconds(between):
    return tuple(None if m is None else (m - NOW).total_seconds() for m in (between.earliest, between.latest))


def test_the_last_phase_ends_the_build_between_the_fastest_and_the_slowest_pace_seen():
    found = forecast(looks(LOAD, 400, 500, 700, 800, began=4))  # 100, 200 and 100 a second, 200 since it began
    assert seconds(found.phase_ends) == (1.0, 2.0)
    assert found.ends == found.phase_ends
    assert (found.why, found.then) == ("", ())


def test_a_pace_since_the_beginning_corrects_looks_into_a_pause_or_a_burst():
    burst = forecast(looks(LOAD, 100, 200, 300, began=30))
    assert seconds(burst.ends) == (7.0, 70.0)
    pause = forecast(looks(LOAD, 499, 499, 500, began=5))  # only one look saw it move at all
    assert seconds(pause.ends) == (5.0, None)
    assert pause.why == "its pace is uneven"


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (looks(LOAD, 500, 500, 500), "no progress was seen in 2.0 s"),
        (looks("initializing", 0, 0, total=0, unit=""), "the server counts nothing while initializing"),
        (looks("building index: sorting live tuples", 0, 0, total=0), "counts nothing while sorting live tuples"),
        (looks(SCAN, 900) + looks(LOAD, 10, 20), "its phase has just begun"),
        (looks(LOAD, 900, 10, 20), "its phase has just begun"),  # the next index of a REINDEX TABLE
        (looks(None, 0, 0, total=0), "its progress is hidden from this role"),
        (
            looks("waiting for old snapshots", 0, 0, total=1, command=CIC, blockers=(Blocker(41), Blocker(42))),
            "it waits for pid 41, pid 42",
        ),
        (
            looks("waiting for old snapshots", 0, 0, total=1, blockers=(Blocker(0, application="a prepared one"),)),
            "it waits for a prepared one",
        ),
    ],
)
def test_where_it_cannot_be_told_it_says_why(seen, why):
    found = forecast(seen)
    assert (found.phase_ends, found.ends) == (None, None)
    assert why in found.why


def test_phases_that_follow_leave_the_end_open():
    found = forecast(looks(SCAN, 200, 300, 400, began=4))
    assert (seconds(found.phase_ends), seconds(found.ends)) == ((6.0, 6.0), (6.0, None))
    assert found.why == "sorting live tuples and one more phase will follow"
    assert found.then == ("building index: sorting live tuples", LOAD)


@pytest.mark.parametrize(("method", "phase"), [("gin", "building index"), ("gin", SCAN), ("gist", "building index")])
def test_of_other_methods_only_the_scan_is_counted(method, phase):
    found = forecast(looks(phase, 200, 300, 400, began=4, method=method))
    assert (seconds(found.phase_ends), found.ends.latest) == ((6.0, 6.0), None)
    assert found.why == "what remains after the table is read will follow"
    brin = forecast(looks("building index", 200, 300, 400, began=4, method="brin"))
    assert brin.ends == brin.phase_ends and brin.then == ()


def test_a_concurrent_build_ends_with_its_last_scan_only_if_nobody_is_in_the_way_afterwards():
    free = forecast(looks(LAST, 200, 300, 400, command=CIC, began=4))
    assert free.ends == free.phase_ends
    assert free.then == ("waiting for old snapshots",)
    held = forecast(looks(LAST, 200, 300, 400, command=CIC, began=4, later=(Blocker(9, "anna", "psql", "idle", 60.0),)))
    assert seconds(held.ends) == (6.0, None)
    assert held.why == "it will then wait for pid 9"
    assert forecast(looks(LAST, 1, 2, command=RIC)).then[-1] == "waiting for readers before dropping"


def test_partitions_that_are_still_to_come_leave_the_end_open():
    found = forecast(looks(LOAD, 200, 300, 400, began=4, partitions_done=1, partitions_total=4))
    assert (found.ends.latest, found.why) == (None, "2 more partitions will be built after this")
    last = forecast(looks(LOAD, 200, 300, 400, began=4, partitions_done=3, partitions_total=4))
    assert last.ends == last.phase_ends


def test_a_role_that_sees_little_still_gets_an_interval_from_the_looks_alone():
    assert seconds(forecast(looks(LOAD, 800, 900, began=None)).ends) == (1.0, 1.0)
