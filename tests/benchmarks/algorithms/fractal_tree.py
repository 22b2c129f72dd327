"""The write bill against writes really made, and cases where it decides.

    python -m tests.benchmarks.algorithms.fractal_tree [--rows 100000] [--turns 5]

Mixes of ``tests.benchmarks.writes`` by six sets of indexes: microseconds that the set adds to a row, as the model says
and as measured: with the rates that are shipped, and with those that ``calibrate`` finds on this server first. All sets
take turns, so that the machine's changing pace meets all alike, and the least of each counts, which other work disturbs
least. Targets: error at most 25 % (of all differences together), rank correlation at least 0.9.
"""

import argparse
import statistics

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import calibrate
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.rates import SHIPPED
from indexpilot_cli.methods.writes import entry_us, table_write_us
from indexpilot_cli.methods.written import TableWrites
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg
from tests.benchmarks.writes import BULK, HELD, SETS, Bench, indexed, mixes

KINDS = ("bulk", "single", "single,", "update")
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
    held = any(mix.removeprefix("update ") in d.columns for d in definitions)
    if mix.startswith("update") and not held:
        return 0.0
    seen = TableWrites(inserts=BULK, statements=1 if mix == "bulk" else BULK, rates=rates)
    entries = sum(entry_us(d, known, seen) for d in definitions)
    if not mix.startswith("update"):
        return entries
    key = sum(entry_us(i.definition, known, seen) for i in known.indexes if i.primary)
    return entries + key + rates.not_hot_us


def ranks(values):
    """The place of each."""
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(n) for n in range(len(values))]


def run(dsn, rows, turns):
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000) as session:
        found = calibrate.measure(session, rows, 60.0, lambda kind: None).rates
    benches = {name: Bench(dsn, rows, f"set{n}") for n, name in enumerate(("none", *CHOSEN))}
    for name in CHOSEN:
        indexed(benches[name], SETS[name])
    # Set by set and mix by mix within a turn: what else the machine does meets all alike.
    took = {name: {} for name in benches}
    for _ in range(turns):
        for name, bench in benches.items():
            for mix, work in mixes(bench, None if name == "none" else HELD.get(name, "few")).items():
                took[name].setdefault(mix, []).append(work()[0])
            bench.server.execute("vacuum plain, keyed")
    base = {mix: min(own) for mix, own in took["none"].items()}
    pace = base["single"] / table_write_us(known_table(dsn, "set0"), TableWrites(inserts=1, statements=1))
    lines, seen = [("set", "mix", "shipped us", "calibrated us", "measured us")], []
    for number, name in enumerate(CHOSEN, 1):
        known = known_table(dsn, f"set{number}")
        own = [i.definition for i in known.indexes if not i.primary]
        for mix, spent in took[name].items():
            real = min(spent) - base[mix]
            told = predicted(own, known, mix, SHIPPED), predicted(own, known, mix, found)
            seen.append((mix, *told, told[0] * pace, real))
            lines.append((name, mix, *(f"{value:.1f}" for value in (*told, real))))
    print(*table(lines), sep="\n")
    print(f"pace of this machine now: {pace:.2f} times what the shipped rates say of a single-row INSERT")
    for number, title in enumerate(("shipped", "calibrated", "shipped at this pace"), 1):
        pairs = [(row[number], row[-1], row[0]) for row in seen if row[number] > 0]
        errors = {mix: off([(t, r) for t, r, m in pairs if m.split()[0] == mix]) for mix in KINDS}
        each = ", ".join(f"{mix} {error:.0%}" for mix, error in errors.items())
        order = statistics.correlation(*(ranks(side) for side in list(zip(*pairs, strict=True))[:2]))
        mean = off([(t, r) for t, r, _ in pairs])
        print(f"{title}: off by {mean:.0%} (target 25 %; {each}), rank correlation {order:.2f} (target 0.9)")


def off(pairs):
    """What is said wrongly of all that was measured: small differences of large times are mostly noise."""
    return sum(abs(told - real) for told, real in pairs) / sum(real for _, real in pairs)


def known_table(dsn, schema):
    with open_session(dsn) as session:
        return read_catalog(session).table(QualifiedName(schema, "plain"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=5)
    chosen = parser.parse_args()
    with LocalServer(with_hypopg(), new_home(), {**SETTINGS, "autovacuum": "off"}) as server:
        run(server.dsn(), chosen.rows, chosen.turns)


if __name__ == "__main__":
    main()
