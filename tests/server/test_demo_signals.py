"""A demo that is interrupted or killed from outside leaves no server and no files."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.simulate import demo
from indexpilot_cli.simulate.proof import DemoRequest
from indexpilot_cli.simulate.server import DemoSlot
from tests.waiting import LIMIT, eventually

pytestmark = pytest.mark.server
PROGRAM = """
import sys
from indexpilot_cli.simulate import demo
from indexpilot_cli.simulate.proof import DemoRequest

class Telling:
    def stage(self, title, total=None):
        print(title, flush=True)
    def advance(self, amount=1): ...
    def say(self, text): ...

demo.run(DemoRequest(rows=60_000, state_directory=sys.argv[1]), Telling())
"""


@pytest.mark.parametrize("stage", ["building the tables", "replaying"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left(tmp_path, stage, sign):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        next(line for line in process.stdout if line.startswith(stage))
        state = DemoSlot(tmp_path).read()
        assert Path(state.home).is_dir()
        assert not state.kept
        process.send_signal(sign)
        process.stdout.read()
        assert process.wait(LIMIT) != 0
    eventually(lambda: not Path(state.home).exists())
    if sign == signal.SIGKILL:
        assert demo._settle(DemoSlot(tmp_path), DemoRequest(), Silent()) is None
    assert DemoSlot(tmp_path).read() is None
