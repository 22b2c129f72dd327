"""The size model against indexes really built: types, repeats, NULLs, skew, order, several columns, predicates.

    python -m tests.benchmarks.sizes [--rows 500000] [--all]

The statistics are those of one ANALYZE at the usual target, and rows of 300 pages are read where keys may depend on
each other, so their errors are in the figures, as for a user. ``--statistics``: without such rows.
Printed are the errors by kind of index, and the worst indexes (``--all``: every index).
"""

import argparse
import contextlib
import statistics

import psycopg

from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

# zipf(n, s): a number below n, small ones much more often; mixed(v) scatters neighbouring values over the range.
FUNCTIONS = """
create function zipf(n int, s float8) returns int language sql volatile as 'select floor(n * random() ^ s)::int';
create function mixed(v int) returns int language sql immutable as 'select (v::bigint * 7919 % 1000003)::int';
"""
COLUMNS = {
    "serial": "g",
    "scattered": "mixed(g)",
    "token": "md5(g::text)::uuid",
    "mail": "'user' || mixed(g) || '@example.org'",
    "name": "(array['Al','Barbara','Christopher','Dr. Jo','Eva-Maria'])[1 + (random() * 4)::int]"
    " || ' ' || md5((random() * 2e4)::int::text)",
    "stamp": "timestamptz '2024-01-01' + g * interval '7 seconds'",
    "shuffled": "timestamptz '2024-01-01' + (random() * 3e7)::int * interval '1 second'",
    "day": "date '2023-01-01' + (random() * 700)::int",
    "amount": "(random() * 100000)::numeric(12, 2)",
    "ratio": "random()",
    "flag": "random() < 0.02",
    "status": "(case when random() < 0.9 then 'done' when random() < 0.9 then 'open' else 'failed' end)::text",
    "small": "(random() * 9)::int::smallint",
    "d1k": "(random() * 999)::int",
    "d20k": "(random() * 19999)::int",
    "d100k": "(random() * 99999)::int",
    "d300k": "(random() * 299999)::int",
    "d300k_text": "'k' || (random() * 299999)::int",
    "batch5": "g / 5",
    "batch100": "g / 100",
    "near": "g / 20 + (random() * 50)::int",
    "null20": "case when random() > 0.2 then mixed(g) end",
    "null80": "case when random() > 0.8 then mixed(g) end",
    "null80_text": "case when random() > 0.8 then 'ref-' || mixed(g) end",
    "null80_fk": "case when random() > 0.8 then (random() * 19999)::int end",
    "null80_skew": "case when random() > 0.8 then mixed(zipf(60000, 3)) end",
    "null80_stamp": "case when random() > 0.8 then timestamptz '2024-01-01' + g * interval '7 seconds' end",
    "null95": "case when random() > 0.95 then mixed(g) end",
    "null99": "case when random() > 0.99 then timestamptz '2024-01-01' + g * interval '7 seconds' end",
    "z1k": "zipf(1000, 3)",
    "z20k": "zipf(20000, 2)",
    "z100k": "zipf(100000, 2)",
    "z100k_mixed": "mixed(zipf(100000, 2))",
    "z100k_steep": "mixed(zipf(100000, 4))",
    "z300k": "zipf(300000, 2)",
    "z300k_mixed": "mixed(zipf(300000, 3))",
    "z_text": "'acct_' || mixed(zipf(50000, 2.5))",
    "z_uuid": "md5(zipf(80000, 2.5)::text)::uuid",
    "tenant": "zipf(600, 3)",
    "city": "(random() * 3000)::int",
}
DERIVED = {
    "country": "city % 60",
    "ticket": "tenant * 1000 + zipf(900, 2)",
    "state": "(case when random() < (case when tenant % 50 = 0 then 0.5 else 0.02 end) then 'open'"
    " else 'closed' end)::text",
    "second": "case when null80 is null then mixed(g) end",
}
PAIRS = """tenant, stamp; tenant, shuffled; tenant, status; tenant, d20k; tenant, ticket; ticket, status; city, country;
country, city; d1k, small; d20k, small; z20k, status; z100k_mixed, flag; small, d1k, flag; tenant, state; z100k, day;
null80, status; null80_fk, status; null80, second; status, null80_skew; batch5, small; batch100, serial;
tenant, null80_fk; z1k, z1k; tenant, z20k; state, tenant, day"""
PAIRS = [" ".join(p.split()) for p in PAIRS.split(";")]
INCLUDED = [
    "d20k include flag",
    "tenant include amount",
    "serial include name",
    "null80 include status",
    "z100k include stamp",
]
PREDICATES = (
    "tenant | status = 'open'",
    "tenant | state = 'open'",
    "tenant, ticket | state = 'open'",
    "tenant, z20k | status = 'open'",
    "z100k_mixed, status | flag",
    "z20k, tenant | null80 is not null",
    "null80 | null80 is not null",
    "null80_skew | null80_skew is not null",
    "null80_skew, tenant | null80_skew is not null",
    "z300k_mixed | flag",
    "z300k_mixed | null80 is null",
    "d300k | status = 'done'",
    "d100k | status <> 'done'",
    "stamp | status = 'failed'",
    "stamp | null99 is null",
    "mail | flag",
    "z_text | small = 3",
    "tenant, day | null80_fk is null",
    "z100k, d1k | not flag",
    "ticket | state = 'open' and null80 is null",
)
DOCUMENTS = """create table documents as select g as id,
  jsonb_build_object('kind', 'k' || g % 12, 'user', zipf(30000, 2), 'ok', g % 2 = 0, 'at', g * 37, 'tags',
    jsonb_build_array('t' || zipf(400, 2), 't' || zipf(400, 2))) as data,
  jsonb_build_object('ref', 'r' || g % 5000, 'lang', (array['en','de','fr'])[1 + g % 3], 'vip', g % 97 = 0) as custom,
  jsonb_build_object('sku', md5(g::text), 'price', (random() * 900)::numeric(8,2),
    'stock', (random() * 50)::int) as product,
  (select array_agg('tag' || zipf(2000, 3)) from generate_series(1, 1 + g % 6)) as tags,
  (select array_agg(zipf(20000, 2)) from generate_series(1, 5 + g % 3)) as numbers,
  to_tsvector('simple', 'word' || g % 50 || ' term' || zipf(30000, 2) || ' item' || g % 700) as words,
  'the ' || md5((g % 20000)::text) || ' ' || (g % 977) as title from generate_series(1, 120000) g; analyze documents"""
GINS = (
    "data",
    "data jsonb_path_ops",
    "custom",
    "product",
    "product jsonb_path_ops",
    "tags",
    "numbers",
    "words",
    "title gin_trgm_ops",
)


def indexes():
    """Kind and CREATE INDEX text after ON for every index of the grid."""
    for column in (*COLUMNS, *DERIVED):
        kind = "nullable" if column.startswith("null") or column == "second" else "one column"
        skewed = column.startswith("z") or column in ("tenant", "ticket")
        yield "skewed" if skewed else kind, f"grid ({column})"
    yield from (("several columns", f"grid ({p})") for p in PAIRS)
    yield from (("INCLUDE", f"grid ({i.replace(' include ', ') include (')})") for i in INCLUDED)
    yield from (("partial", f"grid ({p.replace(' | ', ') where ')}") for p in PREDICATES)
    yield "one column", "grid (d20k) with (fillfactor = 70)"
    yield from (("gin", f"documents using gin ({g})") for g in GINS)


def make(dsn, rows):
    columns = ", ".join(f"{expression} as {name}" for name, expression in COLUMNS.items())
    more = ", ".join(f"{expression} as {name}" for name, expression in DERIVED.items())
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute("create extension pg_trgm; set max_parallel_workers_per_gather = 0")
        server.execute(FUNCTIONS)
        server.execute("select setseed(0.3)")
        server.execute(
            f"create table grid as select *, {more} from (select g, {columns} from generate_series(1, {rows}) g) s"
        )
        server.execute("vacuum analyze grid")
        server.execute(DOCUMENTS)


def measured(dsn, *, by_rows=True):
    """(kind, index, estimate, built bytes) of every index."""
    for kind, text in indexes():
        with psycopg.connect(dsn, autocommit=True) as server, open_session(dsn) as session:
            server.execute(f"create index probe on {text}")
            built = server.execute("select pg_relation_size('probe')").fetchone()[0]
            catalog = read_catalog(session)
            found = next(t for t in catalog.tables if any(i.name.name == "probe" for i in t.indexes))
            index = next(i for i in found.indexes if i.name.name == "probe")
            rows = PageSamples(session, catalog, {found.name: set(index.definition.columns)}) if by_rows else None
            size = Sizes(catalog, rows).of(index.definition)
            server.execute("drop index probe")
        yield kind, text, size, built


@contextlib.contextmanager
def database(rows):
    with LocalServer(with_hypopg(), new_home(), {**SETTINGS, "autovacuum": "off"}) as server:
        make(server.dsn(), rows)
        yield server.dsn()


def report(found, everything):
    """Errors by kind, then the worst."""
    rows = [("", "indexes", "median", "within 10 %", "worst under", "worst over")]
    groups = {}
    for kind, _, size, built in found:
        groups.setdefault(kind, []).append(size.bytes / built - 1)
        groups.setdefault(f"labelled {size.confidence}", []).append(size.bytes / built - 1)
    for kind, errors in groups.items():
        within = sum(abs(e) <= 0.1 for e in errors) / len(errors)
        median = statistics.median(map(abs, errors))
        rows.append(
            (kind, str(len(errors)), f"{median:.1%}", f"{within:.0%}", f"{min(errors):+.0%}", f"{max(errors):+.0%}")
        )
    yield from table(rows)
    for _, text, size, built in sorted(found, key=lambda f: -abs(f[2].bytes / f[3] - 1)):
        error = size.bytes / built - 1
        if everything or abs(error) > 0.1:
            yield f"{error:+7.1%}  {size.bytes / 2**20:6.2f} of {built / 2**20:6.2f} MB  {size.confidence:<6}  {text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the table")
    parser.add_argument("--statistics", action="store_true", help="read no rows")
    parser.add_argument("--all", action="store_true", help="print every index")
    options = parser.parse_args()
    with database(options.rows) as dsn:
        print("\n".join(report(list(measured(dsn, by_rows=not options.statistics)), options.all)))


if __name__ == "__main__":
    main()
