"""Many tables, tenants and recorded statistics: seconds by the clock, and of CPU of this process and the server.

    python -m tests.benchmarks.tenants [--dsn DSN] [--tables 1000] [--tenants 1000] [--rows 5000000]

Without --dsn a server is started for it. With it, the database must be one that may be filled; a second run finds it
filled. The limits are those of the project: discover --sync 30 s, tenant show 1 s,
the figures of all statistics 10 s, analyze of them 2 s on two cores. Commands are processes, as a user starts them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext

import psycopg

from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.lifecycle_scale import cpu_of, servers
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

FIELDS = "id int PRIMARY KEY, tenant_id int, a text, b text, c int, d timestamptz, e numeric, f text"
PROFILES = """
INSERT INTO indexpilot.expression_profile (tenant_id, schema_name, table_name, field_name)
SELECT t, g.schema_name, g.table_name, g.field_name
FROM generate_series(1, {tenants}) t, indexpilot.genome_catalog g WHERE g.table_name LIKE 't____'
"""
STATISTICS = """
INSERT INTO indexpilot.query_stats (tenant_id, table_name, field_name, query_type, duration_ms, created_at)
SELECT g % {tenants} + 1, 't' || lpad((g * 7 % {used})::text, 4, '0'), chr(97 + g * 13 / 1000 % 6),
    (ARRAY['READ', 'range', 'in', 'update'])[1 + g / 17 % 4], exp(random() * 6), now() - ({rows} - g) * interval '0.5 s'
FROM generate_series(1, {rows}) g
"""
FIGURES = "from indexpilot_cli import host; host.init_connection_pool({dsn!r}, 1, 2); print(len(host.{call}))"


def seed(dsn, options):
    with psycopg.connect(dsn, autocommit=True) as server:
        if server.execute("SELECT to_regclass('t0000')").fetchone() != (None,):
            return
        for number in range(options.tables):
            server.execute(f"CREATE TABLE t{number:04} ({FIELDS})")
        command(dsn, "init", "--db-only", "--yes")
        command(dsn, "discover", "--save")
        server.execute(PROFILES.format(tenants=options.tenants))
        used = min(options.tables, 50)
        server.execute(STATISTICS.format(tenants=options.tenants, rows=options.rows, used=used))
        server.execute("VACUUM ANALYZE indexpilot.query_stats")
        server.execute("VACUUM ANALYZE indexpilot.expression_profile")


def command(dsn, *words):
    subprocess.run([sys.executable, "-m", "indexpilot_cli", *words, "-d", dsn], check=True, stdout=subprocess.DEVNULL)


def python(dsn, call):
    text = FIGURES.format(dsn=dsn, call=call)
    subprocess.run([sys.executable, "-c", text], check=True, stdout=subprocess.DEVNULL)


def measured(name, limit, work):
    before, server, began = os.times(), cpu_of(servers()), time.monotonic()
    work()
    seconds, after = time.monotonic() - began, os.times()
    mine = after.children_user + after.children_system - before.children_user - before.children_system
    theirs = cpu_of(servers()) - server
    print(f"{name:28} {seconds:6.2f} s  (CPU {mine:5.2f} s, server {theirs:5.2f} s)  limit {limit} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn")
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    settings = {**SETTINGS, "max_locks_per_transaction": "4000"}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_STATE_HOME"] = cache
        own = nullcontext() if options.dsn else LocalServer(with_hypopg(), new_home(), settings)
        with own as server:
            dsn = options.dsn or server.dsn()
            seed(dsn, options)
            measured("discover --sync", 30, lambda: command(dsn, "discover", "--sync"))
            measured("tenant show", 1, lambda: command(dsn, "tenant", "show", "7"))
            measured("tenant show --table", 1, lambda: command(dsn, "tenant", "show", "7", "--table", "t0007"))
            measured("get_query_stats(None)", 10, lambda: python(dsn, "get_query_stats(None)"))
            measured("get_query_stats(24)", 2, lambda: python(dsn, "get_query_stats(24)"))
            measured("get_field_usage_stats(None)", 10, lambda: python(dsn, "get_field_usage_stats(None)"))
            words = ("analyze", "--source", "query_stats")
            measured("analyze --source query_stats", 2, lambda: command(dsn, *words))


if __name__ == "__main__":
    main()
