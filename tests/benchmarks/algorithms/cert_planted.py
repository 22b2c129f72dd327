"""CERT on sixty planted cases: what it flags, which cause it names, and decisions before and after what it prints.

    python -m tests.benchmarks.algorithms.cert_planted [stale | correlated | expression | clean ...] [--rows 400000]

Each case is one condition on one table whose planner statistics are old, blind for columns that hang together, missing
for an expression, or right. The decision in question is whether an index of the condition is worth having; the truth
is the index really built, with right statistics: worth it where the statement takes at most two thirds of the time.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from unittest import mock

import psycopg

from indexpilot_cli.algorithms.cert.survey import Cause
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms import cases
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.algorithms.cert import CACHED
from tests.benchmarks.generated import Call
from tests.benchmarks.selection import table
from tests.benchmarks.thresholds import Database
from tests.servers import binaries

WORTH = 2 / 3
PAD = "repeat('x', 60) AS pad"
CAUSES = {
    "stale": {Cause.STALE, Cause.NEVER_ANALYZED},
    "correlated": {Cause.INDEPENDENCE},
    "expression": {Cause.EXPRESSION},
    "clean": set(),
}
HEADING = ("kind", "condition", "flagged", "cause", "index is right", "without", "with cert", "fixed", "ms", "ms index")


@dataclass(frozen=True)
class Planted:
    """A table ``t`` as ``setup`` makes it, a condition on it, and what an index of the condition has as keys."""

    kind: str
    setup: str
    condition: str
    keys: str


@dataclass(frozen=True)
class Result:
    """What came of a case: the causes named, whether the index is right, and who would build it."""

    case: Planted
    causes: frozenset
    right: bool
    decided: dict
    times: tuple
    pages: int
    sampling: float

    @property
    def row(self):
        named = ", ".join(sorted(self.causes))
        decided = ("index" if self.decided[who] else "none" for who in ("without", "with", "fixed"))
        times = (f"{ms:.2f}" for ms in self.times)
        flagged = "yes" if self.causes else "no"
        return (self.case.kind, self.case.condition, flagged, named, "yes" if self.right else "no", *decided, *times)


def quoted(columns, rows, end="VACUUM ANALYZE t"):
    return f"{CACHED}CREATE TABLE t AS SELECT g AS id, {columns}, {PAD} FROM generate_series(1, {rows}) g;\n{end}"


def grown(before, after, rows):
    """Analyzed when a twentieth of the rows was there; the others came later."""
    early = rows // 20
    later = f"SELECT g, {after}, repeat('x', 60) FROM generate_series({early} + 1, {rows}) g"
    return (
        f"{CACHED}CREATE TABLE t AS SELECT g AS id, {before} AS state, {PAD} FROM generate_series(1, {early}) g;\n"
        f"VACUUM ANALYZE t;\nINSERT INTO t {later}"
    )


def share(value, part):
    """The value for that part of the rows (spread over all pages), else one of three others."""
    return f"CASE WHEN g * 7919::bigint % 10000 < {round(part * 10000)} THEN '{value}' ELSE 's' || g % 3 END"


def stale(rows):
    for part in (0.001, 0.01, 0.05, 0.3, 0.8):  # came after ANALYZE
        yield Planted("stale", grown("'s' || g % 3", share("new", part), rows), "state = 'new'", "state")
    for before, after in ((0.3, 0.001), (0.3, 0.01), (0.3, 0.05), (0.005, 0.3), (0.005, 0.6), (0.005, 0.9)):
        yield Planted("stale", grown(share("x", before), share("x", after), rows), "state = 'x'", "state")
    for part in (0.05, 0.2, 0.5, 0.9):  # newest rows, in the order in which they came
        early = round(rows * (1 - part))
        made = (
            quoted("g AS day", early)
            + f";\nINSERT INTO t SELECT g, g, repeat('x', 60) FROM generate_series({early} + 1, {rows}) g"
        )
        yield Planted("stale", made, f"day > {early}", "day")
    for part in (0.0005, 0.05, 0.5):
        yield Planted("stale", quoted(f"{share('x', part)} AS state", rows, "VACUUM t"), "state = 'x'", "state")
    for part in (0.02, 0.4):  # written over
        update = f"VACUUM ANALYZE t;\nUPDATE t SET state = 'x' WHERE id * 7919::bigint % 10000 < {round(part * 10000)}"
        yield Planted("stale", quoted("'s' || g % 3 AS state", rows, update), "state = 'x'", "state")


def correlated(rows):
    for many in (5, 12, 30, 100, 300):
        yield Planted("correlated", quoted(f"g % {many} AS a, g % {many} AS b", rows), "a = 3 AND b = 3", "a, b")
    for many in (4, 10, 25):
        columns = ", ".join(f"g % {many} AS {name}" for name in "abc")
        yield Planted("correlated", quoted(columns, rows), "a = 3 AND b = 3 AND c = 3", "a, b, c")
    for zips, cities in ((200, 20), (1000, 50)):
        columns = f"g % {zips} AS zip, g % {zips} / {zips // cities} AS city"
        yield Planted("correlated", quoted(columns, rows), f"zip = 17 AND city = {17 * cities // zips}", "zip, city")
    for many in (4, 10):  # never together
        columns = f"g % {many} AS a, (g + 1) % {many} AS b"
        yield Planted("correlated", quoted(columns, rows), "a = 3 AND b = 3", "a, b")
    columns = "g % 365 AS day, g % 365 / 31 AS month"
    yield Planted("correlated", quoted(columns, rows), "day < 31 AND month = 0", "month, day")
    for names in ("ab", "abcd"):
        columns = ", ".join(f"g % 7 = 0 AS {name}" for name in names)
        yield Planted("correlated", quoted(columns, rows), " AND ".join(names), ", ".join(names))


def expression(rows):
    for part in (0.5, 0.2, 0.05, 0.0005):
        yield Planted(
            "expression", quoted(f"{share('New', part)} AS state", rows), "lower(state) = 'new'", "lower(state)"
        )
    at = "timestamp '2024-01-01' + g % 525600 * interval '1 minute' AS at"
    month = "date_trunc('month', at) = '2024-03-01'"
    yield Planted("expression", quoted(at, rows), month, "date_trunc('month', at)")
    yield Planted("expression", quoted("g % 5 - 2 AS a", rows), "abs(a) = 2", "abs(a)")
    yield Planted("expression", quoted("g AS a", rows), "a % 20 = 3", "(a % 20)")
    document = "jsonb_build_object('kind', 'k' || g % 10) AS document"
    yield Planted("expression", quoted(document, rows), "document ->> 'kind' = 'k3'", "(document ->> 'kind')")
    nulls = "CASE WHEN g % 3 = 0 THEN g END AS a"
    yield Planted("expression", quoted(nulls, rows), "coalesce(a, 0) = 0", "coalesce(a, 0)")
    yield Planted("expression", quoted("repeat('y', g % 40) AS word", rows), "length(word) = 5", "length(word)")


def clean(rows):
    for many in (3, 10, 100, 1000, rows):
        yield Planted("clean", quoted(f"g * 7919::bigint % {many} AS a", rows), "a = 2", "a")
    for part in (0.001, 0.1, 0.6):
        yield Planted("clean", quoted(f"{share('x', part)} AS state", rows), "state = 'x'", "state")
    for limit in (0.002, 0.05, 0.5):
        yield Planted("clean", quoted("g AS day", rows), f"day <= {round(limit * rows)}", "day")
    yield Planted("clean", quoted("g % 10 AS a, g / 10 % 10 AS b", rows), "a = 3 AND b = 3", "a, b")
    yield Planted("clean", quoted("g % 50 AS a, g / 50 % 20 AS b", rows), "a = 3 AND b = 3", "a, b")
    yield Planted("clean", quoted("g % 200 AS a", rows), "a IN (3, 5, 7)", "a")
    yield Planted("clean", quoted("CASE WHEN g % 50 = 0 THEN g END AS a", rows), "a IS NOT NULL", "a")


KINDS = {"stale": stale, "correlated": correlated, "expression": expression, "clean": clean}


def fixed(dsn, plan):
    """What the plan prints, done; whether it is anything."""
    statements = (*(s.ddl for s in plan.statistics), *(f"ANALYZE {name}" for name in plan.analyze))
    with psycopg.connect(dsn, autocommit=True) as server:
        for statement in statements:
            server.execute(statement)
    return bool(statements)


def judged(server, number, planted, rounds):
    """The case's decisions, and the truth: measured last, since it needs right statistics."""
    asked = f"SELECT count(pad) FROM t WHERE {planted.condition}"
    case = Case(planted.condition, "cert", planted.setup, ((asked, 100.0),))
    spent = []

    def timed(*given):
        begun = time.perf_counter()
        found = matches(*given)
        spent.append((time.perf_counter() - begun, len(found.pages) if found is not None else 0))
        return found

    matches = PageSamples.matches
    with cases.case_database(server, number, case) as dsn:
        with mock.patch.object(PageSamples, "matches", timed):
            off, on = cases.planned_each(dsn, case, [cases.features(case, on=on) for on in (False, True)])
        after = cases.planned(dsn, case, on=False) if fixed(dsn, on) else off
        with psycopg.connect(dsn, autocommit=True) as changed:
            changed.execute("ANALYZE t")
            data = Database(dsn, (Call("asked", asked, 1.0, False),), rounds)
            (without,) = data.measure("without").times
            changed.execute(f"CREATE INDEX ON t ({planted.keys})")
            changed.execute("ANALYZE t")
            (with_it,) = data.measure("index").times
    causes = frozenset(f.kind for f in on.findings if f.algorithm == "cert" and f.kind in set(Cause))
    decided = {w: bool(p.recommendations) for w, p in (("without", off), ("with", on), ("fixed", after))}
    right = with_it <= WORTH * without
    return Result(
        planted,
        causes,
        right,
        decided,
        (without, with_it),
        max((n for _, n in spent), default=0),
        max(s for s, _ in spent),
    )


def summary(found):
    """The measured figures beside the targets."""
    planted = [r for r in found if r.case.kind != "clean"]
    flagged = [r for r in found if r.causes]
    true = [r for r in planted if r.causes]
    named = [r for r in true if r.causes & CAUSES[r.case.kind]]
    wrong = {who: sum(r.decided[who] != r.right for r in found) for who in ("without", "with", "fixed")}
    milliseconds = sorted(r.sampling * 1000 for r in found)
    changed = [r for r in found if r.decided["with"] != r.decided["without"]]
    better = sum(r.decided["with"] == r.right for r in changed)
    fewer = 1 - wrong["fixed"] / wrong["without"] if wrong["without"] else 0.0
    yield ("figure", "measured", "target")
    yield ("cases", str(len(found)), "60")
    yield ("precision of flags", f"{len(true) / max(1, len(flagged)):.2f}", ">= 0.95")
    yield ("recall of flags", f"{len(true) / max(1, len(planted)):.2f}", ">= 0.95")
    yield ("causes named rightly", f"{len(named) / max(1, len(true)):.2f}", ">= 0.90")
    yield ("wrong decisions without", str(wrong["without"]), "")
    yield ("wrong decisions with cert on", str(wrong["with"]), "")
    yield ("wrong decisions, what it prints done", f"{wrong['fixed']} ({fewer:.0%} fewer)", ">= 60 % fewer")
    yield ("decisions changed, for the better", f"{len(changed)}, {better}", "9 of 10")
    yield ("pages a table, most", str(max(r.pages for r in found)), "<= 300")
    yield ("ms a table, median and most", f"{milliseconds[len(found) // 2]:.0f}, {milliseconds[-1]:.0f}", "<= 20")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    found = []
    with LocalServer(binaries(), new_home(), {"fsync": "off", "autovacuum": "off"}) as server:
        for kind in chosen.kinds or KINDS:
            for planted in KINDS[kind](chosen.rows):
                found.append(judged(server, len(found), planted, chosen.rounds))
                print(*found[-1].row, sep=" | ", flush=True)
    print(*table([HEADING, *(r.row for r in found)]), sep="\n")
    print(dict(Counter(r.case.kind for r in found)))
    print(*table(list(summary(found))), sep="\n")


if __name__ == "__main__":
    main()
