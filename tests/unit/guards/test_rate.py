"""The token bucket, as properties and as verdicts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.guards.rate import DAY, HOUR, Bucket, LoggedBuild, judge
from indexpilot_cli.settings.sections import RateLimiterSettings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORDERS = QualifiedName("public", "orders")
ITEMS = QualifiedName("public", "items")
buckets = st.builds(Bucket, st.integers(1, 20), st.integers(60, 86400).map(lambda seconds: timedelta(seconds=seconds)))


def at(minutes):
    return NOW + timedelta(minutes=minutes)


def test_a_full_bucket_serves_its_capacity_and_no_more():
    bucket = Bucket(10, HOUR)
    assert bucket.tokens([NOW] * 9, NOW) == 1
    assert bucket.tokens([NOW] * 10, NOW) == 0


def test_half_a_window_later_half_the_tokens_are_back():
    bucket = Bucket(10, HOUR)
    assert bucket.tokens([NOW] * 10, at(30)) == pytest.approx(5)
    assert bucket.tokens([NOW] * 10, at(60)) == pytest.approx(10)
    assert bucket.tokens([NOW] * 10, at(6)) == pytest.approx(1)


def test_it_is_no_sliding_window():
    """A sliding window would still count all ten builds after 59 minutes, a fixed one none after the full hour."""
    builds = [at(0)] * 10
    assert bucket_verdict(builds, at(59)).allowed
    assert not bucket_verdict([*builds, *[at(59)] * 9], at(59.5)).allowed


def bucket_verdict(times, now, wanted=1):
    return judge(RateLimiterSettings(), [LoggedBuild(None, t) for t in times], [ORDERS] * wanted, now)[0]


@given(buckets, st.lists(st.integers(-200_000, 0)), st.integers(0, 200_000))
def test_tokens_stay_between_nothing_and_full_and_only_grow_without_builds(bucket, seconds, later):
    builds = [NOW + timedelta(seconds=s) for s in seconds]
    now = bucket.tokens(builds, NOW)
    then = bucket.tokens(builds, NOW + timedelta(seconds=later))
    assert 0 <= now <= then <= bucket.capacity
    gained = bucket.capacity * later / bucket.period.total_seconds()
    assert then == pytest.approx(min(bucket.capacity, now + gained))


@given(buckets, st.lists(st.integers(-200_000, 0)))
def test_one_more_build_takes_one_token_where_there_is_one(bucket, seconds):
    builds = [NOW + timedelta(seconds=s) for s in seconds]
    before = bucket.tokens(builds, NOW)
    assert bucket.tokens([*builds, NOW], NOW) == pytest.approx(max(0, before - 1))


@given(buckets, st.lists(st.integers(-200_000, 0)))
def test_the_order_of_the_log_does_not_matter(bucket, seconds):
    builds = [NOW + timedelta(seconds=s) for s in seconds]
    assert bucket.tokens(sorted(builds, reverse=True), NOW) == bucket.tokens(sorted(builds), NOW)


@given(buckets, st.lists(st.integers(-200_000, 0)))
def test_ready_at_is_the_first_moment_with_a_token(bucket, seconds):
    builds = [NOW + timedelta(seconds=s) for s in seconds]
    ready = bucket.ready_at(builds, NOW)
    assert bucket.tokens(builds, ready) >= 1 - 1e-6
    if ready > NOW:
        assert bucket.tokens(builds, NOW + (ready - NOW) * 0.99) < 1


@given(buckets, st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_greedy_builders_never_get_more_than_capacity_and_refill(bucket, gaps):
    """Whoever builds whenever a token is there, gets in any span at most the capacity plus what flowed in."""
    now, built = NOW, []
    for gap in gaps:
        now += bucket.period * gap
        while bucket.tokens(built, now) >= 1:
            built.append(now)
    for first, start in enumerate(built):
        for last in range(first, len(built)):
            span = (built[last] - start) / bucket.period
            assert last - first + 1 <= bucket.capacity * (1 + span) + 1e-6


def test_the_eleventh_in_an_hour_is_refused_with_a_time():
    verdict = bucket_verdict([at(-10)] * 10, NOW)
    assert bucket_verdict([at(-10)] * 8, NOW).allowed
    assert verdict.allowed  # ten minutes brought more than one back
    refused = bucket_verdict([at(-1)] * 10, NOW)
    assert not refused.allowed
    assert refused.retry_at == at(5)
    assert refused.origin == "production_safeguards.rate_limiter.max_indexes_per_hour"
    assert "10 builds within an hour" in refused.reason


def test_the_day_limit_is_its_own_bucket():
    settings = RateLimiterSettings(max_indexes_per_hour=100, max_indexes_per_day=5)
    builds = [LoggedBuild(ITEMS, at(-90))] * 5
    verdict = judge(settings, builds, [ORDERS], NOW)[0]
    assert not verdict.allowed
    assert verdict.origin.endswith("max_indexes_per_day")
    assert verdict.retry_at == at(-90) + DAY / 5


def test_one_table_is_limited_while_others_are_free():
    builds = [LoggedBuild(ORDERS, at(-m)) for m in (1, 2, 3)]
    verdicts = judge(RateLimiterSettings(), builds, [ORDERS, ITEMS], NOW)
    assert [(v.table, v.allowed) for v in verdicts] == [(None, True), (ORDERS, False)]
    assert "on orders" in verdicts[1].reason


def test_more_wanted_than_there_is_room_for_warns():
    verdicts = judge(RateLimiterSettings(), [LoggedBuild(ITEMS, at(-1))] * 7, [ORDERS, ITEMS] * 2, NOW)
    assert verdicts[0].allowed and verdicts[0].warning
    assert "room for 3 of 4" in verdicts[0].reason
    assert [(v.table, v.allowed) for v in verdicts[1:]] == [(ITEMS, False)]


def test_a_log_that_cannot_be_read_refuses_and_an_off_switch_allows():
    assert not judge(RateLimiterSettings(), None, [ORDERS], NOW)[0].allowed
    assert judge(RateLimiterSettings(enabled=False), None, [ORDERS], NOW)[0].allowed
