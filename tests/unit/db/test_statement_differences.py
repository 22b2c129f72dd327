"""Arithmetic of two readings of pg_stat_statements, against executions we know one by one."""

import statistics
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.db.statements import StatementEntry, StatementsSnapshot, as_workload, crash_between, difference

START = datetime(2026, 1, 1, tzinfo=UTC)
times = st.lists(st.floats(0.001, 1e5), min_size=1, max_size=30)


def entry(ms, query_id=1, text="SELECT 1 FROM t", **more):
    return StatementEntry(
        role=10,
        query_id=query_id,
        nested=False,
        text=text,
        calls=len(ms),
        total_ms=sum(ms),
        mean_ms=statistics.fmean(ms),
        deviation_ms=statistics.pstdev(ms),
        rows=2.0 * len(ms),
        blocks=3.0 * len(ms),
        **more,
    )


def reading(*entries, hours=0, since=START, **more):
    return StatementsSnapshot(entries, START + timedelta(hours=hours), since, **more)


@given(times, times)
def test_the_difference_is_what_ran_in_between(first, then):
    work = difference(reading(entry(first)), reading(entry(first + then), hours=1))
    (one,) = work.statements
    assert one.calls == len(then) and one.rows == 2 * len(then) and one.blocks == 3 * len(then)
    assert one.total_ms == pytest.approx(sum(then), rel=1e-6, abs=1e-6 * sum(first))
    scale = max(first + then) ** 2 * len(first + then)
    assert one.variance == pytest.approx(len(then) * statistics.pvariance(then), abs=1e-5 * scale)
    assert work.since == START and work.until == START + timedelta(hours=1) and work.notes == ()


@given(times)
def test_totals_keep_the_variance(ms):
    (one,) = as_workload(reading(entry(ms))).statements
    assert one.variance == pytest.approx(len(ms) * statistics.pvariance(ms))


def test_what_did_not_run_is_not_there():
    assert difference(reading(entry([1, 2])), reading(entry([1, 2]), hours=1)).statements == ()


def test_what_is_new_counts_whole():
    work = difference(reading(entry([1])), reading(entry([1]), entry([5, 6], query_id=2, text="SELECT 2"), hours=1))
    assert [(s.text, s.calls) for s in work.statements] == [("SELECT 2", 2)]


def test_a_counter_that_fell_was_reset():
    work = difference(reading(entry([1] * 9)), reading(entry([4, 4]), hours=1))
    assert work.statements[0].calls == 2 and work.statements[0].total_ms == 8
    assert any("reset" in note for note in work.notes)


def test_another_reset_time_is_a_reset_even_when_counters_grew():
    later = reading(entry([4] * 5), hours=2, since=START + timedelta(hours=1))
    work = difference(reading(entry([1, 1])), later)
    assert work.statements[0].calls == 5 and any("reset" in note for note in work.notes)


def test_roles_and_nesting_are_told_apart():
    before = reading(entry([1]))
    after = reading(entry([1]), StatementEntry(10, 1, True, "SELECT 1 FROM t", 3, 3, 1, 0, 3, 3), hours=1)
    work = difference(before, after)
    assert [s.calls for s in work.statements] == [3] and any("functions" in note for note in work.notes)


def test_discarded_entries_are_told():
    before, after = reading(evicted=7, capacity=100), reading(evicted=9, capacity=100, hours=1)
    assert "2 times" in difference(before, after).notes[0] and "100" in difference(before, after).notes[0]
    assert difference(after, after).notes == ()


def test_statements_without_a_text_are_counted():
    work = as_workload(
        reading(entry([1], text=None), entry([2, 2], query_id=None, text="<insufficient privilege>"), entry([3]))
    )
    assert len(work.statements) == 1
    assert {(s.reason, s.calls, s.total_ms) for s in work.skipped} == {("empty", 1, 1), ("hidden", 2, 4)}


LATER = START + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("now", "calls", "crash"),
    [
        ({"counting_since": START, "started": START}, 9, None),
        ({"counting_since": START, "started": LATER}, 9, None),  # a clean restart
        ({"counting_since": LATER, "started": LATER}, 9, LATER),
        ({"counting_since": LATER, "started": START}, 2, LATER),  # one process killed the others
        ({"counting_since": LATER, "started": START}, 9, None),  # pg_stat_reset_shared
        ({"counting_since": None}, 2, None),
    ],
)
def test_a_crash_is_told_from_a_restart_and_from_a_reset(now, calls, crash):
    before = reading(entry([1] * 5), counting_since=START, started=START)
    assert crash_between(before, reading(entry([1] * calls), hours=1, **now)) == crash


def test_a_reading_of_an_earlier_version_knows_of_no_crash():
    assert crash_between(reading(entry([1])), reading(hours=1, counting_since=LATER, started=LATER)) is None
