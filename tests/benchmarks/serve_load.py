"""How the server of pages bears fifty readers while an index is built: errors, latency, memory, sessions.

    python -m tests.benchmarks.serve_load "host=/tmp/pg dbname=scratch" [SECONDS]

The database is a scratch one: a table is made in it and dropped.

On two cores shared with seven other programs, in 60 s: 8,605 answers and no error while 38 indexes were built, p50
271 ms, at most 4 sessions, 116 MB in the first third and 122 MB in the last.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg

READERS = 50
PORT = 8799
TOKEN = "0123456789abcdef0123456789abcdef"
CONFIG = "operational:\n  serve:\n    requests_per_minute: 1000000\n"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
PATHS = (
    *("/api", "/api/performance", "/api/health", "/api/explain-stats", "/api/decisions", "/api/lifecycle"),
    *("/api/builds", "/api/history", "/api/plans", "/metrics", "/readyz", "/"),
)


@contextmanager
def served(dsn):
    """The process of a server for the database."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG)
        command = [
            sys.executable,
            "-m",
            "indexpilot_cli",
            "serve",
            "-d",
            dsn,
            "--port",
            str(PORT),
            "--config",
            str(config),
        ]
        with subprocess.Popen(command, env={**os.environ, "INDEXPILOT_SERVE_TOKEN": TOKEN}) as process:
            try:
                wait_for(process)
                yield psutil.Process(process.pid)
            finally:
                process.terminate()


def wait_for(process):
    """Until it answers."""
    while process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{PORT}/healthz", trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)


def read(number, end, times, errors):
    """One reader: one request after the other, until the end."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        while time.monotonic() < end:
            path = PATHS[number % len(PATHS)]
            began = time.monotonic()
            answer = client.get(path)
            times.append(time.monotonic() - began)
            if answer.status_code != 200:
                errors.append((path, answer.status_code))
            number += 1


def build(dsn, stop, built):
    """One index after the other, without blocking writes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            connection.execute("CREATE INDEX CONCURRENTLY serve_load_idx ON serve_load (a, b)")
            connection.execute("DROP INDEX serve_load_idx")
            built.append(1)


def main(dsn, seconds=60.0):
    """Print what was measured."""
    times, errors, built, sessions, memory, stop = [], [], [], [], [], threading.Event()
    with psycopg.connect(dsn, autocommit=True) as connection, served(dsn) as process:
        connection.execute("CREATE TABLE serve_load AS SELECT i AS a, i % 1000 AS b FROM generate_series(1, 1000000) i")
        for number in range(2 * READERS):  # warm: what is imported on first use is no leak
            read(number, time.monotonic() + 0.01, [], [])
        end = time.monotonic() + seconds
        readers = [threading.Thread(target=read, args=(n, end, times, errors)) for n in range(READERS)]
        builder = threading.Thread(target=build, args=(dsn, stop, built))
        for thread in (builder, *readers):
            thread.start()
        while any(thread.is_alive() for thread in readers):
            sessions.append(connection.execute(SESSIONS, ("indexpilot/serve",)).fetchone()[0])
            memory.append(process.memory_info().rss / 2**20)
            time.sleep(0.2)
        stop.set()
        builder.join()
        connection.execute("DROP TABLE serve_load")
        cpu = process.cpu_times()
    times.sort()
    third = len(memory) // 3
    print(f"{len(times)} answers in {seconds:g} s, {len(errors)} errors {errors[:3]}, {len(built)} builds meanwhile")
    print(f"p50 {1000 * times[len(times) // 2]:.0f} ms, p99 {1000 * times[len(times) * 99 // 100]:.0f} ms")
    print(f"sessions at most {max(sessions)}, processor {cpu.user + cpu.system:.1f} s")
    print(f"memory: {memory[0]:.0f} MB at first; most in the first third {max(memory[:third]):.0f}")
    print(f"        most in the last third {max(memory[-third:]):.0f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:3]))
