"""Online change of a type under a write load: how long statements wait, and whether a single row is lost or wrong.

    python -m tests.benchmarks.online_type_change [--rows 2000000] [--kills 6] [--normal 30] [--column v] [--major 15]
    [--readers]

A server of its own, with ordinary settings (fsync, autovacuum on). Four writers insert, update, delete and read the
table all the time; each writes down what its rows must be and how long each statement took. First for a while with
nothing else going on, then during each change: int to bigint, text to integer, varchar(60) to varchar(20). With
``--kills`` the tool is killed (SIGKILL) so many times on the way of each change, at random moments and in its late
stages, and started again. ``--readers`` adds transactions that stay open for seconds. At the end
every row of the table is compared with the writers' books. A statement's wait is its time less the median of its kind
in quiet times.
"""

import argparse
import random
import signal
import threading
import time
from contextlib import contextmanager

import psycopg

from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.server.changing_online import COLUMNS, Load, Order, differences, fill, process, type_of

LIMIT = 1.0
STAGES = ("building", "validating", "swapping", "ANALYZE")  # every other kill is made in one of these


def share(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def told(name, times):
    every = [seconds for seconds_of_kind in times.values() for seconds in seconds_of_kind]
    figures = " ".join(f"{share(every, part) * 1000:8.1f}" for part in (0.5, 0.99, 0.999, 1.0))
    print(f"{name:34} {len(every):8} {figures}", flush=True)


def longest_wait(times, normal):
    medians = {kind: share(values, 0.5) for kind, values in normal.items()}
    return max(seconds - medians[kind] for kind, values in times.items() for seconds in values)


def changed(dsn, column, kills, chance):
    """Run to the end, killed so many times on the way; gives the seconds, the kills and the last output."""
    began = time.monotonic()
    done = 0
    while True:
        stage = STAGES[done // 2 % len(STAGES)] if done < kills and done % 2 else ""
        child = process(Order(dsn, column, stage=stage, after=chance.uniform(0, 0.1), batch_ms=120.0, loud=True))
        if done < kills and not stage:
            time.sleep(chance.uniform(1.0, 20.0))
            child.send_signal(signal.SIGKILL)
        out, _ = child.communicate()
        if child.returncode == -signal.SIGKILL:
            done += 1
            stages = [line for line in out.splitlines() if line[:1] == " "]
            print(f"    killed while {stages[-1].strip() if stages else 'starting'}", flush=True)
            continue
        if done < kills:
            print("    ended before the next kill")
        return time.monotonic() - began, done, out


@contextmanager
def long_readers(dsn, wanted):
    """Somebody who keeps a transaction that has read the table open for up to three seconds, again and again."""
    stop = threading.Event()

    def read():
        chance = random.Random(2)
        with psycopg.connect(dsn) as connection:
            while not stop.is_set():
                connection.execute("SELECT count(*) FROM public.accounts WHERE id < 100")
                stop.wait(chance.uniform(0.5, 3))
                connection.rollback()
                stop.wait(chance.uniform(0.2, 2))

    thread = threading.Thread(target=read, daemon=True)
    if wanted:
        thread.start()
    yield
    stop.set()


def measure(dsn, columns, kills, quiet, rows, seed):
    chance = random.Random(seed)
    worst = {}
    with Load(dsn, rows) as load:
        began = time.monotonic()
        time.sleep(quiet)
        normal = load.times(began + 2, time.monotonic())
        print(f"{'milliseconds':34} {'count':>8} {'p50':>8} {'p99':>8} {'p99.9':>8} {'longest':>8}")
        told("nothing else going on", normal)
        for column in columns:
            began = time.monotonic()
            seconds, killed, out = changed(dsn, column, kills, chance)
            during = load.times(began, time.monotonic())
            told(f"{column}: during the change", during)
            worst[column] = longest_wait(during, normal)
            print(
                f"    {seconds:.0f} s, killed {killed} times, now {type_of(dsn, column)}; longest wait"
                f" {worst[column] * 1000:.0f} ms"
            )
            print("    " + out.strip().splitlines()[-1][:400])
        began = time.monotonic()
        time.sleep(quiet / 2)
        told("afterwards", load.times(began, time.monotonic()))
    print(f"statements that failed: {len(load.errors)} {load.errors[:3]}")
    wrong, compared = differences(dsn, load.ledger())
    print(
        f"rows compared: {compared}, written by the load: {len(load.ledger())}, wrong or lost: {len(wrong)} {wrong[:3]}"
    )
    return worst, wrong, load.errors


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--kills", type=int, default=0)
    arguments.add_argument("--readers", action="store_true")
    arguments.add_argument("--normal", type=float, default=30.0)
    arguments.add_argument("--column", action="append", choices=tuple(COLUMNS))
    arguments.add_argument("--major", type=int)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    found = next(b for b in installed() if given.major in (None, b.major))
    with LocalServer(found, new_home(), {"max_connections": "60", "max_wal_size": "4GB"}) as server:
        print(f"PostgreSQL {found.version}, {given.rows} rows")
        fill(server.dsn(), given.rows)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            size = connection.execute("SELECT pg_size_pretty(pg_total_relation_size('public.accounts'))").fetchone()[0]
            settings = connection.execute(
                "SELECT string_agg(name || ' ' || setting, ', ') FROM pg_settings"
                " WHERE name IN ('fsync', 'autovacuum', 'synchronous_commit', 'full_page_writes')"
            ).fetchone()[0]
        print(f"table and indexes {size}; {settings}")
        columns = given.column or list(COLUMNS)
        with long_readers(server.dsn(), given.readers):
            worst, wrong, errors = measure(server.dsn(), columns, given.kills, given.normal, given.rows, given.seed)
        fine = not wrong and not errors and max(worst.values()) < LIMIT
        print("fine" if fine else "NOT FINE")
        return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
