"""Every statement of a directory of .sql files, or of a grammar, through every stage.

    python -m tests.benchmarks.fuzz_stages DIRECTORY
    python -m tests.benchmarks.fuzz_stages --grammar 20000 --seed 1

Made for PostgreSQL's own regression suite (``src/test/regress/sql`` of its source package), which this repository does
not ship. A scratch server gets what the files define and insert, nothing is dropped; then all their statements are
read, folded, proposed for, priced on the planner twin and explained. Printed are the statements tried, those left out
by stage and reason, and the faults. Any exception ends the run: there must be none.
"""

import argparse
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg import sql

from indexpilot_cli.advise.pipeline import advise_on, prepared, types_from
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, PlannerRequest, Silent, TableFilter, WorkloadRequest
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.planner.open import open_planner_twin
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.sql.parser import Unparsed, parse
from indexpilot_cli.sql.parser.text import split
from indexpilot_cli.workload.collect import read_sql
from indexpilot_cli.workload.templates import fold_workload
from tests.benchmarks import grammar

SETTINGS = {"fsync": "off", "autovacuum": "off", "statement_timeout": "3s"}
DEFINES = {
    *("CreateStmt", "CreateTableAsStmt", "CreateEnumStmt", "CompositeTypeStmt", "CreateRangeStmt", "CreateDomainStmt"),
    *("CreateSeqStmt", "CreateFunctionStmt", "ViewStmt", "IndexStmt", "InsertStmt", "CreateSchemaStmt"),
    *("CreateExtensionStmt", "CreateStatsStmt"),
}
TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relkind IN ('r', 'p', 'm') AND relnamespace <> ALL ('{pg_catalog,information_schema}'::regnamespace[])
"""
CHUNK = 250  # templates advised on at once, so that none is left out as represented by another


def fill(dsn, statements):
    """What the files define, in their order; what does not work on its own is left out."""
    done = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        for text in statements:
            found = parse(text)
            if isinstance(found, Unparsed) or found.node.kind not in DEFINES:
                continue
            try:
                connection.execute(text.encode())
                done += 1
            except psycopg.Error:
                continue
        connection.execute("SET statement_timeout = 0")
        tables = connection.execute(TABLES).fetchall()
        for (name,) in tables:
            with suppress(psycopg.Error):  # an expression in one of its indexes fails
                connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(name)))
    print(f"{done:,} statements define {len(tables):,} tables")


def advise(source, folded, request, counts):
    with open_planner_twin(source, request.planner, Silent()) as estimator:
        for start in range(0, len(folded.templates), CHUNK):
            part = replace(folded, templates=folded.templates[start : start + CHUNK], skipped=())
            part = prepared(part, source.catalog, types_from(estimator))
            plan = advise_on(source, part, estimator, request, Silent())
            counts.update((s.stage.value, s.reason) for s in plan.skipped)
            for item in plan.skipped:
                if item.reason == "failed":
                    print(f"failed in {item.stage}: {item.detail}\n    {' '.join(item.text.split())[:300]}", flush=True)
            print(f"{start + len(part.templates):,}: {len(plan.recommendations)} indexes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--grammar", type=int, help="so many statements of tests/benchmarks/grammar.py instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=2000, help="EXPLAINs of one batch of templates")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.grammar:
            options.directory = Path(temporary)
            # A file each: a quote that some statement leaves open must not take the next ones with it.
            for number, text in enumerate((grammar.SCHEMA, *grammar.statements(options.seed, options.grammar))):
                (options.directory / f"{number:06}.sql").write_text(text)
        run(options)


def run(options):
    begun = time.process_time()
    with LocalServer(installed()[0], new_home(), SETTINGS) as server:
        texts = [s.text for s in read_sql((options.directory,)).statements]
        # Of a grammar only the first file defines anything, and no INSERT of the others may fill its tables.
        fill(server.dsn(), [p.text for p in split(grammar.SCHEMA)] if options.grammar else texts)
        connection = Connection(server.dsn())
        request = RecommendRequest(
            connection,
            workload=WorkloadRequest(files=(str(options.directory),)),
            planner=PlannerRequest(max_calls=options.calls),
        )
        with open_source(SourceRequest(connection), Silent()) as source:
            folded = fold_workload(source, request.workload, TableFilter(), Silent())
            counts = Counter((s.stage.value, s.reason) for s in folded.skipped)
            for item in folded.skipped:
                if item.reason == "failed":
                    print(f"failed in {item.stage}: {item.detail}\n    {' '.join(item.text.split())[:300]}")
            print(f"{len(texts):,} statements, {len(folded.templates):,} templates", flush=True)
            advise(source, folded, request, counts)
    for (stage, reason), count in sorted(counts.items()):
        print(f"{stage:14} {reason:14} {count:7,}")
    print(f"exceptions: 0; {time.process_time() - begun:.0f} s of own CPU")


if __name__ == "__main__":
    main()
