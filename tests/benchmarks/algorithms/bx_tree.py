"""Times in the order of the rows, and intervals that hold a moment, really built and measured (algorithms.md, 11).

    python -m tests.benchmarks.algorithms.bx_tree [--rows 200000]

Intervals with long ones among them: milliseconds of a stabbing query by each index that could serve it, sizes, and the
two conditions written otherwise, with the same rows: as a range, and with the start bounded by the longest length that
rows show or a CHECK knows.
"""

import argparse
from statistics import median

import psycopg

from indexpilot_cli.algorithms.bx_tree.bounded import bounded_forms
from indexpilot_cli.algorithms.bx_tree.intervals import interval_forms
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.sql.parser import deparse, parse
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

NAME = QualifiedName("public", "valid")
OUTSIDE = (0.0, 0.001, 0.05)
MOMENTS = (0.2, 0.5, 0.9)
INDEXES = {"none": None, "(s, e)": "(s, e)", "(e, s)": "(e, s)", "brin": "using brin (s, e)"}
SMALL = {"budget_bytes": 200_000}


def _events(name, rows, workload, changed=SMALL, at="timestamptz '2026-01-01' + n * interval '1 minute'"):
    setup = f"""create table events as select n as id, {at} as at, repeat('x', 200) as pad
        from generate_series(1, {rows}) n; analyze events"""
    return Case(name, "bx_tree", setup, workload, changed=changed)


DAY = ("select count(pad) from events where at >= '2026-01-08' and at < '2026-01-09'", 100.0)
INSERT = ("insert into events values (0, now(), 'x')", 1000.0)
CASES = (
    _events("append-only, a day", 30_000, [DAY]),
    _events("append-only, a day, many inserts", 30_000, [DAY, INSERT]),
    _events("append-only, newest", 25_000, [("select count(pad) from events where at > '2026-01-17'", 100.0)]),
    _events("append-only, dates", 30_000, [("select count(pad) from events where at = '2026-01-08'", 100.0)],
            at="date '2026-01-01' + n / 1440"),
    _events("not in order", 30_000, [DAY], at="timestamptz '2026-01-01' + n * 7919 % 30000 * interval '1 minute'"),
)  # fmt: skip


def filled(server, rows, outside):
    server.execute("drop table if exists valid")
    server.execute(
        f"""create table valid as select n as id, timestamptz '2020-01-01' + n * interval '1 minute' as s,
            timestamptz '2020-01-01' + n * interval '1 minute' + case when random() < {outside}
                then interval '200 days' else random() * interval '2 hours' end as e, repeat('x', 50) as pad
            from generate_series(1, {rows}) n"""
    )
    server.execute("vacuum analyze valid")


def time_of(server, texts):
    """The mean over the statements of the median of three runs."""
    found = []
    for text in texts:
        runs = [server.execute(f"explain (analyze, format json) {text}").fetchone()[0][0] for _ in range(3)]
        found.append(median(run["Execution Time"] for run in runs))
    return sum(found) / len(found)


def btrees(server, texts):
    """Milliseconds and megabytes by each index for the statements as they are."""
    for name, body in INDEXES.items():
        if body is not None:
            server.execute(f"create index one on valid {body}")
        ms = time_of(server, texts)
        size = server.execute("select pg_relation_size('one')").fetchone()[0] if body is not None else 0
        server.execute("drop index if exists one")
        yield name, ms, size / 1e6


def rewritten(dsn, server, texts, forms_of):
    """The same of the other form, with the indexes that it wants built; the rows are the same."""
    with open_session(dsn) as session:
        catalog = read_catalog(session)
        samples = PageSamples(session, catalog, {NAME: {"s", "e"}})
        forms = [next(iter(forms_of(parse(text).node, catalog, samples)), None) for text in texts]
    if None in forms:
        return None
    names = [f"one{number}" for number in range(len(forms[0].wants))]
    for name, definition in zip(names, forms[0].wants, strict=True):
        server.execute(create_index(definition, name, concurrently=False))
        if definition.predicate is not None:
            server.execute(
                f"create statistics beside on ({definition.predicate.removesuffix(' IS NOT TRUE')}) from valid"
            )
    server.execute("analyze valid")
    others = [deparse(form.statement) for form in forms]
    assert [server.execute(t).fetchone() for t in texts] == [server.execute(t).fetchone() for t in others]
    ms = time_of(server, others)
    size = sum(server.execute("select pg_relation_size(%s)", (name,)).fetchone()[0] for name in names)
    for name in names:
        server.execute(f"drop index {name}")
    server.execute("drop statistics if exists beside")
    return ms, size / 1e6


def intervals(dsn, rows):
    server = psycopg.connect(dsn, autocommit=True)
    server.execute("set max_parallel_workers_per_gather = 0; set jit = off; set random_page_cost = 1.1")
    for outside in OUTSIDE:
        filled(server, rows, outside)
        question = "select (timestamptz '2020-01-01' + {} * interval '1 minute')::text"
        moments = [server.execute(question.format(int(rows * m))).fetchone()[0] for m in MOMENTS]
        texts = [f"select count(pad) from valid where s <= '{m}' and e > '{m}'" for m in moments]
        plain = list(btrees(server, texts))
        for name, ms, size in plain:
            yield f"{outside:.1%}", name, f"{ms:.2f}", f"{size:.2f}", ""
        best = min(ms for name, ms, _ in plain if name.startswith("("))
        found = {
            "range, GiST": rewritten(dsn, server, texts, lambda s, c, _: interval_forms(s, c)),
            "start bounded by rows": rewritten(dsn, server, texts, bounded_forms),
        }
        server.execute(f"alter table valid add check (e - s <= interval '{'200 days' if outside else '2 hours'}')")
        found["start bounded by a CHECK"] = rewritten(dsn, server, texts, bounded_forms)
        for name, seen in found.items():
            cells = (f"{seen[0]:.2f}", f"{seen[1]:.2f}", f"{best / seen[0]:.1f}x") if seen else ("refused", "", "")
            yield f"{outside:.1%}", name, *cells


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dsn", help="an empty database of a server; else one is started")
    given = parser.parse_args()
    heading = ("long intervals", "index", "ms", "MB", "faster than the best B-tree (>= 5)")
    if given.dsn:
        print(*table([heading, *intervals(given.dsn, given.rows)]), sep="\n")
        return
    with LocalServer(with_hypopg(), new_home(), SETTINGS) as server:
        print(*table([heading, *intervals(server.dsn(), given.rows)]), sep="\n")


if __name__ == "__main__":
    main()
