"""Where files go when there is no home: never into a directory that somebody else could have put there."""

import os
import tempfile

import pytest

from indexpilot_cli.core import directories
from indexpilot_cli.core.directories import cache_directory, state_directory
from indexpilot_cli.planner.twin import place


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """No home to write to, and a temporary directory that others use too."""
    (tmp_path / "file").write_text("")
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid)
    return tmp_path / f"indexpilot-{tmp_path.stat().st_uid}"


def test_a_private_directory_of_ours_is_made_and_used_again(shared):
    assert cache_directory() == state_directory() == shared
    assert shared.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_one_that_others_can_write_to_is_not_used(shared, mode):
    shared.mkdir()
    shared.chmod(mode)
    found = cache_directory()
    assert found != shared and found.is_dir() and found.stat().st_mode & 0o077 == 0


def test_a_link_and_a_file_are_not_used(shared, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shared.symlink_to(tmp_path / "elsewhere")
    assert cache_directory() not in (shared, tmp_path / "elsewhere")
    shared.unlink()
    shared.write_text("")
    assert cache_directory() != shared


def test_one_of_another_user_is_not_used(shared, monkeypatch):
    shared.mkdir(mode=0o700)
    owner = shared.stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    shared.rename(shared.with_name(f"indexpilot-{owner + 1}"))
    assert cache_directory().name != f"indexpilot-{owner + 1}"


def test_directories_above_are_nobody_elses_to_write_to_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        directories.make(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    modes = [(tmp_path / part).stat().st_mode & 0o777 for part in ("a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o755, 0o700]


def test_the_place_of_roots_twins_is_not_a_strangers(shared, tmp_path, monkeypatch):
    """Its programs are run: what somebody else has put there must not be among them."""
    monkeypatch.setattr(place, "_AS_ROOT", tmp_path / "file" / "twins")
    monkeypatch.setattr(place, "server_user", lambda: object())
    monkeypatch.setattr(place, "reachable", lambda path: False)
    stranger = tmp_path / "indexpilot-root"
    stranger.mkdir()
    stranger.chmod(0o777)
    found = place.reachable_directory(tmp_path / "wanted")
    assert found != stranger and found.stat().st_mode & 0o777 == 0o755
    stranger.chmod(0o755)
    assert place.reachable_directory(tmp_path / "wanted") == stranger


@pytest.mark.parametrize(("account", "mode"), [(0, 0o711), (1000, 0o700)])
def test_the_account_of_roots_servers_gets_through_the_cache(tmp_path, monkeypatch, account, mode):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: account)
    assert cache_directory().stat().st_mode & 0o777 == mode
