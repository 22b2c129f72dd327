"""The program with a clean environment: in a fork of a warm interpreter, or started as its users start it."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jsonschema import Draft202012Validator

from indexpilot_cli.render.schema import text as schema_text

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "indexpilot_cli"]


@dataclass(frozen=True)
class Ran:
    """What a process left behind."""

    code: int
    out: str
    err: str

    def json(self, name):
        """The document on stdout, after it has passed its schema."""
        value = json.loads(self.out)
        schema = json.loads(schema_text(name))
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
        assert value["exit_code"] == self.code
        return value


def environment(home, **extra):
    """Nothing of the developer's shell but the path."""
    kept = {
        k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR", "INDEXPILOT_PG_BINARIES", "PYTHONPATH")
    }
    return {**kept, "HOME": str(home), "TERM": "xterm-256color", "PGCONNECT_TIMEOUT": "60", **extra}


class Warm:
    """An interpreter that has loaded every module and forks for each command; it ends when this process does."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="indexpilot-test-")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(self.folder.name),
            cwd=ROOT,
        )

    def run(self, home, arguments, stdin, variables):
        """One command, with files for its streams."""
        streams = [Path(self.folder.name, name) for name in ("in", "out", "err")]
        streams[0].write_text(stdin)
        job = {"arguments": arguments, "home": str(home), "environment": variables, "streams": list(map(str, streams))}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return Ran(code, *(path.read_text() for path in streams[1:]))


warm = functools.cache(Warm)


def run(home, *arguments, stdin="", **extra):
    """Run ``indexpilot ARGUMENTS`` in ``home`` without a terminal, sparing the start of an interpreter."""
    return warm().run(home, arguments, stdin, environment(home, **extra))


def start(home, *arguments, stdin="", **extra):
    """The same in a new process, which imports what the command itself imports."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=home,
        env=environment(home, **extra),
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
