"""The integer program alone: how soon a gap of 1 % is proved, and what greed would cost; and cases where sets matter.

    python -m tests.benchmarks.algorithms.constraint_optimizer [--templates 500] [--candidates 500]

Target: at most 1 % in 30 s for 500 templates and 500 candidates, at each budget. Once by the whole program in one, as
small ones are solved, and once as those of more than a thousand options: whole numbers only where the relaxed program
wavers, then a bound of what may still be cheaper. Seconds are processor time: on a busy machine the limit (wall) cuts.
"""

import argparse
import random
import time

from indexpilot_cli.advise.select.greedy import solve_greedily
from indexpilot_cli.advise.select.highs import Effort, bounded, nearly_solved, solve
from indexpilot_cli.advise.select.program import Charge, Option, Program, Row
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table

SETUP = """
CREATE TABLE wide (id int PRIMARY KEY, a int, b int, c int, d text);
INSERT INTO wide SELECT n, n * 7919::bigint % 5000, n * 104729::bigint % 3000, n % 700, md5(n::text)
FROM generate_series(1, 200000) n;
CREATE TABLE small (id int PRIMARY KEY, k int, t text);
INSERT INTO small SELECT n, n * 7919::bigint % 9000, repeat('x', 80) FROM generate_series(1, 60000) n;
ANALYZE
"""
A, B = "SELECT count(d) FROM wide WHERE a = 17", "SELECT count(d) FROM wide WHERE b = 17"
BOTH, K = "SELECT count(d) FROM wide WHERE a = 17 AND b = 2", "SELECT count(t) FROM small WHERE k = 17"
PIECE = """
CREATE TABLE t{0} (id int, k int, pad text);
INSERT INTO t{0} SELECT n, (n * 7919::bigint % 1000003)::int, 'x' FROM generate_series(1, {1}) n;
"""
KINDS = {
    "equal": "SELECT count(pad) FROM t{0} WHERE k = 7919",
    "range": "SELECT count(pad) FROM t{0} WHERE k BETWEEN 7000 AND 7900",
    "first": "SELECT pad FROM t{0} ORDER BY k LIMIT 3",
    "pair": "SELECT count(pad) FROM t{0} WHERE k = 7919 AND id = 1",
    "joined": "SELECT count(*) FROM t{0} JOIN t0 USING (id) WHERE t{0}.k BETWEEN 7000 AND 7050",
}
ENTRY = 22.5  # bytes of an index of distinct integers for a row


def pieces(name, kinds, fit, rows=(130_000, 100_000, 100_000), worth=(150.0, 110.0, 110.0)):
    """Tables of unlike size, the first worth most for its bytes, and room for those of ``fit`` rows together.

    A statement takes the time of reading its table, and all of its calls together what it is ``worth``.
    """
    kinds = kinds * len(rows) if len(kinds) == 1 else kinds
    setup = "".join(PIECE.format(n, amount) for n, amount in enumerate(rows)) + "ANALYZE"
    times = tuple(amount / 100_000 for amount in rows)
    asked = zip(kinds, worth, times, strict=True)
    workload = tuple((KINDS[kind].format(n), total / ms) for n, (kind, total, ms) in enumerate(asked))
    changed = {"budget_bytes": int(ENTRY * fit)}
    return Case(name, "constraint_optimizer", setup, workload, changed=changed, times=times)


def drawn(seed):
    """Six tables by lot: their rows, what statements on them are worth, their kinds, and a budget for about half."""
    draw = random.Random(seed)
    rows = tuple(draw.randrange(20_000, 150_000, 1000) for _ in range(6))
    worth = tuple(amount / 1000 * draw.uniform(0.6, 1.4) for amount in rows)
    kinds = tuple(draw.choice(("equal", "range", "pair")) for _ in rows)
    return pieces(f"drawn {seed}", kinds, draw.uniform(0.4, 0.7) * sum(rows), rows, worth)


FIVE = {"rows": (130_000, 100_000, 100_000, 60_000, 20_000), "worth": (150.0, 110.0, 110.0, 45.0, 30.0)}
CASES = (
    *(
        Case(name, "constraint_optimizer", SETUP, workload, changed={"budget_bytes": budget})
        for name, workload, budget in (
            ("one of two fits", ((A, 100.0), (B, 90.0), (K, 80.0)), 3_500_000),
            ("small ones beside a large", ((A, 100.0), (B, 60.0), (BOTH, 60.0), (K, 50.0)), 4_500_000),
            ("one for two statements", ((A, 60.0), (BOTH, 90.0), (B, 50.0)), 3_000_000),
            ("all fit", ((A, 60.0), (BOTH, 90.0), (B, 50.0), (K, 50.0)), 30_000_000),
        )
    ),
    pieces("two in the place of one", ("equal",), 224_000),
    pieces("two ranges", ("range",), 224_000),
    pieces("two orders", ("first",), 224_000),
    pieces("pairs of columns", ("pair",), 224_000),
    pieces("of each kind", ("equal", "range", "first"), 224_000),
    pieces("far larger", ("equal",), 224_000, (200_000, 100_000, 100_000), (230.0, 110.0, 110.0)),
    pieces("three for two", ("equal",), 322_000, (130_000, 100_000, 100_000, 100_000), (150.0, 110.0, 110.0, 110.0)),
    pieces("joined", ("equal", "joined", "joined"), 224_000),
    pieces("five, room for half", ("equal",), 224_000, **FIVE),
    pieces("five, room for most", ("range",), 300_000, **FIVE),
    pieces("room for all", ("range",), 900_000),
    *map(drawn, range(12)),
)


def instance(seed, templates, candidates, share):
    """A program of statements whose plans need one or two of some candidates, within a share of all bytes."""
    rng = random.Random(seed)
    sizes = [rng.paretovariate(1.2) for _ in range(candidates)]
    options, charges = [], []
    for group in range(templates):
        worst, near = 1000.0, rng.sample(range(candidates), 12)
        own = [Option(0, 0, worst)]
        own += [Option(1 << n, 0, worst * rng.uniform(0.05, 0.9)) for n in near[:8]]
        own += [
            Option(1 << a | 1 << b, 0, worst * rng.uniform(0.01, 0.3)) for a, b in zip(near[:4], near[4:8], strict=True)
        ]
        options.append(own)
        charges.append(Charge(rng.paretovariate(1.0), group))
    budget = Row("budget", tuple(enumerate(sizes)), share * sum(sizes))
    scale = sum(charge.weight for charge in charges) * 1000.0
    return Program(tuple(charges), (0.0,) * candidates, (budget,), scale=scale), options


def in_one(program, options, seconds):
    found = solve(program, options, effort=Effort(nodes=100_000, gap=0.01, seconds=seconds))
    return found.objective, found.bound


def by_parts(program, options, seconds):
    effort = Effort(nodes=2000, gap=3e-3, seconds=seconds / 2)
    found = nearly_solved(program, options, effort)
    known = bounded(program, options, effort, found.objective)
    return found.objective, max(found.bound, known[1])


def timed(way, program, options, seconds):
    """Processor seconds, objective and gap."""
    begun = time.process_time()
    objective, bound = way(program, options, seconds)
    return time.process_time() - begun, objective, (objective - bound) / objective


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--templates", type=int, default=500)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--greedy", action="store_true", help="the greedy choice too, which takes long")
    parser.add_argument("--seconds", type=float, default=60.0, help="the solver's limit, by the clock")
    chosen = parser.parse_args()
    rows = [("budget", "seconds", "gap", "seconds, by parts", "gap, by parts", "greedy is worse by")]
    for share in (0.05, 0.1, 0.3):
        program, options = instance(7, chosen.templates, chosen.candidates, share)
        whole, parts = (timed(way, program, options, chosen.seconds) for way in (in_one, by_parts))
        worse = f"{solve_greedily(program, options).objective / parts[1] - 1:.1%}" if chosen.greedy else ""
        cells = (f"{whole[0]:.1f}", f"{whole[2]:.2%}", f"{parts[0]:.1f}", f"{parts[2]:.2%}", worse)
        rows.append((f"{share:.0%} of all", *cells))
    print(*table(rows), sep="\n")


if __name__ == "__main__":
    main()
