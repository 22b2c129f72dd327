"""Fixtures: a filled database, its snapshot, and the twin of it."""

import pytest

from indexpilot_cli.twin.planner import open_twin
from tests.server.twinning import filled_database, snapshot_of


@pytest.fixture(scope="module")
def source(pg):
    with filled_database(pg) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("twins")
    for directory in (path, *path.parents):
        if directory.name.startswith("pytest-"):
            directory.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def snapshot(source):
    return snapshot_of(source)


@pytest.fixture(scope="module")
def twin(snapshot, place):
    with open_twin(snapshot, cache_dir=place, workers=1) as opened:
        yield opened
