"""``lifecycle`` on 10,000 indexes, partitions included: seconds of the first and the second run, and its queries.

    python -m tests.benchmarks.lifecycle_scale [--tables 900] [--statements 300] [--profile]

Tables of ten indexes each (two of them needless), and partitioned tables of 25 parts with three indexes; the first run
begins with no twin of the schema, the second finds it. Half of the recorded statements read the tables' indexes, the
others partitions. Everything unread is called unused (``--min-age 0``), which asks most of the run.
"""

import argparse
import contextlib
import cProfile
import os
import pstats
import resource
import tempfile
import time
from collections import Counter
from datetime import timedelta
from unittest import mock

import psutil
import psycopg

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.admin.init import run as init
from indexpilot_cli.core.command import Connection, PlannerRequest, Record, Silent, WorkloadRequest
from indexpilot_cli.db.session import Session
from indexpilot_cli.lifecycle import lifecycle
from indexpilot_cli.lifecycle.values import LifecycleRequest
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

PARTS, PARTED = 25, 12
COLUMNS = ("owner", "status", "amount", "created", "ref", "kind", "lower(email)", "(owner, ref)", "(owner, kind, ref)")


def table_sql(number):
    name = f"t{number:04}"
    yield (
        f"CREATE TABLE {name} (id int PRIMARY KEY, owner int, status text, amount int, created timestamptz, ref int,"
        " email text, kind int) WITH (autovacuum_enabled = off)"
    )
    yield (
        f"INSERT INTO {name} SELECT g, g % 20, 's' || g % 4, g * 7 % 50,"
        " timestamptz '2026-01-01Z' + g * interval '1 h', g % 30, 'u' || g, g % 3 FROM generate_series(1, 60) g"
    )
    for place, columns in enumerate(COLUMNS):
        yield f"CREATE INDEX {name}_i{place} ON {name} {columns if columns[0] == '(' else f'({columns})'}"


def parted_sql(number):
    name = f"p{number:03}"
    yield f"CREATE TABLE {name} (id int, day int, ref int) PARTITION BY RANGE (day)"
    for part in range(PARTS):
        yield f"CREATE TABLE {name}_{part} PARTITION OF {name} FOR VALUES FROM ({part}) TO ({part + 1})"
    yield f"INSERT INTO {name} SELECT g, g % {PARTS}, g FROM generate_series(1, 500) g"
    for place, columns in enumerate(("id", "ref", "ref, id")):
        yield f"CREATE INDEX {name}_i{place} ON {name} ({columns})"


def statements(number, tables):
    for at in range(number):
        name, parted = f"t{at * 7 % tables:04}", f"p{at % PARTED:03}"
        yield (
            f"SELECT id FROM {name} WHERE owner = {at} AND status = 's1'"
            if at % 2
            else (f"SELECT count(*) FROM {parted} WHERE ref = {at} AND {at} > 0")
        )


def make(dsn, tables):
    with psycopg.connect(dsn, autocommit=True) as server:
        for at in range(tables):
            for statement in table_sql(at):
                server.execute(statement)
        for at in range(PARTED):
            for statement in parted_sql(at):
                server.execute(statement)
        server.execute("ANALYZE")
        return server.execute("SELECT count(*) FROM pg_index WHERE indrelid >= 16384").fetchone()[0]


@contextlib.contextmanager
def counted():
    """The questions asked of servers meanwhile, by name or first words."""
    found = Counter()
    rows = Session.rows

    def counting(self, query, params=None):
        found[" ".join(str(query).split())[:60]] += 1
        return rows(self, query, params)

    with mock.patch.object(Session, "rows", counting):
        yield found


def looked(dsn, texts):
    """The outcome, seconds by the clock and of CPU, and the questions."""
    request = LifecycleRequest(
        Connection(dsn),
        min_age=timedelta(0),
        workload=WorkloadRequest(queries=tuple(texts)),
        planner=PlannerRequest(what_if="twin"),
        record=Record("benchmark", "1", "lifecycle"),
    )
    before = os.times()
    with counted() as questions:
        outcome = lifecycle.run(request, Silent())
    after = os.times()
    cpu = after.user + after.system - before.user - before.system
    return outcome, after.elapsed - before.elapsed, cpu, questions


def busy():
    """Seconds of CPU of this process, of the server and of the twins, as far as they live or were waited for."""
    mine = psutil.Process()
    return cpu_of({mine, *mine.children(recursive=True), *servers()})


def servers():
    """The processes of all servers on this machine."""
    return {p for p in psutil.process_iter(["name"]) if (p.info["name"] or "").startswith("postgres")}


def cpu_of(processes):
    """Their seconds of CPU, with those of children that they waited for; nothing of one that has ended."""
    found = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            found += times.user + times.system + times.children_user + times.children_system
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=900)
    parser.add_argument("--statements", type=int, default=300)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    settings = {**SETTINGS, "autovacuum": "off", "max_locks_per_transaction": "4000"}
    with tempfile.TemporaryDirectory() as cache, LocalServer(with_hypopg(), new_home(), settings) as server:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_STATE_HOME"] = cache
        dsn = server.dsn()
        print(f"{make(dsn, options.tables)} indexes, {options.statements} statements")
        init(InitRequest(Connection(dsn), record=Record("benchmark", "1", "init")), Silent())
        texts = list(statements(options.statements, options.tables))
        for run in ("first", "second"):
            profile = cProfile.Profile()
            if options.profile:
                profile.enable()
            begun = busy()
            outcome, seconds, cpu, questions = looked(dsn, texts)
            profile.disable()
            found = Counter(f.state.value for f in outcome.result.findings)
            print(f"{run} run: {seconds:.1f} s, {cpu:.1f} s CPU of this process, {busy() - begun:.1f} s of it and all")
            print("   of its servers;", dict(found))
            print("  ", ", ".join(f"{name} {n}" for name, n in questions.most_common(8)))
            if options.profile:
                pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
    print(f"largest process {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    time.tzset()
    main()
