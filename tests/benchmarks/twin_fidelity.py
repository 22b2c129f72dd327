"""How exact the planner twin is, as numbers.

    python -m tests.benchmarks.twin_fidelity --dsn "dbname=tpch" [--copy "dbname=tpch_copy"] [--sets 60]
    python -m tests.benchmarks.twin_fidelity --dsn … --copy … --log postgresql.json

``--dsn`` is a TPC-H database (only read), or any other with its log, whose templates and candidates count
then. ``--copy`` is a copy of it that this may build indexes in, as superuser (createdb -T tpch tpch_copy); without
it only the existing indexes are compared.

(a) existing indexes, same major version; (b) random sets of hypothetical indexes against the same indexes really
built; (c) the newest other major version, where the differences are listed.
"""

import argparse
import random
import re
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from indexpilot_cli.advise.candidates import propose
from indexpilot_cli.core.ddl import create_index, index_name, summary
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.plans import explain_text
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.size import estimate
from indexpilot_cli.planner.twin.fidelity import measure, quantile, relative_error
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.capture import capture
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.logs import read_log
from indexpilot_cli.workload.plannable import scenarios

MOST_BUILT = 60
QUERIES = Path(__file__).parent / "tpch"
KEYS = (
    "lineitem l_shipdate; lineitem l_receiptdate; lineitem l_commitdate; lineitem l_partkey; lineitem l_suppkey;"
    "lineitem l_partkey l_suppkey; lineitem l_suppkey l_partkey; lineitem l_shipmode; lineitem l_returnflag;"
    "lineitem l_quantity; lineitem l_discount l_quantity; lineitem l_shipdate l_discount; lineitem l_shipinstruct;"
    "lineitem l_orderkey l_suppkey; lineitem l_returnflag l_orderkey; orders o_orderdate; orders o_custkey;"
    "orders o_custkey o_orderdate; orders o_orderdate o_orderpriority; orders o_orderstatus; orders o_comment;"
    "orders o_orderpriority; customer c_nationkey; customer c_mktsegment; customer c_acctbal; customer c_phone;"
    "customer c_mktsegment c_custkey; part p_size; part p_type; part p_brand; part p_container; part p_name;"
    "part p_brand p_container; part p_size p_type; partsupp ps_suppkey; partsupp ps_supplycost;"
    "partsupp ps_suppkey ps_partkey; partsupp ps_availqty; supplier s_nationkey; supplier s_name;"
    "supplier s_nationkey s_suppkey; nation n_name; nation n_regionkey; region r_name"
)


@dataclass(frozen=True)
class Comparison:
    set_number: int
    query: str
    same: bool
    error: float
    used: bool


@dataclass(frozen=True)
class Subject:
    """Statements by name, the tables each reads, and the indexes that sets are drawn from."""

    queries: tuple
    pool: tuple
    sizes: bool = False


def tpch():
    return Subject(tuple(queries()), tuple(pool()))


def from_log(path, catalog):
    """Templates of a server log and the advisor's own candidates for them, with the sizes it would assume."""
    folded = fold([read_log(Path(path), database=catalog.database)], catalog)
    named = [(t, scenarios(t, catalog)) for t in folded.templates]
    candidates = propose(folded.templates, catalog).candidates
    ordinary = [c.definition for c in candidates if catalog.table(c.definition.table).kind == "r"]
    return Subject(tuple((t.id, s[0].statement) for t, s in named if s), tuple(ordinary), sizes=True)


def queries():
    """The 22 statements by name; those of several statements are reduced to the query."""
    return [(p.stem, Plannable(p.read_text().strip().rstrip(";"))) for p in sorted(QUERIES.glob("q*.sql"))]


def pool():
    """The indexes that sets are drawn from."""
    entries = [entry.split() for entry in KEYS.split(";")]
    return [
        IndexDefinition(QualifiedName("public", table), tuple(IndexKey(column) for column in columns))
        for table, *columns in entries
    ]


def existing(twin, session, title, subject):
    started = time.perf_counter()
    found = measure(twin, session, subject.queries)
    print(
        f"{title}: {found.identical} of {found.compared} plans identical, cost error median {found.median_error:.4%}"
        f" p90 {found.p90_error:.4%} max {found.max_error:.4%} ({time.perf_counter() - started:.1f} s, {twin.name})"
    )
    for d in found.differences:
        print(f"    {d.template}: {d.server_cost:.2f} there, {d.twin_cost:.2f} on the twin ({d.error:.3%})")


def named(definitions):
    """A name of its own for every definition."""
    names = {}
    for definition in definitions:
        taken = {name.name for name in names.values()}
        names[definition] = QualifiedName(definition.table.schema, index_name(definition, taken))
    return names


def assume(twin, catalog, definitions):
    """The sizes the advisor would give the twin."""
    for definition in definitions:
        size = estimate(definition, catalog.table(definition.table), catalog)
        twin.set_size(definition, size.pages, size.tuples, size.height)


def build_all(admin, definitions):
    """Every index of the pool, invalid; gives its name by definition."""
    names = named(definitions)
    for definition, name in names.items():
        if admin.value("SELECT to_regclass(%s)", [str(name)]) is None:
            admin.execute(create_index(definition, name.name, concurrently=False))
    admin.execute("CHECKPOINT")
    admin.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = ANY (%s::regclass[])",
        [[str(n) for n in names.values()]],
    )
    return names


def show(admin, names, wanted):
    for on in (True, False):
        chosen = [str(n) for d, n in names.items() if (d in wanted) is on]
        admin.execute(
            "UPDATE pg_index SET indisvalid = %s WHERE indexrelid = ANY (%s::regclass[]) AND indisvalid <> %s",
            [on, chosen, on],
        )


def hypothetical(twin, admin, names, sets, exact_sizes, subject):
    """Answers of both planners for every set and every query that touches one of its tables."""
    if exact_sizes:
        for definition, name in names.items():
            row = admin.one("SELECT relpages, reltuples FROM pg_class WHERE oid = %s::regclass", [str(name)])
            twin.set_size(definition, row.relpages, row.reltuples)
    built = {name: definition for definition, name in names.items()}
    results = []
    for number, wanted in enumerate(sets):
        show(admin, names, wanted)
        tables = {d.table.name for d in wanted}
        for name, statement in subject.queries:
            if not any(re.search(rf"\b{table}\b", statement.sql, re.I) for table in tables):
                continue
            (guess,) = twin.plan([WhatIf(statement, frozenset(wanted))])
            real = twin.understand(statement, explain_text(admin, statement), built)
            results.append(
                Comparison(
                    number,
                    name,
                    real.shape == guess.shape,
                    relative_error(real.total_cost, guess.total_cost),
                    bool(real.hypothetical or guess.hypothetical),
                )
            )
    return results


def report(title, results):
    used = [r for r in results if r.used]
    for label, rows in (("all", results), ("using the set", used)):
        errors = sorted(r.error for r in rows)
        same = sum(r.same for r in rows)
        print(
            f"{title}, {label}: {same} of {len(rows)} plans identical ({same / max(1, len(rows)):.2%}), cost error"
            f" median {median(errors) if errors else 0:.4%}"
            f" p90 {quantile(errors, 0.9):.3%} max {quantile(errors, 1):.3%}"
        )
    worst = sorted((r for r in results if not r.same or r.error > 0.02), key=lambda r: -r.error)[:12]
    for r in worst:
        print(f"    set {r.set_number} {r.query}: {'same' if r.same else 'other'} plan, {r.error:.3%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--copy")
    parser.add_argument("--log", help="a server log of the database: its templates instead of TPC-H's")
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with open_session(options.dsn) as session, tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        snapshot = capture(session, read_catalog(session), conninfo=options.dsn)
        subject = from_log(options.log, snapshot.catalog) if options.log else tpch()
        with open_twin(snapshot, cache_dir=Path(place)) as twin:
            existing(twin, session, "(a) existing indexes", subject)
        without = replace(snapshot, sizes=tuple(replace(size, height=None) for size in snapshot.sizes))
        with open_twin(without, cache_dir=Path(place)) as twin:
            existing(twin, session, "(a) existing indexes, heights estimated", subject)
        if options.copy:
            random_sets(options, place, subject)
        for major in sorted({b.major for b in installed()} - {snapshot.major}, reverse=True)[:1]:
            with open_twin(snapshot, cache_dir=Path(place), major=major) as twin:
                existing(twin, session, f"(c) PostgreSQL {snapshot.major} planned by {major}", subject)


def random_sets(options, place, subject):
    chance = random.Random(options.seed)
    candidates = chance.sample(subject.pool, min(len(subject.pool), MOST_BUILT))
    sets = [chance.sample(candidates, chance.randint(1, 3)) for _ in range(options.sets)]
    with open_session(options.copy, read_only=False, statement_timeout_ms=0, lock_timeout_ms=0) as admin:
        snapshot_catalog = read_catalog(admin)
        show_existing = capture(admin, snapshot_catalog, conninfo=options.copy)
        own = {str(name) for name in named(candidates).values()}
        bare = replace(
            show_existing,
            objects=tuple(o for o in show_existing.objects if str(QualifiedName(o.schema or "-", o.name)) not in own),
        )
        names = build_all(admin, candidates)
        try:
            for exact in (False, True):
                with open_twin(bare, cache_dir=Path(place)) as twin:
                    if subject.sizes and not exact:
                        assume(twin, snapshot_catalog, candidates)
                    results = hypothetical(twin, admin, names, sets, exact, subject)
                    kind = "true sizes given" if exact else "sizes estimated"
                    report(f"(b) {len(sets)} sets of hypothetical indexes, {kind}", results)
                    if not exact:
                        sizes(twin, admin, names)
        finally:
            show(admin, names, names)


def sizes(twin, admin, names):
    """How far the estimated sizes are off, worst first."""
    rows = []
    for definition, name in names.items():
        real = admin.value("SELECT pg_relation_size(%s::regclass)", [str(name)])
        rows.append((twin.size(definition) / real - 1, summary(definition), real))
    for error, text, real in sorted(rows, key=lambda row: -abs(row[0]))[:8]:
        print(f"    size of {text}: {error:+.1%} of {real / 1048576:.1f} MiB")


if __name__ == "__main__":
    main()
