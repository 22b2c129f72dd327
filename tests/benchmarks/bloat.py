"""Sizes after REINDEX told beforehand, against REINDEX: indexes really bloated and indexes that only look so.

    python -m tests.benchmarks.bloat [--rows 120000] [--only NAME] [--pages 10000]

Printed for each index: pages now, what statistics say (the screen), what the leaves say (pgstatindex), what looking
keys up says, the figure that lifecycle goes by with pgstattuple and without, the truth, and what was offered to whom:
a superuser with pgstattuple, and a role that may read the tables and has no right to it.
"""

import argparse
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.lifecycle import lifecycle, sampling
from indexpilot_cli.lifecycle.counters import leaf_pages
from indexpilot_cli.lifecycle.findings.bloat import Suspect, by_leaves, by_rows
from indexpilot_cli.lifecycle.sampling import key_samples
from indexpilot_cli.lifecycle.values import LifecycleRequest, LifecycleState
from indexpilot_cli.methods.size import compresses, estimate
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

# Thins the rows out everywhere (two of three go); takes one end or the middle away; rewrites rows again and again.
THIN = "DELETE FROM {t} WHERE id % 3 > 0; VACUUM {t}"
RANGE = "DELETE FROM {t} WHERE id BETWEEN {n} / 5 AND {n} * 4 / 5; VACUUM {t}"
CHURN = "; ".join(["UPDATE {t} SET pad = pad + 1", "VACUUM {t}"] * 3)
WIDER = "UPDATE {t} SET k = k || md5(k) || md5(k || 1); VACUUM {t}"
OTHER = CHURN.replace("pad = pad", "other = other + 1, pad = pad")
LEFT = "DELETE FROM {t} WHERE id % 3 > 0"  # nobody has vacuumed since


@dataclass(frozen=True)
class Case:
    """A table of ``columns`` (of g, 1 to n) beside id and pad, one index, and what happens to the table after that."""

    name: str
    columns: str
    index: str
    after: str = ""
    before: str = ""
    part: bool = False
    kind: str = "INDEX"


def cases():
    ordered = "(k)"
    yield Case("fresh ints", "g AS k", ordered)
    yield Case("fresh random uuid", "md5(g::text)::uuid AS k", ordered)
    yield Case("fresh few keys", "g % 7 AS k", ordered)
    yield Case("fresh keys of 40 rows", "g / 40 AS k", ordered)
    yield Case("fresh nulls", "CASE WHEN g % 10 = 0 THEN g END AS k", ordered)
    yield Case("fresh fill factor 50", "g AS k", "(k) WITH (fillfactor = 50)")
    yield Case("fresh correlated", "g / 75 AS a, g / 75 * 3 AS b", "(a, b)")
    yield Case("fresh compressed", "repeat('abc ' || g % 100, 300) || g AS k", ordered)
    yield Case("fresh half random", "g AS k", ordered, "INSERT INTO {t} SELECT g + {n}, 0, (random() * {n})::int"
               " FROM generate_series(1, {n}) g")  # fmt: skip
    yield Case("few keys", "g % 7 AS k", ordered, THIN)
    yield Case("keys of 75 rows", "g / 75 AS k", ordered, THIN)
    yield Case("nulls", "CASE WHEN g % 10 = 0 THEN g END AS k", ordered, THIN)
    yield Case("wide keys", "md5(g::text) || md5((g+1)::text) || repeat('-', g % 200) AS k", ordered, THIN)
    yield Case("compressed keys", "repeat('abc ' || g % 100, 300) || g AS k", ordered, THIN)
    yield Case("compressed in the index only", "repeat('x', 700 + g % 300) || g AS k", ordered, THIN)
    yield Case("correlated columns", "g / 75 AS a, g / 75 * 3 AS b", "(a, b)", THIN)
    yield Case("correlated texts", "'c' || g % 2000 AS a, 'z' || g % 2000 / 4 AS b, g % 2000 % 9 AS c",
               "(b, a, c)", THIN)  # fmt: skip
    yield Case(
        "keys grown wider", "'k' || g AS k", ordered, "UPDATE {t} SET k = k || md5(k) || md5(k || 1); VACUUM {t}"
    )
    yield Case("fill factor 70", "g AS k", "(k) WITH (fillfactor = 70)", THIN)
    yield Case("deleted range", "g AS k", ordered, RANGE)
    yield Case("queue", "g AS k", ordered, "DELETE FROM {t} WHERE k < {n} * 9 / 10; VACUUM {t};"
               "INSERT INTO {t} SELECT g + {n}, 0, g + {n} FROM generate_series(1, {n} / 20) g")  # fmt: skip
    yield Case("churned key", "g % 1000 AS k", ordered, CHURN.replace("pad = pad + 1", "k = (k * 7 + id) % 1000"))
    yield Case("churned unique", "g AS k", ordered, CHURN.replace("pad = pad", "k = k + {n}, pad = pad"))
    yield Case("versions of rows", "g AS k, g AS other", ordered, OTHER, "CREATE INDEX ON {t} (other)")
    yield Case("HOT", "g AS k", ordered, CHURN, "ALTER TABLE {t} SET (fillfactor = 50)")
    yield Case("not vacuumed", "g AS k", ordered, LEFT)
    yield Case("dedup off", "g / 75 AS k", "(k) WITH (deduplicate_items = off)", THIN)
    yield Case("INCLUDE", "g / 75 AS k, md5(g::text) AS v", "(k) INCLUDE (v)", THIN)
    yield Case("partial", "g AS k, g % 4 AS s", "(k) WHERE s = 1", THIN)
    yield Case("partial of dependent", "g / 8 AS k, g / 8 % 5 AS s", "(k, s) WHERE s = 1", THIN)
    yield Case("expression", "'User' || g % 9000 || '@Example.com' AS k", "(lower(k))", THIN)
    yield Case("expression without statistics", "g AS k", "((k % 1000), md5(k::text))", THIN)
    yield Case("texts", "'first' || g % 700 AS a, 'second' || g % 90 AS b, md5(g::text) AS c", "(a, b, c)", THIN)
    yield Case("numeric", "(g % 5000 * 1.37)::numeric(10, 2) AS k", ordered, THIN)
    yield Case("skewed", "floor({n} * power(random(), 3))::int AS k", ordered, THIN)
    yield Case("tenant and time", "(100 * power(random(), 2))::int AS a,"
               " timestamptz '2026-01-01Z' + g / 3 * interval '1 s' AS b", "(a, b DESC)", THIN)  # fmt: skip
    yield Case("dates", "date '2020-01-01' + g % 2000 AS k", "(k DESC NULLS LAST)", THIN)
    yield Case("boolean and text", "g % 2 = 0 AS a, 'st' || g % 5 AS b", "(a, b)", THIN)
    yield Case("blank padded", "('c' || g % 3000)::char(20) AS k", ordered, THIN)
    yield Case("json text", "jsonb_build_object('a', g % 400) AS j", "((j ->> 'a'))", THIN)
    yield Case("arrays", "ARRAY[g % 100, g % 7] AS k", ordered, THIN)
    yield Case("unique", "g AS k", ordered, THIN, kind="UNIQUE INDEX")
    yield Case("unique with nulls", "CASE WHEN g % 3 = 0 THEN g END AS k", ordered, THIN, kind="UNIQUE INDEX")
    yield Case("nulls in two", "CASE WHEN g % 3 = 0 THEN g END AS a, CASE WHEN g % 5 = 0 THEN g % 50 END AS b",
               "(a, b)", THIN)  # fmt: skip
    yield Case("partition part", "g AS k", ordered, THIN, part=True)
    yield Case("tiny", "g AS k", ordered, "DELETE FROM {t} WHERE id > 50; VACUUM {t}")
    yield Case("empty", "g AS k", ordered, "DELETE FROM {t}; VACUUM {t}")
    arrays = "ARRAY['w' || g % 300, 'v' || g % 17] AS k"
    yield Case("fresh GIN", arrays, "USING gin (k)")
    yield Case("GIN", arrays, "USING gin (k)", THIN)
    yield Case("GIN text search", "to_tsvector('simple', 'a' || g % 900 || ' b' || g % 50) AS k", "USING gin (k)", THIN)
    yield Case("fresh hash", "g AS k", "USING hash (k)")
    yield Case("hash", "g AS k", "USING hash (k)", THIN)
    yield Case("fresh BRIN", "g AS k", "USING brin (k)")
    yield Case("BRIN", "g AS k", "USING brin (k)", THIN)
    yield Case("fresh GiST", "int4range(g, g + 5) AS k", "USING gist (k)")
    yield Case("GiST", "int4range(g, g + 5) AS k", "USING gist (k)", THIN)


def made(server, case, number, rows):
    """The name of the case's index."""
    name, index = f"t{number:02}", f"i{number:02}"
    words = {"t": name, "n": rows}
    whole = f"CREATE TABLE {name} WITH (autovacuum_enabled = off) AS SELECT g AS id, 0 AS pad, {case.columns}"
    source = f" FROM generate_series(1, {rows}) g"
    statements = [whole.format(**words) + source]
    if case.part:
        statements = [
            f"CREATE TABLE {name}p (id int, pad int, k int) PARTITION BY RANGE (id)",
            f"CREATE INDEX {index}p ON {name}p (k)",
            f"CREATE TABLE {name} PARTITION OF {name}p FOR VALUES FROM (0) TO (100000000)",
            f"ALTER INDEX {name}_k_idx RENAME TO {index}",
            f"INSERT INTO {name}p SELECT g, 0, {case.columns} {source}",
            f"REINDEX TABLE {name}",
        ]
    statements += case.before.format(**words).split(";") if case.before else []
    if not case.part:
        statements.append(f"CREATE {case.kind} {index} ON {name} {case.index}")
    statements += [s for s in case.after.format(**words).split(";") if s.strip()]
    for statement in (*statements, f"ANALYZE {name}"):
        server.execute(statement)
    return index


HEADINGS = ("index", "now", "screen", "leaves", "rows", "with", "error", "without", "error", "truth", "offered")


@dataclass(frozen=True)
class Told:
    """Pages of one index: now, by each method, as lifecycle goes by with pgstattuple and without it, and after."""

    case: Case
    tree: bool
    now: int
    screen: int
    leaves: float | None
    rows: float | None
    confirmed: float | None
    without: float | None
    truth: int
    offers: tuple

    def errors(self):
        return [None if said is None else said / self.truth - 1 for said in (self.confirmed, self.without)]

    def cells(self):
        said = (self.leaves, self.rows, self.confirmed, self.without)
        leaves, rows, confirmed, without = ("-" if pages is None else f"{pages:.0f}" for pages in said)
        first, second = ("-" if error is None else f"{error:+.0%}" for error in self.errors())
        offers = "/".join(offer or "-" for offer in self.offers)
        sizes = (str(self.now), str(self.screen), leaves, rows, confirmed, first, without, second, str(self.truth))
        return (self.case.name, *sizes, offers)


def measured(dsn, names):
    with psycopg.connect(dsn, autocommit=True) as server:
        for number in range(len(names)):
            server.execute(f"ANALYZE t{number:02}")
        server.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        with open_session(dsn) as session:
            catalog = read_catalog(session)
            indexes = {i.name.name: (i, catalog.table(i.definition.table)) for i in catalog.indexes()}
            trees = [indexes[name] for name in names if indexes[name][0].definition.method == "btree"]
            leaves = leaf_pages(session, [index.oid for index, _ in trees], Silent())
            samples = key_samples(session, trees, Silent())
        offers = [findings(Connection(dsn)), findings(Connection(psycopg.conninfo.make_conninfo(dsn, user="reader")))]
        for name, case in names.items():
            index, owner = indexes[name]
            suspect = Suspect(index, owner, estimate(index.definition, owner, catalog))
            if index.definition.method == "btree" and compresses(index.definition, owner, catalog.version):
                suspect = replace(suspect, built=None)
            one = by_leaves(suspect, leaves[index.oid]) if index.oid in leaves else None
            two = by_rows(suspect, samples[index.oid], catalog) if index.oid in samples else None
            server.execute(f"REINDEX INDEX {name}")
            truth = server.execute(f"SELECT pg_relation_size('{name}') / {BLOCK}").fetchone()[0]
            yield Told(
                case,
                index.definition.method == "btree",
                index.pages,
                estimate(index.definition, owner, catalog).pages,
                one and one.alone,
                two and two.alone,
                one and one.pages,
                two and two.pages,
                truth,
                tuple(offer[name].action.value if name in offer else None for offer in offers),
            )


def verdict(told):
    """What the issue asks for, as sentences."""
    trees = [row for row in told if row.tree]
    for number, which in enumerate(("with pgstattuple", "without")):
        errors = [row.errors()[number] for row in trees]
        within = sum(error is not None and abs(error) <= 0.1 for error in errors)
        yield f"{which}: {within} of {len(trees)} B-trees within 10 % ({within / len(trees):.0%})"
        bloated = [row for row in trees if row.now >= 1.5 * row.truth and row.now >= 32]
        missed = [row.case.name for row in bloated if row.offers[number] != "reindex"]
        wrong = [row.case.name for row in told if row.offers[number] == "reindex" and row.now < 1.4 * row.truth]
        yield f"  of {len(bloated)} bloated ones {len(bloated) - len(missed)} offered; not: {', '.join(missed) or '-'}"
        yield f"  offered and not bloated: {', '.join(wrong) or 'none'}"


def findings(connection):
    """Findings of bloat by the index's name."""
    request = LifecycleRequest(
        connection,
        states=(LifecycleState.BLOATED,),
        min_age=timedelta(days=30),
        record=Record("benchmark", "1", "lifecycle", enabled=False),
    )
    found = lifecycle.run(request, Silent()).result.findings
    return {f.index.name: f for f in found if f.index is not None}


@contextlib.contextmanager
def database():
    with LocalServer(with_hypopg(), new_home(), {**SETTINGS, "autovacuum": "off"}) as server:
        yield server.dsn()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=120_000)
    parser.add_argument("--only")
    parser.add_argument("--pages", type=int, help="read no more of a table, as of a large one")
    options = parser.parse_args()
    if options.pages:
        sampling.PAGES = options.pages
    chosen = [c for c in cases() if options.only in (None, c.name)]
    with database() as dsn, psycopg.connect(dsn, autocommit=True) as server:
        server.execute("CREATE EXTENSION pgstattuple")
        server.execute("SELECT setseed(0.3)")
        names = {made(server, case, n, options.rows): case for n, case in enumerate(chosen)}
        told = [*measured(dsn, names)]
    print(*table([HEADINGS, *(row.cells() for row in told)]), sep="\n")
    print(*verdict(told), sep="\n")


if __name__ == "__main__":
    main()
