"""The twin that is opened beside other work: when it is seen, who closes it, and how it ends when nobody wants it."""

import threading

import pytest

from indexpilot_cli.core.command import PlannerRequest
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.planner import open as planner
from tests.waiting import LIMIT


class Heard:
    def __init__(self):
        self.words, self.shown = [], threading.Event()

    def stage(self, title, total=None):
        self.words.append((title, total))
        self.shown.set()

    def advance(self, amount=1):
        if amount:
            self.words.append(amount)


class Twin:
    closed = False

    def close(self):
        self.closed = True


class Opening:
    """Takes the place of opening: goes on when it is told to, as far as its progress lets it."""

    def __init__(self):
        self.begun, self.go_on, self.twin, self.error, self.ended = (
            threading.Event(),
            threading.Event(),
            Twin(),
            None,
            0,
        )

    def __call__(self, _source, _request, progress):
        progress.stage("schema", 3)
        self.begun.set()
        while not self.go_on.wait(0.01):
            progress.advance(0)
        progress.advance(2)
        self.ended += 1
        if self.error is not None:
            raise self.error
        return self.twin


@pytest.fixture
def opening(monkeypatch):
    found = Opening()
    monkeypatch.setattr(planner, "open_planner_twin", found)
    return found


def test_it_is_opened_beside_other_work_and_seen_when_it_is_waited_for(opening):
    heard = Heard()
    opening.go_on = heard.shown
    with planner.TwinAhead(None, PlannerRequest(), heard) as ahead:
        ahead.begin()
        assert opening.begun.wait(LIMIT)
        assert heard.words == []  # other work is shown
        ahead.settled()
        assert heard.words == [("schema", 3), 2]
        assert ahead.taken() is opening.twin
    assert not opening.twin.closed  # it is the caller's


def test_one_that_was_open_before_anybody_waited_has_told_the_same_stages(opening):
    heard = Heard()
    opening.go_on.set()
    with planner.TwinAhead(None, PlannerRequest(), heard) as ahead:
        ahead.begin()
        ahead._opening.exception()
        assert heard.words == []
        ahead.settled()
    assert heard.words == [("schema", 3)]


def test_one_that_nobody_takes_is_closed(opening):
    opening.go_on.set()
    with planner.TwinAhead(None, PlannerRequest(), Heard()) as ahead:
        ahead.begin()
        ahead.settled()
    assert opening.twin.closed


def test_when_the_other_work_fails_it_ends_at_its_next_step(opening):
    with pytest.raises(KeyboardInterrupt), planner.TwinAhead(None, PlannerRequest(), Heard()) as ahead:
        ahead.begin()
        assert opening.begun.wait(LIMIT)
        raise KeyboardInterrupt
    assert (opening.ended, opening.twin.closed) == (0, False)


def test_why_it_cannot_be_opened_is_told_to_who_takes_it(opening):
    opening.error = PrerequisiteError("no server")
    opening.go_on.set()
    with planner.TwinAhead(None, PlannerRequest(), Heard()) as ahead:
        ahead.begin()
        ahead.settled()
        with pytest.raises(PrerequisiteError, match="no server"):
            ahead.taken()


def test_nothing_is_opened_for_another_planner(opening):
    with planner.TwinAhead(None, PlannerRequest("hypopg"), Heard()) as ahead:
        ahead.begin()
        ahead.settled()
    assert not opening.begun.is_set()


def test_one_that_was_not_begun_is_opened_when_it_is_taken(opening):
    opening.go_on.set()
    with planner.TwinAhead(None, PlannerRequest(), Heard()) as ahead:
        assert ahead.taken() is opening.twin
