"""A server that does not start says why, and what to do when the disk is full."""

from pathlib import Path

import psutil
import pytest

from indexpilot_cli.db.capabilities import Binaries
from indexpilot_cli.planner.twin.server import LocalServer, _not_started, give_to_server, new_home
from tests.servers import reachable_directory
from tests.waiting import eventually

OUTPUT = """creating configuration files ... ok
bootstrap ... 2026-11-20 15:24:42 UTC [1] FATAL:  could not write to file "base/4": No space left on device
child process exited with exit code 1
initdb: removing data directory "/x"
"""


def test_a_full_disk_is_named_with_a_way_out():
    error = _not_started("initdb", "18.4", OUTPUT, Path("/cache/twins/home"))
    assert error.code == "disk_full"
    assert "No space left on device" in (error.detail or "")
    assert "/cache/twins" in (error.hint or "")
    assert error.exit_code == 5


def test_other_failures_keep_the_last_lines():
    error = _not_started("pg_ctl", "15.20", "waiting\n\nlast words\n", Path("/x/home"))
    assert (error.code, error.detail, error.hint) == ("prerequisite", "waiting | last words", None)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interrupt_ends_initdb_and_what_that_has_begun(monkeypatch):
    with reachable_directory() as place:
        home, program = new_home(place), place / "initdb"
        program.write_text("#!/bin/sh\nsleep 600 &\necho $$ $! > begun; mv begun pids\nwait\n")
        program.chmod(0o755)

        def interrupted(_process):
            eventually((home / "pids").exists)
            raise KeyboardInterrupt

        monkeypatch.setattr("subprocess.Popen.communicate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            LocalServer(Binaries(place, "15.1", "local"), home).initialise()
        pids = [*map(int, (home / "pids").read_text().split())]
        eventually(lambda: not any(map(alive, pids)))


def test_an_interrupt_ends_a_server_that_has_no_guard_yet(monkeypatch):
    with reachable_directory() as place:
        server, program = LocalServer(Binaries(place, "15.1", "local"), new_home(place)), place / "postgres"
        program.write_text("#!/bin/sh\n{ echo $$; seq 6; echo ready; } > data/postmaster.pid\nexec sleep 600\n")
        program.chmod(0o755)
        server.data.mkdir()
        (server.data / "PG_VERSION").touch()
        give_to_server(server.data)

        def interrupted(_server):
            raise KeyboardInterrupt

        monkeypatch.setattr(LocalServer, "_start_guard", interrupted)
        with pytest.raises(KeyboardInterrupt):
            server.start()
        eventually(lambda: not alive(server._leader.pid))
        server._leader.wait()
