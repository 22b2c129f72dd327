"""Is *long block*, as defined from locks and work, what other sessions feel? Asked of really waiting sessions.

    python -m tests.benchmarks.migrations_probe [--major 15] [--part corpus] [--every 1] [--case NAME]...

For each migration that does not fail, two sessions ask over and over while it runs, as ``psql -f`` would run it:
``SELECT 1 FROM t LIMIT 1`` and ``UPDATE t SET c = c WHERE false``, over the tables that the truth says it locks or
works on. A wait counts from 12 ms, in both of two runs; the tables are small enough that a scan takes about 20 ms, so
on a busy machine a few brief locks look long and a few short scans brief. A sanity check of the definition, no more.
"""

import argparse
import threading
import time

import psycopg
from psycopg import sql

from tests.benchmarks import migrations_corpus as corpus
from tests.benchmarks.selection import table

FELT_MS = 12.0
LONG = {"long_blocks_reads": (True, True), "long_blocks_writes": (False, True)}
FIRST_COLUMN = """
SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
AND attgenerated = '' AND attidentity = '' ORDER BY attnum LIMIT 1
"""


class Prober(threading.Thread):
    """Asks one statement after the other until told to stop; ``longest`` is milliseconds."""

    def __init__(self, dsn, statements):
        super().__init__(daemon=True)
        self.conn = psycopg.connect(dsn, autocommit=True)
        self.statements, self.over, self.longest = statements, threading.Event(), 0.0

    def run(self):
        while not self.over.is_set():
            for statement in self.statements:
                started = time.perf_counter()
                try:
                    self.conn.execute(statement)
                except psycopg.Error:
                    continue  # the migration dropped or renamed what it asks
                self.longest = max(self.longest, (time.perf_counter() - started) * 1000)
            time.sleep(0.001)

    def stop(self):
        self.over.set()
        self.join()
        self.conn.close()


def probes(dsn, names):
    """A reading and a writing statement for each relation that can be read and written."""
    reads, writes = [], []
    with psycopg.connect(dsn, autocommit=True) as conn:
        for name in names:
            identifier = sql.Identifier(*name.split(".", 1))
            kind, column = kind_and_column(conn, identifier.as_string(conn))
            if kind in ("r", "p", "v", "m"):
                reads.append(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(identifier))
            if kind in ("r", "p"):
                change = sql.SQL("UPDATE {} SET {} = {} WHERE false")
                writes.append(change.format(identifier, *[sql.Identifier(column)] * 2))
    return reads, writes


def kind_and_column(conn, name):
    kind = conn.execute("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)", (name,)).fetchone()
    column = conn.execute(FIRST_COLUMN, (name,)).fetchone()
    return (kind[0] if kind else None), (column[0] if column else None)


def waits(dsn, case, names):
    """Longest wait of a reader and of a writer in milliseconds, and how long the migration took."""
    probers = [Prober(dsn, statements) for statements in probes(dsn, names)]
    with psycopg.connect(dsn, autocommit=True) as conn:
        for prober in probers:
            prober.start()
        time.sleep(0.02)
        started = time.perf_counter()
        for statement in corpus.split(case.text):
            conn.pgconn.exec_(statement.encode())
        took = (time.perf_counter() - started) * 1000
    for prober in probers:
        prober.stop()
    return [p.longest for p in probers], took


def felt(server, case, names):
    """Whether readers and writers wait longer than FELT_MS: the lesser of two runs, so that a stall is not a wait."""
    runs = []
    for _ in range(2):
        with corpus.copy(server, "probed") as dsn:
            runs.append(waits(dsn, case, names)[0])
    return [min(pair) for pair in zip(*runs, strict=True)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--major", type=int, default=15)
    parser.add_argument("--part", default="corpus")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--case", action="append", default=[])
    asked = parser.parse_args()
    recorded = corpus.read_truth(asked.major, asked.part)
    wanted = [c for c in corpus.cases(asked.part) if not recorded[c.name]["fails"]]
    wanted = [c for c in wanted if c.name in asked.case] if asked.case else wanted[:: asked.every]
    rows, agreed = [], 0
    with corpus.loaded_server(asked.major) as server:
        for case in wanted:
            statements = recorded[case.name]["statements"]
            names = sorted({name for s in statements for name in (*s["locks"], *s["rows"]) if s["locks"]})
            if not names:
                continue
            verdicts = [LONG.get(s["verdict"], (False, False)) for s in statements]
            defined = [any(v[n] for v in verdicts) for n in (0, 1)]
            measured = felt(server, case, names)
            same = [d == (ms >= FELT_MS) for d, ms in zip(defined, measured, strict=True)]
            agreed += all(same)
            rows.append([case.name, str(all(same)), *(f"{ms:.1f}" for ms in measured), *map(str, defined)])
    print(f"{agreed} of {len(rows)} agree")
    print("\n".join(table([["case", "agrees", "read ms", "write ms", "reads", "writes"], *rows])))


if __name__ == "__main__":
    main()
