"""Building on a terminal: guards, the question, progress, and Ctrl-C before anything is done."""

import pytest

from tests.cli.changes import BUILDING, CALM
from tests.cli.test_terminal import Terminal


@pytest.fixture
def terminal(changes):
    def start(*arguments, **extra):
        return Terminal(changes.home, *arguments, "-d", changes.dsn, XDG_CACHE_HOME=changes.cache, **{**CALM, **extra})

    return start


def test_no_is_6_and_ctrl_c_at_the_question_is_130(terminal, changes):
    asked = terminal("apply", changes.plan).until("Proceed? [y/N]").type("n\n")
    assert asked.end() == 6
    assert "Guards      ok       bypass, window, " in asked.text
    assert f"Will do     build {len(changes.advice)} indexes, " in asked.text
    assert "error: nothing was done" in asked.text
    stopped = terminal("apply", changes.plan).until("Proceed? [y/N]").type("\x03")
    assert stopped.end() == 130
    assert "error: interrupted" in stopped.text
    assert changes.ours() == {}


def test_yes_builds_and_the_guards_are_shown_once(terminal, changes):
    asked = terminal("apply", changes.advice[0]["id"], columns=80).until("Proceed? [y/N]").type("y\n")
    assert asked.end() == 0
    assert asked.text.count("Guards ") == 1
    assert "1 built" in asked.text
    undo = terminal("rollback", "--last", columns=160).until("Proceed? [y/N]").type("y\n")
    assert undo.end() == 0
    assert "Will do     drop 1 index" in undo.text
    assert changes.ours() == {}


def test_a_build_shows_its_progress_and_who_is_in_the_way(terminal, changes):
    with changes.writer_at_work() as busy:
        running = terminal("apply", changes.advice[0]["id"], "--yes")
        changes.wait_for(BUILDING)
        running.until(f"pid {busy.info.backend_pid}")
        busy.rollback()
        assert running.end() == 0
    assert "busy" in running.text
    assert changes.ours() == {changes.advice[0]["name"]: True}
