"""Five hundred tenant schemas of forty tables each: one advice, one plan.

    PGHOST=… PGUSER=… python -m tests.benchmarks.tenant_schemas [--schemas 500] [--tables 40] [--keep]

Makes the database ``indexpilot_tenants`` on the server that libpq's variables name (unless it is there already), and
runs ``indexpilot recommend`` on it in a process of its own. Prints seconds, peak memory of that process and of its
children, what the plan has and how long it took to fill the database.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from indexpilot_cli.db.session import open_session

DATABASE = "indexpilot_tenants"
MAINTENANCE = "dbname=postgres"
ROWS, MOST_ROWS = 150, 20_000  # of a usual tenant's table, of the largest tenant's

TABLE = """
    CREATE TABLE {schema}.{name} (id bigint PRIMARY KEY, owner int NOT NULL, status text NOT NULL, amount numeric,
                                  created timestamptz NOT NULL, email text NOT NULL, note text);
    INSERT INTO {schema}.{name} SELECT i, (random() * {rows} / 10)::int,
           (ARRAY['new','done','done','failed'])[1 + i % 4], random() * 1000,
           timestamptz '2025-01-01' + i * interval '1 minute', 'u' || i || '@x.org', repeat('n', 40)
    FROM generate_series(1, {rows}) i;
"""
SHAPES = (
    "SELECT id, amount FROM {t} WHERE owner = 7 ORDER BY created DESC LIMIT 10",
    "SELECT note FROM {t} WHERE lower(email) = 'u17@x.org'",
    "SELECT a.id FROM {t} a JOIN {o} b ON b.id = a.owner WHERE a.status = 'failed' AND a.created > '2025-01-10'",
    "UPDATE {t} SET amount = 1 WHERE owner = 9 AND status = 'new'",
)


def fill(schemas: int, tables: int) -> None:
    with open_session(MAINTENANCE, read_only=False, statement_timeout_ms=0) as session:
        session.execute(f"CREATE DATABASE {DATABASE}")
    with open_session(f"dbname={DATABASE}", read_only=False, statement_timeout_ms=0) as session:
        session.execute("SET synchronous_commit = off")
        session.execute("SET lock_timeout = 0")  # autovacuum may be at a table already
        for number in range(schemas):
            schema = f"tenant_{number:03d}"
            rows = MOST_ROWS if number == schemas // 3 else ROWS
            session.execute(f"CREATE SCHEMA {schema}")
            # A transaction for each schema: locks of all 20,000 tables at once would not fit.
            texts = (TABLE.format(schema=schema, name=f"t{n:02d}", rows=rows) for n in range(tables))
            session.execute("DO $seed$ BEGIN " + "".join(texts) + " END $seed$")
        session.execute("VACUUM ANALYZE")


def workload(path: Path, schemas: int, tables: int, statements: int) -> None:
    """Statements that name a schema, as a pooled application sends them, and such that leave it to search_path."""
    lines = []
    for number in range(statements):
        schema = f"tenant_{number % schemas:03d}." if number % 4 else ""
        table, other = f"{schema}t{number % tables:02d}", f"{schema}t{(number * 7 + 1) % tables:02d}"
        lines.append(f"-- freq: {1 + number % 50}\n{SHAPES[number % len(SHAPES)].format(t=table, o=other)};\n")
    path.write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--schemas", type=int, default=500)
    parser.add_argument("--tables", type=int, default=40)
    parser.add_argument("--statements", type=int, default=5000)
    parser.add_argument("--what-if", default="twin")
    parser.add_argument("--keep", action="store_true", help="keep the database, and take one that is there")
    options = parser.parse_args()
    with open_session(MAINTENANCE, read_only=False) as session:
        there = session.value("SELECT count(*) FROM pg_database WHERE datname = %s", (DATABASE,))
    begun = time.monotonic()
    if not there:
        fill(options.schemas, options.tables)
        print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "workload.sql"
        workload(file, options.schemas, options.tables, options.statements)
        told = measured([str(file), "--what-if", options.what_if], Path(home))
    print(told)
    if not options.keep:
        with open_session(MAINTENANCE, read_only=False, statement_timeout_ms=0) as session:
            session.execute(f"DROP DATABASE {DATABASE}")


def measured(arguments: list[str], home: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache"), "XDG_STATE_HOME": str(home / "state")}
    command = [sys.executable, "-m", "indexpilot_cli", "recommend", "-d", DATABASE, *arguments, "--json"]
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds, used = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 10):
        return f"exit {done.returncode} after {seconds:.1f} s: {done.stderr[-2000:]}{done.stdout[-2000:]}"
    result = json.loads(done.stdout)["result"]
    entries = result["recommendations"]
    leads = [r for r in entries if not r.get("same_as")]
    return (
        f"recommend: {seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU, largest process"
        f" {used.ru_maxrss / 1024:.0f} MB; {len(leads)} indexes advised, {len(entries)} to build,"
        f" {result['template_count']} templates, {len(done.stdout) / 1e6:.1f} MB of JSON"
    )


if __name__ == "__main__":
    main()
