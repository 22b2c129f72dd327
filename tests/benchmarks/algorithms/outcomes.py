"""Outcomes for the learning algorithms: indexes really built on small schemas, and what they did to statements.

    python -m tests.benchmarks.algorithms.outcomes DSN --out outcomes.json [--schemas 6] [--seed 7] [--rows 100000]

Each schema has two tables whose sizes, widths, distributions and correlations are drawn from the seed, sixteen
templates of three parameter vectors each, and some two dozen indexes, each built alone. An outcome is one index and one
template whose plan the planner finds cheaper with it: the planner's costs and the processor time of the server process
(/proc, least of the rounds) on both sides, and the features known before. Nothing is invented; data differ by the seed.
"""

import argparse
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import psycopg
from psycopg import sql

from indexpilot_cli.algorithms.xgboost.model import table_facts
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.command import Connection, Silent
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.index import BRIN, HASH, IndexDefinition, IndexKey
from indexpilot_cli.core.measured import ChangeOutcome
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.snapshot.source import SourceRequest, open_source

ROUNDS = 3
CHEAPER = 0.98  # of the cost before, from which the planner shows a gain
STATUSES = ("done", "open", "failed", "held", "lost")


@dataclass(frozen=True)
class Shape:
    """What one schema is like. ``agree``: how often b follows from a; ``jitter``: how far times are out of order."""

    name: str
    rows: int
    width: int
    distinct: int
    agree: float
    jitter: float
    skew: float
    random_page_cost: float
    stale: bool


def shapes(count, seed, rows):
    draw = random.Random(seed)
    for number in range(count):
        yield Shape(
            f"lab{number}",
            int(rows * draw.choice((0.5, 1, 1.5))),
            draw.choice((10, 100, 400)),
            draw.choice((30, 400, 8000)),
            draw.choice((0.0, 0.9, 1.0)),
            draw.choice((0.0, 0.02, 1.0)),
            draw.choice((1.0, 2.0, 4.0)),
            draw.choice((1.1, 4.0)),
            draw.random() < 1 / 3,
        )


def fill(server, shape):
    """Two tables; the later half of a stale schema is unknown to the statistics."""
    name = sql.Identifier(shape.name)
    for statement in ("DROP SCHEMA IF EXISTS {0} CASCADE", "CREATE SCHEMA {0}", "SET search_path = {0}"):
        server.execute(sql.SQL(statement).format(name))
    server.execute(
        "CREATE TABLE main (id bigserial PRIMARY KEY, a int, b int, c text, ts timestamp, amount numeric, pad text)"
        " WITH (autovacuum_enabled = off)"
    )
    server.execute("CREATE TABLE child (pid bigint, kind int, v int, note text) WITH (autovacuum_enabled = off)")
    half = shape.rows // 2 if shape.stale else shape.rows
    _rows(server, shape, 0, half)
    server.execute("VACUUM ANALYZE main")
    server.execute("VACUUM ANALYZE child")
    if half < shape.rows:
        _rows(server, shape, half, shape.rows)


def _rows(server, shape, first, last):
    server.execute("SELECT setseed(0.42)")
    facts = {**{f: getattr(shape, f) for f in ("rows", "width", "distinct", "agree", "jitter", "skew")}}
    server.execute(
        """
        INSERT INTO main (a, b, c, ts, amount, pad)
        SELECT a, CASE WHEN random() < %(agree)s THEN a / 3 ELSE (random() * %(distinct)s / 3)::int END,
               (ARRAY['done', 'open', 'failed', 'held', 'lost'])[1 + floor(5 * power(random(), %(skew)s * 1.5))::int],
               timestamp '2026-01-01' + (n + %(jitter)s * %(rows)s * random()) * interval '30 seconds',
               (random() * 10000)::numeric(9, 2), repeat('x', %(width)s)
        FROM (SELECT n, floor(%(distinct)s * power(random(), %(skew)s))::int AS a
              FROM generate_series(%(first)s, %(last)s - 1) n) s
        """,
        facts | {"first": first, "last": last},
    )
    server.execute(
        """
        INSERT INTO child SELECT n / 2 + 1, floor(50 * power(random(), %(skew)s))::int, (random() * 1000)::int, 'note'
        FROM generate_series(2 * %(first)s, 2 * %(last)s - 1) n ORDER BY n + 1000 * random()
        """,
        facts | {"first": first, "last": last},
    )


TEMPLATES = (
    "SELECT * FROM main WHERE a = {a}",
    "SELECT * FROM main WHERE a = {a} AND b = {a} / 3",
    "SELECT * FROM main WHERE c = '{c}' ORDER BY ts DESC LIMIT 20",
    "SELECT sum(amount) FROM main WHERE ts >= '{t}' AND ts < timestamp '{t}' + interval '{h} hours'",
    "SELECT count(*) FROM main WHERE ts >= '{t}' AND c = '{c}'",
    "SELECT * FROM main WHERE a = {a} ORDER BY ts DESC LIMIT 10",
    "SELECT sum(amount) FROM main WHERE amount BETWEEN {m} AND {m} + {w}",
    "SELECT m.id, ch.v FROM main m JOIN child ch ON ch.pid = m.id WHERE m.a = {a}",
    "SELECT m.c, count(*) FROM child ch JOIN main m ON m.id = ch.pid WHERE ch.kind = {k} GROUP BY m.c",
    "SELECT * FROM main WHERE amount > 9900 AND c = '{c}' ORDER BY id LIMIT 5",
    "SELECT count(*) FROM main WHERE b = {a} / 3 AND amount > {m}",
    "SELECT max(ts) FROM main WHERE a = {a}",
    "SELECT * FROM main WHERE c IN ('{c}', 'lost') AND a IN ({a}, {a} + 1, {a} + 2)",
    "SELECT id, amount FROM main ORDER BY amount DESC LIMIT 50",
    "SELECT count(*) FROM child WHERE kind = {k} AND v < {h} * 20",
    "SELECT * FROM main WHERE c = '{c}' AND b = {a} / 3 ORDER BY id DESC LIMIT 3",
)
MAIN = (
    ("a",), ("b",), ("c",), ("ts",), ("amount",), ("a", "b"), ("a", "ts"), ("c", "ts"), ("ts", "c"), ("b", "amount"),
    ("b", "id"), ("c", "id"), ("amount", "c"), ("c", "a"), ("c", "b", "id"), ("amount", "id"),
)  # fmt: skip
CHILD = (("pid",), ("kind",), ("kind", "v"), ("pid", "kind"), ("v",), ("v", "kind"))


def definitions(schema):
    """The indexes of a schema, as their structure."""
    main, child = QualifiedName(schema, "main"), QualifiedName(schema, "child")

    def keys(*columns):
        return tuple(map(IndexKey, columns))

    yield from (IndexDefinition(main, keys(*columns)) for columns in MAIN)
    yield from (IndexDefinition(child, keys(*columns)) for columns in CHILD)
    yield IndexDefinition(main, keys("a"), include=("ts", "amount"))
    yield IndexDefinition(main, keys("ts"), BRIN)
    yield IndexDefinition(main, keys("amount"), BRIN)
    yield IndexDefinition(main, keys("a"), HASH)
    yield IndexDefinition(main, keys("ts"), predicate="c = 'failed'")
    yield IndexDefinition(child, keys("kind"), include=("pid", "v"))


def statements(shape, seed):
    """By template its three statements."""
    draw = random.Random(f"{shape.name} {seed}")
    for number, text in enumerate(TEMPLATES):
        made = [_with_values(text, shape, draw, place) for place in range(3)]
        yield f"q-{shape.name}-{number:02}", tuple(made)


def _with_values(text, shape, draw, place):
    hours = shape.rows * 30 / 3600
    when = time.gmtime(1767225600 + 3600 * hours * (0.2, 0.7, 0.97)[place])
    return text.format(
        a=int(shape.distinct * draw.random() ** shape.skew),
        c=STATUSES[(0, 1, 3)[place]],
        t=time.strftime("%Y-%m-%d %H:%M:%S", when),
        h=(2, 12, 48)[place],
        m=round(draw.random() * 9000, 2),
        w=(5, 100, 1500)[place],
        k=int(50 * draw.random() ** shape.skew),
    )


class Lab:
    """One schema in its database, seen through one session."""

    def __init__(self, server, shape, seed):
        self.server, self.shape = server, shape
        self.texts = dict(statements(shape, seed))
        self.spent = Path(f"/proc/{server.info.backend_pid}/schedstat")

    def cost(self, template):
        return fmean(self._plan(text)["Total Cost"] for text in self.texts[template])

    def _plan(self, text):
        return self.server.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchone()[0][0]["Plan"]

    def milliseconds(self, template):
        return fmean(map(self._least, self.texts[template]))

    def _least(self, text):
        """Processor time of one call; a quick one is called more often, for the clock's sake."""
        self._took(text, 1)
        repeats = 1 if self._took(text, 1) > 10 else 8
        return min(self._took(text, repeats) for _ in range(ROUNDS))

    def _took(self, text, repeats):
        begun = int(self.spent.read_text().split()[0])
        for _ in range(repeats):
            self.server.execute(text).fetchall()
        return (int(self.spent.read_text().split()[0]) - begun) / 1e6 / repeats


def outcomes(dsn, shape, seed):
    """What each index of one schema did."""
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as server:
        fill(server, shape)
        server.execute("SET max_parallel_workers_per_gather = 0")
        server.execute(sql.SQL("SET random_page_cost = {}").format(shape.random_page_cost))
        with open_source(SourceRequest(Connection(dsn)), Silent()) as source:
            catalog = source.catalog
        lab = Lab(server, shape, seed)
        costs = {template: lab.cost(template) for template in lab.texts}
        times = {template: lab.milliseconds(template) for template in lab.texts}
        for definition in definitions(shape.name):
            server.execute(create_index(definition, "lab_index", concurrently=False))
            for template in lab.texts:
                cost = lab.cost(template)
                if cost < CHEAPER * costs[template]:
                    table = catalog.table(definition.table)
                    facts = table_facts(definition, table, catalog.settings)
                    after = lab.milliseconds(template)
                    sides = (costs[template], cost)
                    calls = (float(ROUNDS), float(ROUNDS))
                    yield ChangeOutcome(
                        template, definition, times[template], after, calls, *sides, facts=facts, how="replay"
                    )
            server.execute("DROP INDEX lab_index")


def read(path):
    return [from_json(ChangeOutcome, one) for one in json.loads(Path(path).read_text())]


def schema_of(outcome):
    return outcome.definition.table.schema


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--out", required=True)
    parser.add_argument("--schemas", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    made = shapes(asked.schemas, asked.seed, asked.rows)
    found = []
    for shape in made:
        begun = time.process_time()
        some = list(outcomes(asked.dsn, shape, asked.seed))
        found += some
        slower = sum(o.log_ratio > math.log(1.2) for o in some)
        print(
            f"{shape}: {len(some)} outcomes, {slower} slower by more than 1.2", time.process_time() - begun, flush=True
        )
    Path(asked.out).write_text(json.dumps([to_json(one) for one in found]))
    print(f"{len(found)} outcomes of {len({o.template for o in found})} templates")


if __name__ == "__main__":
    main()
