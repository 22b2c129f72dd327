"""Boxes, nearest points and vectors: what is chosen beside everything that could be built (algorithms.md, 10).

    python -m tests.benchmarks.algorithms.idistance [--rows 150000]

Times are the server's own for one statement, the median of some boxes or points. Targets: the choice within 1.5 times
of the best in at least 90 %; nearest rows at least 100 times quicker than sorting them all; the share that an exact
search reads within 10 points of the truth; 64 uniform dimensions refused.
"""

import argparse
import random
from math import prod
from statistics import median

import numpy as np
import psycopg

from indexpilot_cli.methods.vectors import REFERENCES, exact_search
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table as printed
from tests.servers import binaries

# Clumps and roads are not uniform: a box that is narrow in one place holds much in another.
POINTS = {
    "uniform": ("random() * 1000", "random() * 1000", "random() * 1000"),
    "clumps": (
        "(n % 20) * 50 + random() * 9",
        "(n % 20) * 37 % 1000 + random() * 9",
        "random() * 1000",
    ),
    "roads": ("n % 1000", "(n % 1000) * 0.7 + 90 * (n % 3) + random() * 4", "(n * 7) % 1000"),
}
BOXES = {
    "two ranges": ("x BETWEEN {0} AND {0} + 60 AND y BETWEEN {1} AND {1} + 60", "(x, y)"),
    "two wide ranges": ("x BETWEEN {0} AND {0} + 200 AND y BETWEEN {1} AND {1} + 200", "(x, y)"),
    "three ranges": (
        "x BETWEEN {0} AND {0} + 100 AND y BETWEEN {1} AND {1} + 100 AND z BETWEEN 300 AND 400",
        "(x, y, z)",
    ),
}
BUILDS = {
    "(x)": ("(x)",),
    "(x) and (y)": ("(x)", "(y)"),
    "(x, y)": ("(x, y)",),
    "(x, y, z)": ("(x, y, z)",),
    "GiST (x, y, z)": ("USING gist (x, y, z)",),
}


def made(name, rows):
    x, y, z = POINTS[name]
    return (
        f"CREATE TABLE places AS SELECT n AS id, ({x})::float8 AS x, ({y})::float8 AS y, ({z})::float8 AS z,"
        f" repeat('x', 60) AS pad FROM generate_series(1, {rows}) n; ALTER TABLE places ADD spot point;"
        " UPDATE places SET spot = point(x, y); ANALYZE places"
    )


BOX = "SELECT id, pad FROM places WHERE " + BOXES["two ranges"][0].format(300, 300)
CUBE = "SELECT id, pad FROM places WHERE " + BOXES["three ranges"][0].format(300, 300)
NEAR = "SELECT id, pad FROM places ORDER BY spot <-> point(500, 500) LIMIT 10"
WITHIN = "SELECT id, pad FROM places WHERE id % 2 = 1 ORDER BY spot <-> point(100, 700) LIMIT 5"
MANY = "SELECT id, pad FROM places WHERE x BETWEEN 100 AND 900 AND y BETWEEN 400 AND 430"
GISTS = "CREATE EXTENSION btree_gist; "
CASES = (
    Case("box of two ranges", "idistance", made("uniform", 60_000), ((BOX, 100.0),)),
    Case("box of three ranges", "idistance", made("uniform", 60_000), ((CUBE, 100.0),)),
    Case("box in clumps", "idistance", made("clumps", 60_000), ((BOX.replace("300", "302"), 100.0),)),
    Case("ten nearest points", "idistance", made("uniform", 60_000), ((NEAR, 100.0),)),
    Case("nearest of some", "idistance", made("roads", 60_000), ((WITHIN, 100.0),)),
    Case("box between clumps", "idistance", GISTS + made("clumps", 60_000), ((BOX, 100.0),)),
    Case("one range does it", "idistance", made("uniform", 60_000), ((MANY, 100.0),)),
)


def milliseconds(server, statements):
    times = []
    for statement in statements:
        runs = (server.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement).fetchone() for _ in range(3))
        times.append(min(plan[0][0]["Execution Time"] for plan in runs))
    return median(times)


def boxes(server, points):
    """For each box what each build takes, the choice and how far it is from the best."""
    chance = random.Random(5)
    corners = [(chance.uniform(50, 750), chance.uniform(50, 650)) for _ in range(9)]
    times = {}
    for build, parts in BUILDS.items():
        for number, part in enumerate(parts):
            server.execute(f"CREATE INDEX built_{number} ON places {part}")
        server.execute("ANALYZE places")
        for box, (condition, _) in BOXES.items():
            asked = [f"SELECT id, pad FROM places WHERE {condition.format(*corner)}" for corner in corners]
            times[box, build] = milliseconds(server, asked)
        for number in range(len(parts)):
            server.execute(f"DROP INDEX built_{number}")
    for box, (condition, tree) in BOXES.items():
        hollow = sum(is_hollow(server, condition, corner) for corner in corners) > len(corners) / 2
        chosen = "GiST (x, y, z)" if hollow else tree
        own = {build: times[box, build] for build in BUILDS}
        far = own[chosen] / min(own.values())
        yield points, box, *(f"{own[b]:.2f}" for b in BUILDS), chosen, f"{far:.2f}"


def is_hollow(server, condition, corner):
    """What the algorithm goes by: the box holds less than a tenth of what its sides say."""
    sides = condition.format(*corner).replace("AND y", "| y").replace("AND z", "| z").split(" | ")
    counts = ", ".join(f"avg(({side})::int)" for side in (" AND ".join(sides), *sides))
    together, *each = map(float, server.execute(f"SELECT {counts} FROM places").fetchone())
    return together <= 0.1 * prod(each)


def nearest(server, points):
    asked = [f"SELECT id FROM places ORDER BY spot <-> point({x}, {y}) LIMIT 10" for x, y in ((200, 300), (700, 111))]
    before = milliseconds(server, asked)
    server.execute("CREATE INDEX built ON places USING gist (spot)")
    after = milliseconds(server, asked)
    server.execute("DROP INDEX built")
    return points, f"{before:.1f}", f"{after:.3f}", f"{before / after:.0f}"


def vectors(kind, dimensions, count, chance):
    if kind == "uniform":
        return chance.uniform(0, 1, (count, dimensions))
    centres = chance.uniform(0, 100, (40, dimensions))
    return centres[chance.integers(0, 40, count)] + chance.normal(0, 1, (count, dimensions))


def really_read(points, chance, nearest_rows=10):
    """The share that iDistance reads of all rows, with reference points chosen from all of them."""
    references = points[chance.permutation(len(points))[:REFERENCES]]
    for _ in range(8):
        own = np.linalg.norm(points[None] - references[:, None], axis=2).argmin(axis=0)
        means = [points[own == n].mean(axis=0) if (own == n).any() else r for n, r in enumerate(references)]
        references = np.asarray(means)
    far = np.linalg.norm(points[None] - references[:, None], axis=2)
    own = far.argmin(axis=0)
    kept = far[own, np.arange(len(points))]
    shares = []
    for query in points[chance.permutation(len(points))[:30]]:
        radius = np.sort(np.linalg.norm(points - query, axis=1))[nearest_rows]
        shares.append((abs(np.linalg.norm(references - query, axis=1)[own] - kept) <= radius).mean())
    return float(np.mean(shares))


def searches(count=20_000, sampled=3000):
    chance = np.random.default_rng(2)
    for kind, dimensions in (("uniform", 4), ("blobs", 4), ("uniform", 16), ("blobs", 16), ("uniform", 64)):
        points = vectors(kind, dimensions, count, chance)
        seen = exact_search(points[chance.permutation(count)[:sampled]].tolist(), count)
        truth = really_read(points, chance)
        said = "refused" if seen.read >= 0.1 else "feasible"
        row = (f"{seen.intrinsic:.1f}", f"{seen.read:.0%}", f"{truth:.0%}", f"{100 * abs(seen.read - truth):.0f}", said)
        yield kind, str(dimensions), *row


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=150_000)
    rows = parser.parse_args().rows
    heading = ("points", "box", *(f"ms {b}" for b in BUILDS), "chosen", "of the best (1.5)")
    found, near = [heading], [("points", "ms sorted", "ms GiST", "quicker (100)")]
    with (
        LocalServer(binaries(), new_home(), {"fsync": "off", "autovacuum": "off"}) as started,
        psycopg.connect(started.dsn("postgres"), autocommit=True) as server,
    ):
        server.execute("CREATE EXTENSION btree_gist")
        for points in POINTS:
            server.execute("DROP TABLE IF EXISTS places")
            server.execute(made(points, rows))
            found += boxes(server, points)
            near.append(nearest(server, points))
    print(*printed(found), *printed(near), sep="\n")
    heading = ("vectors", "dimensions", "intrinsic", "read, said", "read, true", "points off (10)", "exact index")
    print(*printed([heading, *searches()]), sep="\n")


if __name__ == "__main__":
    main()
