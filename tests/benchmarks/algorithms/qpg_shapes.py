"""QPG on sixty templates, twenty of them sensitive to their values: shapes found, probes, and what the choice gains.

    python -m tests.benchmarks.algorithms.qpg_shapes [--vectors 400] [--rows 60000]

The reference plans every template with ``vectors`` vectors of values: all kinds of values that statistics know, then
values of rows taken at random. Random probing draws values of rows one after the other until it has as many shapes.
"""

import argparse
import random
from dataclasses import dataclass
from itertools import islice, product

import psycopg

from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.qpg import qpg
from indexpilot_cli.algorithms.qpg.explore import explore, value_classes
from indexpilot_cli.core.command import Connection, PlannerRequest, Silent
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.workload import ObservedStatement, Plannable, SourceKind, Workload
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.sql.parser import bind, deparse, parse
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.plannable import slots
from tests.benchmarks.algorithms import cases
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.algorithms.cert import CACHED
from tests.benchmarks.selection import table
from tests.servers import binaries

SETUP = """{cached}CREATE TABLE p AS
SELECT g AS id, g % 40 AS grp, repeat('y', 60) AS name FROM generate_series(1, 4000) g;
CREATE TABLE t AS SELECT g AS id, g % 4000 + 1 AS ref,
    CASE WHEN g % 200 = 0 THEN 'new' WHEN g % 20 = 0 THEN 'error' ELSE 'done' END AS status,
    CASE WHEN g % 4 = 0 THEN 1 WHEN g % 4 = 1 THEN 2 ELSE g END AS modes,
    floor(500 * power(random(), 6))::int AS zipf,
    CASE WHEN g % 10 < 7 THEN 0 ELSE 1 + g % 50 END AS level,
    timestamp '2024-01-01' + (g * 7919::bigint % {rows}) * interval '1 minute' AS at,
    g * 31::bigint % 200 AS u200, g * 37::bigint % 1000 AS u1000, g * 41::bigint % 5000 AS u5000,
    g * 43::bigint % {rows} AS u, repeat('x', 120) AS pad
FROM generate_series(1, {rows}) g;
VACUUM ANALYZE p;
VACUUM ANALYZE t"""
FORMS = (
    "SELECT count(t.pad) FROM t WHERE {}",
    "SELECT t.id, t.pad FROM t WHERE {} ORDER BY t.at DESC",
    "SELECT count(t.pad) FROM t JOIN p ON p.id = t.ref WHERE {}",
    "SELECT p.grp, max(t.at) FROM t JOIN p ON p.id = t.ref WHERE {} GROUP BY p.grp",
)
SENSITIVE = (
    "t.status = $1",
    "t.zipf = $1",
    "t.modes = $1 AND t.at > $2",
    "t.status = $1 AND t.at > $2",
    "t.zipf = $1 AND t.level = $2",
)
SAME = ("t.u200 = $1", "t.u1000 = $1", "t.u5000 = $1", "t.u = $1", "t.id = $1", "t.ref = $1")
PAIRS = (
    "t.u200 = $1 AND t.ref = $2",
    "t.u1000 = $1 AND t.u5000 = $2",
    "t.ref = $1 AND t.u = $2",
    "t.id = $1 AND t.u = $2",
)
SENSITIVE_TIMES = 2.0  # the dearest plan of a sensitive template costs that many times the cheapest


@dataclass(frozen=True)
class Seen:
    """A template: sensitive by the reference, by the probes, shapes of either, probes made and needed at random."""

    text: str
    sensitive: bool
    found: bool
    reference: frozenset
    shapes: frozenset
    probes: int
    at_random: int
    vectors: tuple


def texts():
    for condition in (*SENSITIVE, *SAME, *PAIRS):
        yield from (form.format(condition) for form in FORMS)


def vectors(node, template, catalog, rows, most):
    """All kinds of values known to the statistics, then values of rows at random."""
    known = {s.number: s for s in slots(node, template.uses, catalog)}
    kinds = {number: [c.value for c in value_classes(slot)] for number, slot in known.items()}
    found = [dict(zip(kinds, values, strict=True)) for values in islice(product(*kinds.values()), most)]
    return found, [*at_random(known, rows, most - len(found))]


def at_random(known, rows, count):
    chance = random.Random(1)
    for _ in range(count):
        row = chance.choice(rows)
        yield {n: quote_literal(str(row[s.column.name])) for n, s in known.items()}


def statements(node, values):
    return [Plannable(deparse(bind(node, chosen))) for chosen in values]


def plans_of(estimator, asked, indexes):
    return [plan for plan in estimator.plan([WhatIf(s, indexes) for s in asked]) if plan.ok]


def is_sensitive(plans):
    costs = [plan.total_cost for plan in plans]
    return len({plan.shape for plan in plans}) > 1 and max(costs) >= SENSITIVE_TIMES * min(costs)


def until(shapes, wanted):
    """Probes until as many of the shapes are seen as wanted; all of them where that never happens."""
    seen = set()
    for number, shape in enumerate(shapes, 1):
        seen.add(shape)
        if len(seen) >= wanted:
            return number
    return len(shapes)


def looked_at(study, template, rows, most):
    node = parse(template.text).node
    indexes = qpg._helpers(study, template)
    space = explore(template, study.catalog, study.estimator, indexes)
    kinds, drawn = vectors(node, template, study.catalog, rows, most)
    asked, alone = statements(node, [*kinds, *drawn]), statements(node, drawn)
    plans = plans_of(study.estimator, asked, indexes)
    reference = frozenset(plan.shape for plan in plans)
    shapes = frozenset(space.shapes) if space is not None else frozenset()
    drawn_shapes = [plan.shape for plan in plans_of(study.estimator, alone, indexes)]
    needed = until(drawn_shapes, len(shapes & reference))
    found = qpg._sensitive(study, template) is not None
    probes = len(space.probes) if space is not None else 0
    return Seen(template.text, is_sensitive(plans), found, reference, shapes, probes, needed, tuple(asked))


def explored(dsn, rows, most):
    """Every template with what was seen of it, and the costs of the sets chosen with and without QPG."""
    workload = list(texts())
    case = Case("shapes", "qpg", "", tuple((text, 100.0) for text in workload))
    plans = {on: cases.planned(dsn, case, on=on) for on in (True, False)}
    request = RecommendRequest(Connection(dsn), planner=PlannerRequest("twin"))
    observed = tuple(ObservedStatement(text, 100.0, 100.0) for text in workload)
    with (
        open_source(SourceRequest(request.connection), Silent()) as source,
        open_estimator(source, request.planner, Silent()) as estimator,
    ):
        folded = fold([Workload(SourceKind.LOG, observed)], source.catalog)
        folded = prepared(folded, source.catalog, types_from(estimator))
        sizes = Sizes(source.catalog)
        study = Study(source.catalog, folded.templates, request.features, NoSamples(), estimator, sizes)
        seen = []
        for template in folded.templates:
            seen.append(looked_at(study, template, rows, most))
            print(row(seen[-1]), flush=True)
        costs = {on: list(costs_of(estimator, seen, plans[on])) for on in plans}
    return seen, costs, plans


def costs_of(estimator, seen, plan):
    """For each template the mean and the worst cost over the reference under the plan's indexes."""
    chosen = frozenset(r.definition for r in plan.recommendations)
    estimator.prepare(tuple(chosen))
    for one in seen:
        found = [p.total_cost for p in estimator.plan([WhatIf(s, chosen) for s in one.vectors]) if p.ok]
        yield sum(found) / len(found), max(found)


def row(one):
    found = f"{len(one.shapes & one.reference)} of {len(one.reference)}"
    words = f"{'sensitive' if one.sensitive else '':10} {'found' if one.found else '':6} {found:8}"
    return f"{words} {one.probes:3} {one.at_random:4} {one.text}"


def summary(seen, costs):
    """The measured figures beside the targets."""
    shapes = sum(len(one.reference) for one in seen)
    recall = sum(len(one.shapes & one.reference) for one in seen) / shapes
    planted = [one for one in seen if one.sensitive]
    more = sum(one.at_random for one in planted) / max(1, sum(one.probes for one in planted))
    false = sum(one.found and not one.sensitive for one in seen)
    mean, worst = (sum(c[n] for c in costs[True]) / sum(c[n] for c in costs[False]) for n in (0, 1))
    yield ("figure", "measured", "target")
    yield ("templates", str(len(seen)), "60")
    yield ("shapes found", f"{recall:.1%} of {shapes}", ">= 95 %")
    yield ("probes of a template, most", str(max(one.probes for one in seen)), "<= 40")
    yield ("random probes for as many shapes", f"{more:.1f}x", ">= 3x")
    yield ("sensitive found", f"{sum(one.found for one in planted)} of {len(planted)}", "all")
    yield ("called sensitive wrongly", str(false), "<= 2")
    yield ("worst cost with it", f"{worst - 1:+.1%}", "<= -30 %")
    yield ("mean cost with it", f"{mean - 1:+.1%}", "<= +2 %")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", type=int, default=400)
    parser.add_argument("--rows", type=int, default=60_000)
    chosen = parser.parse_args()
    case = Case("shapes", "qpg", SETUP.format(cached=CACHED, rows=chosen.rows), ())
    with (
        LocalServer(binaries(), new_home(), {"fsync": "off", "autovacuum": "off"}) as server,
        cases.case_database(server, 0, case) as dsn,
    ):
        with psycopg.connect(dsn, row_factory=psycopg.rows.dict_row) as session:
            rows = session.execute("SELECT * FROM t TABLESAMPLE BERNOULLI (5) REPEATABLE (1)").fetchall()
        seen, costs, plans = explored(dsn, rows, chosen.vectors)
    same = cases.content(plans[True]) == cases.content(plans[False])
    with_it, without = (len(plans[on].recommendations) for on in (True, False))
    print(f"indexes with it {with_it}, without {without}, {'the same' if same else 'others'}")
    print(*table(list(summary(seen, costs))), sep="\n")


if __name__ == "__main__":
    main()
