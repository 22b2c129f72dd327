"""Whether ``--fix`` keeps what a file means: schema and rows after the fixed file are those after the file itself.

    python -m tests.benchmarks.migrations_fix --dsn "host=… dbname=postgres" [--part corpus held_out] [--case NAME]...

The corpus's tables are loaded with a fiftieth of their rows and judged as if they were full, so that what is long on
them is made safer. Then a file that ``--fix`` changes runs on three copies: as it is, once more as it is, and fixed.
Schemas are compared as ``pg_dump`` writes them, rows by each column's values; a column whose values differ between the
two runs of the same file (``random()``, ``now()``) by how many are NULL and whether they differ from each other.
"""

import argparse
import difflib
import re
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain

import psycopg
from psycopg import sql

from indexpilot_cli.core.command import Connection, Silent
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.fix import fix
from indexpilot_cli.evolve.review.judge import Bench, RelationSizes, judge
from indexpilot_cli.evolve.review.migration import UnreadableMigration, read_migration
from indexpilot_cli.evolve.review.offline.observe import observe_by_rules
from indexpilot_cli.evolve.review.run import constraint_names, fired_tables
from indexpilot_cli.planner.open import take_snapshot
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from tests.benchmarks import migrations_corpus as corpus
from tests.server.evolving_change import dump

BASE = "fix_base"
SCALE = 50
_MANY = re.compile(r"\b\d{5,}\b")
_TABLES = """
SELECT c.oid::regclass::text, array_agg(a.attname::text ORDER BY a.attname) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'm') AND c.relispopulated
    AND n.nspname !~ '^(pg_|information_schema)' GROUP BY c.oid ORDER BY 1
"""


@dataclass(frozen=True)
class Ended:
    """A database after a file: the error or None, the schema, and what each column of each table holds."""

    error: str | None
    schema: str
    rows: dict


def load(admin_dsn, name=BASE):
    """The corpus's database, with a fiftieth of the rows."""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(admin_dsn, dbname=name, autocommit=True) as conn:
        for script in ("schema.sql", "data.sql"):
            text = (corpus.FOLDER / script).read_text()
            for statement in corpus.split(_MANY.sub(lambda m: str(int(m[0]) // SCALE), text)):
                conn.execute(statement)
        conn.execute("ANALYZE")


def full(catalog):
    """The catalog as if no row were missing."""
    tables = (replace(t, pages=t.pages * SCALE, tuples=max(t.tuples, 0) * SCALE) for t in catalog.tables)
    return replace(catalog, tables=tuple(tables))


def snapshot_of(dsn):
    """The snapshot of a loaded database, as if full."""
    with open_source(SourceRequest(Connection(dsn)), Silent()) as source:
        taken = take_snapshot(source, Silent())
    return replace(taken, catalog=full(taken.catalog))


def fixed_by_rules(text, snapshot):
    """The fixed text, by the rules of the manual."""
    migration = read_migration("m.sql", text)
    catalog = snapshot.catalog
    seen = observe_by_rules(migration, catalog, catalog.version)
    verdicts = judge(seen, Bench(RelationSizes(catalog)))
    fired, taken = fired_tables(snapshot.objects), constraint_names(snapshot.objects)
    return fix(Review(migration, seen, verdicts, catalog=catalog, fired=fired, taken=taken))


@contextmanager
def copied(admin_dsn, base, name):
    """A copy of the database; gives its DSN and drops it afterwards."""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        text = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(base))
        # Before 15 the files are copied anyway.
        admin.execute(text + sql.SQL(" STRATEGY file_copy") if admin.info.server_version >= 150000 else text)
        try:
            yield psycopg.conninfo.make_conninfo(admin_dsn, dbname=name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def run(dsn, text):
    """Run a file as ``psql -f`` does, until the first error."""
    error = None
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in corpus.split(text):
            try:
                conn.execute(statement)
            except psycopg.Error as refused:
                error = f"{refused.sqlstate} {refused.diag.message_primary} :: {statement[:80]}"
                break
    return error


def ended(admin_dsn, base, name, text):
    """What a file leaves of a copy."""
    with copied(admin_dsn, base, name) as dsn:
        error = run(dsn, text)
        return Ended(error, dump(dsn, "--no-owner"), held(dsn))


def held(dsn):
    """By (table, column): rows, values, different values, and a digest of all values in their order."""
    found = {}
    with psycopg.connect(dsn, autocommit=True) as conn:
        for table, columns in conn.execute(_TABLES).fetchall():
            pieces = [
                sql.SQL(
                    "count(*), count({0}), count(DISTINCT {0}::text), md5(string_agg(coalesce({0}::text, '-'), ','"
                    ' ORDER BY {0}::text COLLATE "C"))'
                ).format(sql.Identifier(column))
                for column in columns or ()
            ]
            text = sql.SQL("SELECT {} FROM ONLY {}").format(sql.SQL(", ").join(pieces), sql.SQL(table))
            row = conn.execute(text).fetchone() if pieces else ()
            for number, column in enumerate(columns or ()):
                found[table, column] = row[4 * number : 4 * number + 4]
    return found


def differences(once, again, fixed):
    """What the fixed file left otherwise; nothing where both failed. ``again`` runs the file once more."""
    # What refuses a transaction block was moved out of it: that is the point. What is no SQL on this version is never
    # fixed by a review, which runs the file first.
    if once.error and once.error.startswith(("25001", "42601")):
        return
    if once.error or fixed.error:
        if bool(once.error) != bool(fixed.error):
            yield f"error: {once.error!r} became {fixed.error!r}"
        return
    if once.schema != fixed.schema:
        mine, theirs = fixed.schema.splitlines(), once.schema.splitlines()
        yield from (f"schema: {line}" for line in difflib.unified_diff(theirs, mine, lineterm="", n=0))
    other = [key for key in sorted(once.rows.keys() & fixed.rows.keys()) if once.rows[key] != fixed.rows[key]]
    second = again() if other else once
    for key in other:
        old, new = once.rows[key], fixed.rows[key]
        chance = old[3] != second.rows[key][3]
        if (_shape(old) if chance else old) != (_shape(new) if chance else new):
            yield f"rows of {'.'.join(key)}: {old} became {new}"


def _shape(row):
    """Rows, values, and whether one value is another's."""
    return (*row[:2], row[2] > 1)


def broken(admin_dsn, base, text, fixed_text, tag=""):
    """The differences that fixing a text makes."""
    once, fixed = ended(admin_dsn, base, f"fix_old{tag}", text), ended(admin_dsn, base, f"fix_new{tag}", fixed_text)
    return list(differences(once, lambda: ended(admin_dsn, base, f"fix_old{tag}", text), fixed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--part", nargs="+", default=["corpus", "held_out"])
    parser.add_argument("--case", nargs="*")
    parser.add_argument("--after", help="the case behind which to begin")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with suppress(psycopg.errors.DuplicateDatabase):
        load(options.dsn)
    snapshot = snapshot_of(psycopg.conninfo.make_conninfo(options.dsn, dbname=BASE))
    changed = wrong = 0
    found = chain.from_iterable(corpus.cases(part) for part in options.part)
    cases = [case for case in found if not options.case or case.name in options.case]
    names = [case.name for case in cases]
    for case in cases[names.index(options.after) + 1 if options.after else 0 :]:
        try:
            safer = fixed_by_rules(case.text, snapshot)
        except UnreadableMigration:
            continue
        if safer.text == case.text:
            continue
        changed += 1
        print(case.name, file=sys.stderr, flush=True)
        found = broken(options.dsn, BASE, case.text, safer.text)
        wrong += bool(found)
        if found or options.show:
            print(f"== {case.name}\n{case.text}-- becomes\n{safer.text}-- notes {safer.notes}")
            print("\n".join(f"   {line}" for line in found), flush=True)
    print(f"{changed} files changed, {wrong} of them mean something else")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
