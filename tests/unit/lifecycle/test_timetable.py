"""When jobs are due: every day, week and month exactly once, on both sides of every change of the clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.schedules.store import JobRunState, PastRun
from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey, Timetable, components, enabled, states, timetable
from indexpilot_cli.lifecycle.values import LifecycleState
from indexpilot_cli.settings.sections import MaintenanceComponents, MaintenanceSettings

# Half an hour's summer time, a day that was skipped, midnight that is skipped, a fast that suspends summer time.
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
         "Africa/Casablanca", "Asia/Kathmandu")  # fmt: skip
MOMENTS = st.datetimes(datetime(2009, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))
TABLES = st.builds(Timetable, st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 6), st.integers(1, 31))
JOBS = st.sampled_from([job for job in Job if job is not Job.TENANT])
BERLIN = Timetable("Europe/Berlin", 2, 6, 31)


def moments(table, job, start, count):
    """The next moments after start at which the job is due."""
    found = []
    for _ in range(count):
        start = table.following(job, start)
        found.append(start)
    return found


@settings(max_examples=100, deadline=None)
@given(TABLES, JOBS, MOMENTS)
def test_now_lies_between_two_neighbouring_moments(table, job, now):
    before, after = table.previous(job, now), table.following(job, now)
    assert before <= now < after
    assert table.following(job, before) == after
    assert table.previous(job, after) == after
    assert table.previous(job, after - timedelta(microseconds=1)) == before


@settings(max_examples=30, deadline=None)
@given(TABLES, MOMENTS)
def test_every_day_week_and_month_has_one_moment_at_its_hour(table, now):
    zone = ZoneInfo(table.zone)
    for job, step in ((Job.COUNTERS, 1), (Job.WEEKLY, 7)):
        days = [moment.astimezone(zone).date() for moment in moments(table, job, now, 60)]
        skipped = table.zone == "Pacific/Apia"  # the 30 December 2011 was not: its moment is the first of the next day
        assert skipped or {b - a for a, b in pairwise(days)} == {timedelta(days=step)}
    local = [moment.astimezone(zone) for moment in moments(table, Job.MONTHLY, now, 26)]
    months = [moment.year * 12 + moment.month for moment in local]
    assert months == list(range(months[0], months[0] + 26))
    # The hour is that of the settings, or the first that the clocks show where they skip it.
    assert all(m.hour == table.hour or m.hour in ((table.hour + 1) % 24, (table.hour + 2) % 24) for m in local)


@settings(max_examples=20, deadline=None)
@given(TABLES, st.sampled_from([Job.COUNTERS, Job.WEEKLY, Job.INTEGRITY]), MOMENTS, st.integers(1, 90), st.data())
def test_a_scheduler_that_looks_now_and_then_runs_each_moment_once(table, job, now, minutes, data):
    """Whatever the pause between two looks, no moment is run twice and the newest is always run."""
    done, ran = table.previous(job, now), []
    for _ in range(150):
        now += timedelta(minutes=minutes + data.draw(st.integers(0, 5)) if job is Job.INTEGRITY else minutes * 13)
        due = table.due(job, done, now)
        if due is not None:
            ran.append(due)
            done = now
    assert ran == sorted(set(ran))
    assert table.due(job, done, now) is None


def test_an_hour_that_is_skipped_or_comes_twice_is_due_once():
    spring = moments(BERLIN, Job.COUNTERS, datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    assert spring == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 30, 0, tzinfo=UTC)]  # 02:00 is not: 03:00
    autumn = moments(BERLIN, Job.COUNTERS, datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert autumn == [datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 26, 1, tzinfo=UTC)]  # the first 02:00
    done = datetime(2026, 10, 25, 0, 7, tzinfo=UTC)
    assert BERLIN.due(Job.COUNTERS, done, datetime(2026, 10, 25, 1, 7, tzinfo=UTC)) is None  # the second 02:07


def test_the_31st_is_the_last_day_of_shorter_months():
    found = moments(BERLIN, Job.MONTHLY, datetime(2028, 1, 15, tzinfo=UTC), 4)
    assert [m.astimezone(ZoneInfo("Europe/Berlin")).strftime("%m-%d %H") for m in found] == [
        "01-31 02",
        "02-29 02",
        "03-31 02",
        "04-30 02",
    ]


def test_what_never_ran_is_due_and_a_run_by_hand_replaces_none_to_come():
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday
    assert BERLIN.due(Job.WEEKLY, None, now) == datetime(2026, 11, 22, 1, tzinfo=UTC)
    assert BERLIN.due(Job.WEEKLY, now, now + timedelta(days=4)) is None
    assert BERLIN.due(Job.WEEKLY, now, now + timedelta(days=5)) == datetime(2026, 11, 29, 1, tzinfo=UTC)


def test_a_run_that_failed_waits_an_hour_and_one_that_died_does_not():
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    failed = PastRun(JobKey(Job.WEEKLY), 1, JobRunState.FAILED, None, now, now, None)
    assert failed.waits(now + timedelta(minutes=59)) == now + timedelta(hours=1)
    assert failed.waits(now + timedelta(hours=1)) is None
    died = PastRun(JobKey(Job.WEEKLY), 1, JobRunState.DIED, None, now, now, None)
    assert died.waits(now) is None


def test_every_state_belongs_to_a_component_of_the_monthly_run():
    everything = states(components(Job.MONTHLY, MaintenanceComponents()))
    assert sorted(everything) == sorted(LifecycleState)  # each once
    assert set(states(components(Job.WEEKLY, MaintenanceComponents()))) < set(everything)
    assert "integrity" not in components(Job.TENANT, MaintenanceComponents())


@pytest.mark.parametrize("name", MaintenanceComponents.__slots__)
def test_q6_each_component_can_be_switched_off(name):
    switched = MaintenanceComponents(**{name: False})
    on = {job: components(job, switched) for job in Job}
    assert all(name not in names for names in on.values())
    assert any(len(on[job]) < len(components(job, MaintenanceComponents())) for job in Job)
    for job in (Job.INTEGRITY, Job.COUNTERS):
        assert enabled(JobKey(job), MaintenanceSettings(components=switched)) is bool(on[job])


def test_jobs_can_be_switched_off_and_an_unknown_zone_is_refused():
    assert not enabled(JobKey(Job.WEEKLY), MaintenanceSettings(weekly=False))
    assert not enabled(JobKey(Job.MONTHLY), MaintenanceSettings(monthly=False))
    with pytest.raises(UsageError, match="unknown time zone"):
        timetable(MaintenanceSettings(timezone="Europe/Berlim"))


def test_locks_of_jobs_tenants_and_schemas_differ():
    keys = [JobKey(job) for job in Job] + [JobKey(Job.TENANT, n) for n in range(1000)]
    locks = {key.lock(schema) for key in keys for schema in ("indexpilot", "Other")}
    assert len(locks) == 2 * len(keys)
    assert all(-(1 << 63) <= lock < 1 << 63 for lock in locks)
