"""The write bill against writes really made, and cases where it decides.

    python -m tests.benchmarks.algorithms.fractal_tree [--rows 100000] [--turns 3]

Mixes of ``tests.benchmarks.writes`` by six sets of indexes: microseconds that the set adds to a row, as the model says
and as measured: with the rates that are shipped, and with those that ``calibrate`` finds on this server first. Targets:
mean error at most 25 %, rank correlation at least 0.9.
"""

import argparse
import statistics

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import calibrate
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.rates import SHIPPED
from indexpilot_cli.methods.writes import entry_cost
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg
from tests.benchmarks.writes import HELD, SETS, Bench, measured

CHOSEN = ("random int", "few values", "text", "hash", "two columns", "four random")
SETUP = """
CREATE TABLE audit (id bigserial PRIMARY KEY, who int, at timestamptz, token text);
INSERT INTO audit (who, at, token)
SELECT i * 7919::bigint % 20000, timestamptz '2024-01-01' + i * interval '1 minute', md5(i::text)
FROM generate_series(1, 150000) i;
ANALYZE
"""
WRITE = "INSERT INTO audit (who, at, token) VALUES (5, now(), md5(random()::text))"
WHO, TOKEN = "SELECT id FROM audit WHERE who = 5", "SELECT id FROM audit WHERE token = 'abc'"
RANGE = "SELECT count(*) FROM audit WHERE at BETWEEN '2024-02-01' AND '2024-02-02'"
CASES = tuple(
    Case(name, "fractal_tree", SETUP, workload)
    for name, workload in (
        ("rarely read", ((WHO, 5.0), (WRITE, 500_000.0))),
        ("a key asked for equality", ((TOKEN, 500.0), (WRITE, 300_000.0))),
        ("mixed", ((WHO, 30.0), (TOKEN, 20.0), (WRITE, 1_000_000.0))),
        ("ranges of time", ((RANGE, 20.0), (WRITE, 900_000.0))),
        ("read as often as written", ((WHO, 20_000.0), (WRITE, 20_000.0))),
    )
)


def predicted(definitions, known, mix, rates):
    """Microseconds that the indexes add to a row of the mix."""
    entries = sum(entry_cost(d, known, rates)[0] for d in definitions)
    if not mix.startswith("update"):
        return entries
    held = any(mix.removeprefix("update ") in d.columns for d in definitions)
    key = sum(entry_cost(i.definition, known, rates)[0] for i in known.indexes if i.primary)
    return entries + key + rates.not_hot_us if held else 0.0


def ranks(values):
    """The place of each."""
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(n) for n in range(len(values))]


def run(dsn, rows, turns):
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000) as session:
        found = calibrate.measure(session, rows, 60.0, lambda kind: None).rates
    bench, lines, seen = Bench(dsn, rows), [("set", "mix", "shipped us", "calibrated us", "measured us")], []
    base = measured(bench, turns)
    for name in CHOSEN:
        for on in ("plain", "keyed"):
            for n, key in enumerate(SETS[name]):
                method, columns = key.split(" (", 1) if key.startswith("using") else ("", key)
                bench.server.execute(f"create index {on}{n} on {on} {method} ({columns})")
        here = measured(bench, turns, HELD.get(name, "few"))
        with open_session(dsn) as session:
            known = read_catalog(session).table(QualifiedName("public", "plain"))
        own = [i.definition for i in known.indexes if not i.primary]
        for mix in here:
            told = [predicted(own, known, mix, rates) for rates in (SHIPPED, found)]
            seen.append((*told, here[mix][0] - base[mix][0]))
            lines.append((name, mix, *(f"{value:.1f}" for value in seen[-1])))
        for on in ("plain", "keyed"):
            for n in range(len(SETS[name])):
                bench.server.execute(f"drop index {on}{n}")
    print(*table(lines), sep="\n")
    for number, title in enumerate(("shipped", "calibrated")):
        pairs = [(row[number], row[-1]) for row in seen if row[number] > 0]
        error = statistics.mean(abs(told - real) / max(real, 0.1) for told, real in pairs)
        order = statistics.correlation(*(ranks(side) for side in zip(*pairs, strict=True)))
        print(f"{title}: mean error {error:.0%} (target 25 %), rank correlation {order:.2f} (target 0.9)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    with LocalServer(with_hypopg(), new_home(), {**SETTINGS, "autovacuum": "off"}) as server:
        run(server.dsn(), chosen.rows, chosen.turns)


if __name__ == "__main__":
    main()
