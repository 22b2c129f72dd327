"""Entries of the cache: locked, swept, limited."""

import multiprocessing
import os
import time
from types import SimpleNamespace

from indexpilot_cli.db.capabilities import Binaries
from indexpilot_cli.planner.twin.cluster import sweep
from indexpilot_cli.planner.twin.fidelity import quantile, relative_error
from indexpilot_cli.planner.twin.place import disk_usage, free_entries, reachable, runnable, take_entry


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


def test_a_sweep_measures_an_entry_once_after_its_use(tmp_path, monkeypatch):
    finished(tmp_path, "k", 300_000)
    walks = []
    monkeypatch.setattr(
        "indexpilot_cli.planner.twin.place.disk_usage", lambda path: walks.append(path) or disk_usage(path)
    )
    sweep(tmp_path)
    sweep(tmp_path)
    assert len(walks) == 1
    finished(tmp_path, "k", 300_000)
    sweep(tmp_path)
    assert len(walks) == 2


def use(place, end):
    """Make the twin anew where it is missing, and find it whole as long as it is ours."""
    while time.monotonic() < end:
        entry = take_entry(place, "k")
        try:
            if not entry.marker.exists():
                entry.clear()
                for number in range(30):
                    (entry.home / str(number)).write_text("x")
                entry.marker.write_text("{}")
            assert len(list(entry.home.iterdir())) == 30 and entry.marker.exists()
        finally:
            entry.release()


def keep_sweeping(place, end):
    while time.monotonic() < end:
        sweep(place, limit=0)


def test_what_is_being_deleted_is_no_entry(tmp_path):
    dying = tmp_path / ".dying-1"
    (dying / "home").mkdir(parents=True)
    (dying / "complete.json").write_text("{}")
    assert list(free_entries(tmp_path)) == []


def test_users_and_sweepers_at_once(tmp_path):
    """Four of each: nobody loses the twin it holds, nobody meets half of one. Longer: INDEXPILOT_TEST_STRESS=60."""
    context = multiprocessing.get_context("fork")
    end = time.monotonic() + float(os.environ.get("INDEXPILOT_TEST_STRESS", "2"))
    processes = [
        context.Process(target=target, args=(tmp_path, end)) for target in (use, keep_sweeping) for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8


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
