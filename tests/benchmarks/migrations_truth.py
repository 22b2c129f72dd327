"""What the migrations of the corpus really do, measured on loaded tables; writes tests/corpus/truth-MAJOR.json.

    python -m tests.benchmarks.migrations_truth [--major 15 18] [--part corpus held_out] [--case NAME]...

Every migration runs on its own copy of the loaded database, statement by statement, as ``psql -f`` sends them, and
stops at the first error. Nothing of the tool's own reasoning is used:

*locks*  from another session. A statement outside a transaction block lets its locks go when it ends, so it is run a
         second time, on another copy, inside BEGIN/COMMIT, and its locks are read before the COMMIT. What refuses a
         block (CONCURRENTLY, VACUUM, CALL) and what has several steps inside (DO, functions) is watched while it runs:
         a lock counts for such a statement when it was seen for 8 ms, or for 30 % of the statement's time, in both of
         two runs.
*work*   more than 5,000 rows of one table read, inserted, updated or deleted by the statement (the session's own
         counters), or a statement that takes over 1.5 s.
*long*   work while a lock is held, by this statement or an earlier one of the transaction, that keeps others from
         reading (ACCESS EXCLUSIVE, on a table, view, or index of it) or writing (SHARE and stronger) a relation that
         was there before the migration.
*fails*  SQLSTATE and statement. A statement that fails has no verdict of its own.
*breaks* a recorded statement that ran before and fails after; *changes*: other names or types of its result columns.
"""

import argparse
import json
import re
import threading
import time
from collections import defaultdict

import psycopg
from psycopg import pq

from tests.benchmarks import migrations_corpus as corpus

MANY_ROWS = 5_000
LONG_SECONDS = 1.5
SEEN_MS = 8.0
SEEN_SHARE = 0.3
PAUSE = 0.0007
READS = ("AccessExclusiveLock",)
WRITES = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
STRENGTH = {mode: n for n, mode in enumerate(WRITES)}
ALONE = re.compile(
    r"^(begin|start|commit|end|rollback|abort|savepoint|release|lock|vacuum|call)\b|\bconcurrently\b"
    r"|^reindex (schema|database|system)\b|^cluster\s*$",
    re.I,
)
STEPS = re.compile(r"^(do|call|select|vacuum)\b|\bconcurrently\b", re.I)
COMMITS_INSIDE = re.compile(r"^do\b.*\bcommit\s*;", re.I | re.S)
RELATIONS = """
SELECT c.oid::bigint, CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname, c.relkind::text,
       i.indrelid::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
COUNTED = """
SELECT coalesce(i.indrelid, c.oid)::bigint, coalesce(i.indrelid, c.oid)::regclass::text, sum(
    pg_catalog.pg_stat_get_{0}tuples_returned(c.oid) + pg_catalog.pg_stat_get_{0}tuples_fetched(c.oid)
    + pg_catalog.pg_stat_get_{0}tuples_inserted(c.oid) + pg_catalog.pg_stat_get_{0}tuples_updated(c.oid)
    + pg_catalog.pg_stat_get_{0}tuples_deleted(c.oid))::bigint
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'm', 'p', 'i') AND c.oid >= 16384 GROUP BY 1, 2
"""
COUNTERS, FLUSHED = COUNTED.format("xact_"), COUNTED.format("")
LOCKS = """
SELECT relation::bigint, mode FROM pg_catalog.pg_locks
WHERE pid = %s AND granted AND locktype = 'relation' AND relation >= 16384
  AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""


class Watcher(threading.Thread):
    """Reads another session's locks over and over; ``seen`` has milliseconds by (relation, mode)."""

    def __init__(self, conn, pid):
        super().__init__(daemon=True)
        self.conn, self.pid = conn, pid
        self.seen = defaultdict(float)
        self.over = threading.Event()

    def run(self):
        before = time.perf_counter()
        while not self.over.is_set():
            rows = self.conn.execute(LOCKS, (self.pid,)).fetchall()
            now = time.perf_counter()
            for key in rows:
                self.seen[key] += (now - before) * 1000
            before = now
            time.sleep(PAUSE)

    def stop(self):
        self.over.set()
        self.join()


class Session:
    """The migrating session: sends statements as they are written and counts what each touches."""

    def __init__(self, dsn):
        self.conn = psycopg.connect(dsn, autocommit=True)
        self.conn.execute("SET client_min_messages = debug1")
        self.conn.execute("SET statement_timeout = '60s'")
        self.said = []
        self.conn.add_notice_handler(lambda note: self.said.append(note.message_primary or ""))
        self.pid = self.conn.info.backend_pid
        self.watch = psycopg.connect(dsn, autocommit=True)
        self.relations = {oid: rest for oid, *rest in self.watch.execute(RELATIONS)}

    def close(self):
        self.conn.close()
        self.watch.close()

    @property
    def idle(self):
        return self.conn.pgconn.transaction_status == pq.TransactionStatus.IDLE

    def send(self, text):
        """None, or (SQLSTATE, message) when the server refuses."""
        result = self.conn.pgconn.exec_(text.encode())
        if result.status != pq.ExecStatus.FATAL_ERROR:
            return None
        state = result.error_field(pq.DiagnosticField.SQLSTATE) or b"XX000"
        primary = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        return state.decode(), primary.decode(errors="replace")

    def counters(self, flushed=False):
        if flushed:
            self.conn.execute("SELECT pg_catalog.pg_stat_force_next_flush()")
            self.conn.execute("SELECT 1")
        rows = self.conn.execute(FLUSHED if flushed else COUNTERS).fetchall()
        return {oid: (name, count or 0) for oid, name, count in rows}

    def locks(self):
        """Strongest blocking mode by name of the relation, of those that were there before."""
        return self.named(self.watch.execute(LOCKS, (self.pid,)).fetchall())

    def named(self, rows):
        held = {}
        for oid, mode in rows:
            if oid not in self.relations:
                continue
            name, kind, owner = self.relations[oid]
            if kind in "iI":
                if mode not in READS or owner not in self.relations:
                    continue
                name, kind, _ = self.relations[owner]
            if kind == "m" and mode not in READS:
                continue
            held[name] = max(held.get(name, mode), mode, key=STRENGTH.__getitem__)
        return held


def work(before, after):
    """Rows by table, of the tables of which many rows were touched."""
    found = {}
    for oid, (name, count) in after.items():
        touched = count - before.get(oid, ("", 0))[1]
        if touched > MANY_ROWS:
            found[name] = touched
    return found


def merge(*held):
    """Strongest mode by name."""
    strongest = {}
    for locks in held:
        for name, mode in locks.items():
            strongest[name] = max(strongest.get(name, mode), mode, key=STRENGTH.__getitem__)
    return strongest


def verdict(locks, meanwhile, rows, seconds):
    """``meanwhile`` are those of the locks that are held while the statement works."""
    long = bool(rows) or seconds > LONG_SECONDS
    reads = any(mode in READS for mode in meanwhile.values())
    if long and reads:
        return "long_blocks_reads"
    if long and meanwhile:
        return "long_blocks_writes"
    if long:
        return "long_online"
    return "brief_lock" if locks else "no_block"


def run(dsn, statements, wrapped):
    """One record per statement up to the first that fails; ``wrapped``: each lone one in a transaction of its own."""
    session = Session(dsn)
    held, records = {}, []
    try:
        for text in statements:
            record, held = one(session, text, held, wrapped)
            records.append(record)
            if record["error"]:
                break
    finally:
        session.close()
    return records


def one(session, text, held, wrapped):
    """The record of one statement, and the locks that the session still has after it."""
    bare = re.sub(r"^(\s*--[^\n]*\n|\s+)*", "", text)
    alone = bool(ALONE.search(bare) or COMMITS_INSIDE.search(bare))
    own = session.idle and wrapped and not alone
    if own:
        session.send("BEGIN")
    inside = not session.idle
    before = session.counters(flushed=not inside)
    watcher = Watcher(session.watch, session.pid)
    watcher.start()
    session.said.clear()
    started = time.perf_counter()
    error = session.send(text)
    seconds = time.perf_counter() - started
    watcher.stop()
    said = sorted({s for s in session.said if re.match(r"rewriting|verifying|validating|building|existing", s)})
    after = before if error else session.counters(flushed=session.idle)
    now = {} if error or session.idle else session.locks()
    if own and not error:
        error = session.send("COMMIT")
    seen = {k: ms for k, ms in watcher.seen.items() if ms >= SEEN_MS or (ms >= 2 and ms >= SEEN_SHARE * seconds * 1000)}
    steps = bool(STEPS.search(bare)) or not inside
    locks = merge(held, now, session.named(watcher.seen) if steps else {})
    during = merge(held, session.named(seen)) if steps else locks
    rows = work(before, after)
    if inside != (not session.idle) and not own:  # BEGIN, COMMIT, ROLLBACK
        locks, during, rows = {}, {}, {}
    record = {"error": error, "locks": locks, "during": during, "rows": rows, "said": said, "seconds": seconds}
    return record, ({} if session.idle else now)


def results(dsn, statements):
    """By statement: its error, or names and types of its result columns; nothing stays changed."""
    found = []
    with psycopg.connect(dsn) as conn:
        conn.execute("SET statement_timeout = '20s'")
        conn.commit()
        names = {}
        for text in statements:
            try:
                described = conn.execute(text).description or ()
                columns = [(c.name, c.type_code) for c in described]
            except psycopg.Error as error:
                conn.rollback()
                found.append(str(error.sqlstate))
                continue
            for _, oid in columns:
                if oid not in names:
                    names[oid] = conn.execute("SELECT pg_catalog.format_type(%s, NULL)", (oid,)).fetchone()[0]
            conn.rollback()
            found.append([[name, names[oid]] for name, oid in columns])
    return found


def compare(before, after):
    """Numbers (from 1) of the recorded statements that break with their SQLSTATE, and of those that change."""
    pairs = [(n, b, a) for n, (b, a) in enumerate(zip(before, after, strict=True), 1) if not isinstance(b, str)]
    breaks = {str(n): a for n, _, a in pairs if isinstance(a, str)}
    changes = [n for n, b, a in pairs if not isinstance(a, str) and a != b]
    return breaks, changes


def truth_of(server, case, baseline, unsure):
    statements = corpus.split(case.text)
    with corpus.copy(server, "case_written") as dsn:
        written = run(dsn, statements, wrapped=False)
        breaks, changes = compare(baseline, results(dsn, corpus.workload()))
    with corpus.copy(server, "case_wrapped") as dsn:
        wrapped = run(dsn, statements, wrapped=True)
    errors = [[r["error"] and r["error"][0] for r in records] for records in (written, wrapped)]
    if errors[0] != errors[1]:
        unsure.append((case.name, "ends differently in a transaction of its own", errors))
    found = [settled(text, a, b) for text, a, b in zip(statements, written, wrapped, strict=False)]
    failed = written[-1]["error"] if written else None
    fails = {"statement": len(written), "sqlstate": failed[0], "message": failed[1]} if failed else None
    if fails:
        found[-1]["verdict"] = None
    return {"sql": case.digest, "fails": fails, "statements": found, "breaks": breaks, "changes": changes}


def settled(text, written, wrapped):
    """Locks and work of a statement from both runs: exact ones as in a block, watched ones as seen twice."""
    locks, during = wrapped["locks"], wrapped["during"]
    if STEPS.search(text.lstrip()) or ALONE.search(text.lstrip()):
        during = {name: mode for name, mode in during.items() if name in written["during"]}
    rows = wrapped["rows"] or written["rows"]
    seconds = min(written["seconds"], wrapped["seconds"])
    found = {"verdict": verdict(locks, during, rows, seconds), "locks": locks, "rows": rows}
    if during != locks:
        found["meanwhile"] = during
    return found | ({"said": wrapped["said"]} if wrapped["said"] else {})


def dump(path, version, found):
    lines = [f"  {json.dumps(name)}: {json.dumps(truth)}" for name, truth in found.items()]
    head = f'{{"server": {json.dumps(version)},\n"cases": {{\n'
    path.write_text(head + ",\n".join(lines) + "\n}}\n")


def measure(server, wanted):
    """Truth by name, and what could not be settled."""
    with psycopg.connect(server.dsn(corpus.BASE)) as conn:
        version = conn.execute("SHOW server_version").fetchone()[0].split()[0]
    baseline = results(server.dsn(corpus.BASE), corpus.workload())
    assert not any(isinstance(b, str) for b in baseline), baseline
    found, unsure = {}, []
    for case in wanted:
        found[case.name] = truth_of(server, case, baseline, unsure)
    return version, found, unsure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--major", type=int, nargs="+", default=[15, 18])
    parser.add_argument("--part", nargs="+", default=["corpus", "held_out"])
    parser.add_argument("--case", action="append", default=[])
    asked = parser.parse_args()
    for major in asked.major:
        with corpus.loaded_server(major) as server:
            for part in asked.part:
                write(server, major, part, asked.case)


def write(server, major, part, only):
    wanted = [c for c in corpus.cases(part) if not only or c.name in only]
    version, found, unsure = measure(server, wanted)
    path = corpus.truth_path(major, part)
    if only:
        for name, truth in found.items():
            print(name, json.dumps(truth, indent=1))
        before = corpus.read_truth(major, part) if path.exists() else {}
        found = {c.name: (before | found)[c.name] for c in corpus.cases(part) if c.name in before | found}
    dump(path, version, found)
    print(f"{path.name}: {len(found)} cases, not settled: {len(unsure)}")
    for line in unsure:
        print("  ", *line)


if __name__ == "__main__":
    main()
