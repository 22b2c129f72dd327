"""Which refusals are tried again, how often, and with which pauses."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.db import locks as retry
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execute.signals import Stop


class Clock(Stop):
    """Counts the pauses instead of waiting; asks to stop in one of them."""

    def __init__(self, stop_in=None):
        super().__init__()
        self.pauses = []
        self.stop_in = stop_in

    def sleep(self, seconds):
        self.pauses.append(seconds)
        if len(self.pauses) == self.stop_in:
            self.request()
        return self.requested


def busy():
    error = RefusedError("a lock was not free in time", code="lock_timeout")
    error.__cause__ = psycopg.errors.LockNotAvailable("busy")
    return error


@given(st.integers(1, 40), st.floats(0, 1))
def test_pauses_grow_and_stay_bounded(attempt, jitter):
    assert 0.1 < retry.pause(attempt, jitter) <= 12.0
    assert retry.pause(attempt + 1, jitter) >= retry.pause(attempt, jitter)


@pytest.mark.parametrize(
    ("sqlstate", "again"), [("55P03", True), ("40P01", True), ("40001", True), ("23505", False), (None, False)]
)
def test_only_locks_and_deadlocks_are_tried_again(sqlstate, again):
    assert retry.worth_retrying(sqlstate) is again


def test_there_is_a_pause_between_two_tries_and_none_after_the_last():
    clock = Clock()
    assert list(retry.attempts(clock, 4)) == [1, 2, 3, 4]
    assert len(clock.pauses) == 3


def test_who_asks_to_stop_ends_the_tries_but_not_a_clean_up():
    assert list(retry.attempts(Clock(2), 9)) == [1, 2]
    assert list(retry.attempts(Clock(1), 3, obstinate=True)) == [1, 2, 3]


def test_a_busy_lock_is_tried_again_until_it_is_free():
    said = []

    def action(attempt):
        if attempt < 3:
            raise busy()
        return attempt

    assert retry.until_free(retry.attempts(Clock(), 5), action, lambda number, _: said.append(number)) == 3
    assert said == [1, 2]


def test_the_last_refusal_comes_out_and_any_other_at_once():
    clock = Clock()

    def locked(_attempt):
        raise busy()

    def wrong(_attempt):
        raise StatementError("no such column")

    with pytest.raises(RefusedError):
        retry.until_free(retry.attempts(clock, 3), locked)
    assert len(clock.pauses) == 2
    with pytest.raises(StatementError):
        retry.until_free(retry.attempts(clock, 3), wrong)
    assert len(clock.pauses) == 2
