"""Fixtures of the server tests: a filled database, its snapshot, and the twin of it, once for all of them."""

import pytest

from indexpilot_cli.twin.planner import open_twin
from tests.server.twinning import filled_database, snapshot_of


@pytest.fixture(scope="session")
def twin_source(pg):
    with filled_database(pg) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def twin_place(tmp_path_factory):
    path = tmp_path_factory.mktemp("twins")
    for directory in (path, *path.parents):
        if directory.name.startswith("pytest-"):
            directory.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def twin_snapshot(twin_source):
    return snapshot_of(twin_source)


@pytest.fixture(scope="session")
def twin(twin_snapshot, twin_place):
    with open_twin(twin_snapshot, cache_dir=twin_place, workers=1) as opened:
        yield opened
