"""Shared fixtures. The environment is cleaned so that a developer's shell cannot change a result."""

import gc
import os
import signal
import tempfile

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers", "tests.cli.changes", "tests.cli.walking"]

_CLEAN = ("PG", "INDEXPILOT_", "DB_")
_KEEP = ("INDEXPILOT_TEST_", "INDEXPILOT_PG_BINARIES")

# Shells start background jobs with these ignored; a test that sends one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Servers stand in memory where there is room for those of all processes: databases are made and dropped by the
# thousand, and ext4 walks past every inode that was freed lately to make a new file (recently_deleted(), ialloc.c).
MEMORY, ROOM = "/dev/shm", 8 * 1024**3


def has_room(place):
    """Whether files of the servers fit there, and programs may be run from there."""
    try:
        found = os.statvfs(place)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and has_room(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

# A busy machine makes examples slow, and another release of hypothesis draws others, of which more may be unfit: no
# fault of theirs. Who runs the suite twice gets one answer; ``--hypothesis-profile=explore`` looks for new examples.
LUCK = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example)
settings.register_profile("explore", deadline=None, suppress_health_check=LUCK)
settings.register_profile("suite", settings.get_profile("explore"), derandomize=True)
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Each process collects thousands of tests, which all stay: looking for garbage among them, again and again, took
    it 6 s of 21 s of processor time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_auto_num_workers():
    """One worker more than cores, for each waits a third of its time for a server or a process; one where all would
    share a server: databases have fixed names, and roles belong to the whole server.
    """
    return 1 if os.environ.get("INDEXPILOT_TEST_DSN") else len(os.sched_getaffinity(0)) + 1


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory):
    for name in list(os.environ):
        if name.startswith(_CLEAN) and not name.startswith(_KEEP):
            monkeypatch.delenv(name)
    # Connections that fail are remembered there, and a developer's own are not the tests'.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
