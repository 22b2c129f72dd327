"""BRIN really built and read, beside what the sampled pages predict and what the planner says (algorithms.md, 6).

    python -m tests.benchmarks.algorithms.pgm_index [--rows 400000] [--pages 300]

Eight layouts × four widths × three types. Read is the share of the heap's pages that a scan by the index touched (mean
of some positions). "Yes" means that less than a quarter of the heap is read; the planner's yes is a cost below half of
the sequential scan's. Storage and time against a B-tree where BRIN is accepted.
"""

import argparse
import math
import random
from statistics import fmean

import psycopg

from indexpilot_cli.algorithms.pgm_index.predict import Asked, BrinQuestion, definitions, predicted
from indexpilot_cli.algorithms.pgm_index.ranges import quantiles
from indexpilot_cli.algorithms.pgm_index.segments import estimated, segments
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table as printed
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

LAYOUTS = {
    "append": "n",
    "append, 1 % jitter": "n + ({rows} / 100.0 * (random() - 0.5))::int",
    "0.5 % far values": "case when random() < 0.005 then (random() * {rows})::int else n end",
    "3 loaders": "(n % 3) * {rows} / 3 + n / 3",
    "20 sorted batches": "(n * 20::bigint % {rows}) + n * 20::bigint / {rows}",
    "half random": "case when n < {rows} / 2 then n else (random() * {rows})::int end",
    "reverse, forward": "case when n < {rows} / 2 then {rows} / 2 - n else n end",
    "random": "(random() * {rows})::int",
}
TYPES = {
    "int8": "{}::bigint",
    "numeric": "{}::numeric(12, 2)",
    "timestamptz": "timestamptz '2024-01-01' + ({}) * interval '7 seconds'",
}
WIDTHS = (0.0001, 0.001, 0.01, 0.1)
EPSILONS = (64, 256)  # ranks: a page or less of keys, and a few
POSITIONS = 5
YES = 0.25

ROWS = 120_000  # above features.pgm_index.min_rows
BUDGET = {"budget_bytes": 1_000_000}  # less than a B-tree takes


def _case(layout, kind="int4", low=40_000, high=40_500):
    key = TYPES.get(kind, "{}").format(f"({LAYOUTS[layout].format(rows=ROWS)})")
    bounds = [TYPES.get(kind, "{}").format(str(n)) for n in (low, high)]
    setup = (
        f"create table keys as select {key} as k, repeat('x', 120) as pad from generate_series(0, {ROWS - 1}) n;"
        " analyze keys"
    )
    statement = f"select count(pad) from keys where k between {bounds[0]} and {bounds[1]}"
    return Case(f"{layout}, {kind}", "pgm_index", setup, [(statement, 100.0)], changed=BUDGET)


CASES = (
    _case("0.5 % far values"),
    _case("0.5 % far values", "timestamptz"),
    _case("3 loaders"),
    _case("20 sorted batches", "numeric"),
    _case("reverse, forward", "timestamptz"),
    _case("append, 1 % jitter"),
    _case("random"),
)


def layout(server, name, kind, rows):
    value = TYPES[kind].format("(" + LAYOUTS[name].format(rows=rows) + ")")
    server.execute("drop table if exists keys")
    server.execute(
        f"create table keys as select {value} as k, repeat('x', 70) as pad from generate_series(0, {rows - 1}) n"
    )
    server.execute("vacuum analyze keys")
    return server.execute("select relpages from pg_class where relname = 'keys'").fetchone()[0]


def scans(server, kind, rows, width, pages):
    """(share of the heap read, planner cost, milliseconds) on the average of positions, by the one index there is."""
    found = []
    for position in range(POSITIONS):
        low = int((position + 0.5) / POSITIONS * (1 - width) * rows)
        bounds = [TYPES[kind].format(str(n)) for n in (low, low + max(1, int(width * rows)))]
        condition = f"k between {bounds[0]} and {bounds[1]}"
        question = f"explain (analyze, buffers, format json) select count(*), max(pad) from keys where {condition}"
        whole = server.execute(question).fetchone()[0][0]
        scan = whole["Plan"]
        while "Plans" in scan and scan["Node Type"] != "Bitmap Heap Scan":
            scan = scan["Plans"][0]
        blocks = scan.get("Exact Heap Blocks", 0) + scan.get("Lossy Heap Blocks", 0)
        found.append((min(blocks, pages) / pages, whole["Plan"]["Total Cost"], whole["Execution Time"]))
    return tuple(fmean(column) for column in zip(*found, strict=True))


def question(catalog, statements):
    of = catalog.table(QualifiedName("public", "keys"))
    column = of.column("k")
    spread = quantiles(column.statistics, column.base_type)
    asked = tuple(Asked(str(w), Plannable(str(w)), 1.0, w, "both") for w in statements)
    return BrinQuestion(of, column, spread, asked)


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0] * len(values)
    for place, n in enumerate(order):
        found[n] = place
    return found


def rank_correlation(left, right):
    a, b = ranks(left), ranks(right)
    mean = (len(a) - 1) / 2
    both = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return both / math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))


def measured(dsn, rows, most_pages, size):
    server = psycopg.connect(dsn, autocommit=True)
    server.execute(
        "set max_parallel_workers_per_gather = 0; set jit = off; set work_mem = '64MB'; set random_page_cost = 1.1"
    )
    for kind in TYPES:
        for name in LAYOUTS:
            pages = layout(server, name, kind, rows)
            whole = server.execute("explain (format json) select count(*), max(pad) from keys where k is not null")
            sequential = whole.fetchone()[0][0]["Plan"]["Total Cost"]
            with open_session(dsn) as session:
                catalog = read_catalog(session)
                samples = PageSamples(session, catalog, {})
                ranges = samples.ranges(QualifiedName("public", "keys"), ("k",), size, most_pages // size)["k"]
            asked = question(catalog, WIDTHS)
            correlation = asked.column.statistics.correlation
            wanted = [
                d
                for d in definitions(asked.table.name, asked.column, catalog.version)
                if dict(d.options) == {"pages_per_range": str(size)}
            ]
            server.execute("set enable_seqscan = off; set enable_indexscan = off; set enable_indexonlyscan = off")
            server.execute("create index tree on keys (k)")
            tree = server.execute("select pg_relation_size('tree')").fetchone()[0]
            by_tree = [scans(server, kind, rows, width, pages) for width in WIDTHS]
            server.execute("drop index tree")
            for definition in wanted:
                guess = predicted(asked, definition, ranges, catalog)
                server.execute(create_index(definition, "summaries", concurrently=False))
                bytes_ = server.execute("select pg_relation_size('summaries')").fetchone()[0]
                for width, (_, _, tree_ms) in zip(WIDTHS, by_tree, strict=True):
                    share, cost, ms = scans(server, kind, rows, width, pages)
                    multi = "multi" if definition.keys[0].operator_class else "minmax"
                    yield {
                        "type": kind, "layout": name, "correlation": correlation, "opclass": multi, "width": width,
                        "predicted": guess.by_statement[Plannable(str(width))], "read": share,
                        "planner": cost / sequential, "smaller": tree / bytes_, "slower": ms / tree_ms,
                    }  # fmt: skip
                server.execute("drop index summaries")
            server.execute("reset enable_seqscan; reset enable_indexscan; reset enable_indexonlyscan")


def shown(rows):
    header = (
        "type",
        "layout",
        "correlation",
        "opclass",
        "width",
        "predicted",
        "read",
        "planner/seq",
        "smaller",
        "slower",
    )
    lines = [
        (
            r["type"], r["layout"], f"{r['correlation']:.2f}", r["opclass"], f"{r['width']:.2%}",
            f"{r['predicted']:.3f}", f"{r['read']:.3f}", f"{r['planner']:.2f}",
            f"{r['smaller']:.0f}x", f"{r['slower']:.1f}x",
        )
        for r in rows
    ]  # fmt: skip
    print("\n".join(printed([header, *lines])))
    for multi in ("minmax", "multi"):
        own = [r for r in rows if r["opclass"] == multi]
        error = fmean(abs(r["predicted"] - r["read"]) for r in own)
        alike = rank_correlation([r["predicted"] for r in own], [r["read"] for r in own])
        plain = rank_correlation([-abs(r["correlation"]) for r in own], [r["read"] for r in own])
        right = sum((r["predicted"] < YES) == (r["read"] < YES) for r in own)
        baseline = sum((r["planner"] < 0.5) == (r["read"] < YES) for r in own)
        print(
            f"{multi}: mean |error| {error:.3f} (target <= 0.05), rank correlation {alike:.2f} (>= 0.9; by correlation"
            f" alone {plain:.2f}), right {right}/{len(own)} (>= 30/32), planner {baseline}/{len(own)} (<= 22/32)"
        )
    taken = [r for r in rows if r["predicted"] < YES and r["width"] >= 0.001]
    small, slow = sorted(r["smaller"] for r in taken), sorted(r["slower"] for r in taken)
    print(
        f"accepted ({len(taken)} with widths from 0.1 %): median {small[len(small) // 2]:.0f} times smaller than the"
        f" B-tree (>= 100), median {slow[len(slow) // 2]:.1f} times slower (<= 5), worst {slow[-1]:.1f}"
    )


def lines_of_keys(rows=200_000):
    """Lines of bounded error over serial, uniform and heavy-tailed keys: all, and from ten runs of 10,000 keys."""
    chance = random.Random(7)
    kinds = {
        "serial": list(range(rows)),
        "uniform": sorted(chance.randrange(10**9) for _ in range(rows)),
        "heavy-tailed": sorted(int(chance.paretovariate(0.7) * 1000) for _ in range(rows)),
    }
    found = []
    for name, keys in kinds.items():
        for epsilon in EPSILONS:
            runs = [keys[n * rows // 10 : n * rows // 10 + 10_000] for n in range(10)]
            guess = estimated(runs, rows, epsilon)
            found.append(
                (name, str(epsilon), str(len(segments(keys, epsilon))), f"{guess.least:.0f} to {guess.most:.0f}")
            )
    print("\n".join(printed([("keys", "epsilon", "lines", "from runs"), *found])))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--size", type=int, default=8, help="pages per range")
    parser.add_argument("--dsn", help="an empty database of a server; else one is started")
    given = parser.parse_args()
    lines_of_keys()
    if given.dsn:
        shown(list(measured(given.dsn, given.rows, given.pages, given.size)))
        return
    with LocalServer(with_hypopg(), new_home(), SETTINGS) as server:
        shown(list(measured(server.dsn(), given.rows, given.pages, given.size)))


if __name__ == "__main__":
    main()
