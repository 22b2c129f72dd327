"""Many command lines in one warm interpreter: each runs in a fork that has every module loaded already.

One JSON object a line is read: ``arguments``, ``home``, ``environment`` and ``streams``, the files for stdin, stdout
and stderr; the exit code is printed.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys

import indexpilot_cli
from indexpilot_cli.db import session
from indexpilot_cli.settings.keys import keys

LIMIT = 300  # seconds for a command; the code is then the negative number of the signal
# What a command imports only when it comes to it, and typer when it reads the first option.
LATE = (
    "psutil",
    "rich.markdown",
    "rich.progress",
    "rich.traceback",
    "scipy.optimize",
    "scipy.sparse",
    "tabulate",
    "typer._adapters",
    "yaml",
)
PATIENT = "TESTS_WAIT_FOR_LOCKS"  # a variable for the commands whose sessions wait for a lock as long as a test likes
MODES = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def load():
    """Import what commands import while they run: nine tenths of the time of a short one."""
    ours = (module.name for module in pkgutil.walk_packages(indexpilot_cli.__path__, "indexpilot_cli."))
    for name in (*LATE, *ours):
        if not name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(name)
    keys()  # which each command reads from the annotations of all settings


def become(job):
    """Turn this process into the one that ``python -m indexpilot_cli`` starts."""
    os.chdir(job["home"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, (path, mode) in enumerate(zip(job["streams"], MODES, strict=True)):
        os.dup2(os.open(path, mode), number)
    sys.argv = ["indexpilot_cli", *job["arguments"]]
    if os.environ.pop(PATIENT, None):
        wait_for_locks()


def wait_for_locks():
    """No session gives up: most do after a tenth of a second, in which a busy test may not have seen them wait."""
    begin = session._begin

    def patiently(connection, settings, **more):
        unlimited = {name: "0" if name.endswith("_timeout") else value for name, value in settings.items()}
        return begin(connection, unlimited, **more)

    session._begin = patiently


def command():
    """Run it; the code it ends with. What it left to the end of an interpreter takes longer than it and is skipped."""
    try:
        runpy.run_module("indexpilot_cli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return end.code
    return 0


def main():
    """Serve until the input ends."""
    load()
    gc.freeze()  # a collection in a fork would copy every page
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            signal.alarm(LIMIT)
            become(json.loads(line))
            os._exit(command())
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
