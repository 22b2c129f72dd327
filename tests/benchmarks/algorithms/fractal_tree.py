"""The write bill against writes really made, and cases where it decides.

    python -m tests.benchmarks.algorithms.fractal_tree [--rows 100000] [--turns 7]

Mixes of ``tests.benchmarks.writes`` by six sets of indexes: what the set adds to a row, as the model says and as
measured: microseconds with the rates that are shipped, with those at the pace of this machine (what a single-row INSERT
without the set takes against what the model says of it) and with those that ``calibrate`` finds on this server first;
and bytes of WAL, which no other work on the machine changes. All sets take turns, and counted is one thing: the median
over the turns of the difference to the table without the set in the same turn; of WAL the mean, since pages split in
few turns. What is written stays, so that pages do split. Rows with foreign keys are shown but not reckoned with: their
look-ups take many times what an entry takes, and vary by more. Targets: error at most 25 % (of all differences
together), rank correlation at least 0.9.
"""

import argparse
import statistics

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import calibrate
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.rates import SHIPPED
from indexpilot_cli.methods.writes import entry_cost, entry_us, table_write_us
from indexpilot_cli.methods.written import TableWrites
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg
from tests.benchmarks.writes import BULK, HELD, SETS, Bench, indexed, mixes

KINDS = ("bulk", "single", "update")
CHOSEN = ("random int", "few values", "text", "hash", "two columns", "four random")
SETUP = """
CREATE TABLE audit (id bigserial PRIMARY KEY, who int, at timestamptz, token text);
INSERT INTO audit (who, at, token)
SELECT i * 7919::bigint % 20000, timestamptz '2024-01-01' + i * interval '1 minute', md5(i::text)
FROM generate_series(1, 150000) i;
CREATE FUNCTION written() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..1000 LOOP
    INSERT INTO audit (who, at, token) VALUES ((random() * 20000)::int, now(), md5(random()::text));
  END LOOP;
END $$;
ANALYZE
"""
WRITE = "INSERT INTO audit (who, at, token) VALUES (5, now(), md5(random()::text))"
WHO, TOKEN = "SELECT id FROM audit WHERE who = 5", "SELECT id FROM audit WHERE token = 'abc'"
RANGE = "SELECT count(*) FROM audit WHERE at BETWEEN '2024-02-01' AND '2024-02-02'"


def logged(name, reads, rows):
    """Reads beside single inserts, which are measured by the thousand: one is less than the clock tells apart."""
    asked = (*reads, ("SELECT written()", rows / 1000))
    return Case(name, "fractal_tree", SETUP, (*reads, (WRITE, rows)), asked=asked)


CASES = (
    logged("rarely read", ((WHO, 5.0),), 500_000.0),
    logged("a key asked for equality", ((TOKEN, 500.0),), 300_000.0),
    logged("mixed", ((WHO, 30.0), (TOKEN, 20.0)), 1_000_000.0),
    logged("ranges of time", ((RANGE, 20.0),), 900_000.0),
    logged("read as often as written", ((WHO, 20_000.0),), 20_000.0),
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


def predicted_wal(definitions, known, mix):
    """Bytes of WAL likewise."""
    if mix.startswith("update"):
        if not any(mix.removeprefix("update ") in d.columns for d in definitions):
            return 0.0
        definitions = (*definitions, *(i.definition for i in known.indexes if i.primary))
    return sum(entry_cost(d, known)[1] for d in definitions)


def ranks(values):
    """The place of each."""
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(n) for n in range(len(values))]


def turned(benches, turns):
    """(microseconds, WAL bytes) of each set's mixes, turn by turn; ``none`` writes what every other set writes."""
    took = {name: {} for name in benches}
    for _ in range(turns):
        for name, bench in benches.items():
            for mix, work in mixes(bench, None if name == "none" else HELD.get(name, "few")).items():
                took[name].setdefault(mix, []).append(work())
            bench.server.execute("vacuum plain, keyed")
    return took


def added(own, base):
    """The median difference in microseconds of both in the same turn, the mean one in WAL: pages split in few turns."""
    pairs = [(us - without, wal - less) for (us, wal), (without, less) in zip(own, base, strict=True)]
    us, wal = zip(*pairs, strict=True)
    return statistics.median(us), statistics.mean(wal)


def run(dsn, rows, turns):
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000) as session:
        found = calibrate.measure(session, rows, 60.0, lambda kind: None).rates
    benches = {name: Bench(dsn, rows, f"set{n}", lasting=True) for n, name in enumerate(("none", *CHOSEN))}
    for name in CHOSEN:
        indexed(benches[name], SETS[name])
    took = turned(benches, turns)
    single = statistics.median(us for us, _ in took["none"]["single"])
    pace = single / table_write_us(known_table(dsn, "set0"), TableWrites(inserts=1, statements=1))
    lines, seen = [("set", "mix", "shipped us", "calibrated us", "measured us", "told WAL", "measured WAL")], []
    for number, name in enumerate(CHOSEN, 1):
        known = known_table(dsn, f"set{number}")
        own = [i.definition for i in known.indexes if not i.primary]
        for mix, spent in took[name].items():
            us, wal = added(spent, took["none"][mix])
            told = predicted(own, known, mix, SHIPPED), predicted(own, known, mix, found)
            bytes_ = predicted_wal(own, known, mix)
            seen.append((mix.split(" ")[0], us, wal, told[0], told[0] * pace, told[1], bytes_))
            lines.append((name, mix, *(f"{value:.1f}" for value in (*told, us)), f"{bytes_:.0f}", f"{wal:.0f}"))
    print(*table(lines), sep="\n")
    print(f"pace of this machine now: {pace:.2f} times what the shipped rates say of a single-row INSERT")
    for column, title in enumerate(("shipped", "shipped at this pace", "calibrated", "WAL"), 3):
        print(
            verdict(
                title,
                [
                    (row[0], row[column], row[2 if title == "WAL" else 1])
                    for row in seen
                    if row[0] in KINDS and row[column] > 0
                ],
            )
        )


def verdict(title, told):
    """How far off what is said is, of (mix, said, measured)."""
    pairs = [pair for _, *pair in told]
    errors = {mix: off([pair for kind, *pair in told if kind == mix]) for mix in KINDS}
    each = ", ".join(f"{mix} {error:.0%}" for mix, error in errors.items())
    order = statistics.correlation(*map(ranks, zip(*pairs, strict=True)))
    factors = sorted(max(said, real) / max(min(said, real), 0.01) for said, real in pairs)
    most = factors[int(0.9 * (len(factors) - 1))]
    return (
        f"{title}: off by {off(pairs):.0%} (target 25 %; {each}), rank correlation {order:.2f} (target 0.9); "
        f"nine of ten of {len(pairs)} within a factor of {most:.2f}"
    )


def off(pairs):
    """What is said wrongly of all that was measured: small differences of large times are mostly noise."""
    return sum(abs(told - real) for told, real in pairs) / sum(real for _, real in pairs)


def known_table(dsn, schema):
    with open_session(dsn) as session:
        return read_catalog(session).table(QualifiedName(schema, "plain"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=7)
    chosen = parser.parse_args()
    with LocalServer(with_hypopg(), new_home(), {**SETTINGS, "autovacuum": "off"}) as server:
        run(server.dsn(), chosen.rows, chosen.turns)


if __name__ == "__main__":
    main()
