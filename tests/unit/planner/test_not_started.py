"""A server that does not start says why, and what to do when the disk is full."""

from pathlib import Path

from indexpilot_cli.planner.twin.server import _not_started

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
