"""Ten string columns, indexes really built beside what the profile of a page sample predicts (algorithms.md, 8).

    python -m tests.benchmarks.algorithms.radix_string_spline [--rows 200000]

Targets: at least 3 times smaller on long strings compared for equality, at most 1.2 times the time of a look-up;
predicted size within 15 %; expected collisions within a factor of 2; LIKE conditions use the index that is proposed.
"""

import argparse
from collections import Counter

import psycopg

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.methods.strings import profile
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table as printed
from tests.servers import binaries

COLUMNS = {
    "url": "'https://www.example.com/catalogue/section-' || n % 50 || '/product/' || md5(n::text) || '.html'",
    "path": "'/srv/media/' || n % 9 || '/' || md5((n / 3)::text) || '/' || md5(n::text) || '.jpg'",
    "email": "'user' || n || '@' || (array['mail', 'post', 'web'])[1 + n % 3] || '.example.org'",
    "uuid": "md5(n::text)::uuid::text",
    "sku": "'SKU-' || lpad((n * 7919 % 1000003)::text, 8, '0')",
    "name": "initcap(substr(md5((n % 20000)::text), 1, 6)) || ' ' || initcap(substr(md5((n % 7)::text), 1, 9))",
    "log": "'2026-01-01 worker-' || n % 20 || ' accepted connection from 10.0.' || n % 250 || '.7 as ' || md5(n::text)",
    "json": '\'{"id": \' || n || \', "kind": "event", "payload": "\' || md5(n::text) || \'"}\'',
    "token": "md5(n::text) || md5((n + 1)::text)",
    "status": "(array['new', 'paid', 'sent', 'done'])[1 + n % 4]",
}
SETUP = "CREATE TABLE strings AS SELECT n AS id, {} FROM generate_series(1, {}) n; ANALYZE strings".format(
    ", ".join(f"{text} AS {name}" for name, text in COLUMNS.items()), 100_000
)


URL = "SELECT id FROM strings WHERE url = 'https://www.example.com/catalogue/section-{}/product/{}.html'"
LOG = "SELECT id FROM strings WHERE log = '2026-01-01 worker-{} accepted connection from 10.0.7.7 as {}'"
LONG = """CREATE TABLE docs (id int, body text); ALTER TABLE docs ALTER body SET STORAGE EXTERNAL;
INSERT INTO docs SELECT n, repeat(md5(n::text), 100) FROM generate_series(1, 8000) n; ANALYZE docs"""
ADDED = "INSERT INTO strings SELECT n AS id, {} FROM generate_series(100001, 104000) n".format(
    ", ".join(f"{text} AS {name}" for name, text in COLUMNS.items())
)
RSS = "radix_string_spline"
MORE = ((ADDED, 1.0),)  # a look-up takes less than the clock of a process can tell apart
CASES = (
    Case("URL by equality", RSS, SETUP, ((URL.format(3, "a"), 20.0), *MORE)),
    Case("log line by equality", RSS, SETUP, ((LOG.format(3, "a"), 20.0), *MORE)),
    Case("token by equality", RSS, SETUP, (("SELECT id FROM strings WHERE token = 'abc'", 20.0), *MORE)),
    Case(
        "JSON text by equality",
        RSS,
        SETUP,
        (("SELECT id FROM strings WHERE json = '{}'", 20.0), *MORE),
    ),
    Case(
        "short code by equality",
        RSS,
        SETUP,
        (("SELECT id FROM strings WHERE sku = 'S'", 20.0), *MORE),
    ),
    Case("documents that no B-tree holds", RSS, LONG, (("SELECT id FROM docs WHERE body = 'x'", 9.0),)),
    Case(
        "URL in order too",
        RSS,
        SETUP,
        ((URL.format(3, "a"), 100.0), ("SELECT id FROM strings ORDER BY url LIMIT 10", 50.0)),
    ),
)
LIKES = {"url": "https://www.example.com/catalogue/section-7/product/ab%", "sku": "SKU-0000%", "name": "Ab%"}


def size_of(server, name, method):
    server.execute(f"CREATE INDEX built ON strings USING {method} ({name})")
    return server.execute("SELECT pg_relation_size('built')").fetchone()[0]


def microseconds(server, name, rows):
    """Server time of a look-up, the least of some hundred."""
    server.execute(f"PREPARE one AS SELECT id FROM strings WHERE {name} = $1 LIMIT 1")
    values = [row[0] for row in server.execute(f"SELECT {name} FROM strings WHERE id % {rows // 40} = 7").fetchall()]
    times = []
    for value in values * 5:
        plan = server.execute(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE one(" + quoted(value) + ")"
        ).fetchone()
        times.append(plan[0][0]["Execution Time"] * 1000)
    server.execute("DEALLOCATE one")
    return sorted(times)[len(times) // 4]


def quoted(value):
    return "'" + value.replace("'", "''") + "'"


def truth(values, length):
    same, alike = Counter(values), Counter(v[:length] for v in values)
    return sum(c * c for c in alike.values()) / len(values) - sum(c * c for c in same.values()) / len(values)


def line(server, dsn, name, rows):
    """One column: both indexes, predicted and built; times; collisions of an eight-character and a longer prefix."""
    table = QualifiedName("public", "strings")
    with open_session(dsn, read_only=True) as session:
        catalog = read_catalog(session)
        sample = PageSamples(session, catalog, {table: {name}}).of(table)
    seen = profile([[row[0] for row in page.rows] for page in sample.pages], rows)
    sizes = Sizes(catalog)
    predicted, real, times = [], [], []
    for method in ("btree", "hash"):
        predicted.append(sizes.of(IndexDefinition(table, (IndexKey(name),), method)).bytes)
        real.append(size_of(server, name, method))
        times.append(microseconds(server, name, rows))
        server.execute("DROP INDEX built")
    values = [row[0] for row in server.execute(f"SELECT {name} FROM strings").fetchall()]
    worst = max((ratio(expected, truth(values, k)) for k, expected in seen.heads), default=1.0)
    errors = max(abs(p - r) / r for p, r in zip(predicted, real, strict=True))
    return (
        name,
        f"{seen.width:.0f}",
        str(seen.head or "-"),
        f"{real[0] / 1e6:.1f}",
        f"{real[1] / 1e6:.1f}",
        f"{real[0] / real[1]:.1f}",
        f"{times[0]:.0f}",
        f"{times[1]:.0f}",
        f"{errors:.0%}",
        f"{worst:.2f}",
        "hash" if seen.width >= 40 and seen.distinct >= 0.1 else "B-tree",
    )


def ratio(expected, real):
    """How far apart, at least one collision each: below it there is nothing to be wrong about."""
    low, high = sorted((max(expected, 1.0), max(real, 1.0)))
    return high / low


def likes(server):
    """Whether each prefix pattern is served by the class that is proposed, and by the default one."""
    server.execute("SET enable_seqscan = off")
    for name, pattern in LIKES.items():
        for operator_class in ("", "text_pattern_ops"):
            server.execute(f"CREATE INDEX built ON strings ({name} {operator_class})")
            plan = server.execute(f"EXPLAIN SELECT id FROM strings WHERE {name} LIKE {quoted(pattern)}").fetchall()
            used = any("Index Cond" in row[0] for row in plan)
            yield name, operator_class or "default", "index" if used else "not used"
            server.execute("DROP INDEX built")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    heading = ("column", "bytes", "prefix", "B-tree MB", "hash MB", "smaller (3)", "us B-tree", "us hash (1.2)")
    heading += ("size error (15 %)", "collisions off by (2)", "chosen")
    with LocalServer(binaries(), new_home(), {"fsync": "off", "autovacuum": "off"}) as started:
        dsn = started.dsn("postgres")
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute(SETUP.replace("100000", str(rows)))
            lines = [line(server, dsn, name, rows) for name in COLUMNS]
            print(*printed([heading, *lines]), sep="\n")
            print(*printed([("LIKE on", "operator class", "plan"), *likes(server)]), sep="\n")


if __name__ == "__main__":
    main()
