"""What a drop is predicted to do, against what it does: the same statements planned again after the real drop.

    python -m tests.benchmarks.drops --dsn "dbname=tpch_copy" --build
    python -m tests.benchmarks.drops --dsn "host=… dbname=demo" --log postgresql.json [--build]

The database is changed: ``--build`` adds indexes to draw from (TPC-H's pool, or the advisor's own candidates for the
log: many of those cost the same, and which of them a plan takes is chance), and every drop is carried out, each in a
transaction that is rolled back, as a role that owns the tables. A draw hides one to three indexes on the twin, as
``lifecycle`` and ``recommend`` do; plans count as identical by their shape. A drop is said to be harmless where the
twin finds no statement dearer by more than one per cent.
"""

import argparse
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from indexpilot_cli.core.ddl import create_index, drop_index
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.workload import PlanMode
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.existing import must_stay
from indexpilot_cli.planner.twin.fidelity import quantile, relative_error
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.capture import capture
from tests.benchmarks.twin_fidelity import from_log, named, tpch

HARMLESS = 1.01


@dataclass(frozen=True)
class Replanned:
    """One statement of one draw: costs before and after, as the twin has them and as the server does."""

    draw: int
    query: str
    before: float
    predicted: float
    real_before: float
    real: float
    same: bool
    touched: bool


def build(admin, definitions):
    """The indexes to draw from, built where they are not there yet."""
    for definition, name in named(definitions).items():
        if admin.value("SELECT to_regclass(%s)", [str(name)]) is None:
            admin.execute(create_index(definition, name.name, concurrently=False))
    for schema_table in sorted({str(d.table) for d in definitions}):
        admin.execute(f"ANALYZE {schema_table}")


def droppable(catalog):
    found = []
    for table in catalog.tables:
        found += (i for i in table.indexes if table.kind == "r" and i.valid and must_stay(i, table) is None)
    return found


def inside(admin, statement, options):
    """The plan within the open transaction; ``explain_text`` would have one of its own."""
    if statement.mode is PlanMode.LITERAL:
        return admin.explain(f"EXPLAIN ({options}) {statement.sql}")
    admin.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    admin.execute(f"PREPARE again AS {statement.sql}")
    nulls = f"({', '.join(['NULL'] * statement.parameters)})" if statement.parameters else ""
    node = admin.explain(f"EXPLAIN ({options}) EXECUTE again{nulls}")
    admin.execute("DEALLOCATE again")
    return node


def understood(twin, admin, statement):
    node = inside(admin, statement, "FORMAT JSON, VERBOSE" if twin.needs_schemas(statement) else "FORMAT JSON")
    return twin.understand(statement, node)


def replanned(twin, admin, queries, draws):
    now = twin.plan([WhatIf(statement) for _, statement in queries])
    there = [understood(twin, admin, statement) for _, statement in queries]
    same = sum(one.shape == other.shape for one, other in zip(now, there, strict=True))
    print(f"before any drop: {same} of {len(queries)} plans identical")
    for number, gone in enumerate(draws):
        hidden = frozenset(index.name for index in gone)
        guesses = twin.plan([WhatIf(statement, hidden=hidden) for _, statement in queries])
        admin.execute("BEGIN")
        for index in gone:
            admin.execute(drop_index(index.name, concurrently=False))
        for (name, statement), before, was, guess in zip(queries, now, there, guesses, strict=True):
            real = understood(twin, admin, statement)
            yield Replanned(
                number,
                name,
                before.total_cost,
                guess.total_cost,
                was.total_cost,
                real.total_cost,
                real.shape == guess.shape,
                bool(before.existing & hidden),
            )
        admin.execute("ROLLBACK")


def report(title, found, draws):
    for label, rows in (("all", found), ("whose plan used what goes", [r for r in found if r.touched])):
        errors = sorted(relative_error(r.real, r.predicted) for r in rows)
        same = sum(r.same for r in rows)
        print(
            f"{title}, {label}: {same} of {len(rows)} plans identical ({same / max(1, len(rows)):.2%}), cost error p90"
            f" {quantile(errors, 0.9):.4%} max {quantile(errors, 1):.4%}"
        )
    harmless = [n for n in range(draws) if all(r.predicted <= HARMLESS * r.before for r in found if r.draw == n)]
    worst = max((r.real / r.real_before for r in found if r.draw in harmless), default=1.0)
    print(
        f"{title}: {len(harmless)} of {draws} drops said to be harmless; the dearest statement then costs {worst:.4f}x"
    )
    for r in [r for r in found if not r.same or relative_error(r.real, r.predicted) > 0.01][:12]:
        print(f"    draw {r.draw} {r.query}: {r.before:.0f} before, {r.predicted:.0f} predicted, {r.real:.0f} real")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--log", help="a server log of the database: its templates instead of TPC-H's")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20261129)
    asked = parser.parse_args()
    with (
        open_session(asked.dsn, read_only=False, statement_timeout_ms=0, lock_timeout_ms=0) as admin,
        tempfile.TemporaryDirectory() as place,
    ):
        Path(place).chmod(0o755)
        subject = tpch() if asked.log is None else from_log(asked.log, read_catalog(admin))
        if asked.build:
            build(admin, subject.pool)
        snapshot = capture(admin, read_catalog(admin), conninfo=asked.dsn)
        with open_twin(snapshot, cache_dir=Path(place)) as twin:
            chance = random.Random(asked.seed)
            spare = droppable(snapshot.catalog)
            draws = [chance.sample(spare, chance.choice((1, 1, 2, 3))) for _ in range(asked.draws)]
            found = list(replanned(twin, admin, subject.queries, draws))
    report("log" if asked.log else "TPC-H", found, asked.draws)


if __name__ == "__main__":
    main()
