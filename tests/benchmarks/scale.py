"""One thousand tables and five thousand distinct statements, from a snapshot file.

    python -m tests.benchmarks.scale [--tables 1000] [--statements 5000]

Builds small tables on a private server, takes a snapshot, scales the recorded sizes up (a snapshot holds no
rows, so a big database costs the advisor the same), and runs ``indexpilot recommend --snapshot`` in a process
of its own. Prints seconds and peak memory of that process and its children.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.capture import capture
from indexpilot_cli.snapshot.values import save

SCALE = 1000
ROWS = 1000


def table_sql(number: int) -> str:
    name = f"t{number:04d}"
    return f"""
        CREATE TABLE {name} (id bigint PRIMARY KEY, owner int NOT NULL, status text NOT NULL, amount numeric NOT NULL,
                             created timestamptz NOT NULL, email text NOT NULL, ref int NOT NULL, note text);
        INSERT INTO {name} SELECT i, (random() * 200)::int, (ARRAY['new','done','done','done','failed'])[1 + i % 5],
               random() * 1000, timestamptz '2025-01-01' + i * interval '1 hour', 'u' || i || '@x.org',
               (random() * 900)::int, repeat('n', 40) FROM generate_series(1, {ROWS}) i;
    """


def statement(number: int, tables: int, rng: random.Random) -> str:
    table, other = f"t{number % tables:04d}", f"t{(number * 7 + 1) % tables:04d}"
    limit = number // tables + 1
    shapes = (
        f"SELECT id, amount FROM {table} WHERE owner = {rng.randrange(200)} ORDER BY created DESC LIMIT {limit * 10}",
        f"SELECT count(*), {limit} FROM {table} WHERE status = 'failed' AND created > '2025-02-0{limit}'",
        f"SELECT a.id, b.note, {limit} FROM {table} a JOIN {other} b ON b.ref = a.id"
        f" WHERE a.owner = {rng.randrange(200)}",
        f"SELECT note, {limit} FROM {table} WHERE lower(email) = 'u{rng.randrange(900)}@x.org'",
        f"UPDATE {table} SET amount = {limit} WHERE ref = {rng.randrange(900)} AND status = 'new'",
    )
    return shapes[(number // tables + number) % len(shapes)]


def make_snapshot(path: Path, tables: int, statements: int) -> None:
    rng = random.Random(7)
    binaries = installed()[0]
    settings = {"fsync": "off", "max_locks_per_transaction": "2000", "synchronous_commit": "off"}
    with LocalServer(binaries, new_home(), settings) as server:
        with open_session(server.dsn(), read_only=False, statement_timeout_ms=0) as session:
            for number in range(tables):
                for text in table_sql(number).split(";\n"):
                    if text.strip():
                        session.execute(text)
            session.execute("ANALYZE")
        with open_session(server.dsn(), statement_timeout_ms=0) as session:
            snapshot = capture(session, read_catalog(session), conninfo=server.dsn())
    texts = dict.fromkeys(statement(n, tables, rng) for n in range(statements * 2))
    workload = Workload(
        SourceKind.SQL, tuple(ObservedStatement(t, rng.randrange(1, 500)) for t in list(texts)[:statements])
    )
    save(replace(scaled(snapshot), workload=workload), path)


def scaled(snapshot):
    """The snapshot with every relation ``SCALE`` times as big."""
    tables = tuple(
        replace(
            t,
            pages=t.pages * SCALE,
            tuples=t.tuples * SCALE,
            indexes=tuple(replace(i, pages=i.pages * SCALE, tuples=i.tuples * SCALE) for i in t.indexes),
        )
        for t in snapshot.catalog.tables
    )
    sizes = tuple(
        replace(s, pages=s.pages * SCALE, pages_at_analyze=s.pages_at_analyze * SCALE, tuples=s.tuples * SCALE)
        for s in snapshot.sizes
    )
    return replace(snapshot, sizes=sizes, catalog=replace(snapshot.catalog, tables=tables))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--statements", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "scale.snapshot"
        make_snapshot(path, options.tables, options.statements)
        print(f"snapshot {path.stat().st_size / 1e6:.1f} MB, {options.tables} tables, {options.statements} statements")
        program = [sys.executable, "-m", "indexpilot_cli"]
        command = [*program, "recommend", "--snapshot", str(path), "--min-benefit", "0.01%"]
        environment = os.environ | {"XDG_CACHE_HOME": directory, "XDG_STATE_HOME": directory}
        started = time.monotonic()
        result = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        seconds = time.monotonic() - started
    print("\n".join(result.stdout.splitlines()[:12]))
    print(result.stderr[-1500:])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"exit {result.returncode}, {seconds:.1f} s, largest process {peak:.0f} MB")


if __name__ == "__main__":
    main()
