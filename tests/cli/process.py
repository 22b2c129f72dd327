"""The program as its users run it: a real process with a clean environment."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from jsonschema import Draft202012Validator

from indexpilot_cli.render.schema import text as schema_text

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
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "INDEXPILOT_PG_BINARIES", "PYTHONPATH")}
    return {**kept, "HOME": str(home), "TERM": "xterm-256color", "PGCONNECT_TIMEOUT": "60", **extra}


def run(home, *arguments, stdin="", **extra):
    """Run ``indexpilot ARGUMENTS`` in ``home`` without a terminal."""
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
