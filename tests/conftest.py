"""Shared fixtures. The environment is cleaned so that a developer's shell cannot change a result."""

import os
import signal

import pytest

pytest_plugins = ["tests.servers", "tests.cli.changes"]

_CLEAN = ("PG", "INDEXPILOT_", "DB_")
_KEEP = ("INDEXPILOT_TEST_", "INDEXPILOT_PG_BINARIES")

# Shells start background jobs with these ignored; a test that sends one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(_CLEAN) and not name.startswith(_KEEP):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
