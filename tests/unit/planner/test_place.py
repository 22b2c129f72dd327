"""Entries of the cache: locked, swept, limited."""

import os
from types import SimpleNamespace

from indexpilot_cli.db.capabilities import Binaries
from indexpilot_cli.planner.twin.cluster import sweep
from indexpilot_cli.planner.twin.fidelity import quantile, relative_error
from indexpilot_cli.planner.twin.place import disk_usage, reachable, runnable, take_entry


def finished(place, key, size=0, age=0):
    entry = take_entry(place, key)
    entry.clear()
    (entry.home / "rows").write_bytes(b"x" * size)
    entry.marker.write_text("{}")
    entry.release()
    os.utime(entry.directory, (1_000_000 - age, 1_000_000 - age))
    return entry.directory


def test_a_key_in_use_gets_another_slot(tmp_path):
    first, second = take_entry(tmp_path, "k"), take_entry(tmp_path, "k")
    assert first.directory != second.directory
    first.release()
    third = take_entry(tmp_path, "k")
    assert third.directory == first.directory
    for entry in (second, third):
        entry.release()


def test_unfinished_entries_are_swept_and_used_ones_are_not(tmp_path):
    whole = finished(tmp_path, "whole")
    broken = take_entry(tmp_path, "broken")
    broken.clear()
    broken.release()
    used = take_entry(tmp_path, "used")
    used.clear()
    sweep(tmp_path)
    assert whole.exists() and used.home.exists() and not broken.directory.exists()
    used.release()


def test_the_longest_unused_go_first(tmp_path):
    old = finished(tmp_path, "old", 300_000, age=50)
    new = finished(tmp_path, "new", 300_000, age=1)
    sweep(tmp_path, limit=400_000)
    assert new.exists() and not old.exists()


def test_holes_weigh_nothing(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert disk_usage(tmp_path) < 1_000_000


def test_quantiles_and_errors():
    assert quantile([], 0.5) == 0.0
    assert quantile([1, 2, 3, 4], 0.5) == 2 and quantile([1, 2, 3, 4], 0.9) == 4 and quantile([1], 0.1) == 1
    assert relative_error(10, 11) == 0.1 and relative_error(0, 0) == 0 and relative_error(0, 1) == 1


def test_installations_out_of_reach_are_copied_once(tmp_path, monkeypatch):
    """As root, the account the server runs as may not enter the directory of the virtual environment."""
    nobody = SimpleNamespace(pw_uid=os.getuid() + 54321, pw_gid=os.getgid() + 54321)
    install = tmp_path / "closed" / "pg"
    (install / "bin").mkdir(parents=True)
    (install / "bin" / "postgres").write_text("program")
    (install / "lib").mkdir()
    found = Binaries(install / "bin", "18.4", "embedded")
    assert runnable(found, tmp_path) == found or os.geteuid() == 0
    monkeypatch.setattr("indexpilot_cli.planner.twin.place.server_user", lambda: nobody)
    (tmp_path / "closed").chmod(0o700)
    assert not reachable(install / "bin")
    copied = runnable(found, tmp_path)
    assert copied.directory != found.directory and copied.version == "18.4"
    assert copied.program("postgres").read_text() == "program"
    assert runnable(found, tmp_path) == copied
