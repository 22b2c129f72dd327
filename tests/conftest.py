"""Shared fixtures. The environment is cleaned so that a developer's shell cannot change a result."""

import os

import pytest

pytest_plugins = ["tests.servers", "tests.cli.changes"]

_CLEAN = ("PG", "INDEXPILOT_", "DB_")
_KEEP = ("INDEXPILOT_TEST_", "INDEXPILOT_PG_BINARIES")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(_CLEAN) and not name.startswith(_KEEP):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
