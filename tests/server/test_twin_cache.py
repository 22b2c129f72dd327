"""Twins are made once, found again, used by several processes, and never left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.planner.twin import cluster
from indexpilot_cli.planner.twin.cluster import open_cluster, stop_orphan
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.planner.twin.server import LocalServer
from indexpilot_cli.snapshot.values import save
from tests.waiting import eventually

QUESTION = WhatIf(Plannable("SELECT * FROM sales.customers WHERE id = 5"))
KILLED = """
import sys, time
from pathlib import Path
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.values import load
twin = open_twin(load(Path(sys.argv[1])), cache_dir=Path(sys.argv[2]), workers=1)
print(twin._cluster.server.home, flush=True)
time.sleep(600)
"""


class Said:
    """Progress that remembers its stages."""

    def __init__(self):
        self.stages = []

    def stage(self, title, total=None):
        self.stages.append(title)

    def advance(self, amount=1):
        """Ignore."""

    def say(self, text):
        self.stages.append(text)


def postmaster(home):
    return int((home / "data" / "postmaster.pid").read_text().splitlines()[0])


def gone(pid):
    return eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_twin_is_hydrated_once(twin_snapshot, twin_cache, twin):
    first, second = Said(), Said()
    with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1, progress=first) as one:
        answers = one.plan([QUESTION])
        pid = postmaster(one._cluster.server.home)
    assert gone(pid)
    with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1, progress=second) as two:
        assert two.plan([QUESTION]) == answers == twin.plan([QUESTION])
        assert two.not_modelled == one.not_modelled
    assert "schema" in first.stages and second.stages == []


def test_a_copy_is_made_once_and_left_as_it_was(twin_snapshot, twin_cache, twin, monkeypatch):
    """Hypothetical indexes are dropped and hidden ones shown at the end; after an error the copy is made anew."""
    copies = []
    make = cluster.copy_template
    monkeypatch.setattr(cluster, "copy_template", lambda *given: copies.append(given[2]) or make(*given))
    index = IndexDefinition(QualifiedName("sales", "events"), (IndexKey("kind"), IndexKey("level")))
    hidden = frozenset({QualifiedName("sales", "events_kind")})
    statement = Plannable("SELECT * FROM sales.events WHERE kind = 7 AND level = 3")
    expected = twin.plan([WhatIf(statement), WhatIf(statement, frozenset({index}), hidden)])
    for _ in range(3):
        with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1) as opened:
            changed = opened.plan([WhatIf(statement, frozenset({index}), hidden)])
            assert (*opened.plan([WhatIf(statement)]), *changed) == expected
            opened.plan([WhatIf(Plannable("SELECT * FROM sales.events"), frozenset(), hidden)])
    assert copies == ["w0"]
    with (
        pytest.raises(ZeroDivisionError),
        open_twin(twin_snapshot, cache_dir=twin_cache, workers=1),
    ):
        raise ZeroDivisionError
    with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1) as opened:
        assert opened.plan([WhatIf(statement)]) == expected[:1]
    assert copies == ["w0", "w0"]


def test_two_processes_have_two_twins(twin_snapshot, twin_cache):
    with (
        open_twin(twin_snapshot, cache_dir=twin_cache, workers=1) as one,
        open_twin(twin_snapshot, cache_dir=twin_cache, workers=1) as two,
    ):
        assert one._cluster.server.home != two._cluster.server.home
        assert one.plan([QUESTION]) == two.plan([QUESTION])


def test_killed_with_its_server_running(twin_snapshot, twin_cache, twin):
    """The server ends with its owner, however that ends, and the next start finds a usable twin."""
    save(twin_snapshot, twin_cache / "file")
    place = twin_cache / "twins"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, twin_cache / "file", place], stdout=subprocess.PIPE, text=True
    )
    home = Path(child.stdout.readline().strip())
    pid = postmaster(home)
    assert psutil.pid_exists(pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert gone(pid)
    with open_twin(twin_snapshot, cache_dir=place, workers=1) as again:
        assert again._cluster.server.home == home
        assert again.plan([QUESTION]) == twin.plan([QUESTION])


def test_a_server_without_a_guard_is_swept(twin_snapshot, twin_cache):
    opened = open_cluster(twin_snapshot, twin_cache, None, Silent())
    home, pid = opened.server.home, postmaster(opened.server.home)
    opened.server.outlive()
    stop_orphan(home)
    assert gone(pid) and not (home / "data" / "postmaster.pid").exists()
    opened.close()


def test_another_process_with_the_number_of_a_server_is_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}/data\n1000000\n")
    stop_orphan(tmp_path)
    assert not (tmp_path / "data" / "postmaster.pid").exists()


def test_a_damaged_twin_is_made_again(twin_snapshot, twin_cache):
    with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1) as one:
        home = one._cluster.server.home
    (home / "data" / "global" / "pg_control").write_bytes(b"")
    said = Said()
    with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1, progress=said) as two:
        assert two.plan([QUESTION])[0].ok
    assert any("made again" in text for text in said.stages)


def test_a_long_path_gets_a_short_socket(twin, twin_cache):
    home = twin_cache / ("d" * 90)
    home.mkdir()
    server = LocalServer(twin._cluster.server.binaries, home)
    assert len(str(server.socket)) < 80
    socket = server.socket
    server.stop()
    assert not socket.exists()
