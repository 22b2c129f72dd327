"""Somebody's public schema with generated rows: ``recommend`` with a cold and a warm twin, and ``doctor --twin``.

    python -m tests.benchmarks.schemas structure.sql [--copies 1] [--rows 1000] [--statements 300]

The file is what pg_dump or psql reads (this repository ships none). ``--copies`` makes that many schemas of the objects
in ``public``: the tables of one application many times over. Constraints that generated rows break go; statements ask
for columns with and without an index, join along foreign keys, sort, count and update. Printed are seconds, processor
seconds of the program and its twin, the largest process, and what was found.
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.sql.parser.text import split
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

# What a column of a type (by its category in pg_type) holds in row g.
VALUES = {
    "N": "(g * {prime} % {distinct})",
    "S": "'v' || (g * {prime} % {distinct})",
    "D": "timestamptz '2025-01-01Z' + (g * {prime} % 500000) * interval '1 minute'",
    "B": "(g * {prime} % 20 = 0)",
}
OTHERS = {"uuid": "md5((g * {prime} % {distinct})::text)::uuid", "jsonb": "jsonb_build_object('k', g % 50)"}
EMPTY = {"A": "'{{}}'"}  # where NULL is not allowed
DISTINCT = (3, 20, 200, 1000, 10_000_000)


def loaded(dsn, path, copies):
    """Create the objects of the file; how many statements did not work."""
    text = re.sub(r"^\\.*$", "", path.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^SELECT pg_catalog.set_config\('search_path'.*$", "", text, flags=re.MULTILINE)
    names = ["public"] if copies == 1 else [f"copy{n:02d}" for n in range(copies)]
    failed = 0
    with psycopg.connect(dsn, autocommit=True) as server:
        for name in names:
            schema = sql.Identifier(name)
            server.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
            server.execute(sql.SQL("SET search_path = {}, public").format(schema))
            for piece in split(re.sub(r"\bpublic\.(?!\w+_ops\b)", f"{name}.", text)):
                try:
                    server.execute(piece.text.encode())
                except psycopg.Error:
                    failed += 1
        server.execute("RESET ALL")
    return failed


def row_value(column, unique, rng):
    shape = OTHERS.get(column.base_type) or VALUES.get(column.category) or EMPTY.get(column.category)
    if shape is None or (column.category == "A" and not column.not_null):
        return "NULL"
    distinct, prime = (DISTINCT[-1], 1) if unique else (rng.choice(DISTINCT), rng.choice((1, 7, 13, 31)))
    return f"({shape.format(prime=prime, distinct=distinct)})::{column.type}"


def filled(dsn, rows):
    """Rows for every table; foreign keys and triggers do not run, checks that fail are dropped."""
    rng = random.Random(11)
    with open_session(dsn) as session:
        tables = [t for t in read_catalog(session).tables if t.kind in "rp" and not t.is_partition]
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute("SET session_replication_role = replica")
        for table in tables:
            kept = [i.definition for i in table.indexes if i.definition.unique]
            unique = {name for d in kept for name in d.columns}
            columns = [
                c
                for c in table.columns
                if not c.generated and (not c.has_default or c.category in "NSDB" or c.not_null)
            ]
            target = sql.Identifier(table.name.schema, table.name.name)
            values = sql.SQL(", ").join(sql.SQL(row_value(c, c.name in unique, rng)) for c in columns)
            insert = sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM generate_series(1, {}) g"
                " ON CONFLICT DO NOTHING"
            ).format(target, sql.SQL(", ").join(sql.Identifier(c.name) for c in columns), values, rows)
            for _ in range(20):
                try:
                    server.execute(insert)
                    break
                except psycopg.errors.CheckViolation as error:
                    name = sql.Identifier(error.diag.constraint_name or "")
                    owner = sql.Identifier(error.diag.schema_name or "", error.diag.table_name or "")
                    try:
                        server.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(owner, name))
                    except psycopg.Error:
                        break
                except psycopg.Error:
                    break
        server.execute("RESET ALL")
        server.execute("VACUUM ANALYZE")


def statements(catalog, count):
    """A workload of so many statements on tables picked at random, as lines of a SQL file."""
    rng = random.Random(5)
    tables = [t for t in catalog.tables if t.kind in "rp" and not t.is_partition and len(t.columns) > 3]
    for number in range(count):
        table = rng.choice(tables)
        name = f'"{table.name.schema}"."{table.name.name}"'
        numbers = [c.name for c in table.columns if c.category == "N"] or [table.columns[0].name]
        texts = [c.name for c in table.columns if c.category == "S"] or numbers
        times = [c.name for c in table.columns if c.category == "D"] or numbers
        a, b, at = rng.choice(numbers), rng.choice(texts), rng.choice(times)
        shapes = [
            f'SELECT * FROM {name} WHERE "{a}"::text = \'7\' OR "{a}" = 7',
            f'SELECT * FROM {name} WHERE "{a}" = 7 ORDER BY "{at}" DESC LIMIT 20',
            f'SELECT count(*) FROM {name} WHERE "{b}"::text = \'v7\' AND "{a}" IN (1, 2, 3)',
            f'UPDATE {name} SET "{b}" = "{b}" WHERE "{a}" = 9',
            f'SELECT "{b}", count(*) FROM {name} WHERE "{a}" < 20 GROUP BY 1',
        ]
        keys = catalog.keys_of(table.name)
        if keys:
            key = rng.choice(keys)
            other = f'"{key.referenced.schema}"."{key.referenced.name}"'
            shapes += [
                f'SELECT x.* FROM {name} x JOIN {other} y ON x."{key.columns[0]}" = y.id WHERE x."{a}" = 7',
                f'SELECT y.* FROM {other} y WHERE EXISTS (SELECT 1 FROM {name} x WHERE x."{key.columns[0]}" = y.id'
                f' AND x."{a}" = 3) ORDER BY y.id LIMIT 10',
            ]
        yield f"-- freq: {1 + number * 37 % 400}\n{rng.choice(shapes)};\n"


def timed(name, dsn, home, *arguments):
    """Run the program in a process of its own and print what it took and the first lines it said."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache"), "XDG_STATE_HOME": str(home / "state")}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "indexpilot_cli", *arguments, "-d", dsn, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = done.stderr[-500:]
    with suppress(ValueError):
        result = json.loads(done.stdout)["result"]
        told = f"{len(result['recommendations'])} indexes" if "recommendations" in result else ""
    print(
        f"{name:16} {seconds:6.1f} s, {used:6.1f} s of CPU, largest process so far"
        f" {after.ru_maxrss / 1024:.0f} MB, load {os.getloadavg()[0]:.1f}, exit {done.returncode}; {told}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--statements", type=int, default=300)
    options = parser.parse_args()
    settings = {**SETTINGS, "max_locks_per_transaction": "4000", "autovacuum": "off"}
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalServer(with_hypopg(), new_home(), settings) as server,
    ):
        failed = loaded(server.dsn(), options.file, options.copies)
        filled(server.dsn(), options.rows)
        with open_session(server.dsn()) as session:
            catalog = read_catalog(session)
        workload = Path(directory) / "workload.sql"
        workload.write_text("".join(statements(catalog, options.statements)))
        indexes = sum(len(t.indexes) for t in catalog.tables)
        rows = sum(t.tuples for t in catalog.tables if t.kind != "p")
        print(
            f"{len(catalog.tables):,} tables, {indexes:,} indexes, {rows:,.0f} rows, {options.statements} statements;"
            f" {failed} statements of the file failed",
            flush=True,
        )
        home = Path(directory)
        timed("recommend, cold", server.dsn(), home, "recommend", str(workload))
        timed("recommend, warm", server.dsn(), home, "recommend", str(workload))
        timed("doctor --twin", server.dsn(), home, "doctor", "--twin", str(workload))


if __name__ == "__main__":
    main()
