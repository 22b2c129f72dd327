"""Keys that other keys decide, and columns read through those they keep close to (algorithms.md, 3).

    python -m tests.benchmarks.algorithms.cortex [--rows 200000]

Two tables: twelve pairs of columns in both directions, with exceptions, clustered and not: what 300 of 900 pages say
decides the other, and whether it does in the whole table (target: 95 % of what is said is true). And a column within a
band of an indexed one, with rows outside of it: storage and time of the band with its partial index beside an index of
its own and none, and the share outside as 300 pages tell it.
"""

import argparse
import random
from statistics import median

import psycopg

from indexpilot_cli.algorithms.cortex.band import SampledNumbers, band_forms, find_band
from indexpilot_cli.algorithms.cortex.dependence import DECIDES, LESS, dependence
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import PageSample, SampledPage
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.sql.parser import deparse, parse
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

OUTSIDE = (0.0, 0.001, 0.01, 0.05, 0.2)
NAME = QualifiedName("public", "orders")


def _pair(name, columns, values, statement):
    setup = f"""create table places as select n as id, {values}, n * 31 % 997 % 60 as street, repeat('x', 60) as pad
        from generate_series(1, 60000) n; analyze places"""
    return Case(
        f"{name}: {columns}", "cortex", setup, [(statement, 100.0), ("insert into places (id) values (0)", 300.0)]
    )


CASES = (
    _pair("decided", "zip, city", "'z' || n * 7919 % 400 as zip, 'c' || n * 7919 % 400 / 4 as city",
          "select * from places where zip = 'z29' and city = 'c7'"),
    _pair("decided, three keys", "zip, city, street", "'z' || n * 7919 % 400 as zip, 'c' || n * 7919 % 400 / 4 as city",
          "select * from places where city = 'c7' and zip = 'z29' and street = 3"),
    _pair("decided, integers", "model, maker", "n * 7919 % 300 as model, n * 7919 % 300 / 10 as maker",
          "select * from places where model = 77 and maker = 7"),
    _pair("decided, 1 % exceptions", "zip, city",
          "'z' || n * 7919 % 400 as zip, 'c' || case when n % 100 = 0 then n % 90 else n * 7919 % 400 / 4 end as city",
          "select * from places where zip = 'z29' and city = 'c7'"),
    _pair("decided, wide", "device, model",
          "n * 7919 % 12000 as device, 'model ' || repeat(md5((n * 7919 % 12000 / 2)::text), 2) as model",
          "select * from places where device = 7 and model = 'model ' || repeat(md5('3'), 2)"),
    _pair("decided, wide, four rows", "device, model",
          "n * 7919 % 15000 as device, 'model ' || repeat(md5((n * 7919 % 15000 / 3)::text), 3) as model",
          "select * from places where device = 7 and model = 'model ' || repeat(md5('2'), 3)"),
    _pair("independent", "zip, city", "'z' || n % 400 as zip, 'c' || n / 400 % 100 as city",
          "select * from places where zip = 'z29' and city = 'c7'"),
)  # fmt: skip


# Values of the deciding column and what they decide: by how many values share one, or how large it is.
PAIRS = {
    **{f"{n} values, {m} alike": (n, lambda a, m=m: a // m) for n in (50, 200, 1000) for m in (2, 5)},
    "400 values, remainder of 7": (400, lambda a: a % 7),
    "400 values, of one size": (400, lambda a: a),
    "400 values, nearly all the same": (400, lambda a: a // 380),
    "400 values, two alike, skewed": (-400, lambda a: a // 2),
    "60 values, yes or no": (60, lambda a: a % 2),
    "5,000 values, 10 alike": (5000, lambda a: a // 10),
}
EXCEPTIONS = (0.0, 0.001, 0.01, 0.02, 0.05, 0.2, 1.0)
PAGES, ROWS_A_PAGE, READ = 900, 20, 300


def pairs(seed=11):
    """By layout and exceptions: dependences said to hold, how many of them hold in the whole table, and how many do."""
    chance = random.Random(seed)
    total = [0, 0, 0]
    for clustered in (False, True):
        for exceptions in EXCEPTIONS:
            counts = [0, 0, 0]
            for number, follows in PAIRS.values():
                for told, true in directions(chance, number, follows, exceptions, clustered):
                    counts = [n + bool(x) for n, x in zip(counts, (told, told and true, true), strict=True)]
            total = [n + m for n, m in zip(total, counts, strict=True)]
            yield "clustered" if clustered else "random", f"{exceptions:.1%}", *map(str, counts)
    told, right, true = total
    yield "all", f"precision {right / told:.1%} (95 %)", *map(str, total)
    yield "", f"found {right / true:.1%}", "", "", ""


def directions(chance, number, follows, exceptions, clustered):
    """What the sample says and what is true of the whole table, of both directions of a pair."""
    pages = made(chance, number, follows, exceptions, clustered)
    read = tuple(pages[n] for n in sorted(chance.sample(range(PAGES), READ)))
    for by, column in (("a", "b"), ("b", "a")):
        told, true = (dependence(PageSample(NAME, ("a", "b"), own, PAGES), by, column) for own in (read, tuple(pages)))
        holds = 1.0 - true.strength <= LESS * (1.0 - true.anyway) if true is not None else False
        yield told is not None and told.decides, holds and true.strength >= DECIDES


def made(chance, number, follows, exceptions, clustered):
    """Pages of a table; clustered: neighbours hold few values. A negative number: the first are the commonest."""
    pages = []
    for page in range(PAGES):
        near = page * abs(number) // PAGES
        rows = []
        for _ in range(ROWS_A_PAGE):
            drawn = chance.random() ** (3 if number < 0 else 1)
            a = min(near + chance.randrange(3), abs(number) - 1) if clustered else int(drawn * abs(number))
            rows.append((a, follows(a) if chance.random() >= exceptions else follows(chance.randrange(abs(number)))))
        pages.append(SampledPage(1, page, tuple(rows)))
    return pages


def filled(server, rows, outside, clustered):
    order = "n" if clustered else f"n::bigint * 7919 % {rows}"
    server.execute("drop table if exists orders")
    server.execute(
        f"""create table orders as select n as id, date '2020-01-01' + (k / 100)::int as ordered,
            date '2020-01-01' + case when random() < {outside} then (random() * {rows} / 100)::int
                else (k / 100)::int + 1 + n * 31 % 6 end as shipped, repeat('x', 100) as pad
            from (select n, {order} as k from generate_series(0, {rows - 1}) n) s"""
    )
    server.execute("create index orders_ordered on orders (ordered)")
    server.execute("vacuum analyze orders")


def time_of(server, text):
    found = [server.execute(f"explain (analyze, format json) {text}").fetchone()[0][0] for _ in range(3)]
    return median(f["Execution Time"] for f in found)


def bands(dsn, rows):
    server = psycopg.connect(dsn, autocommit=True)
    server.execute("set max_parallel_workers_per_gather = 0; set jit = off; set random_page_cost = 1.1")
    for clustered in (True, False):
        for outside in OUTSIDE:
            filled(server, rows, outside, clustered)
            day = f"date '2020-01-01' + {rows // 200}"
            day = server.execute(f"select ({day})::date").fetchone()[0]
            text = f"select count(pad) from orders where shipped = '{day}'"
            with open_session(dsn) as session:
                catalog = read_catalog(session)
                sample = PageSamples(session, catalog, {NAME: {"ordered", "shipped"}}).of(NAME)
            of = catalog.table(NAME)
            band = find_band(SampledNumbers(sample), of.column("shipped"), of.column("ordered"))
            where = "clustered" if clustered else "random"
            none = time_of(server, text)
            server.execute("create index own on orders (shipped)")
            own, size = time_of(server, text), server.execute("select pg_relation_size('own')").fetchone()[0]
            server.execute("drop index own")
            if band is None:
                yield where, f"{outside:.1%}", "refused", "", "", f"{none:.1f}", f"{own:.2f}", "", ""
                continue
            (form,) = band_forms(parse(text).node, catalog, [band])
            server.execute(create_index(form.index, "beside", concurrently=False))
            server.execute("analyze orders")
            other = deparse(form.statement)
            assert server.execute(other).fetchone() == server.execute(text).fetchone()
            through, small = time_of(server, other), server.execute("select pg_relation_size('beside')").fetchone()[0]
            yield (
                where, f"{outside:.1%}", f"{band.low} to {band.high}", f"{band.outside:.2%}",
                f"{band.outside_high:.2%}", f"{none:.1f}", f"{own:.2f}", f"{through:.2f}", f"{size / small:.0f}x",
            )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dsn", help="an empty database of a server; else one is started")
    given = parser.parse_args()
    print(*table([("rows lie", "exceptions", "told", "of them true", "true"), *pairs()]), sep="\n")
    heading = ("rows lie", "outside", "band", "sampled", "at most", "ms none", "ms own index", "ms band", "smaller")
    if given.dsn:
        print(*table([heading, *bands(given.dsn, given.rows)]), sep="\n")
        return
    with LocalServer(with_hypopg(), new_home(), SETTINGS) as server:
        print(*table([heading, *bands(server.dsn(), given.rows)]), sep="\n")


if __name__ == "__main__":
    main()
