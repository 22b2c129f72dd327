"""The write bill against writes really made: microseconds and WAL bytes that an index adds to a row.

    python -m tests.benchmarks.writes [--rows 300000] [--turns 5]

Mixes: rows in bulk (INSERT … SELECT), single-row INSERTs without and with two foreign keys, single-row UPDATEs of a
column that no index holds (HOT where the page has room) and of one that the index holds. Microseconds are processor
time of the server's process, the least of several turns; single rows are written by a loop inside it, so that it
never waits for us. WAL is without images of whole pages. Ratios hold within one run only.
"""

import argparse
import random
from pathlib import Path

import psycopg

from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

BULK, SINGLE, UPDATES = 5000, 5000, 5000
COLUMNS = "id, parent, owner, serial, scattered, few, token, mail, note, tags, at"
VALUES = """$1::int, 1 + $1::int * 31 % 5000, 1 + $1::int * 17 % 900, $1::int,
  ($1::int::bigint * 7919 % 1000003)::int, $1::int * 31 % 40, md5($1::int::text)::uuid,
  'user' || ($1::int::bigint * 7919 % 1000003) || '@example.org', 'a note',
  array[$1::int % 300, $1::int * 7 % 300, $1::int * 13 % 300],
  timestamptz '2024-01-01' + $1::int * interval '1 minute'"""
MANY = f"({COLUMNS}) select {VALUES.replace('$1::int', 'n')} from generate_series"
SETUP = """
create table parents as select n as id from generate_series(1, 5000) n; alter table parents add primary key (id);
create table owners as select n as id from generate_series(1, 900) n; alter table owners add primary key (id);
create table plain (id int primary key, parent int not null, owner int not null, serial int, scattered int, few int,
  token uuid,  mail text, note text, tags int[], at timestamptz) with (fillfactor = 80);
create table keyed (like plain including all) with (fillfactor = 80);
alter table keyed add foreign key (parent) references parents, add foreign key (owner) references owners;
"""
SETS = {
    "append int": ("serial",),
    "random int": ("scattered",),
    "few values": ("few",),
    "uuid": ("token",),
    "text": ("mail",),
    "two columns": ("few, scattered",),
    "include": ("scattered) include (note",),
    "partial 1 %": ("scattered) where (scattered < 10000",),
    "hash": ("using hash (mail",),
    "brin": ("using brin (at",),
    "gin": ("using gin (tags",),
    "four random": ("scattered", "token", "mail", "few, scattered"),
}
CHANGED = {
    "note": "'another note'",
    "scattered": "(random() * 1e6)::int",
    "few": "(random() * 40)::int",
    "mail": "'user' || (random() * 1e6)::int || '@example.org'",
}
HELD = {"random int": "scattered", "few values": "few", "text": "mail", "two columns": "few", "four random": "few"}


class Bench:
    """The two tables filled, in a schema of their own, and a session whose processor time is read."""

    def __init__(self, dsn, rows, schema="public", lasting=False):
        self.server = psycopg.connect(dsn, autocommit=True)
        self.server.execute(f"create schema if not exists {schema}; set search_path to {schema}")
        self.spent = Path(f"/proc/{self.server.info.backend_pid}/schedstat")
        self.next, self.rows, self.random, self.lasting = rows + 1, rows, random.Random(5), lasting
        self.server.execute(SETUP)
        for name in ("plain", "keyed"):
            self.server.execute(f"insert into {name} {MANY}(1, {rows}) n")
        self.server.execute("vacuum analyze")

    def _cost(self, count, work):
        """(microseconds, WAL bytes) per row of ``work``, in a transaction that is rolled back unless it is to last."""
        where = "select pg_current_wal_insert_lsn() - '0/0'"
        with self.server.transaction(force_rollback=not self.lasting):
            wal = self.server.execute(where).fetchone()[0]
            before = int(self.spent.read_text().split()[0])
            work()
            after = int(self.spent.read_text().split()[0])
            wal = self.server.execute(where).fetchone()[0] - wal
        return (after - before) / 1e3 / count, float(wal) / count

    def bulk(self):
        first, self.next = self.next, self.next + BULK
        text = f"insert into plain {MANY}({first}, {first + BULK - 1}) n"
        return self._cost(BULK, lambda: self.server.execute(text))

    def single(self, name):
        text = f"insert into {name} ({COLUMNS}) values ({VALUES.replace('$1::int', f'({self.next} + n)')})"
        self.next += SINGLE
        return self._each(text, SINGLE)

    def update(self, column):
        key = f"1 + (n::bigint * {self.random.randint(1, 10**6)} % {self.rows})::int"
        return self._each(f"update plain set {column} = {CHANGED[column]} where id = {key}", UPDATES)

    def _each(self, text, count):
        """Cost of a statement that the server runs so many times: a client would be waited for in between."""
        loop = f"do $$ begin for n in 1..{count} loop {text}; end loop; end $$"
        return self._cost(count, lambda: self.server.execute(loop))


def mixes(bench, held):
    """The name and measurement of each mix for an index set that holds the column ``held``."""
    found = {
        "bulk": bench.bulk,
        "single": lambda: bench.single("plain"),
        "single, 2 keys": lambda: bench.single("keyed"),
    }
    found["update other"] = lambda: bench.update("note")
    for column in sorted({"scattered", "few", "mail"} if held is None else {held}):
        found[f"update {column}"] = lambda column=column: bench.update(column)
    return found


def indexed(bench, keys):
    """Build the set's indexes on both tables."""
    for on in ("plain", "keyed"):
        for n, key in enumerate(keys):
            method, columns = key.split(" (", 1) if key.startswith("using") else ("", key)
            bench.server.execute(f"create index {on}{n} on {on} {method} ({columns})")


def measured(bench, turns, held=None):
    """Least (microseconds, WAL bytes) by mix."""
    least = {}
    for _ in range(turns):
        for name, work in mixes(bench, held).items():
            us, wal = work()
            known = least.get(name, (us, wal))
            least[name] = (min(us, known[0]), min(wal, known[1]))
        bench.server.execute("vacuum plain, keyed")
    return least


def run(dsn, rows, turns):
    bench = Bench(dsn, rows)
    base = measured(bench, turns)
    found = [("", *base)]
    found.append(("without", *(f"{us:.1f} us {wal:.0f} B" for us, wal in base.values())))
    for name, keys in SETS.items():
        indexed(bench, keys)
        here = measured(bench, turns, HELD.get(name, "few"))
        for on in ("plain", "keyed"):
            for n in range(len(keys)):
                bench.server.execute(f"drop index {on}{n}")
        added = {m: (us - base[m][0], wal - base[m][1]) for m, (us, wal) in here.items()}
        cells = (f"{added[m][0]:+.1f} us {added[m][1]:+.0f} B" if m in added else "" for m in base)
        found.append((name, *cells))
    print("\n".join(table(found)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000, help="rows of each table")
    parser.add_argument("--turns", type=int, default=5, help="measured runs of every mix")
    options = parser.parse_args()
    with LocalServer(with_hypopg(), new_home(), {**SETTINGS, "autovacuum": "off"}) as server:
        run(server.dsn(), options.rows, options.turns)


if __name__ == "__main__":
    main()
