"""On a terminal: questions, progress, width, colour and the pager, through a pseudo-terminal."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pytest

from tests.cli.conftest import LONG_TABLE
from tests.cli.process import PROGRAM, environment
from tests.waiting import LIMIT

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The program on a terminal of the given width; everything it wrote, both streams together."""

    def __init__(self, home, *arguments, columns=100, **extra):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
            os.execve(PROGRAM[0], [*PROGRAM, *arguments], environment(home, **extra))
        self.seen = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a letter may come in two reads

    def until(self, words, seconds=LIMIT):
        """Read until the words appear."""
        end = time.monotonic() + seconds
        while words not in self.seen:
            assert time.monotonic() < end, self.seen
            if not self.read(0.5):
                break
        assert words in self.seen, self.seen
        return self

    def read(self, seconds):
        """Read what is there; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += self.decoder.decode(more)
        return bool(more)

    def type(self, text):
        """Keys."""
        os.write(self.fd, text.encode())
        return self

    def end(self, seconds=LIMIT):
        """The exit code."""
        deadline = time.monotonic() + seconds
        while self.read(0.5):
            assert time.monotonic() < deadline, self.seen
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)

    @property
    def text(self):
        """What a person reads: no escapes, no carriage returns, and of overwritten lines only the last state."""
        lines = ESCAPE.sub("", self.seen.replace("\r\n", "\n")).split("\n")
        return "\n".join(line.rpartition("\r")[2] for line in lines)


@pytest.fixture
def terminal(home, cache):
    def start(*arguments, **extra):
        return Terminal(home, *arguments, XDG_CACHE_HOME=cache, **extra)

    return start


def test_no_is_6_and_nothing_is_done(terminal, home, own_shop):
    asked = terminal("init", "-d", own_shop).until("Proceed? [y/N]").type("n\n")
    assert asked.end() == 6
    assert "error: nothing was done" in asked.text
    assert "will do" in asked.text
    assert not (home / "indexpilot.yaml").exists()


def test_yes_goes_ahead_and_shows_the_plan_once(terminal, home, own_shop):
    asked = terminal("init", "-d", own_shop).until("Proceed? [y/N]").type("y\n")
    assert asked.end() == 0
    assert "done        made" in asked.text
    assert asked.text.count("will do") == asked.text.partition("Proceed?")[0].count("will do")
    assert (home / "indexpilot.yaml").exists()


def test_no_input_asks_nothing_even_on_a_terminal(terminal, own_shop):
    asked = terminal("init", "-d", own_shop, "--no-input")
    assert asked.end() == 2
    assert "add --yes, or --dry-run" in asked.text


def test_ctrl_c_at_a_question_is_130(terminal, own_shop):
    asked = terminal("init", "-d", own_shop).until("Proceed? [y/N]")
    os.kill(asked.pid, signal.SIGINT)
    assert asked.end() == 130
    assert "error: interrupted" in asked.text
    assert "Traceback" not in asked.text


def test_a_password_is_asked_for_and_not_shown(terminal, shop):
    asked = terminal("discover", "-W", "-d", shop).until("Password: ").type("s3cr3t-Pa55\n")
    assert asked.end() == 0
    assert "s3cr3t" not in asked.seen
    assert "orders" in asked.text


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_tables_fit_the_terminal_and_names_stay_whole(terminal, shop, columns):
    shown = terminal("discover", "-d", shop, columns=columns, TERM="dumb")
    assert shown.end() == 0
    assert LONG_TABLE in shown.text
    assert "\x1b" not in shown.seen
    # A command to copy is whole, however long the connection string in it is.
    lines = [line for line in shown.text.splitlines() if LONG_TABLE not in line and not line.startswith("next ")]
    assert max(map(len, lines)) <= columns


def test_progress_and_colour_on_a_terminal_only_where_wanted(terminal, shop):
    loud = terminal("discover", "-d", shop)
    assert loud.end() == 0
    assert "indexpilot discover …" in loud.seen
    assert "…" not in loud.text
    assert "\x1b[" in loud.seen
    plain = terminal("discover", "-d", shop, "--color", "never", "--quiet")
    assert plain.end() == 0
    assert "\x1b" not in plain.seen
    assert "next" not in plain.text


def test_long_output_goes_through_the_pager_unless_told_not_to(terminal, home):
    pager = home / "pager.sh"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o755)
    paged = terminal("config", "show", INDEXPILOT_PAGER=str(pager))
    assert paged.end() == 0
    assert "PAGED" in paged.text
    direct = terminal("config", "show", "--no-pager", PAGER=str(pager))
    assert direct.end() == 0
    assert "PAGED" not in direct.text
    short = terminal("config", "show", "features.constraint_optimizer", PAGER=str(pager))
    assert short.end() == 0
    assert "PAGED" not in short.text
