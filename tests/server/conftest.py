"""Fixtures of the server tests: a filled database, its snapshot, and the twin of it, once for all of them."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexpilot_cli.twin.planner import open_twin
from tests.server.requesting import (  # noqa: F401 - fixtures
    analyzed_shop,
    bare,
    changing_shop,
    neglected_shop,
    own_places,
    shop_snapshot,
)
from tests.server.twinning import filled_database, snapshot_of


@pytest.fixture(scope="session")
def twin_source(pg):
    with filled_database(pg) as dsn:
        yield dsn


@contextmanager
def reachable_directory():
    """A new directory that the server's account can enter; pytest closes its own to others again and again."""
    with tempfile.TemporaryDirectory(prefix="indexpilot-test-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def twin_place():
    with reachable_directory() as path:
        yield path


@pytest.fixture
def twin_cache():
    """An empty cache of its own."""
    with reachable_directory() as path:
        yield path


@pytest.fixture(scope="session")
def twin_snapshot(twin_source):
    return snapshot_of(twin_source)


@pytest.fixture(scope="session")
def twin(twin_snapshot, twin_place):
    with open_twin(twin_snapshot, cache_dir=twin_place, workers=1) as opened:
        yield opened
