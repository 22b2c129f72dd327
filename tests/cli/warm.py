"""Many command lines in one warm interpreter: each runs in a fork that has every module loaded already.

One JSON object a line is read: ``arguments``, ``home``, ``environment``, ``out`` and ``err``; the exit code is printed.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import sys

import indexpilot_cli


def load():
    """Import what commands import while they run: nine tenths of the time of a short one."""
    for module in pkgutil.walk_packages(indexpilot_cli.__path__, "indexpilot_cli."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name)


def become(job):
    """Turn this process into the one that ``python -m indexpilot_cli`` starts."""
    os.chdir(job["home"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, path, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, job["out"], os.O_WRONLY),
        (2, job["err"], os.O_WRONLY),
    ):
        os.dup2(os.open(path, mode | os.O_CREAT | os.O_TRUNC if number else mode), number)
    sys.argv = ["indexpilot_cli", *job["arguments"]]


def main():
    """Serve until the input ends."""
    load()
    gc.freeze()  # a collection in a fork would copy every page
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            runpy.run_module("indexpilot_cli", run_name="__main__", alter_sys=True)
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
