"""How long a file of 100 statements takes to review: python -m tests.benchmarks.review_speed --dsn DSN.

Makes a database of 40 tables on the server (a superuser's DSN), reviews the file twice as users do (the first run
hydrates the twin, the second finds it warm) and prints both times, the second divided by a bare check of one statement.
"""

import argparse
import json
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from tests.cli import process as program

TABLES = 40
ROUND = (
    "ALTER TABLE t{n} ADD COLUMN extra_{i} int DEFAULT 7;",
    "CREATE INDEX t{n}_name_{i} ON t{n} (name);",
    "ALTER TABLE t{n} ADD CONSTRAINT t{n}_positive_{i} CHECK (amount > -1) NOT VALID;",
    "ALTER TABLE t{n} VALIDATE CONSTRAINT t{n}_positive_{i};",
    "UPDATE t{n} SET amount = amount WHERE id = {i};",
    "ALTER TABLE t{n} ALTER amount TYPE numeric(14, 2);",
    "CREATE VIEW v{i} AS SELECT id, name FROM t{n};",
    "COMMENT ON TABLE t{n} IS 'number {i}';",
    "DO $$ BEGIN EXECUTE 'ALTER TABLE t{n} ALTER made SET NOT NULL'; END $$;",
    "DROP VIEW v{i};",
)
QUERIES = "".join(
    f"SELECT id, name FROM t{n} WHERE name = 'x';\nUPDATE t{n} SET name = 'y' WHERE id = 5;\n" for n in range(20)
)


@contextmanager
def database(dsn):
    name = f"review_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield conninfo.make_conninfo(dsn, dbname=name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        for n in range(TABLES):
            columns = "id int PRIMARY KEY, name text, amount numeric(12, 2) DEFAULT 1, made date DEFAULT now()"
            connection.execute(f"CREATE TABLE t{n} ({columns})")
            connection.execute(f"INSERT INTO t{n} (id, name) SELECT i, 'n' || i FROM generate_series(1, 8000) i")
        connection.execute("VACUUM ANALYZE")


def migration(statements):
    rounds = ((i // len(ROUND), ROUND[i % len(ROUND)]) for i in range(statements))
    return "\n".join(text.format(n=number % TABLES, i=number) for number, text in rounds)


def review(home, dsn, path, workload):
    begun = time.monotonic()
    ran = program.run(home, "schema-evolve", "check", str(path), "--file", str(workload), "-d", dsn, "--json")
    seconds = time.monotonic() - begun
    states = {s["state"] for s in json.loads(ran.out)["result"]["files"][0]["statements"]}
    assert states == {"ran"}, states
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--statements", type=int, default=100)
    options = parser.parse_args()
    with database(options.dsn) as dsn, tempfile.TemporaryDirectory(prefix="review-", dir="/tmp") as place:
        home = Path(place)
        home.chmod(0o755)
        fill(dsn)
        (home / "many.sql").write_text(migration(options.statements))
        (home / "one.sql").write_text(migration(1))
        (home / "workload.sql").write_text(QUERIES)
        cold = review(home, dsn, home / "many.sql", home / "workload.sql")
        warm = review(home, dsn, home / "many.sql", home / "workload.sql")
        one = review(home, dsn, home / "one.sql", home / "workload.sql")
    print(
        f"{options.statements} statements, {TABLES} tables, 40 recorded queries: cold {cold:.1f} s, warm {warm:.1f} s"
    )
    print(f"one statement, warm: {one:.1f} s; ratio {warm / one:.2f}")


if __name__ == "__main__":
    main()
