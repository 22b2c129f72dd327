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
CASES = tuple(
    Case(name, "constraint_optimizer", SETUP, workload, changed={"budget_bytes": budget})
    for name, workload, budget in (
        ("one of two fits", ((A, 100.0), (B, 90.0), (K, 80.0)), 3_500_000),
        ("small ones beside a large", ((A, 100.0), (B, 60.0), (BOTH, 60.0), (K, 50.0)), 4_500_000),
        ("one for two statements", ((A, 60.0), (BOTH, 90.0), (B, 50.0)), 3_000_000),
        ("all fit", ((A, 60.0), (BOTH, 90.0), (B, 50.0), (K, 50.0)), 30_000_000),
    )
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
