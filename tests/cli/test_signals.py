"""TERM and INT in the midst of every long command: its code, one line, nothing left, the row in the log closed."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.cli.process import PROGRAM, environment, warm
from tests.cli.warm import PATIENT
from tests.waiting import LIMIT, eventually

pytestmark = pytest.mark.server
LOG = "indexpilot.mutation_log"
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'indexpilot%'"
INT, TERM, TWICE = (signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)
# The table whose lock the command meets on its way, the arguments, what it is sent.
CASES = {
    "discover": ("orders", [], TERM),
    "analyze": ("orders", ["--source", "sql", "workload.sql"], INT),
    "recommend": ("orders", ["--source", "sql", "workload.sql"], TWICE),
    "ablate": ("orders", ["--source", "sql", "workload.sql"], TERM),
    "lifecycle": ("orders", [], INT),
    "lifecycle run": ("orders", ["due"], TERM),
    "lifecycle watch": ("orders", ["--quiet"], TERM),
    "snapshot save": ("orders", ["s.ipsnap"], TERM),
    "doctor": ("orders", [], INT),
    "apply": (LOG, ["{file}", "--yes"], TERM),
    "rollback": (LOG, ["--last", "--yes"], TERM),
    "model train": (LOG, [], TERM),
    "schema-evolve check": ("orders", ["good.sql"], TWICE),
    "schema-evolve add-column": (LOG, ["orders", "a", "--type", "int", "--execute", "--yes"], TERM),
}
CODES = {signal.SIGINT: (130, "error: interrupted"), signal.SIGTERM: (143, "error: terminated")}


def child():
    """The process that runs a command of the warm interpreter."""
    return next(iter(psutil.Process(warm().process.pid).children()), None)


@pytest.mark.parametrize("name", CASES)
def test_a_signal_ends_every_long_command_in_order(world, name):
    table, arguments, signals = CASES[name]
    before = world.newest()
    with (
        psycopg.connect(world.dsn) as holder,
        psycopg.connect(world.dsn, autocommit=True) as look,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        running = pool.submit(world.run, name, arguments, **{PATIENT: "1"})
        eventually(lambda: look.execute(f"SELECT 1 {OURS} AND wait_event_type = 'Lock'").fetchone())
        process = child()
        for number in signals:
            with suppress(psutil.NoSuchProcess):  # the first may have ended it already
                process.send_signal(number)
        if table == LOG:  # its row is written at the end
            holder.rollback()
        ran = running.result(timeout=LIMIT)
        eventually(lambda: look.execute(f"SELECT count(*) = 0 {OURS}").fetchone()[0])
        holder.rollback()
        newest = look.execute(
            "SELECT state FROM indexpilot.mutation_log WHERE id > %s ORDER BY id DESC LIMIT 1", [before]
        ).fetchone()
    code, line = CODES[signals[0]]
    said = ran.err.splitlines()
    assert (ran.code, said[0]) == (code, line), ran.err
    assert len(said) < 3 and all(line.startswith("hint: indexpilot doctor -d ") for line in said[1:])
    assert "Traceback" not in ran.out + ran.err
    assert newest == ("INTERRUPTED",)


def test_a_private_server_goes_with_the_command_also_when_asked_twice(world, tmp_path):
    places = {name: tmp_path / name for name in ("XDG_CACHE_HOME", "TMPDIR")}
    for path in (tmp_path, *places.values()):
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
    command = [*PROGRAM, "recommend", "-d", world.dsn, "--source", "sql", "workload.sql", "--what-if", "twin"]
    mine = {name: str(path) for name, path in places.items()}

    def servers():
        return [p for p in psutil.process_iter(["name", "environ"]) if _is_server(p, mine["TMPDIR"])]

    with subprocess.Popen(
        command, cwd=world.home, env=environment(world.home, **mine), stderr=subprocess.PIPE, text=True
    ) as started:
        eventually(servers)
        for number in TWICE:
            started.send_signal(number)
        said = started.stderr.read()
        assert (started.wait(LIMIT), said) == (130, "error: interrupted\n")
    eventually(lambda: not servers())
    assert list(places["TMPDIR"].iterdir()) == []
    assert [p for p in places["XDG_CACHE_HOME"].rglob("*") if p.name in ("postmaster.pid", "PG_VERSION")] == []


def _is_server(process, folder):
    environment = process.info["environ"] or {}  # None: somebody else's
    return process.info["name"] == "postgres" and environment.get("TMPDIR") == folder


def test_a_signal_while_the_program_is_being_read_ends_it_without_a_traceback(home):
    """Before any command: the handlers stand before anything else is imported."""
    text = (
        "import os, signal, sys\n"
        "class Early:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'indexpilot_cli.cli.app': os.kill(os.getpid(), int(sys.argv.pop()))\n"
        "sys.meta_path.insert(0, Early())\n"
        "from indexpilot_cli.__main__ import main\n"
        "main()\n"
    )
    for number, (code, line) in CODES.items():
        ran = subprocess.run(
            [sys.executable, "-c", text, "discover", str(int(number))],
            env=environment(home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (code, line + "\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_the_waiting_call_is_not_told_of_is_heard(home, number, code):
    """The system may hand it to another thread, and to the interpreter just before the call: both look the same."""
    text = (
        "import signal, sys, threading, time\n"
        "from indexpilot_cli.cli import interrupts\n"
        "interrupts.heed()\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
        f"signal.pthread_sigmask(signal.SIG_BLOCK, [{number:d}])\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text],
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stdout.readline() == "ready\n"
        eventually(lambda: psutil.Process(waiting.pid).status() == psutil.STATUS_SLEEPING)
        waiting.send_signal(number)
        try:
            assert (waiting.wait(LIMIT), waiting.stderr.read()) == (code, "")
        finally:
            waiting.kill()


def test_an_interrupt_in_code_compiled_from_text_has_its_code_too(home):
    """Such as that of dataclasses, while modules are read: ``python -m`` would end by the signal, whatever we say."""
    (home / "interrupted.py").write_text(
        "from indexpilot_cli.cli import app, interrupts\n"
        "from indexpilot_cli.cli.commands import schema\n"
        "interrupts.heed()\n"
        "schema.COMMANDS['schema'] = lambda: exec('import signal; signal.raise_signal(signal.SIGINT)')\n"
        "app.run(['schema'])\n"
    )
    line = [sys.executable, "-m", "interrupted"]
    ran = subprocess.run(line, cwd=home, env=environment(home), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (130, "error: interrupted\n")


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="no process can be made the first one")
def test_process_1_of_a_container_hears_term(home):
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *PROGRAM]
    probe = subprocess.run([*inside[:5], "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no name space of processes of our own")
    with subprocess.Popen(
        [*inside, "serve", "--port", "0", "-d", "host=/nowhere"],
        cwd=home,
        env=environment(home),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as outside:
        assert "serving http://127.0.0.1:" in outside.stderr.readline()
        first = psutil.Process(outside.pid).children()[0]
        assert "\t1\n" in next(
            s for s in Path(f"/proc/{first.pid}/status").read_text().splitlines(True) if "NSpid" in s
        )
        first.terminate()
        out, err = outside.communicate(timeout=LIMIT)
    assert (outside.returncode, err) == (143, "error: terminated\n")
    assert out.startswith("served ")


def test_what_nohup_ignores_stays_ignored(home):
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
            "from indexpilot_cli.cli import interrupts; interrupts.heed()\n"
            "signal.raise_signal(signal.SIGHUP); print('goes on')",
        ],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "goes on\n"
