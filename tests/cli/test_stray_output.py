"""Native code that writes to descriptor 1: stdout holds the document and nothing else."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from indexpilot_cli.cli.terminal import keep_for_documents
from tests.cli.process import environment
from tests.cli.test_terminal import Terminal

STRAY = "HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();"
# A library that prints before the document is written, past Python: through C's buffers and past them.
CHATTY = f"""
import ctypes, os, sys
from indexpilot_cli.cli import app, show
libc, payload = ctypes.CDLL(None), show.payload
def chatty(*given, **named):
    libc.puts({STRAY.encode()!r})
    os.write(1, {STRAY.encode()!r})
    if "flush" in os.environ.get("CHATTY", "flush"):
        libc.fflush(None)
    return payload(*given, **named)
show.payload = chatty
app.run(sys.argv[1:])
"""


def chatty(home, *arguments, stdout=subprocess.PIPE, **extra):
    return subprocess.run(
        [sys.executable, "-c", CHATTY, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home, **extra),
        cwd=home,
        check=False,
    )


@pytest.mark.parametrize("when", ["flush", "at the end"])
@pytest.mark.parametrize("arguments", [("--json",), ("--format", "yaml"), ("--json", "--output", "/dev/stdout")])
def test_the_document_alone_is_on_stdout(home, arguments, when):
    done = chatty(home, "config", "show", *arguments, CHATTY=when)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout) if "--json" in arguments else yaml.safe_load(done.stdout)
    assert document["schema"] == "indexpilot.config/1"


def test_a_file_as_stdout_holds_the_document(home):
    with (home / "out.json").open("w") as file:
        assert chatty(home, "config", "show", "--json", stdout=file).returncode == 0
    assert json.loads((home / "out.json").read_text())["schema"] == "indexpilot.config/1"


def test_debug_shows_it_on_stderr(home):
    done = chatty(home, "config", "show", "--json", "--debug")
    assert json.loads(done.stdout)["exit_code"] == 0
    assert done.stderr.count(STRAY) == 2


def test_a_closed_pipe_and_a_closed_stdout_end_with_1(home):
    read, write = os.pipe()
    os.close(read)
    done = chatty(home, "config", "show", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
    closed = f"exec {sys.executable} -m indexpilot_cli config show >&-"
    done = subprocess.run(closed, shell=True, stderr=subprocess.PIPE, text=True, env=environment(home), check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_shows_the_document_alone(home, monkeypatch):
    monkeypatch.setattr("tests.cli.test_terminal.PROGRAM", [sys.executable, "-c", CHATTY])
    shown = Terminal(home, "config", "show", "--no-pager")
    assert shown.end() == 0
    assert "connection:" in shown.seen
    assert STRAY not in shown.seen


def test_stdout_of_a_host_stays_what_it_is(capfd):
    before, stream = os.fstat(1), sys.stdout
    keep_for_documents()
    assert sys.stdout is stream
    assert os.path.samestat(os.fstat(1), before)


def test_letters_that_stdout_has_not_are_escaped(home):
    (home / "indexpilot.yaml").write_text("advisor: {exclude_tables: ['größe']}\n", encoding="utf-8")
    done = chatty(home, "config", "show", "--json", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    values = {s["key"]: s["value"] for s in json.loads(done.stdout)["result"]["settings"]}
    assert values["advisor.exclude_tables"] == ["größe"]
    assert "gr\\u00f6" in chatty(home, "config", "show", PYTHONIOENCODING="ascii").stdout
